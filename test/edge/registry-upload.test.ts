// Uploads that break: where they go on, when they begin anew, and what is told when nothing helps.

import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { openLayout } from '../../src/edge/oci-layout.ts'
import { openRegistry } from '../../src/edge/registry.ts'
import { noCredentials } from '../../src/edge/registry-credentials.ts'
import type { ImageSource } from '../../src/image/image-source.ts'
import { seededBytes } from '../build/boot-files.ts'
import { expectToolError } from '../build/expect-error.ts'
import { file, makeLayer } from '../build/layer.ts'
import { makeImage, writeLayout } from '../build/oci-layout.ts'
import { type RegistryFault, startRegistry, type TestRegistry } from '../build/registry.ts'

const MiB = 1024 * 1024
const layer = makeLayer([file('large', seededBytes('upload', 5 * MiB))], { compression: 'none' })
const image = makeImage({ layers: [layer] })
const size = layer.bytes.length
const options = { allowInsecure: true, credentials: noCredentials, pauseMs: 1, timeoutMs: 5000 }
const session = /uploads\/upload-/

let directory: string
let registry: TestRegistry
let layout: ImageSource
beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), 'registry-upload-'))
  await writeLayout(image, directory)
  layout = await openLayout(directory, { architecture: 'amd64' })
  registry = await startRegistry()
  // only the layer is left to upload
  await push('config')
  registry.requests.length = 0
})
afterEach(async () => {
  await registry.close()
  await rm(directory, { recursive: true })
})

/** `config`: puts the config blob there, as a push that broke off leaves it. */
async function push(what: 'config' | 'all' = 'all') {
  const target = { registry: registry.host, repository: 'team/image' }
  const only = { ...layout, manifest: { ...layout.manifest, layers: [] } }
  if (what === 'all') return await openRegistry(options).pushImage(layout, target, { tag: 'new' })
  registry.faults.push({ method: 'GET', path: /manifests/, times: 1, status: 401 })
  return await openRegistry(options)
    .pushImage(only, target, {})
    .catch(() => undefined)
}

const uploads = () => registry.requests.filter(({ path }) => path.includes('/uploads/')).map(({ method }) => method)
const fault = (part: Omit<RegistryFault, 'path' | 'times'>, times = 1): RegistryFault => ({
  path: session,
  times,
  ...part,
})
const tags = () => registry.contents().flatMap(row => Object.keys(row.tags))

async function expectPushed() {
  expect(await push()).toMatchObject({ digest: image.digest })
  expect(tags()).toEqual(['new'])
  expect(Buffer.compare(registry.blob('team/image', layer.digest) ?? new Uint8Array(), layer.bytes)).toBe(0)
}

describe('an upload goes on where it broke', () => {
  it('after a cut connection, by asking how far it came', async () => {
    registry.faults.push(fault({ method: 'PUT', keeps: 3 * MiB }))
    await expectPushed()
    expect(uploads()).toEqual(['POST', 'PUT', 'GET', 'PATCH', 'PUT'])
  })

  it('again and again, as long as it comes further', async () => {
    registry.faults.push(fault({ method: 'PUT', keeps: MiB + 1 }), fault({ method: 'PATCH', keeps: MiB }, 3))
    await expectPushed()
    expect(uploads()).toEqual([
      ...['POST', 'PUT', 'GET'],
      ...['PATCH', 'GET'],
      ...['PATCH', 'GET'],
      ...['PATCH', 'GET'],
      'PATCH',
      'PUT',
    ])
  })

  it('when only the end was missing', async () => {
    registry.faults.push(fault({ method: 'PUT', keeps: size }))
    await expectPushed()
    expect(uploads()).toEqual(['POST', 'PUT', 'GET', 'PUT'])
  })

  it('after 503 in the middle', async () => {
    registry.faults.push(fault({ method: 'PUT', keeps: 2 * MiB }), fault({ method: 'PATCH', status: 503 }))
    await expectPushed()
    expect(uploads()).toEqual(['POST', 'PUT', 'GET', 'PATCH', 'GET', 'PATCH', 'PUT'])
  })
})

