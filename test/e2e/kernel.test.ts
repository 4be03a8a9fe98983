// Kernels that do not exist or are incomplete, repositories that are down or lie: each run ends before anything is written.

import { afterAll, beforeAll, describe, it } from 'vitest'
import { makeBaseImage } from '../build/base-image.ts'
import type { Misbehaviour } from '../build/file-server.ts'
import { makeKernelRpms } from '../build/kernel-rpms.ts'
import { LoopbackWorld } from '../build/loopback-world.ts'
import { expectRefused, type RefusalCase } from '../build/refusal.ts'
import { makeRpm } from '../build/rpm.ts'
import type { RepositoryInput } from '../build/rpm-repository.ts'

const seed = 'e2e-kernel'
const kernel = (release: string) => makeKernelRpms({ seed, version: '5.14.0', release })
const newer = kernel('605.el9')
const bytes = newer.map(one => one.bytes)
const core = newer.find(({ name }) => name === 'kernel-core')?.bytes ?? new Uint8Array()
const others = newer.filter(({ name }) => name !== 'kernel-core').map(one => one.bytes)
const zeros = '0'.repeat(64)
/** Holds the image to propose; each test has a world of its own. */
let library: LoopbackWorld
let image: string

beforeAll(async () => {
  library = await LoopbackWorld.start({ base: await makeBaseImage({ seed }) })
  image = await library.assemble(newer)
})
afterAll(() => library.stop())

interface Row extends RefusalCase {
  /** What the repository holds; the newer kernel when left out. */
  readonly repository?: RepositoryInput
  readonly wrong?: (path: string) => Misbehaviour | undefined
}

const only =
  (part: RegExp, wrong: Misbehaviour) =>
  (path: string): Misbehaviour | undefined =>
    part.test(path) ? wrong : undefined
const html = Buffer.from('<html><body>404 &nbsp; not here</body></html>')

