// Which registries.conf counts, and what the client does with it: mirrors, other locations, insecure and blocked registries.

import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { openLayout } from '../../src/edge/oci-layout.ts'
import { readRegistriesConf } from '../../src/edge/registries-conf.ts'
import { openRegistry } from '../../src/edge/registry.ts'
import { noCredentials, readRegistryCredentials } from '../../src/edge/registry-credentials.ts'
import { parseImageReference } from '../../src/formats/oci/reference.ts'
import { parseRegistriesConf } from '../../src/formats/oci/registries-conf.ts'
import { makeSigningKey } from '../build/certificate.ts'
import { expectToolError } from '../build/expect-error.ts'
import { file, makeLayer } from '../build/layer.ts'
import { makeImage, writeLayout } from '../build/oci-layout.ts'
import { type RegistryOptions, startRegistry, type TestRegistry } from '../build/registry.ts'

const image = makeImage({ layers: [makeLayer([file('a', 'a')])] })
const other = makeImage({ layers: [makeLayer([file('b', 'b')])] })

let root: string
const running: TestRegistry[] = []
beforeEach(async () => {
  root = await mkdtemp(join(tmpdir(), 'registries-conf-'))
})
afterEach(async () => {
  for (const one of running.splice(0)) await one.close()
  await rm(root, { recursive: true })
})

async function registryWith(made = image, options: RegistryOptions = {}): Promise<TestRegistry> {
  const registry = await startRegistry(options)
  running.push(registry)
  registry.add('team/image', made, 'v1')
  return registry
}

const quick = { allowInsecure: false, credentials: noCredentials, pauseMs: 1, timeoutMs: 2000, attempts: 2 }
const client = (conf: string, options: object = {}) =>
  openRegistry({ ...quick, registries: parseRegistriesConf(conf, 'registries.conf'), ...options })
const mirrors = (prefix: string, ...hosts: readonly string[]) =>
  [
    `[[registry]]\nprefix = "${prefix}"\ninsecure = true`,
    ...hosts.map(host => `[[registry.mirror]]\nlocation = "${host}"\ninsecure = true`),
  ].join('\n')

describe('the file', () => {
  const write = async (path: string, prefix: string) => {
    await mkdir(dirname(join(root, path)), { recursive: true })
    await writeFile(join(root, path), `[[registry]]\nprefix = "${prefix}.example"\n`)
  }
  const prefixes = async (options: { path?: string; environment?: Record<string, string> } = {}) =>
    (await readRegistriesConf({ environment: { HOME: join(root, 'home') }, root, ...options })).map(row =>
      row.prefix.replace('.example', ''),
    )

  it('is the one that is named, alone; else the user’s or the system’s with those beside it', async () => {
    expect(await prefixes()).toEqual([])
    await write('usr/share/containers/registries.conf', 'vendor')
    expect(await prefixes()).toEqual(['vendor'])
    await write('etc/containers/registries.conf', 'system')
    await write('etc/containers/registries.conf.d/2.conf', 'second')
    await write('etc/containers/registries.conf.d/1.conf', 'first')
    await write('etc/containers/registries.conf.d/3.txt', 'none')
    expect(await prefixes()).toEqual(['system', 'first', 'second'])
    await write('home/.config/containers/registries.conf', 'user')
    await write('home/.config/containers/registries.conf.d/0.conf', 'third')
    expect(await prefixes()).toEqual(['user', 'first', 'second', 'third'])
    await write('own.conf', 'own')
    expect(await prefixes({ path: join(root, 'own.conf') })).toEqual(['own'])
    expect(await prefixes({ environment: { CONTAINERS_REGISTRIES_CONF: join(root, 'own.conf') } })).toEqual(['own'])
  })

  it('has to be there and readable when it is named', async () => {
    await expectToolError('FILE_NOT_FOUND', prefixes({ path: join(root, 'none.conf') }))
    await expectToolError('INPUT_INVALID', prefixes({ path: root }))
  })
})

