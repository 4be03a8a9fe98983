// Each fault of a registry by name, injected by the registry of the tests: a recovered read, or a clear error; never wrong bytes.

import { afterEach, describe, expect, it } from 'vitest'
import { openRegistry, type RegistryClient } from '../../src/edge/registry.ts'
import { noCredentials, readRegistryCredentials } from '../../src/edge/registry-credentials.ts'
import { parseImageReference } from '../../src/formats/oci/reference.ts'
import { expectToolError } from '../build/expect-error.ts'
import { concat, file, makeLayer } from '../build/layer.ts'
import { makeImage } from '../build/oci-layout.ts'
import { type RegistryFault, type RegistryOptions, startRegistry, type TestRegistry } from '../build/registry.ts'

const noise = concat(Array.from({ length: 40_000 }, (_, index) => new TextEncoder().encode(`${index * 7919} `)))
const image = makeImage({ layers: [makeLayer([file('a', noise)], { compression: 'none' })] })
const [layer = { digest: 'sha256:', bytes: new Uint8Array(), mediaType: '' }] = image.layers
const blob = new RegExp(layer.digest)

const running: TestRegistry[] = []
afterEach(async () => {
  for (const one of running.splice(0)) await one.close()
})

async function registryWith(options: RegistryOptions = {}): Promise<TestRegistry> {
  const registry = await startRegistry(options)
  running.push(registry)
  registry.add('team/image', image, 'v1')
  return registry
}

const quick = { allowInsecure: true, credentials: noCredentials, pauseMs: 1, timeoutMs: 2000 }
const reference = (registry: TestRegistry) => parseImageReference(`${registry.host}/team/image:v1`)

/** Opens the image, lets the faults loose and reads the layer. */
async function readLayer(
  registry: TestRegistry,
  faults: readonly RegistryFault[],
  client: RegistryClient = openRegistry(quick),
): Promise<Uint8Array> {
  const opened = await client.openImage(reference(registry), 'amd64')
  registry.faults.push(...faults)
  const chunks: Uint8Array[] = []
  const [first = { digest: 'sha256:', size: 0, mediaType: '', annotations: {} }] = opened.manifest.layers
  for await (const chunk of opened.openLayer(first)) chunks.push(chunk)
  return concat(chunks)
}

const blobRequests = (registry: TestRegistry) => registry.requests.filter(({ path }) => blob.test(path))
const once = (fault: Omit<RegistryFault, 'path' | 'times'>): RegistryFault => ({ path: blob, times: 1, ...fault })

describe('a layer is read in spite of', () => {
  it.each<[string, readonly RegistryFault[]]>([
    ['429', [once({ status: 429 })]],
    ['500', [once({ status: 500 })]],
    ['502 and 503 and 504', [once({ status: 502 }), once({ status: 503 }), once({ status: 504 })]],
    ['a connection that is reset', [once({ connection: 'reset' })]],
    ['a stream that breaks', [once({ body: 'truncated' })]],
    [
      'three streams that break',
      [once({ body: 'truncated' }), once({ body: 'truncated' }), once({ body: 'truncated' })],
    ],
    ['503 on the way on', [once({ body: 'truncated' }), once({ status: 503 })]],
    ['a registry that ignores Range', [once({ body: 'truncated' }), once({ range: 'ignored' })]],
    [
      'a registry that ignores Range and breaks again',
      [once({ body: 'truncated' }), once({ range: 'ignored', body: 'truncated' }), once({ range: 'ignored' })],
    ],
    ['416', [once({ body: 'truncated' }), once({ range: 'refused' })]],
    ['a range that begins elsewhere', [once({ body: 'truncated' }), once({ range: 'moved' })]],
  ])('%s', async (_name, faults) => {
    const registry = await registryWith()
    const read = await readLayer(registry, faults)
    expect(Buffer.compare(read, layer.bytes)).toBe(0)
    expect(registry.faults.map(({ times }) => times)).toEqual(faults.map(() => 0))
  })

  it('a stream that stalls, going on where it stopped', async () => {
    const registry = await registryWith()
    const client = openRegistry({ ...quick, timeoutMs: 150 })
    const read = await readLayer(registry, [once({ body: 'stalled' })], client)
    expect(Buffer.compare(read, layer.bytes)).toBe(0)
    expect(blobRequests(registry).map(({ range }) => range)).toEqual([undefined, `bytes=${layer.bytes.length >> 1}-`])
  })

  it('a manifest that breaks off', async () => {
    const registry = await registryWith()
    registry.faults.push({ path: /manifests/, times: 2, body: 'truncated' })
    expect(await openRegistry(quick).resolveDigest(reference(registry))).toBe(image.digest)
  })
})

