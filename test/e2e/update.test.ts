// The main job through the bundled Action: a new kernel becomes a pull request, again is nothing, a newer kernel becomes a new commit.

import { execFileSync } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { load } from 'js-yaml'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { type BaseImage, makeBaseImage } from '../build/base-image.ts'
import type { ActionRun } from '../build/bundle-runner.ts'
import { runCli } from '../build/bundle-runner.ts'
import { makeKernelRpms } from '../build/kernel-rpms.ts'
import { LoopbackWorld } from '../build/loopback-world.ts'

const seed = 'e2e'
const older = makeKernelRpms({ seed, version: '5.14.0', release: '605.el9' })
const newer = makeKernelRpms({ seed, version: '5.14.0', release: '611.el9' })
const branch = 'refs/heads/attested-os-update/clusters-one/update'

let base: BaseImage
let world: LoopbackWorld
beforeAll(async () => {
  base = await makeBaseImage({ seed })
})

describe('one pull request, from the first kernel to the merge', () => {
  const runs: ActionRun[] = []
  beforeAll(async () => {
    world = await LoopbackWorld.start({ base })
    world.publish(older)
    runs.push(await world.update())
  })
  afterAll(() => world.stop())

  it('creates it', () => {
    const [first] = runs
    expect(first?.exitCode, first?.stdout).toBe(0)
    expect(first?.outputs).toMatchObject({
      outcome: 'created',
      'update-available': 'true',
      'kernel-version': '5.14.0-605.el9.x86_64',
      branch: 'attested-os-update/clusters-one/update',
      'pull-request-number': '1',
      'commit-verified': 'true',
      'error-code': '',
    })
    expect(world.github.violations).toEqual([])
  })

  it('proposes the image by the digest that the registry reports, tagged, and never the local id', () => {
    const [first] = runs
    const image = first?.outputs.image ?? ''
    expect(image).toMatch(/^127\.0\.0\.1:\d+\/team\/node-image@sha256:[0-9a-f]{64}$/)
    const digest = image.split('@')[1] ?? ''
    const stored = world.registry.manifest('team/node-image', digest)
    const config = JSON.parse(Buffer.from(stored ?? []).toString()).config.digest
    expect(config).not.toBe(digest)
    const pushed = world.registry.contents().find(({ repository }) => repository === 'team/node-image')
    expect(Object.values(pushed?.tags ?? {})).toEqual([digest])
  })

  it('puts values and image into one commit, and touches nothing else', () => {
    const commits = world.git.text('log', '--format=%H', `main..${branch}`).split('\n')
    expect(commits).toHaveLength(1)
    const changed = world.git.text('diff', '--name-status', 'main', branch).split('\n')
    const [image, baseName] = [runs[0]?.outputs.digest ?? '', base.image.digest].map(
      digest => `osimg-${digest.slice('sha256:'.length, 'sha256:'.length + 32)}`,
    )
    expect(changed).toEqual(
      [
        'A\tclusters/one/machine-config/99-worker-os-image.yaml',
        'A\tclusters/one/os-image.lock.yaml',
        ...[image, baseName].sort().map(name => `A\tclusters/one/os-images/${name}.yaml`),
        ...[image, baseName].sort().map(name => `A\tclusters/one/reference-values/${name}.yaml`),
      ].sort((a, b) => (a < b ? -1 : 1)),
    )
    const machineConfig = load(world.git.text('show', `${branch}:clusters/one/machine-config/99-worker-os-image.yaml`))
    expect(machineConfig).toMatchObject({ spec: { osImageURL: runs[0]?.outputs.image } })
  })

  it('says the same values in the record, in the output and when the pushed image is read again', async () => {
    const image = runs[0]?.outputs.image ?? ''
    const name = `osimg-${runs[0]?.outputs.digest?.slice(7, 39)}`
    const record = load(world.git.text('show', `${branch}:clusters/one/os-images/${name}.yaml`)) as {
      predictions: { pcrs: Record<string, { sha256: string }> }[]
    }
    const again = await runCli([
      'predict',
      '--image',
      image,
      '--secure-boot',
      'on',
      '--allow-insecure',
      'true',
      '--json',
    ])
    expect(again.exitCode, again.stderr).toBe(0)
    const document = JSON.parse(again.stdout)
    expect(document.predictions[0].pcrs).toEqual(record.predictions[0]?.pcrs)
    expect(Object.keys(document.predictions[0].pcrs)).toEqual(['4', '14'])
    const body = world.github.pullRequests[0]?.body ?? ''
    expect(body).toContain(document.predictions[0].pcrs['4'].sha256)
  })

  it('tells the reviewer what matters', () => {
    const [pullRequest] = world.github.pullRequests
    expect(pullRequest?.draft).toBe(true)
    expect(pullRequest?.title).toMatch(
      /5\.14\.0-570\.el9\.x86_64 → 5\.14\.0-605\.el9\.x86_64.*PCR 4 changes.*kernel attested.*uncalibrated/,
    )
    for (const words of [
      'Secure Boot assumed on',
      'allow-unsigned-packages',
      'one-pr',
      'allow-insecure',
      'PCR 7',
      'org.coreos.pcrs',
      'node dist/cli.js predict --image docker://',
      'vmlinuz',
      ...older.map(({ name }) => name),
    ])
      expect(pullRequest?.body).toContain(words)
  })

  it('does nothing on a second run: no write to registry, git or GitHub', async () => {
    const before = world.snapshot()
    const writes = world.github.writes()
    const second = await world.update()
    expect(second.exitCode, second.stdout).toBe(0)
    expect(second.outputs).toMatchObject({ outcome: 'unchanged', 'change-key': runs[0]?.outputs['change-key'] })
    expect(world.snapshot()).toEqual(before)
    expect(world.github.writes()).toEqual(writes)
  })

  it('updates the same pull request when a newer kernel appears', async () => {
    const before = world.git.text('rev-parse', branch)
    world.publish([...older, ...newer])
    const third = await world.update({}, { packages: newer })
    expect(third.exitCode, third.stdout).toBe(0)
    expect(third.outputs).toMatchObject({
      outcome: 'updated',
      'kernel-version': '5.14.0-611.el9.x86_64',
      'pull-request-number': '1',
    })
    expect(world.github.pullRequests).toHaveLength(1)
    expect(world.git.text('rev-parse', `${branch}^`)).toBe(before)
    const files = world.git.text('diff', '--name-only', 'main', branch)
    expect(files).toContain(`osimg-${third.outputs.digest?.slice(7, 39)}`)
    expect(files).not.toContain(`osimg-${runs[0]?.outputs.digest?.slice(7, 39)}`)
    expect(world.git.text('log', '-1', '--format=%B', branch)).toContain(`Change-Key: ${third.outputs['change-key']}`)
  })

  it('has nothing to say after the merge, and check agrees', async () => {
    world.github.close(1, 'merged')
    const before = world.snapshot()
    const run = await world.update({}, { packages: newer })
    expect(run.outputs.outcome, run.stdout).toBe('unchanged')
    expect(world.snapshot()).toEqual(before)
    const check = await world.update({ command: 'check', image: '', ...withoutUpdateInputs })
    expect(check.exitCode, check.stdout).toBe(0)
    expect(check.outputs['update-available']).toBe('false')
  })

  it('edits the MachineConfig in place for the next kernel, and keeps every value', async () => {
    const next = makeKernelRpms({ seed, version: '5.14.0', release: '620.el9' })
    world.publish(next)
    const run = await world.update()
    expect(run.outputs.outcome, run.stdout).toBe('created')
    const stat = world.git.text('diff', '--stat', 'main', branch, '--', 'clusters/one/machine-config')
    expect(stat).toMatch(/1 file changed, 1 insertion\(\+\), 1 deletion\(-\)/)
    expect(world.git.text('diff', '--diff-filter=D', '--name-only', 'main', branch)).toBe('')
    expect(world.git.text('fsck', '--strict', '--no-dangling')).toBe('')
  })
})

