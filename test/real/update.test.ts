// The main job on signed boot files of Debian: RPMs by rpmbuild, metadata by createrepo_c, a container build, docker-registry, and values that pesign agrees with.

import { execFileSync, spawnSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { load } from 'js-yaml'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { type BuildRunResult, BuildWorld } from '../build/build-world.ts'
import { kernelRelease } from '../build/kernel-rpms.ts'
import { makeRealVariant, type RealVariant } from '../build/real/base-image.ts'
import { run } from '../build/real/debian-packages.ts'
import { writeRepository } from '../build/real/kernel-packages.ts'
import { readLayout, unpackLayer } from '../podman/build.ts'

const programs = ['apt-get', 'dpkg-deb', 'rpm', 'rpmbuild', 'createrepo_c', 'pesign', 'objcopy', 'podman', 'skopeo']
const absent = [...programs, 'docker-registry'].filter(name => spawnSync(name, ['--version']).error !== undefined)
if (absent.length > 0)
  process.stdout.write(`NOT CHECKED: the main job on Debian's boot files: ${absent.join(', ')} not installed\n`)

let directory: string
beforeAll(() => {
  directory = mkdtempSync(join(tmpdir(), 'real-update-'))
})
afterAll(() => rmSync(directory, { recursive: true }))

// A second computation of the values, with nothing of src/: docs/pcrs.md in a few lines.

const sha256 = (...parts: (Uint8Array | string)[]): Buffer => {
  const hash = createHash('sha256')
  for (const part of parts) hash.update(part)
  return hash.digest()
}
const fold = (digests: readonly Buffer[]): string =>
  digests.reduce((value, digest) => sha256(value, digest), Buffer.alloc(32)).toString('hex')

/** Authenticode digest as pesign computes it. */
function pesignDigest(bytes: Uint8Array): Buffer {
  const path = join(directory, 'hashed.efi')
  writeFileSync(path, bytes)
  return Buffer.from(/[0-9a-f]{64}/.exec(run('pesign', ['-h', '-i', path]))?.[0] ?? '', 'hex')
}

function pcr4(files: readonly Uint8Array[]): string {
  const action = sha256('Calling EFI Application from Boot Option')
  return fold([action, sha256(Buffer.alloc(4)), ...files.map(pesignDigest)])
}

/** An EFI_SIGNATURE_LIST with one entry of shim's owner GUID: UEFI 2.10 §32.4.1. */
function signatureList(type: string, data: Uint8Array): Buffer {
  const owner = '50ab5d6046e00043abb63dd810dd8b23'
  const sizes = Buffer.alloc(12)
  sizes.writeUInt32LE(28 + 16 + data.length, 0)
  sizes.writeUInt32LE(16 + data.length, 8)
  return Buffer.concat([Buffer.from(type, 'hex'), sizes, Buffer.from(owner, 'hex'), data])
}

/** From the section .vendor_cert as objcopy takes it out: two sizes, two offsets, one certificate, a list of denied hashes or nothing. */
function pcr14(shim: Uint8Array): string {
  const [input, output] = [join(directory, 'shim.efi'), join(directory, 'vendor-cert')]
  writeFileSync(input, shim)
  run('objcopy', ['-O', 'binary', '--only-section=.vendor_cert', input, output])
  const section = readFileSync(output)
  const [allowedSize = 0, deniedSize = 0, allowedAt = 0, deniedAt = 0] = [0, 4, 8, 12].map(at =>
    section.readUInt32LE(at),
  )
  const certificate = section.subarray(allowedAt, allowedAt + allowedSize)
  expect(certificate.subarray(0, 2).toString('hex')).toBe('3082')
  expect(certificate.readUInt16BE(2) + 4).toBe(allowedSize)
  const nothing = signatureList('2616c4c14c509240aca941f936934328', Buffer.alloc(32))
  const denied = deniedSize === 0 ? nothing : section.subarray(deniedAt, deniedAt + deniedSize)
  return fold([
    sha256(signatureList('a159c0a5e494a74a87b5ab155c2bf072', certificate)),
    sha256(denied),
    sha256('\u0001'),
  ])
}

interface Recorded {
  readonly predictions: readonly {
    readonly pcrs: Readonly<Record<string, { readonly sha256: string }>>
    readonly events: readonly { readonly pcr: number; readonly part: string; readonly sha256?: string }[]
  }[]
}

interface ReferenceValue {
  readonly name: string
  readonly 'hash-value': readonly { readonly alg: string; readonly value: string }[]
}

describe.skipIf(absent.length > 0).each([
  { grub: '2.12', target: 'trusted-execution-clusters', times: 1 },
  { grub: '2.06', target: 'trustee', times: 2 },
] as const)('GRUB $grub, target $target', ({ grub, target, times }) => {
  const inputs = { target, builder: 'podman', ...(target === 'trustee' ? { 'trustee-shape': 'list' } : {}) }
  const branch = 'refs/heads/attested-os-update/clusters-one/update'
  let variant: RealVariant
  let world: BuildWorld
  let first: BuildRunResult
  let release: string
  let top: string

  beforeAll(async () => {
    variant = await makeRealVariant(grub, { withRuntime: true })
    release = kernelRelease(variant.newPackages[0]?.input ?? { version: '', release: '' })
    const repository = join(directory, `repository-${grub}`)
    writeRepository(repository, [...variant.oldPackages, ...variant.newPackages])
    world = await BuildWorld.start(variant.base)
    world.world.publishDirectory(repository)
  })
  afterAll(async () => {
    await world?.stop()
  })

  if (times === 2)
    it('is refused for target trusted-execution-clusters, and nothing is pushed', async () => {
      const before = await world.state()
      const refused = await world.update({ target: 'trusted-execution-clusters' })
      expect(refused.exitCode, refused.stdout).toBe(1)
      expect(refused.outputs['error-code']).toBe('OPERATOR_WOULD_NOT_APPROVE')
      expect(refused.errors.join()).toContain('measures the kernel 2 times')
      expect(await world.state()).toEqual(before)
      expect(refused.left).toEqual([])
    })

  it('becomes a pull request', async () => {
    first = await world.update(inputs)
    expect(first.exitCode, first.stdout).toBe(0)
    expect(first.outputs).toMatchObject({ outcome: 'created', 'kernel-version': release })
    expect(first.left).toEqual([])
    expect(world.world.github.violations).toEqual([])
  })

  it('has the new kernel in the pushed image, and rpm lists it and not the old one', () => {
    const copy = join(directory, `copy-${grub}`)
    const source = `docker://${first.outputs.image}`
    execFileSync('skopeo', ['copy', '--quiet', '--src-tls-verify=false', source, `oci:${copy}:image`])
    top = unpackLayer(copy, readLayout(copy).manifest.layers.at(-1)?.digest ?? '', join(directory, `top-${grub}`))
    const modules = join(top, 'usr/lib/modules')
    expect(readdirSync(modules).sort()).toEqual([`.wh.${variant.base.kernelRelease}`, release])
    const query = ['--dbpath', join(top, 'usr/share/rpm'), '-qa', '--qf', '%{NAME} %{VERSION}-%{RELEASE}.%{ARCH}\n']
    const kernels = run('rpm', query)
      .split('\n')
      .filter(line => line.startsWith('kernel'))
    expect(kernels.sort()).toEqual(variant.newPackages.map(({ name }) => `${name} ${release}`).sort())
    expect(variant.base.kernelRelease).not.toBe(release)
  })

  it('records the PCR values that follow from pesign and from shim’s certificate', () => {
    const { shim, grub206, grub212, newKernel } = variant.files
    const vmlinuz = readFileSync(join(top, 'usr/lib/modules', release, 'vmlinuz'))
    expect(vmlinuz.equals(Buffer.from(newKernel.vmlinuz))).toBe(true)
    const kernels = Array.from({ length: times }, () => vmlinuz)
    const wanted = { '4': pcr4([shim, grub === '2.12' ? grub212 : grub206, ...kernels]), '14': pcr14(shim) }

    const name = `osimg-${first.outputs.digest?.slice(7, 39)}`
    const record = load(world.world.git.text('show', `${branch}:clusters/one/os-images/${name}.yaml`)) as Recorded
    expect(record.predictions).toHaveLength(1)
    const [prediction] = record.predictions
    expect(prediction?.pcrs['4']?.sha256).toBe(wanted['4'])
    expect(prediction?.pcrs['14']?.sha256).toBe(wanted['14'])
    const measured = prediction?.events.filter(({ pcr, part }) => pcr === 4 && part.startsWith('Pcr4Vmlinuz'))
    expect(measured).toHaveLength(times)

    const body = world.world.github.pullRequests[0]?.body ?? ''
    for (const value of Object.values(wanted)) expect(body).toContain(value)
    if (target === 'trustee') {
      const path = 'clusters/one/reference-values/rvps-reference-values.yaml'
      const map = load(world.world.git.text('show', `${branch}:${path}`)) as { data: Record<string, string> }
      const values = JSON.parse(map.data['reference-values.json'] ?? '') as ReferenceValue[]
      const of = (named: string) => values.find(one => one.name === named)?.['hash-value'].map(({ value }) => value)
      expect(of('tpm_pcr4')).toContain(wanted['4'])
      expect(of('tpm_pcr14')).toEqual([wanted['14']])
    } else
      expect(world.world.git.text('ls-tree', '-r', '--name-only', branch)).toContain(`reference-values/${name}.yaml`)
  })

  it('has nothing to do on a second run', async () => {
    const before = await world.state()
    const second = await world.update(inputs)
    expect(second.outputs.outcome, second.stdout).toBe('unchanged')
    expect(await world.state()).toEqual(before)
  })
})
