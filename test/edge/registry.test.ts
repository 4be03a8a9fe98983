// The registry client against the registry of the tests: pulling, and everything that can go wrong with it.

import { createServer as createHttpServer } from 'node:http'
import { createServer } from 'node:net'
import { setTimeout as wait } from 'node:timers/promises'
import { afterEach, describe, expect, it } from 'vitest'
import { openRegistry, type RegistryClient } from '../../src/edge/registry.ts'
import { noCredentials, parseAuthFile, readRegistryCredentials } from '../../src/edge/registry-credentials.ts'
import { sendRequest } from '../../src/edge/registry-http.ts'
import type { Descriptor } from '../../src/formats/oci/descriptor.ts'
import { parseImageReference } from '../../src/formats/oci/reference.ts'
import { expectToolError } from '../build/expect-error.ts'
import { concat, file, makeLayer } from '../build/layer.ts'
import { makeImage, makeIndex } from '../build/oci-layout.ts'
import { type RegistryOptions, startRegistry, type TestRegistry } from '../build/registry.ts'

const noise = concat(Array.from({ length: 4000 }, (_, index) => new TextEncoder().encode(`${index * 7919} `)))
const image = makeImage({
  layers: [makeLayer([file('a', noise)], { compression: 'none' }), makeLayer([file('b', 'b')])],
  labels: { name: 'value' },
})
const other = makeImage({ layers: [makeLayer([file('c', 'c')])], architecture: 'arm64' })

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
const client = (): RegistryClient => openRegistry(quick)
const credentialsFor = (host: string, password = 'secret') =>
  readRegistryCredentials({
    environment: {},
    pullSecret: JSON.stringify({ auths: { [host]: { auth: btoa(`tester:${password}`) } } }),
  })
const reference = (registry: TestRegistry, rest = 'team/image:v1') => parseImageReference(`${registry.host}/${rest}`)
const firstLayer = (): Descriptor => ({
  mediaType: image.layers[0]?.mediaType ?? '',
  digest: image.layers[0]?.digest ?? 'sha256:',
  size: image.layers[0]?.bytes.length ?? 0,
  annotations: {},
})

async function readAll(bytes: AsyncIterable<Uint8Array>): Promise<Uint8Array> {
  const chunks: Uint8Array[] = []
  for await (const chunk of bytes) chunks.push(chunk)
  return concat(chunks)
}

