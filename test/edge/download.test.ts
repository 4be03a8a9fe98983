import { createHash, randomBytes } from 'node:crypto'
import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { type DownloadOptions, downloadBytes, downloadFile, type Expected } from '../../src/edge/download.ts'
import { type Misbehaviour, serveFiles } from '../build/file-server.ts'
import { temporaryDirectory } from './temporary-directory.ts'

const directory = temporaryDirectory()
const content = new Uint8Array(randomBytes(300_000))
const hex = createHash('sha256').update(content).digest('hex')
const right: Expected = { maxSize: 1_000_000, size: content.length, checksum: { type: 'sha256', hex } }
const options: DownloadOptions = { allowInsecure: true, timing: { stall: 300, total: 3000, pauses: [1, 1] } }

/** Downloads `file` from a server that does `wrong` on the attempts named; says whether it came whole, or the error. */
async function download(
  wrong: (attempt: number, path: string) => Misbehaviour | undefined,
  expected = right,
  rest = options,
) {
  await using server = await serveFiles(new Map([['file', content]]), (path, attempt) => wrong(attempt, path))
  const path = join(directory, 'file')
  const outcome = await downloadFile(`${server.url}/file`, path, expected, rest).then(
    () => readFileSync(path).equals(content),
    (error: unknown) => error,
  )
  return { outcome, requests: [...server.requests], left: readdirSync(directory) }
}

const fault = (code: string, found?: RegExp) =>
  expect.objectContaining({ code, ...(found === undefined ? {} : { found: expect.stringMatching(found) }) })

describe('downloadFile', () => {
  it('writes the file, and nothing beside it', async () => {
    const { outcome, left } = await download(() => undefined)
    expect(outcome).toBe(true)
    expect(left).toEqual(['file'])
  })

  it.each([
    ['status 500', { status: 500 }],
    ['status 503', { status: 503 }],
    ['status 429', { status: 429 }],
    ['no answer', { refuse: true }],
    ['a broken connection', { breakAfter: 100_000 }],
    ['a stalled one', { stallAfter: 100_000 }],
    ['one that never starts', { stallAfter: 0 }],
  ])('tries again after %s', async (_, wrong) => {
    const { outcome, requests } = await download(attempt => (attempt < 3 ? wrong : undefined))
    expect(outcome).toBe(true)
    expect(requests).toHaveLength(3)
  })
})

describe('downloadFile leaves nothing behind and says why', () => {
  const none = temporaryDirectory()
  async function attempt(wrong: Misbehaviour | undefined, expected = right, rest = options) {
    await using server = await serveFiles(new Map([['file', content]]), () => wrong)
    const path = join(none, 'file')
    const error = await downloadFile(`${server.url}/file`, path, expected, rest).catch((thrown: unknown) => thrown)
    expect(readdirSync(none)).toEqual([])
    return { error, count: server.requests.length }
  }

  it.each([
    ['404', { status: 404 }, 1, /HTTP status 404/],
    ['403', { status: 403 }, 1, /HTTP status 403/],
    ['206', { status: 206 }, 1, /HTTP status 206/],
    ['a redirect to nowhere', { status: 302 }, 1, /HTTP status 302/],
    ['a redirect to itself', { status: 302, headers: { location: '/file' } }, 6, /redirects/],
    ['a redirect to a file', { status: 302, headers: { location: 'file:///etc/passwd' } }, 1, /file:/],
    ['500 for ever', { status: 500 }, 3, /HTTP status 500/],
    ['no answer for ever', { refuse: true }, 3, /hang up|ECONNRESET/],
    ['a stall for ever', { stallAfter: 1000 }, 3, /no byte for 0.3 s/],
  ])('%s', async (_, wrong, requests, found) => {
    const { error, count } = await attempt(wrong)
    expect(error).toEqual(fault('REPOSITORY_UNREACHABLE', found))
    expect(count).toBe(requests)
  })

  it('a server that drips', async () => {
    const slow = { ...options, timing: { stall: 300, total: 200, pauses: [] } }
    const { error } = await attempt({ stallAfter: 10 }, right, slow)
    expect(error).toEqual(fault('REPOSITORY_UNREACHABLE', /not finished after 0.2 s/))
  })

  it('a wrong size or checksum, without another attempt', async () => {
    for (const [expected, found] of [
      [{ ...right, size: content.length - 1 }, /more than/],
      [{ ...right, size: content.length + 1 }, /300000 bytes/],
      [{ ...right, checksum: { type: 'sha256' as const, hex: '0'.repeat(64) } }, new RegExp(hex)],
    ] as const) {
      const { error, count } = await attempt(undefined, expected)
      expect(error).toEqual(fault('CHECKSUM_MISMATCH', found))
      expect(count).toBe(1)
    }
  })

  it('a file above the ceiling, known before or not', async () => {
    expect((await attempt(undefined, { ...right, maxSize: 1000 })).error).toEqual(fault('CEILING_REACHED'))
    expect((await attempt(undefined, { maxSize: 1000, size: null, checksum: null })).error).toEqual(
      fault('CEILING_REACHED'),
    )
  })

  it('plain http that is not allowed, before any request', async () => {
    const { error, count } = await attempt(undefined, right, { ...options, allowInsecure: false })
    expect(error).toEqual(fault('INSECURE_NOT_ALLOWED'))
    expect(count).toBe(0)
  })
})

