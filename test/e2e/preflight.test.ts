// What registries do not give any more, and what nodes or the operator may not read: said before anything is downloaded or built.

import { writeFileSync } from 'node:fs'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { type BaseImage, makeBaseImage } from '../build/base-image.ts'
import { makeKernelRpms } from '../build/kernel-rpms.ts'
import { LoopbackWorld } from '../build/loopback-world.ts'
import { expectRefused } from '../build/refusal.ts'

const seed = 'e2e-preflight'
const kernels = ['605', '611', '620'].map(number =>
  makeKernelRpms({ seed, version: '5.14.0', release: `${number}.el9` }),
)
const [first = [], second = [], third = []] = kernels
let base: BaseImage

beforeAll(async () => {
  base = await makeBaseImage({ seed })
})

const auth = { kind: 'bearer', username: 'robot', password: 'registry-password' } as const
const secretFor = (world: LoopbackWorld, password = auth.password) =>
  JSON.stringify({
    auths: { [world.registry.host]: { auth: Buffer.from(`${auth.username}:${password}`).toString('base64') } },
  })
/** The registry has lost the image. */
const lose = (world: LoopbackWorld, image: string) =>
  world.registry.faults.push({ path: new RegExp(`/manifests/${image.split('@')[1]}$`), status: 404, times: 1000 })

describe('approved images', () => {
  let world: LoopbackWorld
  const images: string[] = []
  beforeAll(async () => {
    world = await LoopbackWorld.start({ base })
    for (const [index, kernel] of [first, second].entries()) {
      world.publish(kernel)
      const run = await world.update()
      expect(run.outputs.outcome, run.stdout).toBe('created')
      images.push(run.outputs.image ?? '')
      world.github.close(index + 1, 'merged')
    }
    world.publish(third)
  })
  afterAll(() => world.stop())

  it('one that is gone and not in use: a warning, and a sentence for the reviewer', async () => {
    const [old = '', current = ''] = images
    lose(world, old)
    const run = await world.update({ 'dry-run': 'true' })
    expect(run.outputs.outcome, run.stdout).toBe('dry-run')
    expect(run.stdout).toContain(`approved image ${old} can no longer be pulled`)
    expect(run.summary).toMatch(/Approved images that can no longer be pulled\*\*[^\n]*/)
    const line = run.summary.split('\n').find(one => one.includes('can no longer be pulled'))
    expect(line).toContain(old)
    expect(line).not.toContain(current)
    expect(run.stdout).not.toMatch(/is not known|may not read|without credentials, as the operator/)
  })

  it('one that a MachineConfig names now: refused before anything is downloaded', async () => {
    const [, current = ''] = images
    lose(world, current)
    const run = await expectRefused(world, {
      code: 'APPROVED_IMAGE_GONE',
      words: [`found ${current}`, 'clusters/one/machine-config/99-worker-os-image.yaml', 'push the same image again'],
    })
    expect(run.stdout).not.toContain('Download the packages')
  })

  it('a registry that does not say is no reason to stop', async () => {
    world.registry.faults.splice(0)
    const [old = ''] = images
    world.registry.faults.push({ path: new RegExp(`/manifests/${old.split('@')[1]}$`), status: 403, times: 1000 })
    const run = await world.update({ 'dry-run': 'true' })
    expect(run.outputs.outcome, run.stdout).toBe('dry-run')
    expect(run.stdout).toContain(`whether ${old} can still be pulled is not known`)
  })
})

describe('images that others may not read', () => {
  const run = (options: { anonymousPull: boolean }, inputs: Record<string, string> = {}) =>
    LoopbackWorld.during({ base, auth: { ...auth, ...options } }, async world => {
      world.publish(first)
      const run = await world.update({ 'dry-run': 'true', 'pull-secret': secretFor(world), ...inputs })
      expect(run.outputs.outcome, run.stdout).toBe('dry-run')
      return { run, named: `${world.registry.host}/coreos@${base.image.digest}` }
    })

  it.concurrent('the operator asks without credentials', async () => {
    const { run: closed, named } = await run({ anonymousPull: false })
    expect(closed.stdout).toContain(`its own job must be able to pull it: ${named}`)
    expect(closed.stdout).not.toContain('nodes with this secret cannot pull it')
    expect(closed.summary).toContain('The operator reads images without credentials, and these cannot be read so')
    const { run: trustee } = await run({ anonymousPull: false }, { target: 'trustee', 'trustee-shape': 'list' })
    expect(trustee.stdout).not.toContain('operator')
    const { run: open } = await run({ anonymousPull: true })
    expect(open.stdout).not.toContain('its own job must be able')
  })

  it.concurrent('nodes have the pull secret and nothing else', () =>
    LoopbackWorld.during({ base, auth: { ...auth, anonymousPull: false } }, async world => {
      world.publish(first)
      const inputs = { 'dry-run': 'true', 'pull-secret': JSON.stringify({ auths: {} }) }
      const environment = { DOCKER_CONFIG: world.directory }
      writeFileSync(`${world.directory}/config.json`, secretFor(world))
      const run = await world.update(inputs, { environment })
      expect(run.outputs.outcome, run.stdout).toBe('dry-run')
      expect(run.stdout).toContain(
        `so nodes with this secret cannot pull it: ${world.registry.host}/coreos@${base.image.digest}`,
      )
      expect(run.summary).toContain('The pull secret that was given may not read')
    }))
})