describe('pull', () => {
  it('opens an image by tag and by digest, and reads its layers', async () => {
    const registry = await registryWith()
    expect(await client().resolveDigest(reference(registry))).toBe(image.digest)
    for (const rest of ['team/image:v1', `team/image@${image.digest}`, `team/image:gone@${image.digest}`]) {
      const opened = await client().openImage(reference(registry, rest), 'amd64')
      expect(opened.digest).toBe(image.digest)
      expect(opened.manifestBytes).toEqual(image.manifest)
      expect(opened.configBytes).toEqual(image.config)
      expect(opened.config).toEqual({
        architecture: 'amd64',
        os: 'linux',
        diffIds: image.layers.map(layer => layer.diffId),
        imageLabels: { name: 'value' },
      })
      for (const [index, layer] of opened.manifest.layers.entries())
        expect(await readAll(opened.openLayer(layer))).toEqual(image.layers[index]?.bytes)
    }
  })

  it('chooses the platform of an index and passes over attestations', async () => {
    const registry = await registryWith()
    const index = makeIndex([
      { image: other, architecture: 'unknown' },
      { image: other, architecture: 'arm64' },
      { image, architecture: 'amd64' },
    ])
    registry.add('team/index', index, 'latest')
    const opened = await client().openImage(reference(registry, 'team/index'), 'amd64')
    expect(opened.digest).toBe(image.digest)
    expect(await client().resolveDigest(reference(registry, 'team/index'))).toBe(index.digest)
    await expectToolError('IMAGE_PLATFORM_MISSING', client().openImage(reference(registry, 'team/index'), 's390x'))
  })

  it('reads Docker manifest lists and schema 2', async () => {
    const registry = await registryWith()
    const docker = (architecture: string) =>
      makeImage({
        layers: [makeLayer([file('d', architecture)], { mediaTypes: 'docker' })],
        schema: 'docker',
        architecture,
      })
    const [amd64, arm64] = [docker('amd64'), docker('arm64')]
    const list = makeIndex(
      [
        { image: arm64, architecture: 'arm64' },
        { image: amd64, architecture: 'amd64' },
      ],
      'docker',
    )
    registry.add('team/docker', list, 'v1')
    for (const [architecture, made] of [
      ['amd64', amd64],
      ['arm64', arm64],
    ] as const) {
      const opened = await client().openImage(reference(registry, 'team/docker:v1'), architecture)
      expect([opened.digest, opened.manifest.mediaType]).toEqual([
        made.digest,
        'application/vnd.docker.distribution.manifest.v2+json',
      ])
      const [layer] = opened.manifest.layers
      expect(layer && (await readAll(opened.openLayer(layer)))).toEqual(made.layers[0]?.bytes)
    }
  })

  it('refuses an image for another architecture', async () => {
    const registry = await registryWith()
    registry.add('team/other', other, 'v1')
    const error = await expectToolError(
      'IMAGE_PLATFORM_MISSING',
      client().openImage(reference(registry, 'team/other:v1'), 'amd64'),
    )
    expect(error.found).toBe('linux/arm64')
  })

  it('says that an image is not there', async () => {
    const registry = await registryWith()
    const error = await expectToolError(
      'IMAGE_NOT_FOUND',
      client().openImage(reference(registry, 'team/image:v2'), 'amd64'),
    )
    expect(error.where.source).toBe(`${registry.host}/team/image:v2`)
  })

  it('compares the computed digest with the one in the header', async () => {
    const registry = await registryWith()
    registry.faults.push({ path: /manifests/, times: 1, body: 'wrong' })
    await expectToolError('DIGEST_MISMATCH', client().resolveDigest(reference(registry)))
  })

  it('finds wrong bytes in a config and in a layer', async () => {
    const registry = await registryWith()
    registry.faults.push({ path: new RegExp(image.configDigest), times: 1, body: 'wrong' })
    await expectToolError('DIGEST_MISMATCH', client().openImage(reference(registry), 'amd64'))
    const opened = await client().openImage(reference(registry), 'amd64')
    registry.faults.push({ path: /blobs/, times: 1, body: 'wrong' })
    await expectToolError('DIGEST_MISMATCH', readAll(opened.openLayer(firstLayer())))
    await expectToolError('DIGEST_MISMATCH', readAll(opened.openLayer({ ...firstLayer(), size: 1000 })))
    await expectToolError('DIGEST_MISMATCH', readAll(opened.openLayer({ ...firstLayer(), size: 1e6 })))
    const missing = { ...firstLayer(), digest: other.digest }
    await expectToolError('IMAGE_NOT_FOUND', readAll(opened.openLayer(missing)))
  })
})