describe('an upload begins anew', () => {
  it.each<[string, readonly RegistryFault[], readonly string[]]>([
    ['when little of it arrived', [fault({ method: 'PUT', keeps: 100 })], ['POST', 'PUT', 'GET', 'POST', 'PUT']],
    [
      'when the registry does not know it any more',
      [fault({ method: 'PUT', keeps: 3 * MiB }), fault({ method: 'GET', status: 404, code: 'BLOB_UPLOAD_UNKNOWN' })],
      ['POST', 'PUT', 'GET', 'POST', 'PUT'],
    ],
    [
      'when it was lost before its end',
      [fault({ method: 'PUT', status: 404, code: 'BLOB_UPLOAD_UNKNOWN' })],
      ['POST', 'PUT', 'POST', 'PUT'],
    ],
    [
      'when the registry cannot go on',
      [fault({ method: 'PUT', keeps: 3 * MiB }), fault({ method: 'PATCH', status: 416, code: 'RANGE_INVALID' })],
      ['POST', 'PUT', 'GET', 'PATCH', 'POST', 'PUT'],
    ],
    [
      'when what was put together is something else',
      [fault({ method: 'PUT', keeps: 3 * MiB }), fault({ method: 'PUT', status: 400, code: 'DIGEST_INVALID' })],
      ['POST', 'PUT', 'GET', 'PATCH', 'PUT', 'POST', 'PUT'],
    ],
    ['after a reset', [fault({ method: 'PUT', connection: 'reset' })], ['POST', 'PUT', 'GET', 'POST', 'PUT']],
    ['after 429', [fault({ method: 'PUT', status: 429 })], ['POST', 'PUT', 'GET', 'POST', 'PUT']],
  ])('%s', async (_name, faults, requests) => {
    registry.faults.push(...faults)
    await expectPushed()
    expect(uploads()).toEqual(requests)
  })

  it('not before the time that Retry-After asks for', async () => {
    registry.faults.push(fault({ method: 'PUT', status: 429, headers: { 'retry-after': '1' } }))
    const start = performance.now()
    await expectPushed()
    expect(performance.now() - start).toBeGreaterThan(990)
  })

  it('and is over when only the answer was lost', async () => {
    registry.faults.push(fault({ method: 'PUT', status: 502 }))
    const waiting = push()
    while (!uploads().includes('GET')) await new Promise(done => setTimeout(done, 1))
    registry.add('team/image', image)
    await waiting
    expect(uploads()).toEqual(['POST', 'PUT', 'GET'])
  })
})

describe('an upload is given up', () => {
  it.each<[string, RegistryFault, string, string]>([
    [
      'digest refused',
      fault({ method: 'PUT', status: 400, code: 'DIGEST_INVALID' }),
      'PUSH_REFUSED',
      'status 400, DIGEST_INVALID: the test says so',
    ],
    [
      'read-only',
      { method: 'POST', path: /uploads/, times: 9, status: 405, code: 'UNSUPPORTED' },
      'PUSH_REFUSED',
      'status 405, UNSUPPORTED: the test says so',
    ],
    ['no quota', fault({ method: 'PUT', status: 403, code: 'DENIED' }), 'PUSH_REFUSED', 'status 403'],
    [
      'asked to wait for hours',
      fault({ method: 'PUT', status: 429, headers: { 'retry-after': '7200' } }),
      'PUSH_REFUSED',
      'retry after 7200',
    ],
    [
      'lost each time',
      fault({ method: 'PUT', status: 404, code: 'BLOB_UPLOAD_UNKNOWN' }, 99),
      'PUSH_REFUSED',
      'BLOB_UPLOAD_UNKNOWN',
    ],
    ['cut each time', fault({ method: 'PUT', keeps: 10 }, 99), 'REGISTRY_UNREACHABLE', ''],
  ])('%s: no tag is left', async (_name, one, code, words) => {
    registry.faults.push(one)
    const error = await expectToolError(code as 'PUSH_REFUSED', push())
    expect(error.found).toContain(words)
    expect(tags()).toEqual([])
    expect(registry.contents().flatMap(row => row.manifests)).toEqual([])
    expect(uploads().filter(method => method === 'POST').length).toBeLessThanOrEqual(4)
  })
})
