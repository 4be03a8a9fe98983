// The cache of layers through the bundled programs: a second run does not read the base image again, and says the same.

import { mkdirSync, readdirSync } from 'node:fs'
import { join } from 'node:path'
import { beforeAll, describe, expect, it } from 'vitest'
import { type BaseImage, makeBaseImage } from '../build/base-image.ts'
import { runCli } from '../build/bundle-runner.ts'
import { makeKernelRpms } from '../build/kernel-rpms.ts'
import { LoopbackWorld } from '../build/loopback-world.ts'

const seed = 'e2e-cache'
const newer = makeKernelRpms({ seed, version: '5.14.0', release: '605.el9' })
let base: BaseImage
beforeAll(async () => {
  base = await makeBaseImage({ seed })
})

/** Blobs that are no config: what reading layers takes. */
function layersRead(world: LoopbackWorld, from: number): number {
  const layers = base.image.layers.map(({ digest }) => digest)
  return world.registry.requests
    .slice(from)
    .filter(({ method, path }) => method === 'GET' && layers.some(digest => path.endsWith(`coreos/blobs/${digest}`)))
    .length
}

describe('a second run', () => {
  it.each(['predict', 'boot-files'])('%s reads no layer, and says the same but for the proof', async command => {
    await LoopbackWorld.during({ base }, async world => {
      const image = `docker://${world.registry.host}/coreos:stable`
      const run = async (...more: string[]) => {
        const at = world.registry.requests.length
        const cache = ['--cache-directory', join(world.directory, 'cache')]
        const args = [command, '--image', image, '--allow-insecure', 'true', '--json', ...cache, ...more]
        const { exitCode, stdout, stderr } = await runCli(args)
        expect(exitCode, stderr).toBe(0)
        return { document: JSON.parse(stdout), layers: layersRead(world, at) }
      }
      const cold = await run()
      expect(cold).toMatchObject({ document: { image: { proof: 'all-layers' } }, layers: base.image.layers.length })
      const warm = await run()
      expect(warm.layers).toBe(0)
      expect(warm.document).toEqual({ ...cold.document, image: { ...cold.document.image, proof: 'cache' } })
      expect(await run('--cache', 'false')).toEqual(cold)
    })
  })

  it('update takes the base from it, and still reads back what it pushed', async () => {
    await LoopbackWorld.during({ base }, async world => {
      world.publish(newer)
      const directory = join(world.directory, 'cache')
      mkdirSync(directory, { mode: 0o700 })
      const first = await world.update({ 'cache-directory': directory, 'dry-run': 'true' })
      expect(first.outputs.outcome, first.stdout).toBe('dry-run')
      expect(readdirSync(directory)).toContain('key')
      const at = world.registry.requests.length
      const second = await world.update({ 'cache-directory': directory })
      expect(second.outputs.outcome, second.stdout).toBe('created')
      const pulled = world.registry.requests
        .slice(at)
        .filter(({ method, path }) => method === 'GET' && path.includes('team/node-image/blobs/sha256:'))
      expect(pulled.length).toBeGreaterThan(base.image.layers.length)
    })
  })
})
