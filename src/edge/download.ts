// Downloads over http and https: bounded, with timeouts, a few retries, and the rest only of a file that broke off; size and checksum
// are checked of the whole.

import { createHash, type Hash } from 'node:crypto'
import { type FileHandle, open, rename, rm } from 'node:fs/promises'
import { setTimeout as pause } from 'node:timers/promises'
import { ToolError } from '../errors.ts'
import type { Checksum } from '../formats/rpm/checksum.ts'
import type { Connections } from './connections.ts'
import { type HttpResponse, openResponse, ResponseFault } from './http-response.ts'
import type { Log } from './log.ts'
import type { ProgressItem } from './progress.ts'

/** What a file must be. `maxSize` in bytes holds also where the size is not known. */
export interface Expected {
  readonly maxSize: number
  readonly size: number | null
  readonly checksum: Checksum | null
}

export interface DownloadOptions {
  /** Allows plain http, also as the target of a redirect. */
  readonly allowInsecure: boolean
  /** Is told of redirects to plain http, which were followed. */
  readonly noteInsecure?: ((origin: string) => void) | undefined
  /** Authorities and proxies; by default those of the environment. */
  readonly connections?: Connections
  readonly timing?: Partial<DownloadTiming>
  /** Is told of what did not end the work. */
  readonly log?: Pick<Log, 'info' | 'warning' | 'progress'> | undefined
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

/** Of a small file: who drips it byte by byte holds everything up. */
const smallFileTotal = 2 * 60_000

/** A server that breaks off each time, a little later each time, is left after so many attempts. */
const attemptsWithProgress = 20

/**
 * Downloads to `path`, which appears only when size and checksum are right. Tries again after network faults, 5xx, 408 and
 * 429, where it can from the byte at which the file broke off. Throws REPOSITORY_UNREACHABLE, CHECKSUM_MISMATCH, CEILING_REACHED,
 * INSECURE_NOT_ALLOWED, CLIENT_CERTIFICATE_REFUSED. `progress` gets a negative number when bytes turned out to be of no use.
 */
export async function downloadFile(
  url: string,
  path: string,
  expected: Expected,
  options: DownloadOptions,
  progress?: Pick<ProgressItem, 'add'>,
): Promise<void> {
  const part = `${path}.part`
  try {
    // opened before the first byte comes: a stream that opens by itself can make the file after it was removed again
    const file = await open(part, 'w')
    try {
      await receiveInto(fileSink(file, progress), url, expected, options)
    } finally {
      await file.close()
    }
    await rename(part, path)
  } finally {
    await rm(part, { force: true })
  }
}

/** Downloads a small file into memory; otherwise like `downloadFile`. */
export async function downloadBytes(url: string, expected: Expected, options: DownloadOptions): Promise<Uint8Array> {
  let parts: Uint8Array[] = []
  const sink: Sink = {
    async write(bytes) {
      parts.push(bytes)
    },
    async clear() {
      parts = []
    },
  }
  await receiveInto(sink, url, expected, { ...options, timing: { total: smallFileTotal, ...options.timing } })
  return new Uint8Array(Buffer.concat(parts))
}

/** Where the bytes go, in order. */
interface Sink {
  write(bytes: Uint8Array): Promise<void>
  /** Forgets what was written. */
  clear(): Promise<void>
}

function fileSink(file: FileHandle, progress: Pick<ProgressItem, 'add'> | undefined): Sink {
  let at = 0
  return {
    async write(bytes) {
      for (let done = 0; done < bytes.length; ) {
        const { bytesWritten } = await file.write(bytes, done, bytes.length - done, at)
        done += bytesWritten
        at += bytesWritten
      }
      progress?.add(bytes.length)
    },
    async clear() {
      progress?.add(-at)
      at = 0
      await file.truncate(0)
    },
  }
}

/** What is there of a file that is on its way. */
interface Received {
  count: number
  hash: Hash | undefined
  validator: string | undefined
  /** It came in more than one answer, so that its parts may be of different files. */
  pieced: boolean
}

async function receiveInto(sink: Sink, url: string, expected: Expected, options: DownloadOptions): Promise<void> {
  const { size, maxSize, checksum } = expected
  if (size !== null && size > maxSize) throw tooLarge(`${size} bytes`, maxSize, url)
  const timing = { ...usualTiming, ...options.timing }
  const fresh = () => ({ count: 0, hash: checksum === null ? undefined : createHash(checksum.type) })
  const received: Received = { ...fresh(), validator: undefined, pieced: false }
  const startAgain = async () => {
    Object.assign(received, fresh(), { validator: undefined, pieced: false })
    await sink.clear()
  }
  let startedAgain = false
  let most = 0
  let pauses = 0
  for (let attempts = 1; ; attempts += 1) {
    try {
      // without a checksum nothing would show that the parts belong together
      const { count, validator } = received
      const range = count === 0 || checksum === null ? undefined : { from: count, validator }
      const response = await openResponse(url, {
        ...timing,
        allowInsecure: options.allowInsecure,
        noteInsecure: options.noteInsecure,
        connections: options.connections,
        range,
      })
      try {
        if (response.from === 0) await startAgain()
        else received.pieced = true
        await receive(response, received, sink, url, expected)
      } finally {
        response.close()
      }
      return
    } catch (error) {
      if (!(error instanceof ResponseFault)) {
        const mixed = received.pieced && error instanceof ToolError && error.code === 'CHECKSUM_MISMATCH'
        if (!mixed || startedAgain) throw error
        startedAgain = true
        await startAgain()
        continue
      }
      // without a checksum each attempt begins anew
      const progress = checksum !== null && most > 0 && received.count > most && attempts < attemptsWithProgress
      most = Math.max(most, received.count)
      const wait = timing.pauses[progress ? 0 : pauses]
      if (!progress) pauses += 1
      if (!error.again || wait === undefined) throw error.reason
      await pause(wait)
    }
  }
}

/** Passes the bytes on and throws when they are too many, and at their end when the whole is not what was expected. */
async function receive(
  response: HttpResponse,
  received: Received,
  sink: Sink,
  url: string,
  { size, maxSize, checksum }: Expected,
): Promise<void> {
  received.validator = response.validator
  for await (const chunk of response.body) {
    const count = received.count + chunk.length
    if (size !== null && count > size) throw wrongSize(`more than ${size} bytes`, size, url)
    if (count > maxSize) throw tooLarge(`more than ${maxSize} bytes`, maxSize, url)
    await sink.write(chunk)
    received.hash?.update(chunk)
    received.count = count
  }
  if (size !== null && received.count !== size) throw wrongSize(`${received.count} bytes`, size, url)
  const found = received.hash?.digest('hex')
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
