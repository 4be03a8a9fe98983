// Which certificates are trusted, and which way a request takes: private authorities, proxies, and names that go around them.

import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, describe, expect, it } from 'vitest'
import { openConnections, readAuthorities } from '../../src/edge/connections.ts'
import { openRegistry } from '../../src/edge/registry.ts'
import { noCredentials, readRegistryCredentials } from '../../src/edge/registry-credentials.ts'
import { parseImageReference } from '../../src/formats/oci/reference.ts'
import { makeSigningKey } from '../build/certificate.ts'
import { expectToolError } from '../build/expect-error.ts'
import { file, makeLayer } from '../build/layer.ts'
import { makeImage } from '../build/oci-layout.ts'
import { startProxy } from '../build/proxy.ts'
import { type RegistryOptions, startRegistry, type TestRegistry } from '../build/registry.ts'

const image = makeImage({ layers: [makeLayer([file('a', 'a')])] })
const serverAuth = ['1.3.6.1.5.5.7.3.1']
const authority = makeSigningKey('private authority', { usages: serverAuth })
const pem = (der: Uint8Array) =>
  `-----BEGIN CERTIFICATE-----\n${Buffer.from(der).toString('base64')}\n-----END CERTIFICATE-----\n`

function serverKey(commonName: string): { key: string; cert: string } {
  const options = { commonName, issuer: authority, authority: false, usages: serverAuth } as const
  const { privateKey, certificate } = makeSigningKey('server', options)
  return { key: privateKey.export({ type: 'pkcs8', format: 'pem' }).toString(), cert: pem(certificate) }
}

const ends: (() => Promise<unknown>)[] = []
afterEach(async () => {
  for (const end of ends.splice(0)) await end()
})

async function registryWith(options: RegistryOptions): Promise<TestRegistry> {
  const registry = await startRegistry(options)
  ends.push(() => registry.close())
  registry.add('team/image', image, 'v1')
  return registry
}

async function proxyTo(registry: TestRegistry) {
  const proxy = await startProxy(registry.port)
  ends.push(() => proxy.close())
  return proxy
}

const reference = (host: string) => parseImageReference(`${host}/team/image:v1`)
const quick = { allowInsecure: false, credentials: noCredentials, pauseMs: 1, timeoutMs: 2000, attempts: 1 }

describe('a private authority', () => {
  it('is trusted when it is given, and only then', async () => {
    const registry = await registryWith({ tls: serverKey('localhost') })
    const host = `localhost:${registry.port}`
    const connections = openConnections({ environment: {}, authorities: [pem(authority.certificate)] })
    expect(await openRegistry({ ...quick, connections }).resolveDigest(reference(host))).toBe(image.digest)
    const error = await expectToolError('REGISTRY_UNREACHABLE', openRegistry(quick).resolveDigest(reference(host)))
    expect(error.found).toBe('UNABLE_TO_VERIFY_LEAF_SIGNATURE')
  })

  it('does not vouch for another name', async () => {
    const registry = await registryWith({ tls: serverKey('elsewhere.example') })
    const connections = openConnections({ environment: {}, authorities: [pem(authority.certificate)] })
    const opened = openRegistry({ ...quick, connections }).resolveDigest(reference(`localhost:${registry.port}`))
    expect((await expectToolError('REGISTRY_UNREACHABLE', opened)).found).toBe('ERR_TLS_CERT_ALTNAME_INVALID')
  })

  it('comes from a file of certificates and nothing else', async () => {
    const directory = await mkdtemp(join(tmpdir(), 'authorities-'))
    ends.push(() => rm(directory, { recursive: true }))
    const path = join(directory, 'ca.pem')
    const read = async (text: string) => {
      await writeFile(path, text)
      return await readAuthorities(path)
    }
    const certificate = pem(authority.certificate)
    expect(await read(`# ours\n${certificate}\n# theirs\n${serverKey('x').cert}`)).toHaveLength(2)
    const key = serverKey('x').key
    for (const text of ['', 'certificate', key, certificate + key, certificate.replace('MII', 'MIA')])
      await expectToolError('INPUT_INVALID', read(text))
    await expectToolError('FILE_NOT_FOUND', readAuthorities(join(directory, 'none.pem')))
  })
})

