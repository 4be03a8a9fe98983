// Repositories for subscribers: a TLS server that wants a certificate of its own authority. Debian package: openssl.

import { spawn } from 'node:child_process'
import { readFileSync, writeFileSync } from 'node:fs'
import { createServer as createHttps } from 'node:https'
import type { AddressInfo, Server } from 'node:net'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { parseClientCertificate } from '../../src/edge/client-certificate.ts'
import { openConnections } from '../../src/edge/connections.ts'
import { downloadBytes } from '../../src/edge/download.ts'
import { run, workDirectory } from './programs.ts'

const directory = workDirectory()
const at = (name: string) => join(directory, name)
const read = (name: string) => readFileSync(at(name), 'utf8')
const curve = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes']
const expected = { maxSize: 1000, size: null, checksum: null }
const servers: Server[] = []
/** By minimum and maximum version of TLS. */
const hosts = new Map<string, string>()
let elsewhere = ''
/** Subjects of the client certificates that the other host saw. */
const seenElsewhere: string[] = []

function makeAuthority(name: string): void {
  run(
    'openssl',
    'req',
    '-x509',
    ...curve,
    '-days',
    '2',
    '-subj',
    `/CN=${name}`,
    '-keyout',
    at(`${name}.key`),
    '-out',
    at(`${name}.pem`),
  )
}

/** A certificate of an authority; `days` may be a start and an end, as openssl writes them. */
function issue(authority: string, name: string, extension: string, validity: readonly string[]): void {
  run(
    'openssl',
    'req',
    ...curve,
    '-subj',
    `/O=1234567/CN=${name}`,
    '-keyout',
    at(`${name}.key`),
    '-out',
    at(`${name}.csr`),
  )
  writeFileSync(at('extension'), `${extension}\n`)
  writeFileSync(at('index'), '')
  writeFileSync(at('serial'), '01\n')
  writeFileSync(
    at('config'),
    `[ca]\ndefault_ca=c\n[c]\ndatabase=${at('index')}\nserial=${at('serial')}\nnew_certs_dir=${directory}\ndefault_md=sha256\nunique_subject=no\npolicy=p\n[p]\nO=optional\nCN=supplied\n`,
  )
  const words = [
    '-batch',
    '-notext',
    '-config',
    at('config'),
    '-cert',
    at(`${authority}.pem`),
    '-keyfile',
    at(`${authority}.key`),
  ]
  run(
    'openssl',
    'ca',
    ...words,
    '-extfile',
    at('extension'),
    ...validity,
    '-in',
    at(`${name}.csr`),
    '-out',
    at(`${name}.pem`),
  )
}

async function listen(server: Server): Promise<string> {
  servers.push(server)
  await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve))
  return `https://127.0.0.1:${(server.address() as AddressInfo).port}`
}

beforeAll(async () => {
  for (const name of ['server-ca', 'client-ca', 'stranger-ca']) makeAuthority(name)
  const now = ['-days', '2']
  issue('server-ca', 'server', 'subjectAltName=IP:127.0.0.1', now)
  issue('client-ca', 'good', 'extendedKeyUsage=clientAuth', now)
  issue('client-ca', 'expired', 'extendedKeyUsage=clientAuth', [
    '-startdate',
    '20250101000000Z',
    '-enddate',
    '20250131120000Z',
  ])
  issue('stranger-ca', 'stranger', 'extendedKeyUsage=clientAuth', now)
  const tls = { key: read('server.key'), cert: read('server.pem'), ca: read('client-ca.pem'), requestCert: true }
  elsewhere = await listen(
    createHttps({ ...tls, rejectUnauthorized: false }, ({ socket }, response) => {
      const { subject } = (socket as import('node:tls').TLSSocket).getPeerCertificate()
      seenElsewhere.push(subject?.CN?.toString() ?? 'none')
      response.end('elsewhere')
    }),
  )
  for (const version of ['TLSv1.2', 'TLSv1.3'] as const) {
    const versions = { minVersion: version, maxVersion: version }
    const server = createHttps({ ...tls, ...versions }, ({ url }, response) => {
      if (url === '/away') response.writeHead(302, { location: `${elsewhere}/file` })
      if (url === '/denied') response.writeHead(403)
      response.end('entitled')
    })
    hosts.set(version, await listen(server))
  }
})
afterAll(() => {
  for (const server of servers) server.close()
})

/** What comes from a path of the server, with this client. */
async function ask(version: string, path: string, client?: string): Promise<string> {
  const url = hosts.get(version) ?? ''
  const connections = openConnections({
    environment: {},
    authorities: [read('server-ca.pem')],
    client:
      client === undefined
        ? undefined
        : parseClientCertificate(read(`${client}.pem`), read(`${client}.key`), [`${url}/os`]),
  })
  const options = { allowInsecure: false, connections, timing: { pauses: [1], stall: 2000 } }
  return Buffer.from(await downloadBytes(`${url}${path}`, expected, options)).toString()
}

