// Downloads over http and https: bounded, with timeouts and a few retries; size and checksum are checked while streaming.

import { createHash } from 'node:crypto'
import { open, rename, rm } from 'node:fs/promises'
import { setTimeout as pause } from 'node:timers/promises'
import { ToolError } from '../errors.ts'
import type { Checksum } from '../formats/rpm/checksum.ts'
import type { Connections } from './connections.ts'
import { openResponse, ResponseFault } from './http-response.ts'

/** What a file must be. `maxSize` in bytes holds also where the size is not known. */
export interface Expected {
  readonly maxSize: number
  readonly size: number | null
  readonly checksum: Checksum | null
}

export interface DownloadOptions {
  /** Allows plain http, also as the target of a redirect. */
  readonly allowInsecure: boolean
  /** Authorities and proxies; by default those of the environment. */
  readonly connections?: Connections
  readonly timing?: Partial<DownloadTiming>
}

/** All in milliseconds. */
export interface DownloadTiming {
  /** Without a byte, before the answer and within it. */
  readonly stall: number
  readonly total: number
  /** Before the second, third, … attempt. */
  readonly pauses: readonly number[]
}

const usualTiming: DownloadTiming = { stall: 60_000, total: 30 * 60_000, pauses: [500, 2_000] }

/**
 * Downloads to `path`, which appears only when size and checksum are right. Tries again after network faults, 5xx, 408 and
 * 429. Throws REPOSITORY_UNREACHABLE, CHECKSUM_MISMATCH, CEILING_REACHED, INSECURE_NOT_ALLOWED.
 */
export async function downloadFile(
  url: string,
  path: string,
  expected: Expected,
  options: DownloadOptions,
): Promise<void> {
  const part = `${path}.part`
  try {
    await withRetries(options, timing => receive(url, expected, options, timing, chunks => writeWhole(part, chunks)))
    await rename(part, path)
  } finally {
    await rm(part, { force: true })
  }
}

/** Opened before the first byte comes: a stream that opens by itself can make the file after it was removed again. */
async function writeWhole(path: string, chunks: AsyncIterable<Uint8Array>): Promise<void> {
  const file = await open(path, 'w')
  try {
    await file.writeFile(chunks)
  } finally {
    await file.close()
  }
}

/** Downloads a small file into memory; otherwise like `downloadFile`. */
export async function downloadBytes(url: string, expected: Expected, options: DownloadOptions): Promise<Uint8Array> {
  return await withRetries(options, timing =>
    receive(url, expected, options, timing, async chunks => {
      const parts: Uint8Array[] = []
      for await (const chunk of chunks) parts.push(chunk)
      return new Uint8Array(Buffer.concat(parts))
    }),
  )
}

async function withRetries<T>(options: DownloadOptions, attempt: (timing: DownloadTiming) => Promise<T>): Promise<T> {
  const timing = { ...usualTiming, ...options.timing }
  for (let tries = 0; ; tries += 1) {
    try {
      return await attempt(timing)
    } catch (error) {
      if (!(error instanceof ResponseFault)) throw error
      const wait = timing.pauses[tries]
      if (!error.again || wait === undefined) throw error.reason
      await pause(wait)
    }
  }
}

async function receive<T>(
  url: string,
  expected: Expected,
  options: DownloadOptions,
  timing: DownloadTiming,
  use: (chunks: AsyncIterable<Uint8Array>) => Promise<T>,
): Promise<T> {
  const { size, maxSize } = expected
  if (size !== null && size > maxSize) throw tooLarge(`${size} bytes`, maxSize, url)
  const response = await openResponse(url, {
    ...timing,
    allowInsecure: options.allowInsecure,
    connections: options.connections,
  })
  try {
    return await use(checked(response.body, url, expected))
  } finally {
    response.close()
  }
}

/** Passes the bytes on and throws when they are too many, and at their end when they are not the expected ones. */
async function* checked(
  body: AsyncIterable<Uint8Array>,
  url: string,
  { size, maxSize, checksum }: Expected,
): AsyncGenerator<Uint8Array> {
  const hash = checksum === null ? undefined : createHash(checksum.type)
  let count = 0
  for await (const chunk of body) {
    count += chunk.length
    if (size !== null && count > size) throw wrongSize(`more than ${size} bytes`, size, url)
    if (count > maxSize) throw tooLarge(`more than ${maxSize} bytes`, maxSize, url)
    hash?.update(chunk)
    yield chunk
  }
  if (size !== null && count !== size) throw wrongSize(`${count} bytes`, size, url)
  const found = hash?.digest('hex')
  if (checksum !== null && found !== checksum.hex)
    throw new ToolError('CHECKSUM_MISMATCH', 'a downloaded file has a wrong checksum', {
      found: `${checksum.type} ${found}`,
      wanted: `${checksum.type} ${checksum.hex}`,
      where: { source: url },
    })
}

function wrongSize(found: string, size: number, url: string): ToolError {
  const text = 'a downloaded file has a wrong size'
  return new ToolError('CHECKSUM_MISMATCH', text, { found, wanted: `${size} bytes`, where: { source: url } })
}

function tooLarge(found: string, maxSize: number, url: string): ToolError {
  const wanted = `at most ${maxSize} bytes`
  return new ToolError('CEILING_REACHED', 'a file to download is too large', { found, wanted, where: { source: url } })
}
