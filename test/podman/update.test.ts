// The main job through the bundled Action with container builds and docker-registry: from the first kernel to the next, and what is refused before a push.

import { execFileSync, spawnSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { load } from 'js-yaml'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { type BaseImage, makeBaseImage } from '../build/base-image.ts'
import { type BuildRunResult, BuildWorld } from '../build/build-world.ts'
import { makeKernelRpms, type PackagedRpm } from '../build/kernel-rpms.ts'
import { type StandInFault, workflowCommands } from '../build/stand-in/faults.ts'
import { blobPath, readLayout, unpackLayer } from './build.ts'

const absent = ['podman', 'buildah', 'skopeo', 'docker-registry'].filter(
  name => spawnSync(name, ['--version']).error !== undefined,
)
if (absent.length > 0)
  process.stdout.write(`NOT CHECKED: the main job with container builds: ${absent.join(', ')} not installed\n`)

const seed = 'podman-update'
const older = makeKernelRpms({ seed, version: '5.14.0', release: '605.el9' })
const newer = makeKernelRpms({ seed, version: '5.14.0', release: '611.el9' })
const branch = 'refs/heads/attested-os-update/clusters-one/update'

let base: BaseImage
let world: BuildWorld
beforeAll(async () => {
  if (absent.length > 0) return
  base = await makeBaseImage({ seed, withRuntime: true })
  world = await BuildWorld.start(base)
})
afterAll(async () => {
  await world?.stop()
})

function vmlinuzOf(packages: readonly PackagedRpm[]): Buffer {
  const files = packages.flatMap(({ input }) => input.files ?? [])
  return Buffer.from(files.find(({ path }) => path.endsWith('/vmlinuz'))?.content ?? '')
}

describe.skipIf(absent.length > 0).each(['podman', 'buildah'])('with %s', builder => {
  let own: BuildWorld
  let first: BuildRunResult
  beforeAll(async () => {
    own = await BuildWorld.start(base)
    own.world.publish(older)
    first = await own.update({ builder })
  })
  afterAll(() => own.stop())

  it('creates the pull request', () => {
    expect(first.exitCode, first.stdout).toBe(0)
    expect(first.outputs).toMatchObject({
      outcome: 'created',
      'kernel-version': '5.14.0-605.el9.x86_64',
      'pull-request-number': '1',
    })
    expect(first.errors).toEqual([])
    expect(own.world.github.violations).toEqual([])
  })

  it('names builder, isolation and network in log, pull request and record', () => {
    const version = /[\d.]+/.exec(execFileSync(builder, ['--version'], { encoding: 'utf8' }))?.[0]
    const built = new RegExp(`built with ${builder} ${version}\\S*, isolation (oci|chroot), network (none|host)\n`)
    const [, isolation, network] = built.exec(first.stdout) ?? []
    expect([isolation, network], first.stdout).not.toContain(undefined)
    const body = own.world.github.pullRequests[0]?.body ?? ''
    expect(body).toMatch(
      new RegExp(`Built with \`${builder} ${version}\\S*\`, isolation \`${isolation}\`, network \`${network}\``),
    )
    expect(body.includes('not cut off from the network')).toBe(network === 'host')
    const name = `osimg-${first.outputs.digest?.slice(7, 39)}`
    const record = own.world.git.text('show', `${branch}:clusters/one/os-images/${name}.yaml`)
    expect(record).toMatch(new RegExp(`isolation: "?${isolation}`))
  })

  it('leaves neither storage nor mounts, and gives the builder no token', () => {
    expect(first.left).toEqual([])
    expect(first.builderEnvironment).toContainEqual(expect.stringMatching(/^PATH=/))
    expect(first.builderEnvironment.join('\n')).not.toMatch(/good-token|token-of-the|INPUT_|GITHUB_|ACTIONS_/)
  })

  it('pushes one new layer on the layers of the base, under the digest and never the local id', async () => {
    const digest = first.outputs.digest ?? ''
    const { catalogue } = await own.registry.state()
    expect(Object.keys(catalogue)).toEqual(['coreos', 'team/node-image'])
    expect(Object.values(catalogue['team/node-image'] ?? {})).toEqual([digest])
    const manifest = await own.registry.json(`team/node-image/manifests/${digest}`)
    const layers = (manifest.layers as { digest: string }[]).map(layer => layer.digest)
    expect(layers.slice(0, -1)).toEqual(base.image.layers.map(layer => layer.digest))
    expect((manifest.config as { digest: string }).digest).not.toBe(digest)
  })

  it('is an image that skopeo copies into an empty store: the new kernel, byte for byte', () => {
    const image = first.outputs.image ?? ''
    expect(image).toMatch(/^127\.0\.0\.1:\d+\/team\/node-image@sha256:[0-9a-f]{64}$/)
    const machineConfig = own.world.git.text('show', `${branch}:clusters/one/machine-config/99-worker-os-image.yaml`)
    expect(load(machineConfig)).toMatchObject({ spec: { osImageURL: image } })
    const copy = join(own.registry.directory, 'copy')
    execFileSync('skopeo', ['copy', '--quiet', '--src-tls-verify=false', `docker://${image}`, `oci:${copy}:image`])
    const layout = readLayout(copy)
    expect(layout.manifestDigest).toBe(first.outputs.digest)
    const configId = createHash('sha256').update(readFileSync(blobPath(copy, configOf(layout.manifest))))
    expect(`sha256:${configId.digest('hex')}`).not.toBe(first.outputs.digest)
    const top = unpackLayer(copy, layout.manifest.layers.at(-1)?.digest ?? '', join(own.registry.directory, 'top'))
    const vmlinuz = readFileSync(join(top, 'usr/lib/modules/5.14.0-605.el9.x86_64/vmlinuz'))
    expect(vmlinuz.equals(vmlinuzOf(older))).toBe(true)
    expect(vmlinuz.equals(vmlinuzOf(newer))).toBe(false)
  })

  it('writes nothing on a second run', async () => {
    const before = await own.state()
    const writes = own.world.github.writes()
    const second = await own.update({ builder })
    expect(second.exitCode, second.stdout).toBe(0)
    expect(second.outputs).toMatchObject({ outcome: 'unchanged', 'change-key': first.outputs['change-key'] })
    expect(second.builderEnvironment).toEqual([])
    expect(await own.state()).toEqual(before)
    expect(own.world.github.writes()).toEqual(writes)
  })

  it('updates the same branch when a newer kernel appears', async () => {
    const before = await own.state()
    const head = own.world.git.text('rev-parse', branch)
    own.world.publish([...older, ...newer])
    const third = await own.update({ builder })
    expect(third.exitCode, third.stdout).toBe(0)
    expect(third.outputs).toMatchObject({
      outcome: 'updated',
      'kernel-version': '5.14.0-611.el9.x86_64',
      'pull-request-number': '1',
    })
    expect(own.world.git.text('rev-parse', `${branch}^`)).toBe(head)
    const after = await own.state()
    expect(Object.values(after.catalogue['team/node-image'] ?? {}).sort()).toEqual(
      [first.outputs.digest, third.outputs.digest].sort(),
    )
    expect(after.stored).toEqual(expect.arrayContaining([...before.stored]))
    expect(third.left).toEqual([])
  })
})

const configOf = (manifest: object) => (manifest as { config: { digest: string } }).config.digest

/**
 * Runs on a base whose stand-in rpm-ostree does wrong. Registry, refs and pull requests are the same before and after; the two
 * requests that ask for the rights of the token leave nothing.
 */
async function runWith(fault: StandInFault, changes: Readonly<Record<string, string>> = {}): Promise<BuildRunResult> {
  const wrong = await makeBaseImage({ seed, withRuntime: true, fault })
  const reference = await world.addBase(wrong, fault)
  world.world.publish(older)
  const before = await world.state()
  const writes = world.world.github.writes().length
  const run = await world.update({ 'base-image': reference, ...changes })
  expect(await world.state()).toEqual(before)
  const asked = changes['dry-run'] === 'true' ? [] : ['git/blobs', 'pulls']
  expect(world.world.github.writes().slice(writes)).toEqual(asked.map(one => `POST /repos/example/gitops/${one}`))
  expect(run.left).toEqual([])
  return run
}

describe.skipIf(absent.length > 0)('a build that must not be pushed', () => {
  it.each([
    ['old-kernel-left', 'KERNEL_NOT_UNIQUE', '5.14.0-570.el9.x86_64'],
    ['empty-initramfs', 'INITRAMFS_MISSING', 'an empty file'],
    ['old-rpmdb-entry', 'RPMDB_MISMATCH', 'kernel-core-5.14.0-570.el9.x86_64 is still installed'],
    ['other-shim', 'BOOT_LOADER_CHANGED', 'shimx64.efi is changed'],
  ] as const)('%s: %s', async (fault, code, words) => {
    const run = await runWith(fault)
    expect(run.exitCode, run.stdout).toBe(1)
    expect(run.outputs['error-code']).toBe(code)
    expect(run.errors.join('\n')).toContain(words)
    expect(run.stdout).toContain('built with ')
  })

  it.each(['podman', 'buildah'])('%s: a build that fails is reported with its last lines', async builder => {
    const run = await runWith('fails', { builder })
    expect(run.exitCode, run.stdout).toBe(1)
    expect(run.outputs['error-code']).toBe('BUILD_FAILED')
    expect(run.errors).toHaveLength(1)
    expect(run.errors[0]).toContain('cannot go on after kernel-5.14.0-605.el9.x86_64.rpm')
    for (const line of workflowCommands) expect(run.stdout).toContain(`${line}\n`)
    expect(run.obeyed.filter(({ message }) => message.includes('obeyed')).map(({ name }) => name)).toEqual(['error'])
    expect(run.obeyed.map(({ name }) => name)).not.toContain('set-output')
  })
})

describe.skipIf(absent.length > 0)('what a build can see and say', () => {
  it.each(['podman', 'buildah'])('%s: it sees no token, and gives the runner no orders', async builder => {
    const run = await runWith('prints-commands', { builder, 'dry-run': 'true' })
    expect(run.exitCode, run.stdout).toBe(0)
    const seen = run.stdout.split('\n').flatMap(line => /^environment of RUN: (.*)$/.exec(line)?.[1] ?? [])
    expect(seen).toContainEqual(expect.stringMatching(/^PATH=/))
    expect(seen.join('\n')).not.toMatch(/token|INPUT_|GITHUB_|ACTIONS_|RUNNER_/i)
    expect(run.builderEnvironment.join('\n')).not.toMatch(/good-token|token-of-the|INPUT_|GITHUB_|ACTIONS_/)
    for (const line of workflowCommands) expect(run.stdout).toContain(`${line}\n`)
    const names = new Set(run.obeyed.map(({ name }) => name))
    expect([...names].sort()).toEqual(['add-mask', 'endgroup', 'group'])
    expect(run.obeyed.filter(({ message }) => message.includes('obeyed'))).toEqual([])
    expect(run.stdout.split('good-token')).toHaveLength(2)
  })
})

describe.skipIf(absent.length > 0)('a Containerfile of the user', () => {
  it('is the one of docs/layering.md, and its result is checked like another', async () => {
    const page = readFileSync(join(import.meta.dirname, '../../docs/layering.md'), 'utf8')
    const [, text = ''] = /```Dockerfile\n([^`]+)```/.exec(page) ?? []
    const path = join(world.registry.directory, 'Containerfile')
    writeFileSync(path, text)
    world.world.publish(older)
    const run = await world.update({ containerfile: path })
    expect(run.outputs, run.stdout).toMatchObject({ outcome: 'created', 'kernel-version': '5.14.0-605.el9.x86_64' })
    const copy = join(world.registry.directory, 'own')
    const image = `docker://${run.outputs.image}`
    execFileSync('skopeo', ['copy', '--quiet', '--src-tls-verify=false', image, `oci:${copy}:image`])
    const { manifest, config } = readLayout(copy)
    expect(config.config.Labels).toMatchObject({
      'org.opencontainers.image.base.digest': base.image.digest,
      'org.opencontainers.image.version': '9.6.20260101-0-kernel-5.14.0-605.el9.x86_64',
      'attested-os-update.kernel-release': '5.14.0-605.el9.x86_64',
    })
    const top = unpackLayer(copy, manifest.layers.at(-1)?.digest ?? '', join(world.registry.directory, 'own-top'))
    expect(readFileSync(join(top, 'etc/modprobe.d/no-sctp.conf'), 'utf8')).toBe('install sctp /bin/false\n')
    const name = `osimg-${run.outputs.digest?.slice(7, 39)}`
    const record = load(world.world.git.text('show', `${branch}:clusters/one/os-images/${name}.yaml`))
    const filled = text
      .trimEnd()
      .replace('ARG BASE\n', `ARG BASE=${run.outputs['base-image']}\n`)
      .replace('ARG KERNEL_RELEASE\n', 'ARG KERNEL_RELEASE=5.14.0-605.el9.x86_64\n')
    const labels = Object.entries({
      'org.opencontainers.image.base.digest': base.image.digest,
      'org.opencontainers.image.base.name': run.outputs['base-image']?.replace(/@.*/, ':stable'),
      'org.opencontainers.image.version': '9.6.20260101-0-kernel-5.14.0-605.el9.x86_64',
      'attested-os-update.kernel-release': '5.14.0-605.el9.x86_64',
    }).map(([label, value]) => `LABEL ${label}="${value}"`)
    const sha256 = createHash('sha256').update([filled, ...labels, ''].join('\n'))
    expect(record).toMatchObject({ build: { containerfileSha256: sha256.digest('hex') } })
  })

  it('that does nothing with the packages is refused after its build', async () => {
    const path = join(world.registry.directory, 'Containerfile-idle')
    writeFileSync(path, 'ARG BASE\nFROM $BASE\nRUN true\n')
    const before = (await world.state()).stored
    const run = await world.update({ containerfile: path })
    expect(run.outputs['error-code'], run.stdout).toBe('KERNEL_RELEASE_MISMATCH')
    expect((await world.state()).stored).toEqual(before)
  })
})
