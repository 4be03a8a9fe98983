// Registries that refuse the push, or do not keep what they took: no tag, no branch, no pull request.

import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { type BaseImage, makeBaseImage } from '../build/base-image.ts'
import { makeKernelRpms } from '../build/kernel-rpms.ts'
import { LoopbackWorld } from '../build/loopback-world.ts'
import { expectRefused, type Refusal } from '../build/refusal.ts'
import type { RegistryFault } from '../build/registry.ts'
import type { RegistryAuth } from '../build/registry-access.ts'

const seed = 'e2e-push'
const newer = makeKernelRpms({ seed, version: '5.14.0', release: '605.el9' })
let base: BaseImage
/** Holds the image to propose; each test has a world of its own. */
let library: LoopbackWorld
let image: string

beforeAll(async () => {
  base = await makeBaseImage({ seed })
  library = await LoopbackWorld.start({ base })
  image = await library.assemble(newer)
})
afterAll(() => library.stop())

async function inWorld(work: (world: LoopbackWorld) => Promise<void>, auth?: RegistryAuth): Promise<void> {
  await LoopbackWorld.during({ base, ...(auth === undefined ? {} : { auth }) }, async world => {
    world.publish(newer)
    await work(world)
  })
}

interface Row extends Refusal {
  readonly name: string
  readonly fault: Omit<RegistryFault, 'times'>
  /** Refused before anything was taken, so the registry stays as it was. */
  readonly untouched?: true
}

const uploads = /team\/node-image\/blobs\/uploads/
const byDigest = /team\/node-image\/manifests\/sha256:/
const byTag = /team\/node-image\/manifests\/5\.14/

const rows: readonly Row[] = [
  {
    name: 'it is not allowed to write',
    untouched: true,
    fault: { method: 'POST', path: uploads, status: 403 },
    code: 'PUSH_REFUSED',
    words: ['push / ', '403', 'team/node-image', 'may write to image-repository'],
  },
  {
    name: 'the credentials are not known',
    untouched: true,
    fault: { method: 'POST', path: uploads, status: 401 },
    code: 'PUSH_REFUSED',
    words: ['401', 'team/node-image', 'may write to image-repository'],
  },
  {
    name: 'not even the look at what is there is allowed',
    untouched: true,
    fault: { path: /team\/node-image/, status: 403 },
    code: 'PUSH_REFUSED',
    words: ['403', 'team/node-image'],
  },
  {
    name: 'it fails for good when an upload starts',
    untouched: true,
    fault: { method: 'POST', path: uploads, status: 503 },
    code: 'PUSH_REFUSED',
    words: ['503', 'team/node-image'],
  },
  {
    name: 'uploads are not supported',
    untouched: true,
    fault: { method: 'POST', path: uploads, status: 405 },
    code: 'PUSH_REFUSED',
    words: ['405', 'team/node-image'],
  },
  {
    name: 'the connection is cut at every upload',
    fault: { method: 'PUT', path: uploads, connection: 'reset' },
    code: 'REGISTRY_UNREACHABLE',
    words: ['push / '],
  },
  {
    name: 'a blob is too large for it',
    fault: { method: 'PUT', path: uploads, status: 413 },
    code: 'PUSH_REFUSED',
    words: ['413', 'team/node-image', /sha256:[0-9a-f]{64}/],
  },
  {
    name: 'the manifest is refused',
    fault: { method: 'PUT', path: byDigest, status: 403 },
    code: 'PUSH_REFUSED',
    words: ['403', 'team/node-image'],
  },
  {
    name: 'the manifest is not valid for it',
    fault: { method: 'PUT', path: byDigest, status: 400 },
    code: 'PUSH_REFUSED',
    words: ['400', /manifests\/sha256:/],
  },
  {
    name: 'another manifest is read back',
    fault: { method: 'GET', path: byDigest, body: 'wrong' },
    code: 'READ_BACK_MISMATCH',
    words: ['found sha256:', 'wanted sha256:', 'team/node-image'],
  },
  {
    name: 'the manifest is gone again',
    fault: { method: 'GET', path: byDigest, status: 404 },
    code: 'READ_BACK_MISMATCH',
    words: ['found no manifest', 'wanted sha256:'],
  },
  {
    name: 'another layer is read back',
    fault: { method: 'GET', path: /team\/node-image\/blobs\/sha256/, body: 'wrong' },
    code: 'DIGEST_MISMATCH',
    words: ['push / ', 'team/node-image'],
  },
  {
    name: 'a layer is gone again',
    fault: { method: 'GET', path: /team\/node-image\/blobs\/sha256/, status: 404 },
    code: 'IMAGE_NOT_FOUND',
    words: ['lacks a part of the image', 'team/node-image'],
  },
  {
    name: 'the tag is refused',
    fault: { method: 'PUT', path: byTag, status: 403 },
    code: 'PUSH_REFUSED',
    words: ['403', 'team/node-image'],
  },
]

describe('a registry that does not take the image', () => {
  for (const { name, fault, untouched, ...refusal } of rows)
    it.concurrent(`${name}: ${refusal.code}`, () =>
      inWorld(async world => {
        const before = world.snapshot()
        world.registry.faults.push({ ...fault, times: 1000 })
        await expectRefused(world, { ...refusal, duringPush: true, inputs: { image } })
        if (untouched) expect(world.snapshot()).toEqual(before)
        expect(world.github.pullRequests).toEqual([])
        world.registry.faults.length = 0
        const again = await world.update({ image })
        expect(again.outputs.outcome, again.stdout).toBe('created')
      }))

  it.concurrent('asks no more than four times for an upload that fails for good', () =>
    inWorld(async world => {
      world.registry.faults.push({ method: 'POST', path: uploads, status: 502, times: 1000 })
      await expectRefused(world, { code: 'PUSH_REFUSED', words: ['502'], duringPush: true, inputs: { image } })
      const starts = world.registry.requests.filter(({ method, path }) => method === 'POST' && !path.includes('mount='))
      expect(starts.length).toBe(4)
    }))
})

describe('a registry with accounts', () => {
  const auth = { kind: 'bearer', username: 'robot', password: 'registry-password', anonymousPull: true } as const

  const credentials = (world: LoopbackWorld, text: string) => {
    const file = join(world.directory, 'auth.json')
    const encoded = Buffer.from(text).toString('base64')
    writeFileSync(file, JSON.stringify({ auths: { [world.registry.host]: { auth: encoded } } }))
    return { environment: { REGISTRY_AUTH_FILE: file } }
  }

  it.concurrent('refuses those who may only read: PUSH_REFUSED', () =>
    inWorld(async world => {
      const before = world.snapshot()
      const words = ['team/node-image', 'may write to image-repository']
      await expectRefused(world, { code: 'PUSH_REFUSED', words, duringPush: true, inputs: { image } })
      expect(world.snapshot()).toEqual(before)
    }, auth))

  it.concurrent('refuses wrong credentials before anything else: REGISTRY_DENIED', () =>
    inWorld(async world => {
      const options = credentials(world, 'robot:wrong-token')
      const words = ['base image', 'podman login']
      await expectRefused(world, { code: 'REGISTRY_DENIED', words, inputs: { image }, options })
    }, auth))

  it.concurrent('takes the image of those who may write, and tells nobody the password', () =>
    inWorld(async world => {
      const run = await world.update({ image }, credentials(world, 'robot:registry-password'))
      expect(run.outputs.outcome, run.stdout).toBe('created')
      expect(run.stdout + run.stderr + run.summary).not.toContain('registry-password')
    }, auth))
})