/** `check` takes fewer inputs than `update`. */
const withoutUpdateInputs = { 'image-repository': '', namespace: '', rollout: '' }

it('dry-run prints the tree and the pull request, and writes nothing', async () => {
  await using stack = new AsyncDisposableStack()
  const own = stack.adopt(await LoopbackWorld.start({ base }), one => one.stop())
  own.publish(newer)
  const before = own.snapshot()
  const run = await own.update({ 'dry-run': 'true' })
  expect(run.exitCode, run.stdout).toBe(0)
  expect(run.outputs.outcome).toBe('dry-run')
  expect(run.stdout).toContain('--- clusters/one/machine-config/99-worker-os-image.yaml')
  expect(run.stdout).toContain('Kernel 5.14.0-570.el9.x86_64 → 5.14.0-611.el9.x86_64')
  expect(own.snapshot()).toEqual(before)
  expect(own.github.writes()).toEqual([])
})

it('target trustee gets one ConfigMap with the values of base and image', async () => {
  await using stack = new AsyncDisposableStack()
  const own = stack.adopt(await LoopbackWorld.start({ base }), one => one.stop())
  own.publish(newer)
  const run = await own.update({ target: 'trustee', 'trustee-shape': 'list', directory: '' })
  expect(run.exitCode, run.stdout).toBe(0)
  const path = 'reference-values/rvps-reference-values.yaml'
  const ref = 'refs/heads/attested-os-update/root/update'
  const map = load(own.git.text('show', `${ref}:${path}`)) as { data: Record<string, string> }
  const values = JSON.parse(map.data['reference-values.json'] ?? '') as { name: string }[]
  expect(values.map(({ name }) => name)).toEqual(['tpm_pcr4', 'tpm_pcr14'])
  expect(own.git.text('ls-tree', '-r', '--name-only', ref)).not.toContain('reference-values/osimg-')
})

