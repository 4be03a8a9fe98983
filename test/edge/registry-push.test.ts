// Pushing layouts and whole images to the registry of the tests, and what stands there when it goes wrong.

import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { openLayout } from '../../src/edge/oci-layout.ts'
import { openRegistry } from '../../src/edge/registry.ts'
import { noCredentials, readRegistryCredentials } from '../../src/edge/registry-credentials.ts'
import type { ImageSource } from '../../src/image/image-source.ts'
import { expectToolError } from '../build/expect-error.ts'
import { file, makeLayer } from '../build/layer.ts'
import { makeImage, writeLayout } from '../build/oci-layout.ts'
import { type RegistryFault, startRegistry, type TestRegistry } from '../build/registry.ts'

const base = makeImage({ layers: [makeLayer([file('base', 'base')])] })
const image = makeImage({ layers: [...base.layers, makeLayer([file('top', 'top')], { compression: 'zstd' })] })
const options = { allowInsecure: true, credentials: noCredentials, pauseMs: 1, timeoutMs: 2000 }

let directory: string
let registry: TestRegistry
let layout: ImageSource
beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), 'registry-push-'))
  await writeLayout(image, directory)
  layout = await openLayout(directory, { architecture: 'amd64' })
  registry = await startRegistry()
})
afterEach(async () => {
  await registry.close()
  await rm(directory, { recursive: true })
})

const target = () => ({ registry: registry.host, repository: 'team/image' })
const push = (mountFrom?: string) =>
  openRegistry(options).pushImage(layout, target(), { tag: 'new', ...(mountFrom === undefined ? {} : { mountFrom }) })
const writes = () => registry.requests.filter(row => !['GET', 'HEAD'].includes(row.method))

describe('push', () => {
  it('uploads blobs, the manifest by digest, then the tag', async () => {
    const result = await push()
    expect(result).toEqual({ digest: image.digest, uploaded: [...image.blobs.keys()], unchanged: false })
    expect(registry.contents()).toEqual([
      {
        repository: 'team/image',
        tags: { new: image.digest },
        manifests: [image.digest],
        blobs: [...image.blobs.keys()].sort(),
      },
    ])
    const manifests = registry.requests.filter(row => row.path.includes('/manifests/'))
    expect(manifests.map(row => `${row.method} ${row.path.split('/').at(-1)}`)).toEqual([
      `GET ${image.digest}`,
      `PUT ${image.digest}`,
      `GET ${image.digest}`,
      'GET new',
      'PUT new',
    ])
    expect(registry.manifest('team/image', 'new')).toEqual(image.manifest)
  })

  it('writes nothing when all is there', async () => {
    await push()
    registry.requests.length = 0
    expect(await push()).toEqual({ digest: image.digest, uploaded: [], unchanged: true })
    expect(writes()).toEqual([])
  })

  it('moves a tag of another image, and nothing else', async () => {
    registry.add('team/image', image)
    registry.add('team/image', base, 'new')
    expect(await push()).toEqual({ digest: image.digest, uploaded: [], unchanged: false })
    expect(writes().map(row => row.path)).toEqual(['/v2/team/image/manifests/new'])
  })

  it('mounts what a neighbour repository has', async () => {
    registry.add('team/base', base, 'v1')
    const result = await push('team/base')
    expect(result.uploaded).toEqual([...image.blobs.keys()].filter(digest => !base.blobs.has(digest)))
    expect(registry.manifest('team/image', 'new')).toEqual(image.manifest)
  })

  it('pushes with a token, and is refused without', async () => {
    const auth = { kind: 'bearer', username: 'tester', password: 'secret', anonymousPull: true } as const
    await registry.close()
    registry = await startRegistry({ auth })
    await expectToolError('PUSH_REFUSED', push())
    expect(registry.contents()).toEqual([])
    const credentials = await readRegistryCredentials({
      environment: {},
      pullSecret: JSON.stringify({ auths: { [registry.host]: { auth: btoa('tester:secret') } } }),
    })
    await openRegistry({ ...options, credentials }).pushImage(layout, target(), { tag: 'new' })
    expect(registry.contents()[0]?.tags).toEqual({ new: image.digest })
  })

  it('survives passing faults', async () => {
    registry.faults.push(
      { method: 'POST', path: /uploads/, times: 1, status: 500 },
      { method: 'PUT', path: /uploads/, times: 1, status: 503 },
      { method: 'PUT', path: /uploads/, times: 1, connection: 'reset' },
      { method: 'PUT', path: /manifests/, times: 1, status: 502 },
    )
    expect((await push()).digest).toBe(image.digest)
    expect(registry.contents()[0]?.tags).toEqual({ new: image.digest })
  })

  it('starts an upload that fails for good four times, not four times four', async () => {
    registry.faults.push({ method: 'POST', path: /uploads/, times: 100, status: 503 })
    const error = await expectToolError('PUSH_REFUSED', push())
    expect(error.found).toBe('status 503, DENIED: the test says so')
    expect(writes()).toHaveLength(4)
  })

  const refusals: [string, RegistryFault][] = [
    ['the first look', { method: 'HEAD', path: /blobs/, times: 1, status: 403 }],
    ['an upload', { method: 'POST', path: /uploads/, times: 1, status: 405 }],
    ['a blob', { method: 'PUT', path: /uploads/, times: 1, status: 413 }],
    ['the manifest', { method: 'PUT', path: /manifests\/sha256/, times: 1, status: 403 }],
    ['the tag', { method: 'PUT', path: /manifests\/new/, times: 1, status: 400 }],
  ]
  it.each(refusals)('is refused at %s, and no tag is left', async (_name, fault) => {
    registry.faults.push(fault)
    const error = await expectToolError('PUSH_REFUSED', push())
    expect(error.where.source).toBe(`${registry.host}/team/image`)
    expect(registry.contents().flatMap(row => Object.keys(row.tags))).toEqual([])
  })

  it('does not tag what it cannot read back', async () => {
    // the first GET comes before the PUT and finds nothing
    registry.faults.push({ method: 'GET', path: /manifests\/sha256/, times: 1, status: 404 })
    registry.faults.push({ method: 'GET', path: /manifests\/sha256/, times: 1, body: 'wrong' })
    await expectToolError('READ_BACK_MISMATCH', push())
    expect(registry.contents()[0]?.tags).toEqual({})
  })

  it('does not push a blob that is damaged in the layout', async () => {
    const damaged: ImageSource = {
      ...layout,
      async *openLayer(layer) {
        for await (const chunk of layout.openLayer(layer)) yield chunk.map(byte => byte ^ 1)
      },
    }
    await expectToolError('PUSH_REFUSED', openRegistry(options).pushImage(damaged, target(), { tag: 'new' }))
    expect(registry.contents()).toEqual([])
  })
})
