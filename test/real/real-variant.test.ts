// Signed boot files from package to layered image: our digests against pesign, rpm's database, real containers, how often GRUB measures the kernel.

import { spawnSync } from 'node:child_process'
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { findBuilders } from '../../src/edge/builder.ts'
import { formatHex } from '../../src/formats/bytes/hex.ts'
import { authenticodeDigests } from '../../src/formats/pe/authenticode.ts'
import { parsePe } from '../../src/formats/pe/pe.ts'
import type { BootFile } from '../../src/image/boot-file.ts'
import { predictImage } from '../../src/predict/predict-image.ts'
import { kernelRelease } from '../build/kernel-rpms.ts'
import { makeRealVariant, type RealVariant } from '../build/real/base-image.ts'
import { type RealFiles, realFiles, recordFile, run } from '../build/real/debian-packages.ts'
import { writeRepository } from '../build/real/kernel-packages.ts'
import { BuildBench, readLayout, unpackLayer } from '../podman/build.ts'

const programs = ['apt-get', 'dpkg-deb', 'rpm', 'rpmbuild', 'createrepo_c', 'pesign', 'podman']
const absent = programs.filter(name => spawnSync(name, ['--version']).error !== undefined)
if (absent.length > 0)
  process.stdout.write(`NOT CHECKED: signed boot files of Debian: ${absent.join(', ')} not installed (npm run setup)\n`)

const directory = mkdtempSync(join(tmpdir(), 'real-variant-'))
let files: RealFiles

beforeAll(() => {
  if (absent.length === 0) files = realFiles()
})

afterAll(() => rmSync(directory, { recursive: true }))

it.skipIf(absent.length > 0)('the packages are those of the record, or apt has moved on', () => {
  const recorded = JSON.parse(readFileSync(recordFile, 'utf8')).packages as RealFiles['packages']
  for (const one of files.packages) {
    const known = recorded.find(({ name, suite }) => name === one.name && suite === one.suite)
    if (known?.version !== one.version)
      process.stdout.write(
        `apt has moved on: ${one.name} is ${one.version}, recorded was ${known?.version ?? 'none'}\n`,
      )
    else expect(one.sha256, one.name).toBe(known.sha256)
  }
  expect(files.packages).toHaveLength(6)
})

describe.skipIf(absent.length > 0)('Authenticode digests', () => {
  const members = ['shim', 'mokManager', 'grub206', 'grub212', 'oldKernel', 'newKernel'] as const

  it.each(members)('of %s are what pesign computes', member => {
    const found = files[member]
    const bytes = found instanceof Uint8Array ? found : found.vmlinuz
    const path = join(directory, `${member}.efi`)
    writeFileSync(path, bytes)
    const hash = run('pesign', ['--hash', '--in', path])
    const digests = authenticodeDigests(parsePe(bytes, path))
    expect(hash.trim().split(/\s+/)).toContain(formatHex(digests.sha256))
  })
})

describe.skipIf(absent.length > 0).each([
  { grub: '2.12', times: 1 },
  { grub: '2.06', times: 2 },
] as const)('with GRUB $grub', ({ grub, times }) => {
  let variant: RealVariant
  let bench: BuildBench

  beforeAll(async () => {
    variant = await makeRealVariant(grub, { withRuntime: true })
    bench = await BuildBench.open()
  })

  afterAll(() => bench.close())

  it('the RPMs are good, and createrepo_c takes them', () => {
    const repository = join(directory, `repository-${grub}`)
    writeRepository(repository, [...variant.oldPackages, ...variant.newPackages])
    expect(readdirSync(join(repository, 'repodata'))).toContain('repomd.xml')
    const rpms = readdirSync(repository).filter(file => file.endsWith('.rpm'))
    expect(rpms).toHaveLength(10)
    const checked = run('rpm', ['-K', '--nosignature', ...rpms.map(file => join(repository, file))])
    expect(checked.match(/digests OK/g)).toHaveLength(10)
  })

  it('a container build puts the new kernel in, and rpm reads the database that it leaves', async () => {
    const reference = bench.publish(variant.base)
    const [builder] = await findBuilders('auto', process.env)
    if (builder === undefined) throw new Error('no builder')
    const containerfile = bench.containerfile(reference, variant.base, variant.newPackages)
    const { result, layout, workDirectory } = await bench.run(builder, reference, variant.newPackages, containerfile)
    expect(result.network).toBe('none')
    const top = unpackLayer(layout, readLayout(layout).manifest.layers.at(-1)?.digest ?? '', join(workDirectory, 'top'))
    const release = kernelRelease(variant.newPackages[0]?.input ?? { version: '', release: '' })
    const kernels = join(top, 'usr/lib/modules')
    expect(readdirSync(kernels).sort()).toEqual([`.wh.${variant.base.kernelRelease}`, release])
    const vmlinuz = readFileSync(join(kernels, release, 'vmlinuz'))
    expect(vmlinuz.equals(Buffer.from(files.newKernel.vmlinuz))).toBe(true)

    const query = ['--dbpath', join(top, 'usr/share/rpm'), '-qa', '--qf', '%{NAME} %{VERSION}-%{RELEASE}.%{ARCH}\n']
    const lines = run('rpm', query)
      .split('\n')
      .filter(line => line.startsWith('kernel'))
    expect(lines.sort()).toEqual(variant.newPackages.map(({ name }) => `${name} ${release}`).sort())
    const owner = ['--dbpath', join(top, 'usr/share/rpm'), '-q', '--whatprovides', 'kernel-core', '--qf', '%{NAME}\n']
    expect(run('rpm', owner).trim()).toBe('kernel-core')
  })

  it(`measures the kernel ${times === 1 ? 'once' : 'twice'} under Secure Boot`, () => {
    const file = (role: BootFile['role'], bytes: Uint8Array): BootFile => ({ role, path: role, layer: null, bytes })
    const { predictions } = predictImage({
      files: [
        file('shim', files.shim),
        file('grub', grub === '2.12' ? files.grub212 : files.grub206),
        file('kernel', files.newKernel.vmlinuz),
      ],
      secureBoot: true,
      banks: ['sha256'],
    })
    const digest = formatHex(authenticodeDigests(parsePe(files.newKernel.vmlinuz, 'vmlinuz')).sha256)
    const measured = predictions.flatMap(({ events }) => events).filter(({ digests }) => digests.sha256 === digest)
    expect(measured).toHaveLength(times)
    expect(measured.every(({ pcr }) => pcr === 4)).toBe(true)
  })
})