describe('a weak network', () => {
  it('repeats after 429 and 5xx', async () => {
    const registry = await registryWith()
    registry.faults.push(
      { path: /manifests/, times: 1, status: 429, headers: { 'retry-after': '0' } },
      { path: /manifests/, times: 1, status: 503 },
      { path: /manifests/, times: 1, connection: 'reset' },
    )
    expect(await client().resolveDigest(reference(registry))).toBe(image.digest)
  })

  it('gives up after four attempts', async () => {
    const registry = await registryWith()
    registry.faults.push({ path: /manifests/, times: 100, status: 502 })
    await expectToolError('REGISTRY_ERROR', client().resolveDigest(reference(registry)))
    expect(registry.requests.filter(row => row.path.includes('manifests'))).toHaveLength(4)
  })

  it('continues a layer where the connection broke', async () => {
    const registry = await registryWith()
    const opened = await client().openImage(reference(registry), 'amd64')
    registry.faults.push({ path: /blobs/, times: 3, body: 'truncated' })
    expect(await readAll(opened.openLayer(firstLayer()))).toEqual(image.layers[0]?.bytes)
    registry.faults.push({ path: /blobs/, times: 100, body: 'truncated' })
    await expectToolError('REGISTRY_UNREACHABLE', readAll(opened.openLayer(firstLayer())))
  })

  it('does not wait for ever', async () => {
    const registry = await registryWith()
    registry.faults.push({ path: /manifests/, times: 100, connection: 'silent' })
    const impatient = openRegistry({ ...quick, timeoutMs: 50, attempts: 2 })
    const error = await expectToolError('REGISTRY_UNREACHABLE', impatient.resolveDigest(reference(registry)))
    expect(error.found).toBe('no answer in time')
  })

  it('does not wait for a body that drips, however often a byte comes', async () => {
    let asked = 0
    const dripping = createHttpServer((request, response) => {
      if (request.url === '/v2/') return void response.end('{}')
      asked += 1
      const timer = setInterval(() => response.write(' '), 20)
      response.on('close', () => clearInterval(timer))
    })
    await new Promise<void>(resolve => dripping.listen(0, '127.0.0.1', resolve))
    try {
      const { port } = dripping.address() as { port: number }
      const impatient = openRegistry({ ...quick, slowMs: 200, attempts: 2 })
      const error = await expectToolError(
        'REGISTRY_UNREACHABLE',
        impatient.resolveDigest(parseImageReference(`127.0.0.1:${port}/a/b`)),
      )
      expect(error.found).toMatch(/^\d+ bytes in 0 s$/)
      expect(asked).toBe(1)
    } finally {
      dripping.closeAllConnections()
      await new Promise(resolve => dripping.close(resolve))
    }
  })

  it('does not count the time of a reader that is slow', async () => {
    const server = createHttpServer(async (_, response) => {
      for (let piece = 0; piece < 12; piece += 1) {
        response.write('x')
        await wait(50)
      }
      response.end()
    })
    await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve))
    try {
      const url = new URL(`http://127.0.0.1:${(server.address() as { port: number }).port}`)
      const answer = await sendRequest({ method: 'GET', url }, { allowInsecure: true, slowMs: 300 })
      let size = 0
      for await (const chunk of answer.chunks()) {
        size += chunk.length
        await wait(200)
      }
      expect(size).toBe(12)
    } finally {
      await new Promise(resolve => server.close(resolve))
    }
  })

  it('says that nobody listens', async () => {
    const listener = createServer()
    await new Promise<void>(resolve => listener.listen(0, '127.0.0.1', resolve))
    const { port } = listener.address() as { port: number }
    await new Promise(resolve => listener.close(resolve))
    const gone = parseImageReference(`127.0.0.1:${port}/a/b`)
    await expectToolError('REGISTRY_UNREACHABLE', client().resolveDigest(gone))
    await expectToolError('REGISTRY_UNREACHABLE', openRegistry({ ...quick, allowInsecure: false }).resolveDigest(gone))
  })
})

describe('plain http', () => {
  it('is refused without allowInsecure', async () => {
    const registry = await registryWith()
    const strict = openRegistry({ ...quick, allowInsecure: false })
    await expectToolError('INSECURE_NOT_ALLOWED', strict.resolveDigest(reference(registry)))
    expect(registry.requests).toEqual([])
  })

  it('is not what a registry with credentials is asked by when it refuses https', async () => {
    const registry = await startRegistry()
    const { port } = registry
    await registry.close()
    // leads to this machine, but is not a loopback name
    const host = `0.0.0.0:${port}`
    const gone = parseImageReference(`${host}/team/image:v1`)
    const asked = async (entry: string) => {
      const credentials = await credentialsFor(entry)
      const open = openRegistry({ ...quick, credentials, attempts: 1 })
      return (await expectToolError('REGISTRY_UNREACHABLE', open.resolveDigest(gone))).where.source
    }
    expect(await asked('elsewhere.example')).toBe(`http://${host}`)
    expect(await asked(`${host}0`)).toBe(`http://${host}`)
    expect(await asked(host)).toBe(`https://${host}`)
    expect(await asked(`${host}/team`)).toBe(`https://${host}`)
  })

  it('is what a registry is asked by that answers without TLS, and is told', async () => {
    const registry = await registryWith({ auth: { kind: 'basic', username: 'tester', password: 'secret' } })
    const host = `0.0.0.0:${registry.port}`
    const opened = openRegistry({ ...quick, credentials: await credentialsFor(host) })
    expect(await opened.resolveDigest(parseImageReference(`${host}/team/image:v1`))).toBe(image.digest)
    expect(opened.insecureHosts()).toEqual([host])
  })
})