const rows: readonly Row[] = [
  {
    name: 'a version that no repository has',
    inputs: { 'kernel-version': '5.14.0-999.el9' },
    code: 'KERNEL_NOT_FOUND',
    words: ['(kernel)', '5.14.0-999.el9', 'newest is 5.14.0-605.el9', 'kernel-repositories'],
  },
  {
    name: 'bounds that nothing fits',
    inputs: { 'kernel-version': '>=5.14.0-700 <5.14.0-800' },
    code: 'KERNEL_NOT_FOUND',
    words: ['>=5.14.0-700 <5.14.0-800', 'newest is 5.14.0-605.el9'],
  },
  {
    name: 'another dist tag',
    inputs: { dist: 'el10' },
    code: 'KERNEL_NOT_FOUND',
    words: ['dist tag el10'],
  },
  {
    name: 'a repository without any kernel',
    repository: { packages: [makeRpm({ name: 'bash', version: '5', release: '1.el9' })] },
    code: 'KERNEL_NOT_FOUND',
    words: ['no kernel', 'x86_64'],
  },
  {
    name: 'a kernel without its modules',
    repository: { packages: bytes.slice(0, 3) },
    code: 'KERNEL_INCOMPLETE',
    words: [
      '5.14.0-605.el9',
      'found kernel kernel-core kernel-modules-core',
      'wanted kernel-modules kernel-modules-extra',
    ],
  },
  {
    name: 'a kernel older than that of the base',
    repository: { packages: kernel('500.el9').map(one => one.bytes) },
    inputs: { 'kernel-version': '5.14.0-500.el9' },
    code: 'DOWNGRADE_REFUSED',
    words: ['found 5.14.0-500.el9', 'newer than 5.14.0-570.el9', 'allow-downgrade: true'],
  },
  {
    name: 'an extra package that no repository has',
    inputs: { 'extra-packages': 'kernel-devel, wireguard-tools' },
    code: 'EXTRA_PACKAGE_NOT_FOUND',
    words: ['kernel-devel', 'wireguard-tools'],
  },
  {
    name: 'a host that is not there',
    inputs: { 'kernel-repositories': 'http://repository.invalid/rpms' },
    code: 'REPOSITORY_UNREACHABLE',
    words: ['http://repository.invalid/rpms/repodata/repomd.xml', 'kernel /'],
  },
  {
    name: 'a server that cuts every connection',
    wrong: () => ({ refuse: true }),
    code: 'REPOSITORY_UNREACHABLE',
    words: ['repodata/repomd.xml'],
  },
  {
    name: 'a URL that is no repository',
    wrong: only(/repomd/, { status: 404 }),
    code: 'REPOSITORY_UNREACHABLE',
    words: ['404', 'repodata/repomd.xml'],
  },
  {
    name: 'a server that fails for good',
    wrong: only(/repomd/, { status: 503 }),
    code: 'REPOSITORY_UNREACHABLE',
    words: ['503', 'repodata/repomd.xml'],
  },
  {
    name: 'a page for people where repomd.xml should be',
    wrong: only(/repomd/, { body: html }),
    code: 'REPOSITORY_INVALID',
    words: ['repodata/repomd.xml'],
  },
  {
    name: 'repomd.xml that is cut',
    wrong: only(/repomd/, { body: Buffer.from('<?xml version="1.0"?><repomd><data type="primary">') }),
    code: 'REPOSITORY_INVALID',
    words: ['repodata/repomd.xml'],
  },
  {
    name: 'metadata that repomd.xml names and the server lacks',
    wrong: only(/primary/, { status: 404 }),
    code: 'REPOSITORY_UNREACHABLE',
    words: ['404', 'primary.xml.gz'],
  },
  {
    name: 'metadata with another checksum',
    repository: { packages: bytes, faults: { primaryChecksum: zeros } },
    code: 'CHECKSUM_MISMATCH',
    words: [`wanted sha256 ${zeros}`, 'found sha256', 'primary.xml.gz', 'mirror'],
  },
  {
    name: 'metadata with another size',
    repository: { packages: bytes, faults: { primarySize: 77 } },
    code: 'CHECKSUM_MISMATCH',
    words: ['wanted 77 bytes', 'primary.xml.gz'],
  },
  {
    name: 'decompressed metadata with another checksum',
    repository: { packages: bytes, faults: { openChecksum: zeros } },
    code: 'CHECKSUM_MISMATCH',
    words: ['decompressed', `wanted sha256 ${zeros}`],
  },
  {
    name: 'metadata that is cut before it was compressed',
    repository: { packages: bytes, faults: { cutPrimary: 900 } },
    code: 'REPOSITORY_INVALID',
    words: ['primary.xml.gz'],
  },
  {
    name: 'metadata outside the repository',
    repository: { packages: bytes, faults: { primaryHref: '../../etc/primary.xml.gz' } },
    code: 'REPOSITORY_INVALID',
    words: ['../../etc/primary.xml.gz'],
  },
  {
    name: 'a package with another checksum',
    repository: { packages: [{ rpm: core, checksum: zeros }, ...others] },
    code: 'CHECKSUM_MISMATCH',
    words: [`wanted sha256 ${zeros}`, 'kernel-core-5.14.0-605.el9.x86_64.rpm', 'packages /'],
  },
  {
    name: 'a package with another size',
    repository: { packages: [{ rpm: core, size: core.length + 1 }, ...others] },
    code: 'CHECKSUM_MISMATCH',
    words: [`wanted ${core.length + 1} bytes`, 'kernel-core-5.14.0-605.el9.x86_64.rpm'],
  },
  {
    name: 'a package that breaks off each time',
    repository: { packages: bytes },
    wrong: only(/kernel-core/, { breakAfter: 100 }),
    code: 'REPOSITORY_UNREACHABLE',
    words: ['kernel-core-5.14.0-605.el9.x86_64.rpm'],
  },
  {
    name: 'a package that is in the metadata only',
    repository: { packages: [{ rpm: core, missing: true }, ...others] },
    code: 'REPOSITORY_UNREACHABLE',
    words: ['404', 'kernel-core-5.14.0-605.el9.x86_64.rpm'],
  },
  {
    name: 'a package whose header names another one',
    repository: {
      packages: [
        { rpm: makeRpm({ name: 'kernel-evil', version: '5.14.0', release: '605.el9' }), name: 'kernel-core' },
        ...others,
      ],
    },
    code: 'RPM_IDENTITY_MISMATCH',
    words: ['found kernel-evil-5.14.0-605.el9.x86_64', 'wanted kernel-core-5.14.0-605.el9.x86_64'],
  },
  {
    name: 'a package whose header has another version',
    repository: {
      packages: [
        {
          rpm: makeRpm({
            name: 'kernel-core',
            version: '5.13.0',
            release: '605.el9',
            sourceRpm: 'kernel-5.14.0-605.el9.src.rpm',
          }),
          version: '5.14.0',
        },
        ...others,
      ],
    },
    code: 'RPM_IDENTITY_MISMATCH',
    words: ['found kernel-core-5.13.0-605.el9.x86_64', 'wanted kernel-core-5.14.0-605.el9.x86_64'],
  },
]

describe('a kernel that cannot be had', () => {
  for (const { name, repository, wrong, ...refusal } of rows)
    it.concurrent(`${name}: ${refusal.code}`, () =>
      LoopbackWorld.during({ base: library.base }, async world => {
        world.publishRepository(repository ?? { packages: bytes })
        if (wrong !== undefined) world.misbehave = wrong
        await expectRefused(world, { ...refusal, inputs: { image, ...refusal.inputs } })
      }))
})
