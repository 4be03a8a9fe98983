// Downloads over https with a certificate of our own. Debian package: openssl.

import { readFileSync } from 'node:fs'
import { createServer as createHttp } from 'node:http'
import { createServer as createHttps } from 'node:https'
import type { AddressInfo, Server } from 'node:net'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { openConnections } from '../../src/edge/connections.ts'
import { downloadBytes } from '../../src/edge/download.ts'
import { fetchRepositories } from '../../src/edge/repository-metadata.ts'
import { repositoryFormats } from '../../src/formats/rpm/repository-formats.ts'
import { run, workDirectory } from './programs.ts'

const directory = workDirectory()
const [key, certificate] = [join(directory, 'key.pem'), join(directory, 'certificate.pem')]
const expected = { maxSize: 100, size: 5, checksum: null }
const strict = { allowInsecure: false, timing: { pauses: [] } }
const servers: Server[] = []
let secure = ''
let plain = ''

async function listen(server: Server): Promise<string> {
  servers.push(server)
  await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve))
  return `127.0.0.1:${(server.address() as AddressInfo).port}`
}

beforeAll(async () => {
  const subject = ['-subj', '/CN=127.0.0.1', '-addext', 'subjectAltName=IP:127.0.0.1']
  run(
    'openssl',
    'req',
    '-x509',
    '-newkey',
    'rsa:2048',
    '-nodes',
    '-days',
    '2',
    '-keyout',
    key,
    '-out',
    certificate,
    ...subject,
  )
  plain = `http://${await listen(createHttp((_, response) => response.end('plain')))}`
  const options = { key: readFileSync(key), cert: readFileSync(certificate) }
  const server = createHttps(options, ({ url }, response) => {
    if (url === '/down') response.writeHead(302, { location: `${plain}/file` })
    if (url === '/across') response.writeHead(302, { location: '/file' })
    response.end('bytes')
  })
  secure = `https://${await listen(server)}`
})

afterAll(() => {
  for (const server of servers) server.close()
})

describe('https', () => {
  it('refuses a certificate that nobody signed', async () => {
    await expect(downloadBytes(`${secure}/file`, expected, strict)).rejects.toThrow(
      expect.objectContaining({
        code: 'REPOSITORY_UNREACHABLE',
        found: expect.stringMatching(/^DEPTH_ZERO_SELF_SIGNED_CERT/),
      }),
    )
  })

  describe('with the certificate among the trusted ones', () => {
    const trusting = () => {
      const authorities = [readFileSync(certificate, 'utf8')]
      return { ...strict, connections: openConnections({ environment: {}, authorities }) }
    }

    it('downloads, also across a redirect', async () => {
      for (const path of ['file', 'across'])
        expect(Buffer.from(await downloadBytes(`${secure}/${path}`, expected, trusting())).toString()).toBe('bytes')
    })

    it('does not follow a redirect to plain http, unless that is allowed', async () => {
      await expect(downloadBytes(`${secure}/down`, expected, trusting())).rejects.toThrow(
        expect.objectContaining({ code: 'INSECURE_NOT_ALLOWED', found: `${plain}/file` }),
      )
      const noted: string[] = []
      const loose = { ...trusting(), allowInsecure: true, noteInsecure: (origin: string) => noted.push(origin) }
      expect(Buffer.from(await downloadBytes(`${secure}/across`, expected, loose)).toString()).toBe('bytes')
      expect(noted).toEqual([])
      expect(Buffer.from(await downloadBytes(`${secure}/down`, expected, loose)).toString()).toBe('plain')
      expect(noted).toEqual([plain])
    })

    it('no metalink comes by a redirect to plain http: its hashes would bind nothing', async () => {
      const loose = { ...trusting(), allowInsecure: true }
      await expect(fetchRepositories([`metalink=${secure}/down`], new Set(), repositoryFormats, loose)).rejects.toThrow(
        expect.objectContaining({ code: 'INSECURE_NOT_ALLOWED', found: `${plain}/file` }),
      )
    })
  })
})