describe('redirects', () => {
  const auth = { kind: 'basic', username: 'tester', password: 'secret' } as const

  it('are followed without credentials at another origin', async () => {
    const registry = await registryWith({ auth })
    const store = await registryWith()
    const path = `/v2/team/image/blobs/${firstLayer().digest}`
    const headers = { location: `${store.origin}${path}` }
    registry.faults.push({ path: new RegExp(firstLayer().digest), times: 1, status: 307, headers })
    const opened = openRegistry({ ...quick, credentials: await credentialsFor(registry.host) })
    const image1 = await opened.openImage(reference(registry), 'amd64')
    expect(await readAll(image1.openLayer(firstLayer()))).toEqual(image.layers[0]?.bytes)
    expect(store.requests).toEqual([{ method: 'GET', path, authorization: undefined }])
    expect(registry.requests.some(row => row.authorization?.startsWith('Basic '))).toBe(true)
  })

  it('keep credentials at the same origin, and do not go in circles', async () => {
    const registry = await registryWith({ auth })
    const credentials = await credentialsFor(registry.host)
    const path = `/v2/team/image/manifests/${image.digest}`
    registry.faults.push({ path: /manifests\/v1/, times: 1, status: 302, headers: { location: path } })
    expect(await openRegistry({ ...quick, credentials }).resolveDigest(reference(registry))).toBe(image.digest)
    registry.faults.push({
      path: /manifests\/v1/,
      times: 100,
      status: 302,
      headers: { location: '/v2/team/image/manifests/v1' },
    })
    await expectToolError('REGISTRY_ERROR', openRegistry({ ...quick, credentials }).resolveDigest(reference(registry)))
  })
})

describe('credentials', () => {
  const user = { username: 'tester', password: 'secret' }

  it.each(['basic', 'bearer'] as const)('%s opens with the right ones only', async kind => {
    const registry = await registryWith({ auth: { kind, ...user } })
    const credentials = await credentialsFor(registry.host)
    const opened = await openRegistry({ ...quick, credentials }).openImage(reference(registry), 'amd64')
    expect(await readAll(opened.openLayer(firstLayer()))).toEqual(image.layers[0]?.bytes)
    const wrong = await credentialsFor(registry.host, 'guess')
    await expectToolError(
      'REGISTRY_DENIED',
      openRegistry({ ...quick, credentials: wrong }).resolveDigest(reference(registry)),
    )
    await expectToolError('REGISTRY_DENIED', client().resolveDigest(reference(registry)))
  })

  it('asks for one token and keeps it', async () => {
    const registry = await registryWith({ auth: { kind: 'bearer', ...user, anonymousPull: true } })
    const opened = await client().openImage(reference(registry), 'amd64')
    await readAll(opened.openLayer(firstLayer()))
    expect(registry.requests.filter(row => row.path.startsWith('/token'))).toHaveLength(1)
  })

  it('takes the entry with the longest prefix', async () => {
    const auths = Object.fromEntries(
      ['quay.example', 'quay.example/team', 'quay.example/team/image', 'https://index.docker.io/v1/'].map(key => [
        key,
        { auth: btoa(`${key}:x`) },
      ]),
    )
    const credentials = await readRegistryCredentials({ environment: {}, pullSecret: JSON.stringify({ auths }) })
    const name = async (registry: string, repository: string) => {
      const found = await credentials.find(registry, repository)
      return found?.kind === 'password' ? found.username : undefined
    }
    expect(await name('quay.example', 'team/image')).toBe('quay.example/team/image')
    expect(await name('quay.example', 'team/image2')).toBe('quay.example/team')
    expect(await name('quay.example', 'teams')).toBe('quay.example')
    expect(await name('docker.io', 'library/busybox')).toBe('https')
    expect(await name('quay.example:443', 'team/image')).toBeUndefined()
    expect(JSON.stringify({ credentials })).toBe('{"credentials":"***"}')
  })

  it('refuses what is no auth file, without showing it', async () => {
    for (const text of ['', '[]', '{"auths":1}', '{"auths":{"a":1}}', '{"auths":{"a":{"auth":"c2VjcmV0"}}}']) {
      const error = await expectToolError('INPUT_INVALID', () => parseAuthFile(text, 'auth.json'))
      expect(JSON.stringify(error)).not.toContain('c2VjcmV0')
    }
    await expectToolError(
      'FILE_NOT_FOUND',
      readRegistryCredentials({ environment: { REGISTRY_AUTH_FILE: '/nowhere/auth.json' } }),
    )
  })
})