describe('a layer is refused after', () => {
  it.each<[string, string, readonly RegistryFault[]]>([
    ['one wrong byte', 'DIGEST_MISMATCH', [once({ body: 'wrong' })]],
    ['one byte too many', 'DIGEST_MISMATCH', [once({ body: 'longer' })]],
    [
      'a break and other bytes on the way on',
      'DIGEST_MISMATCH',
      [once({ body: 'truncated' }), once({ body: 'wrong' })],
    ],
    ['404', 'IMAGE_NOT_FOUND', [once({ status: 404 })]],
    ['401 without a challenge', 'REGISTRY_DENIED', [once({ status: 401 })]],
    ['403', 'REGISTRY_DENIED', [once({ status: 403 })]],
    ['416 without Range', 'REGISTRY_ERROR', [once({ status: 416 })]],
    ['404 on the way on', 'IMAGE_NOT_FOUND', [once({ body: 'truncated' }), once({ status: 404 })]],
    ['resets without an end', 'REGISTRY_UNREACHABLE', [{ path: blob, times: 1000, connection: 'reset' }]],
    ['breaks without an end', 'REGISTRY_UNREACHABLE', [{ path: blob, times: 1000, body: 'truncated' }]],
    ['500 without an end', 'REGISTRY_ERROR', [{ path: blob, times: 1000, status: 500 }]],
  ])('%s', async (_name, code, faults) => {
    const registry = await registryWith()
    await expectToolError(code as 'DIGEST_MISMATCH', readLayer(registry, faults))
  })

  it('stalls without an end', async () => {
    const registry = await registryWith()
    const client = openRegistry({ ...quick, timeoutMs: 50, attempts: 3 })
    const faults = [{ path: blob, times: 1000, body: 'stalled' as const }]
    const error = await expectToolError('REGISTRY_UNREACHABLE', readLayer(registry, faults, client))
    expect(error.found).toBe('no answer in time')
    expect(blobRequests(registry)).toHaveLength(3)
  })
})

describe('Retry-After', () => {
  const waits = async (retryAfter: string, limits: object = {}) => {
    const registry = await registryWith()
    const headers = { 'retry-after': retryAfter }
    registry.faults.push({ path: /manifests/, times: 1, status: 429, headers })
    const started = performance.now()
    const digest = openRegistry({ ...quick, ...limits }).resolveDigest(reference(registry))
    return { digest, waited: async () => ((await digest) === image.digest ? performance.now() - started : Number.NaN) }
  }

  it('is kept to, as seconds and as a date', async () => {
    expect(await (await waits('1')).waited()).toBeGreaterThan(990)
    const date = new Date(Date.now() + 2000).toUTCString()
    expect(await (await waits(date)).waited()).toBeGreaterThan(700)
  })

  it.each(['0', 'soon', '-1', 'Fri, 21 Nov 1997 02:00:00 GMT'])('%s is no reason to wait', async text => {
    expect(await (await waits(text)).waited()).toBeLessThan(5000)
  })

  it.each([
    ['longer than two minutes', '3600', {}],
    ['longer than the patience of the run', '2', { patienceMs: 1000 }],
  ])('%s ends the attempts', async (_name, text, limits) => {
    const error = await expectToolError('REGISTRY_ERROR', (await waits(text, limits)).digest)
    expect(error.found).toBe(`status 429 for /v2/team/image/manifests/v1, retry after ${text}`)
  })
})

describe('a token that expires', () => {
  const auth = { kind: 'bearer', username: 'tester', password: 'secret' } as const
  const clientFor = async (registry: TestRegistry) => {
    const auths = { [registry.host]: { auth: btoa('tester:secret') } }
    const credentials = await readRegistryCredentials({ environment: {}, pullSecret: JSON.stringify({ auths }) })
    return openRegistry({ ...quick, credentials })
  }
  const tokens = (registry: TestRegistry) => registry.requests.filter(({ path }) => path.startsWith('/token')).length

  it('between two requests is renewed once, for all requests that need it', async () => {
    const registry = await registryWith({ auth })
    const opened = await (await clientFor(registry)).openImage(reference(registry), 'amd64')
    expect(tokens(registry)).toBe(1)
    registry.expireTokens()
    const [first] = opened.manifest.layers
    if (first === undefined) throw new Error('no layer')
    await Promise.all(
      Array.from({ length: 4 }, async () => {
        for await (const _ of opened.openLayer(first));
      }),
    )
    expect(tokens(registry)).toBe(2)
  })

  it('while a layer is read is renewed for the rest of it', async () => {
    const registry = await registryWith({ auth })
    const opened = await (await clientFor(registry)).openImage(reference(registry), 'amd64')
    const [first] = opened.manifest.layers
    if (first === undefined) throw new Error('no layer')
    registry.faults.push(once({ body: 'truncated' }))
    const chunks: Uint8Array[] = []
    for await (const chunk of opened.openLayer(first)) {
      if (chunks.length === 0) registry.expireTokens()
      chunks.push(chunk)
    }
    expect(Buffer.compare(concat(chunks), layer.bytes)).toBe(0)
    expect(tokens(registry)).toBe(2)
  })

  it('at once again is not renewed for ever', async () => {
    const registry = await registryWith({ auth })
    const client = await clientFor(registry)
    const headers = { 'www-authenticate': `Bearer realm="${registry.origin}/token",service="test-registry"` }
    const faults = [{ path: blob, times: 1000, status: 401, headers }]
    await expectToolError('REGISTRY_DENIED', readLayer(registry, faults, client))
    expect(blobRequests(registry)).toHaveLength(2)
    expect(tokens(registry)).toBe(2)
  })
})