it('the commit can be cloned by git itself', async () => {
  await using stack = new AsyncDisposableStack()
  const own = stack.adopt(await LoopbackWorld.start({ base }), one => one.stop())
  own.publish(newer)
  const run = await own.update()
  const clone = mkdtempSync(join(tmpdir(), 'attested-os-update-clone-'))
  stack.defer(() => rmSync(clone, { recursive: true }))
  execFileSync('git', ['clone', '--quiet', '--branch', run.outputs.branch ?? '', own.git.directory, clone])
  expect(readFileSync(join(clone, 'clusters/one/os-image.lock.yaml'), 'utf8')).toContain(run.outputs.image)
})

describe('what stands in the way of a newer kernel', () => {
  it('a kernel that is older than the one in use is not proposed when the mirror goes back', async () => {
    await using stack = new AsyncDisposableStack()
    const own = stack.adopt(await LoopbackWorld.start({ base }), one => one.stop())
    own.publish(newer)
    await own.update()
    own.github.close(1, 'merged')
    own.publish(older)
    const before = own.snapshot()
    const run = await own.update()
    expect(run.outputs, run.stdout).toMatchObject({ outcome: 'unchanged', 'update-available': 'false' })
    expect(run.stdout).toContain('older than the one in use')
    const asked = await own.update({ 'kernel-version': '5.14.0-605.el9' })
    expect(asked.outputs['error-code']).toBe('DOWNGRADE_REFUSED')
    expect(own.snapshot()).toEqual(before)
    const allowed = await own.update({ 'kernel-version': '5.14.0-605.el9', 'allow-downgrade': 'true' })
    expect(allowed.outputs.outcome, allowed.stdout).toBe('created')
    expect(own.github.pullRequests.at(-1)?.body).toContain('allow-downgrade')
  })

  it('a hold in the lock keeps the kernel out, until a newer one appears', async () => {
    await using stack = new AsyncDisposableStack()
    const held =
      "schemaVersion: 1\ncluster:\n  name: null\n  id: null\npools: {}\nheld:\n  kernel: 5.14.0-605.el9\n  since: '2026-11-20'\n  reason: it panics\nvaluesFrom: '2026-11-20'\nbootImages: []\nplatforms: {}\n"
    const files = { 'clusters/one/os-image.lock.yaml': held }
    const own = stack.adopt(await LoopbackWorld.start({ base, files }), one => one.stop())
    own.publish(older)
    const run = await own.update()
    expect(run.outputs.outcome, run.stdout).toBe('unchanged')
    expect(run.stdout).toContain('it panics')
    own.publish(newer)
    expect((await own.update()).outputs.outcome).toBe('created')
  })
})