describe('mirrors', () => {
  it('are asked first, and the registry is not', async () => {
    const [registry, mirror] = [await registryWith(other), await registryWith()]
    const opened = await client(mirrors(registry.host, mirror.host)).openImage(
      parseImageReference(`${registry.host}/team/image:v1`),
      'amd64',
    )
    expect([opened.digest, opened.source]).toEqual([image.digest, `${registry.host}/team/image:v1`])
    for (const layer of opened.manifest.layers) for await (const _ of opened.openLayer(layer));
    expect(registry.requests).toEqual([])
  })

  it.each([
    [
      'that lacks the image',
      (mirror: TestRegistry) => mirror.faults.push({ path: /manifests/, times: 9, status: 404 }),
    ],
    ['that refuses us', (mirror: TestRegistry) => mirror.faults.push({ path: /manifests/, times: 9, status: 403 })],
    ['that fails', (mirror: TestRegistry) => mirror.faults.push({ path: /manifests/, times: 9, status: 500 })],
    [
      'that gives wrong bytes',
      (mirror: TestRegistry) => mirror.faults.push({ path: /manifests/, times: 9, body: 'wrong' }),
    ],
    ['that is not there', (mirror: TestRegistry) => mirror.close()],
  ] as const)('%s lead to the registry itself', async (_name, spoil) => {
    const [registry, mirror] = [await registryWith(), await registryWith()]
    const { host } = mirror
    await spoil(mirror)
    const opened = client(mirrors(registry.host, host)).openImage(
      parseImageReference(`${registry.host}/team/image:v1`),
      'amd64',
    )
    expect((await opened).digest).toBe(image.digest)
  })

  it('are named when the registry does not help either', async () => {
    const [registry, mirror] = [await registryWith(), await registryWith()]
    const reference = parseImageReference(`${registry.host}/team/none:v1`)
    const error = await expectToolError(
      'IMAGE_NOT_FOUND',
      client(mirrors(registry.host, mirror.host)).resolveDigest(reference),
    )
    expect(error.hint).toMatch(`mirrors that were asked before: ${mirror.host}: IMAGE_NOT_FOUND; `)
  })

  it('get their own credentials, never those of the registry', async () => {
    const auth = { kind: 'basic', username: 'tester', password: 'secret' } as const
    const [registry, mirror] = [await registryWith(image, { auth }), await registryWith(image, { auth })]
    const auths = { [registry.host]: { auth: btoa('tester:secret') } }
    const credentials = await readRegistryCredentials({ environment: {}, pullSecret: JSON.stringify({ auths }) })
    const opened = client(mirrors(registry.host, mirror.host), { credentials })
    expect(await opened.resolveDigest(parseImageReference(`${registry.host}/team/image:v1`))).toBe(image.digest)
    expect(mirror.requests.map(({ authorization }) => authorization)).not.toContain(`Basic ${btoa('tester:secret')}`)
  })

  it('are no place to push to, nor to read back from', async () => {
    const [registry, mirror] = [await registryWith(other), await registryWith()]
    await writeLayout(image, join(root, 'layout'))
    const layout = await openLayout(join(root, 'layout'), { architecture: 'amd64' })
    const opened = client(mirrors(registry.host, mirror.host))
    const target = { registry: registry.host, repository: 'team/new' }
    await opened.pushImage(layout, target, { tag: 'v1' })
    const reference = { ...target, tag: undefined, digest: image.digest }
    expect((await opened.openImage(reference, 'amd64', { direct: true })).digest).toBe(image.digest)
    expect(mirror.requests).toEqual([])
  })
})

describe('an insecure registry', () => {
  const key = makeSigningKey('nobody trusts it')
  const tls = {
    key: key.privateKey.export({ type: 'pkcs8', format: 'pem' }).toString(),
    cert: `-----BEGIN CERTIFICATE-----\n${Buffer.from(key.certificate).toString('base64')}\n-----END CERTIFICATE-----\n`,
  }

  it.each([
    ['plain http', {}],
    ['a certificate that nobody trusts', { tls }],
  ])('may have %s, alone, and is told', async (_name, options) => {
    const [insecure, stranger] = [await registryWith(image, options), await registryWith(image, options)]
    const opened = client(`[[registry]]\nlocation = "${insecure.host}"\ninsecure = true`)
    expect(await opened.resolveDigest(parseImageReference(`${insecure.host}/team/image:v1`))).toBe(image.digest)
    expect(opened.insecureHosts()).toEqual([insecure.host])
    const code = 'tls' in options ? 'REGISTRY_UNREACHABLE' : 'INSECURE_NOT_ALLOWED'
    await expectToolError(code, opened.resolveDigest(parseImageReference(`${stranger.host}/team/image:v1`)))
    expect(stranger.requests).toEqual([])
  })
})

it('a blocked registry is never asked', async () => {
  const registry = await registryWith()
  const blocked = client(`[[registry]]\nlocation = "${registry.host}"\nblocked = true\ninsecure = true`)
  const reference = parseImageReference(`${registry.host}/team/image:v1`)
  await expectToolError('REGISTRY_BLOCKED', async () => await blocked.resolveDigest(reference))
  await expectToolError('REGISTRY_BLOCKED', async () => await blocked.openImage(reference, 'amd64'))
  expect(registry.requests).toEqual([])
})