describe.each(['TLSv1.2', 'TLSv1.3'])('a server that wants a client certificate, %s', version => {
  it('gives files to the certificate of its authority', async () => {
    expect(await ask(version, '/os/file', 'good')).toBe('entitled')
  })

  it('refuses an expired one, and we say when it expired', async () => {
    const error = await ask(version, '/os/file', 'expired').catch((thrown: unknown) => thrown)
    expect(error).toMatchObject({
      code: 'CLIENT_CERTIFICATE_REFUSED',
      found: expect.stringMatching(
        /; O=1234567, CN=expired, valid until 2025-01-31T12:00:00\.000Z: expired on 2025-01-31T12:00:00\.000Z$/,
      ),
      hint: expect.stringContaining('new entitlement certificate'),
    })
    expect(JSON.stringify(error)).not.toContain('PRIVATE')
  })

  it('refuses nobody’s and a stranger’s', async () => {
    await expect(ask(version, '/os/file')).rejects.toThrow(expect.objectContaining({ code: 'REPOSITORY_UNREACHABLE' }))
    await expect(ask(version, '/os/file', 'stranger')).rejects.toThrow(
      expect.objectContaining({ code: expect.stringMatching(/^(CLIENT_CERTIFICATE_REFUSED|REPOSITORY_UNREACHABLE)$/) }),
    )
  })

  it('that is not there at all is not taken for one that refuses', async () => {
    hosts.set('none', 'https://127.0.0.1:1')
    await expect(ask('none', '/os/file', 'expired')).rejects.toThrow(
      expect.objectContaining({ code: 'REPOSITORY_UNREACHABLE', found: expect.stringMatching(/^ECONNREFUSED/) }),
    )
  })

  it('may deny it by status', async () => {
    await expect(ask(version, '/denied', 'good')).rejects.toThrow(
      expect.objectContaining({
        code: 'CLIENT_CERTIFICATE_REFUSED',
        found: expect.stringMatching(/^HTTP status 403; O=1234567, CN=good, valid until 20/),
      }),
    )
  })

  it('sends us elsewhere, where the certificate is not shown', async () => {
    seenElsewhere.length = 0
    expect(await ask(version, '/away', 'good')).toBe('elsewhere')
    expect(seenElsewhere).toEqual(['none'])
  })
})

describe('alerts of openssl s_server', () => {
  it.each([
    ['TLSv1.2', '-tls1_2'],
    ['TLSv1.3', '-tls1_3'],
  ])('%s: none, a good one, an expired one', async (version, option) => {
    const files = ['-cert', at('server.pem'), '-key', at('server.key'), '-CAfile', at('client-ca.pem')]
    const words = [
      's_server',
      '-accept',
      '127.0.0.1:0',
      ...files,
      '-Verify',
      '2',
      '-verify_return_error',
      '-WWW',
      option,
    ]
    const child = spawn('openssl', words, { cwd: directory, stdio: ['ignore', 'pipe', 'ignore'] })
    try {
      const port = await new Promise<string>(resolve => {
        child.stdout.setEncoding('utf8').on('data', (text: string) => {
          const found = /^ACCEPT .*:(\d+)$/m.exec(text)?.[1]
          if (found !== undefined) resolve(found)
        })
      })
      hosts.set(`s_server ${version}`, `https://127.0.0.1:${port}`)
      const outcome = (client?: string) =>
        ask(`s_server ${version}`, '/server.pem', client).catch((thrown: unknown) => thrown)
      expect(await outcome('good')).toBe(read('server.pem'))
      expect(await outcome()).toMatchObject({
        code: 'REPOSITORY_UNREACHABLE',
        found: expect.stringMatching(/^TLS: .*alert (certificate required|handshake failure)$/),
        hint: expect.stringContaining('kernel-repository-client-certificate'),
      })
      expect(await outcome('expired')).toMatchObject({
        code: 'CLIENT_CERTIFICATE_REFUSED',
        found: expect.stringMatching(/^TLS: .*alert certificate expired; .*: expired on 2025-01-31T12:00:00\.000Z$/),
      })
    } finally {
      child.kill()
    }
  })
})

describe('parseClientCertificate', () => {
  const parse = (certificate: string, key: string) => parseClientCertificate(certificate, key, [])
  const fault = (path: string, found: RegExp) =>
    expect.objectContaining({ code: 'INPUT_INVALID', found: expect.stringMatching(found), where: { path } })

  it('takes the certificates out of what stands beside them', () => {
    const others = '-----BEGIN ENTITLEMENT DATA-----\neJzA\n-----END ENTITLEMENT DATA-----\n'
    const { pem } = parse(`# text\n${read('good.pem')}${others}${read('client-ca.pem')}`, read('good.key'))
    expect(pem().cert.match(/BEGIN [A-Z ]+/g)).toEqual(['BEGIN CERTIFICATE', 'BEGIN CERTIFICATE'])
  })

  it('never shows the key', () => {
    const client = parse(read('good.pem'), read('good.key'))
    expect(JSON.stringify(client)).not.toMatch(/BEGIN|PRIVATE/)
  })

  it('refuses what cannot be used', () => {
    run('openssl', 'pkcs8', '-topk8', '-in', at('good.key'), '-out', at('locked.key'), '-passout', 'pass:x')
    const [certificate, key] = ['kernel-repository-client-certificate', 'kernel-repository-client-key']
    expect(() => parse(read('good.pem'), read('expired.key'))).toThrow(fault(key, /not the key of O=1234567, CN=good/))
    expect(() => parse(read('good.pem'), read('locked.key'))).toThrow(fault(key, /encrypted/))
    expect(() => parse(read('good.pem'), 'x')).toThrow(fault(key, /no private key/))
    expect(() => parse(read('good.key'), read('good.key'))).toThrow(fault(certificate, /no certificate/))
    const broken = '-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----'
    expect(() => parse(broken, read('good.key'))).toThrow(fault(certificate, /cannot be read/))
  })
})
