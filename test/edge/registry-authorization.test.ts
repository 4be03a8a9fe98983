// Who gets a password: the registry and the token service that it names itself, and nobody that a redirect leads to.

import { createServer, type IncomingMessage, type RequestListener, type Server } from 'node:http'
import { createServer as createTlsServer } from 'node:https'
import type { AddressInfo } from 'node:net'
import { afterEach, describe, expect, it, vi } from 'vitest'
import { AuthorizedRequests } from '../../src/edge/registry-authorization.ts'
import {
  parseAuthFile,
  type RegistryCredentials,
  readRegistryCredentials,
} from '../../src/edge/registry-credentials.ts'
import { makeSigningKey } from '../build/certificate.ts'
import { expectToolError } from '../build/expect-error.ts'

const running: Server[] = []
afterEach(async () => {
  vi.unstubAllEnvs()
  for (const server of running.splice(0)) {
    server.closeAllConnections()
    await new Promise(resolve => server.close(resolve))
  }
})

interface Listening {
  readonly host: string
  /** Authorization headers in order; '' for none. */
  readonly seen: readonly string[]
}

async function listen(answer: RequestListener, tls?: { key: string; cert: string }): Promise<Listening> {
  const seen: string[] = []
  const listener = (request: IncomingMessage, ...rest: [Parameters<RequestListener>[1]]) => {
    seen.push(request.headers.authorization ?? '')
    answer(request as Parameters<RequestListener>[0], ...rest)
  }
  const server = tls === undefined ? createServer(listener) : createTlsServer(tls, listener)
  await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve))
  running.push(server as Server)
  return { host: `127.0.0.1:${(server.address() as AddressInfo).port}`, seen }
}

const challenge = (realm: string) => ({ 'www-authenticate': `Bearer realm="${realm}",service="s"` })
/** Gives a token to everybody; remembers who asked. */
const tokenService = () => listen((_, answer) => void answer.end('{"token":"granted"}'))
const passwords = (host: string): Promise<RegistryCredentials> =>
  readRegistryCredentials({
    environment: {},
    pullSecret: JSON.stringify({ auths: { [host]: { auth: btoa('user:secret') } } }),
  })
const identityToken = (host: string): Promise<RegistryCredentials> =>
  readRegistryCredentials({
    environment: {},
    pullSecret: JSON.stringify({ auths: { [host]: { auth: btoa('user:x'), identitytoken: 'refresh' } } }),
  })
const limits = { allowInsecure: true, pauseMs: 1, attempts: 1, timeoutMs: 2000 }
const get = (origin: string) => ({ method: 'GET' as const, url: new URL(`${origin}/v2/a/b/manifests/v1`) })

describe('a challenge', () => {
  it('of the registry may name a token service on another host', async () => {
    const service = await tokenService()
    const registry = await listen((request, answer) => {
      if (request.headers.authorization === 'Bearer granted') answer.end('{}')
      else answer.writeHead(401, challenge(`http://${service.host}/token`)).end()
    })
    const requests = new AuthorizedRequests(registry.host, await passwords(registry.host), limits)
    expect((await requests.send('a/b', 'pull', get(`http://${registry.host}`))).status).toBe(200)
    expect(service.seen).toEqual([`Basic ${btoa('user:secret')}`])
  })

  it.each([
    ['Bearer', passwords],
    ['Bearer, with an identity token', identityToken],
    ['Basic', passwords],
  ] as const)('of the target of a redirect is not answered: %s', async (kind, credentials) => {
    const service = await tokenService()
    const headers = kind === 'Basic' ? { 'www-authenticate': 'Basic realm="x"' } : challenge(`http://${service.host}/t`)
    const target = await listen((_, answer) => void answer.writeHead(401, headers).end())
    const registry = await listen(
      (_, answer) => void answer.writeHead(307, { location: `http://${target.host}/blob` }).end(),
    )
    const requests = new AuthorizedRequests(registry.host, await credentials(registry.host), limits)
    const error = await expectToolError('REGISTRY_DENIED', requests.send('a/b', 'pull', get(`http://${registry.host}`)))
    expect(error.where.source).toBe(`http://${target.host}/blob`)
    expect([registry.seen, target.seen, service.seen]).toEqual([[''], [''], []])
  })

  it('of an https registry does not lead to an http token service, whatever is allowed', async () => {
    const { privateKey, certificate } = makeSigningKey('tls')
    const key = privateKey.export({ type: 'pkcs8', format: 'pem' }).toString()
    const cert = `-----BEGIN CERTIFICATE-----\n${Buffer.from(certificate).toString('base64')}\n-----END CERTIFICATE-----\n`
    // the certificate is nobody's; what is tested comes after the handshake
    vi.stubEnv('NODE_TLS_REJECT_UNAUTHORIZED', '0')
    const service = await tokenService()
    const registry = await listen(
      (_, answer) => void answer.writeHead(401, challenge(`http://${service.host}/token`)).end(),
      { key, cert },
    )
    for (const credentials of [await passwords(registry.host), await identityToken(registry.host)]) {
      const requests = new AuthorizedRequests(registry.host, credentials, limits)
      await expectToolError('INSECURE_NOT_ALLOWED', requests.send('a/b', 'pull', get(`https://${registry.host}`)))
    }
    expect(registry.seen).toEqual(['', ''])
    expect(service.seen).toEqual([])
  })
})

it('the auth files of these tests are read as meant', () => {
  const { entries } = parseAuthFile('{"auths":{"h":{"auth":"dXNlcjp4","identitytoken":"refresh"}}}', 'auth.json')
  expect(entries.get('h')).toMatchObject({ kind: 'identity-token', identityToken: 'refresh' })
})
