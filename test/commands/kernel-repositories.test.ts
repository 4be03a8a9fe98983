import { createHash } from 'node:crypto'
import { mkdtempSync, readdirSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, describe, expect, it } from 'vitest'
import { downloadKernel, readKernelRepositories } from '../../src/commands/kernel-repositories.ts'
import { parseEvr } from '../../src/formats/rpm/version.ts'
import { baseKernelOf } from '../../src/kernel/base-kernel.ts'
import { chooseKernel, namesToFetch } from '../../src/kernel/choose-kernel.ts'
import { parseKernelRequest } from '../../src/kernel/kernel-request.ts'
import { serveFiles } from '../build/file-server.ts'
import { makeRpm } from '../build/rpm.ts'
import { makeRepository, type RepositoryRpm } from '../build/rpm-repository.ts'

const directory = mkdtempSync(join(tmpdir(), 'attested-os-update-test-'))
afterAll(() => rmSync(directory, { recursive: true, force: true }))

const names = ['kernel', 'kernel-core', 'kernel-modules']
const vmlinuzOf = (release: string) => [
  { path: `/lib/modules/6.1.0-${release}.x86_64/vmlinuz`, content: `MZ ${release}` },
]
const rpm = (name: string, release: string, files = name === 'kernel-core' ? vmlinuzOf(release) : []) =>
  makeRpm({ name, version: '6.1.0', release, files })
const set = (release: string) => names.map(name => rpm(name, release))
const base = baseKernelOf(
  names.map(name => ({ name, evr: parseEvr('6.1.0-55'), arch: 'x86_64' })),
  'x86_64',
)

/** From the base and a served repository to downloaded files, as `update` goes. */
async function fetchKernel(packages: readonly (RepositoryRpm | Uint8Array)[]) {
  await using server = await serveFiles(makeRepository({ packages }))
  const options = { allowInsecure: true, trust: { keys: [], allowUnsigned: true } }
  const repositories = await readKernelRepositories([server.url], namesToFetch(base, ['usbguard']), options)
  const { kernel } = chooseKernel({
    base,
    repositories,
    request: parseKernelRequest('latest'),
    dist: undefined,
    extraPackages: ['usbguard'],
    allowDowngrade: false,
  })
  return { kernel, ...(await downloadKernel(kernel, directory, options)) }
}

describe('from repository to files', () => {
  it('downloads the kernel set and the extra packages', async () => {
    const offered = [...set('55'), ...set('56'), rpm('usbguard', '1'), rpm('bash', '9')]
    const { kernel, packages: downloaded, vmlinuzSha256 } = await fetchKernel(offered)
    expect(kernel.release).toBe('6.1.0-56.x86_64')
    expect(vmlinuzSha256).toBe(createHash('sha256').update('MZ 56').digest('hex'))
    const files = [...names, 'usbguard'].map(name => `${name}-6.1.0-${name === 'usbguard' ? 1 : 56}.x86_64.rpm`)
    expect(downloaded.map(({ path }) => path)).toEqual(files.map(file => join(directory, file)))
    expect(readdirSync(directory).sort()).toEqual(files.sort())
  })

  it('refuses a kernel-core without the kernel of its release', async () => {
    const others = [rpm('kernel', '56'), rpm('kernel-modules', '56'), rpm('usbguard', '1')]
    for (const files of [[], vmlinuzOf('55')])
      await expect(fetchKernel([rpm('kernel-core', '56', files), ...others])).rejects.toThrow(
        expect.objectContaining({ code: 'RPM_INVALID', found: expect.stringContaining('6.1.0-56.x86_64/vmlinuz') }),
      )
  })

  it('refuses an RPM that is another package than its metadata says', async () => {
    const [kernel = new Uint8Array(), ...others] = set('56')
    const impostor: RepositoryRpm = { rpm: kernel, version: '6.9.0' }
    const rest = others.map(one => ({ rpm: one, version: '6.9.0' }))
    await expect(fetchKernel([impostor, ...rest, rpm('usbguard', '1')])).rejects.toThrow(
      expect.objectContaining({
        code: 'RPM_IDENTITY_MISMATCH',
        found: expect.stringContaining('kernel-6.1.0-56.x86_64'),
        wanted: expect.stringContaining('kernel-6.9.0-56.x86_64'),
      }),
    )
  })

  it('refuses an RPM whose payload is not the one of its header, though the metadata fits', async () => {
    const [kernel = new Uint8Array(), ...others] = set('56')
    const changed = kernel.slice()
    changed[changed.length - 1] = (changed.at(-1) ?? 0) ^ 1
    await expect(fetchKernel([changed, ...others, rpm('usbguard', '1')])).rejects.toThrow(
      expect.objectContaining({ code: 'RPM_DIGEST_MISMATCH', message: expect.stringContaining('payload') }),
    )
  })
})