describe('downloadBytes', () => {
  it('follows redirects, and takes bytes as they are whatever Content-Encoding says', async () => {
    await using server = await serveFiles(new Map([['real', content]]), path =>
      path === 'file' ? { status: 301, headers: { location: '/real' } } : { headers: { 'content-encoding': 'gzip' } },
    )
    expect(Buffer.from(await downloadBytes(`${server.url}/file`, right, options)).equals(content)).toBe(true)
    expect(server.requests).toEqual(['file', 'real'])
  })
})

describe('a file that breaks off', () => {
  const etag = '"one"'
  const resume = async (wrong: (attempt: number) => Misbehaviour | undefined, expected = right) => {
    await using server = await serveFiles(new Map([['file', content]]), (_, attempt) => wrong(attempt))
    const path = join(directory, 'file')
    const outcome = await downloadFile(`${server.url}/file`, path, expected, options).then(
      () => readFileSync(path).equals(content),
      (error: unknown) => error,
    )
    return { outcome, ranges: [...server.ranges] }
  }

  it('is asked for from there on, as often as each part brings something', async () => {
    const { outcome, ranges } = await resume(attempt => ({ etag, ...(attempt < 5 ? { breakAfter: 60_000 } : {}) }))
    expect(outcome).toBe(true)
    expect(ranges[0]).toEqual([undefined, undefined])
    expect(ranges).toHaveLength(5)
    for (const [range, validator] of ranges.slice(1))
      expect([range, validator]).toEqual([expect.stringMatching(/^bytes=[1-9]\d*-$/), etag])
  })

  it('is fetched whole when it is another file by now', async () => {
    const { outcome, ranges } = await resume(attempt =>
      attempt === 1 ? { etag, breakAfter: 60_000 } : { etag: '"two"' },
    )
    expect(outcome).toBe(true)
    expect(ranges).toHaveLength(2)
  })

  it('is fetched whole once more when the parts do not fit together', async () => {
    const other = new Uint8Array(content.length)
    const { outcome, ranges } = await resume(attempt =>
      attempt === 1 ? { etag, breakAfter: 60_000, body: other } : { etag },
    )
    expect(outcome).toBe(true)
    expect(ranges.map(([range]) => range === undefined)).toEqual([true, false, true])
  })

  it('is refused when it is wrong as a whole too', async () => {
    const other = new Uint8Array(content.length)
    const { outcome, ranges } = await resume(attempt => ({
      etag,
      body: other,
      ...(attempt === 1 ? { breakAfter: 60_000 } : {}),
    }))
    expect(outcome).toEqual(fault('CHECKSUM_MISMATCH', /sha256/))
    expect(ranges).toHaveLength(3)
  })

  it('ends at the first byte that is too many, also of a part', async () => {
    const long = new Uint8Array([...content, 1])
    const { outcome } = await resume(attempt => ({
      etag,
      body: long,
      ...(attempt === 1 ? { breakAfter: 60_000 } : {}),
    }))
    expect(outcome).toEqual(fault('CHECKSUM_MISMATCH', /more than 300000/))
  })

  it('without a checksum begins anew, so that a little more each time is no progress', async () => {
    await using server = await serveFiles(new Map([['file', content]]), (_, attempt) => ({
      breakAfter: attempt * 1000,
    }))
    const known = { maxSize: content.length, size: null, checksum: null }
    await expect(downloadBytes(`${server.url}/file`, known, options)).rejects.toThrow(fault('REPOSITORY_UNREACHABLE'))
    expect(server.requests).toHaveLength(1 + (options.timing?.pauses?.length ?? 0))
  })

  it('is left after some attempts of a server that drips', async () => {
    const { outcome, ranges } = await resume(() => ({ etag, breakAfter: 1000 }))
    expect(outcome).toEqual(fault('REPOSITORY_UNREACHABLE'))
    expect(ranges.length).toBeLessThan(25)
  })
})