describe('a proxy', () => {
  it('is the way to a registry with https: the proxy learns the name and nothing else', async () => {
    const registry = await registryWith({ tls: serverKey('registry.example'), name: 'registry.example' })
    const proxy = await proxyTo(registry)
    const environment = { HTTPS_PROXY: proxy.url }
    const connections = openConnections({ environment, authorities: [pem(authority.certificate)] })
    const client = openRegistry({ ...quick, connections })
    expect((await client.openImage(reference('registry.example'), 'amd64')).digest).toBe(image.digest)
    expect(new Set(proxy.requests)).toEqual(new Set(['CONNECT registry.example:443']))
  })

  it('leads to Docker Hub by its short names, with the credentials of its old name', async () => {
    const auth = { kind: 'bearer', username: 'tester', password: 'secret' } as const
    const name = 'registry-1.docker.io'
    const registry = await registryWith({ tls: serverKey(name), name, auth })
    registry.add('library/busybox', image, 'latest')
    const proxy = await proxyTo(registry)
    const connections = openConnections({
      environment: { HTTPS_PROXY: proxy.url },
      authorities: [pem(authority.certificate)],
    })
    const auths = { 'https://index.docker.io/v1/': { auth: btoa('tester:secret') } }
    const credentials = await readRegistryCredentials({ environment: {}, pullSecret: JSON.stringify({ auths }) })
    const client = openRegistry({ ...quick, connections, credentials })
    for (const short of ['busybox', 'library/busybox', 'docker.io/busybox', 'docker.io/library/busybox:latest'])
      expect(await client.resolveDigest(parseImageReference(short))).toBe(image.digest)
    expect(new Set(proxy.requests)).toEqual(new Set([`CONNECT ${name}:443`]))
  })

  it('is the way to a plain registry too, and its fault is told', async () => {
    const registry = await registryWith({ name: 'registry.example:81' })
    const proxy = await proxyTo(registry)
    const connections = openConnections({ environment: { http_proxy: proxy.url.slice(7), https_proxy: proxy.url } })
    const client = openRegistry({ ...quick, connections, allowInsecure: true })
    expect(await client.resolveDigest(reference('registry.example:81'))).toBe(image.digest)
    expect(proxy.requests).toContain('GET http://registry.example:81/v2/team/image/manifests/v1')
    await proxy.close()
    const gone = openRegistry({ ...quick, connections }).resolveDigest(reference('other.example'))
    expect((await expectToolError('REGISTRY_UNREACHABLE', gone)).found).toBe('ECONNREFUSED')
  })

  it.each([
    ['NO_PROXY names it', '127.0.0.1', 'localhost,0.0.0.0'],
    ['it is this machine', '127.0.0.1', undefined],
  ])('is not asked for a host when %s', async (_name, _host, noProxy) => {
    const registry = await registryWith({})
    const proxy = await proxyTo(registry)
    const environment = { HTTP_PROXY: proxy.url, HTTPS_PROXY: proxy.url, NO_PROXY: noProxy }
    const client = openRegistry({ ...quick, allowInsecure: true, connections: openConnections({ environment }) })
    const name = noProxy === undefined ? '127.0.0.1' : '0.0.0.0'
    expect(await client.resolveDigest(reference(`${name}:${registry.port}`))).toBe(image.digest)
    expect(proxy.requests).toEqual([])
  })

  it('that cannot be used is refused without showing its password', async () => {
    const connections = openConnections({ environment: { HTTPS_PROXY: 'ftp://user:secret@proxy.example' } })
    const opened = openRegistry({ ...quick, connections }).resolveDigest(reference('registry.example'))
    const error = await expectToolError('SETTING_INVALID', opened)
    expect(JSON.stringify({ ...error, message: error.message })).not.toContain('secret')
  })
})
