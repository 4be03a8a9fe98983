// Names in an initramfs: cpio archives one after another, each plain or compressed (Linux, Documentation/driver-api/early-userspace/buffer-format.rst).

import { Readable, type Transform } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import { createGunzip, createZstdDecompress } from 'node:zlib'
import xz from 'xz-decompress'
import { ToolError } from '../errors.ts'
import { splitFrames } from './zstd-frames.ts'

/** A large initramfs unpacks to 300 MB. */
const expansionCeiling = 4 * 1024 ** 3
const nameCeiling = 4096
const entryCeiling = 1_000_000
const headerSize = 110
const trailer = 'TRAILER!!!'

/**
 * Names of all entries, without a leading `./` or `/`. Plain archives in front (microcode) are followed by zero bytes and the next archive; gzip, zstd
 * and xz are unpacked to the end. Throws INITRAMFS_INVALID for anything else, for an archive without its trailer, and above the ceilings.
 */
export async function listInitramfs(bytes: Uint8Array, source: string): Promise<string[]> {
  const names: string[] = []
  await readArchives(once(bytes), names, source, 0)
  return names
}

async function* once(bytes: Uint8Array): AsyncGenerator<Uint8Array, void, undefined> {
  const step = 256 * 1024
  for (let at = 0; at < bytes.length; at += step) yield bytes.subarray(at, at + step)
}

async function readArchives(
  stream: AsyncGenerator<Uint8Array, void, undefined>,
  names: string[],
  source: string,
  depth: number,
): Promise<void> {
  const at = new StreamReader(stream, source)
  let archives = 0
  for (;;) {
    await at.skipZeros()
    const head = await at.peek(6)
    if (head.length === 0) {
      if (archives > 0) return
      throw invalid(source, 'nothing', 'a cpio archive')
    }
    const text = Buffer.from(head).toString('latin1')
    if (text === '070701' || text === '070702') {
      await readCpio(at, names, source)
      archives += 1
      continue
    }
    const unpacked = unpack(head, at.rest(), source)
    if (unpacked === undefined || depth > 0)
      throw invalid(
        source,
        `bytes ${Buffer.from(head).toString('hex')}`,
        'a cpio archive, plain or by gzip, zstd or xz',
      )
    try {
      return await readArchives(limited(unpacked, source), names, source, depth + 1)
    } catch (cause) {
      if (cause instanceof ToolError && cause.code === 'INITRAMFS_INVALID') throw cause
      throw invalid(source, 'compressed data that is damaged', 'data that unpacks', cause)
    }
  }
}

/** Entries up to the trailer; contents are passed over. */
async function readCpio(at: StreamReader, names: string[], source: string): Promise<void> {
  for (;;) {
    const header = Buffer.from(await at.take(headerSize)).toString('latin1')
    if (!/^07070[12][0-9A-Fa-f]{104}$/.test(header)) throw invalid(source, 'no cpio header', '070701 and 13 numbers')
    const field = (index: number) => Number.parseInt(header.slice(6 + index * 8, 14 + index * 8), 16)
    const size = field(6)
    const nameSize = field(11)
    if (nameSize === 0 || nameSize > nameCeiling)
      throw invalid(source, `a name of ${nameSize} bytes`, `1 to ${nameCeiling}`)
    const name = Buffer.from(await at.take(nameSize))
      .toString('utf8')
      .replace(/\0.*$/s, '')
    await at.align()
    if (name === trailer) return
    await at.skip(size)
    await at.align()
    names.push(name.replace(/^(?:\.?\/)+/, ''))
    if (names.length > entryCeiling) throw invalid(source, 'too many entries', `at most ${entryCeiling}`)
  }
}

function unpack(
  head: Uint8Array,
  rest: AsyncGenerator<Uint8Array, void, undefined>,
  source: string,
): AsyncIterable<Uint8Array> | undefined {
  const hex = Buffer.from(head).toString('hex')
  if (hex.startsWith('1f8b')) return through(rest, createGunzip())
  if (hex.startsWith('28b52ffd'))
    return through(splitFrames(rest, source, { zerosMayFollow: true }), createZstdDecompress())
  if (hex.startsWith('fd377a585a00')) return new xz.XzReadableStream(ReadableStream.from(rest))
  return undefined
}

function through(bytes: AsyncGenerator<Uint8Array, void, undefined>, decoder: Transform): AsyncIterable<Uint8Array> {
  // faults reach the reader of `decoder` as well
  pipeline(Readable.from(bytes, { objectMode: true }), decoder).catch(() => undefined)
  return decoder
}

async function* limited(bytes: AsyncIterable<Uint8Array>, source: string): AsyncGenerator<Uint8Array, void, undefined> {
  let size = 0
  for await (const chunk of bytes) {
    size += chunk.length
    if (size > expansionCeiling) throw invalid(source, `more than ${expansionCeiling} bytes unpacked`, 'less')
    yield chunk
  }
}

/** Takes bytes from a stream by count; alignment counts from the start of the stream. */
class StreamReader {
  readonly #stream: AsyncGenerator<Uint8Array, void, undefined>
  readonly #source: string
  #buffer: Uint8Array = new Uint8Array()
  #offset = 0

  constructor(stream: AsyncGenerator<Uint8Array, void, undefined>, source: string) {
    this.#stream = stream
    this.#source = source
  }

  /** False at the end of the stream. */
  async #more(): Promise<boolean> {
    const next = await this.#stream.next()
    if (next.done) return false
    this.#buffer = this.#buffer.length === 0 ? next.value : Buffer.concat([this.#buffer, next.value])
    return true
  }

  #advance(count: number): Uint8Array {
    const taken = this.#buffer.subarray(0, count)
    this.#buffer = this.#buffer.subarray(count)
    this.#offset += count
    return taken
  }

  /** At most `count` bytes; fewer at the end. */
  async peek(count: number): Promise<Uint8Array> {
    while (this.#buffer.length < count && (await this.#more())) {}
    return this.#buffer.subarray(0, count)
  }

  async take(count: number): Promise<Uint8Array> {
    if ((await this.peek(count)).length < count)
      throw invalid(this.#source, 'an archive that ends too early', `${count} more bytes`)
    return this.#advance(count)
  }

  async skip(count: number): Promise<void> {
    let left = count
    while (left > 0) {
      if (this.#buffer.length === 0 && !(await this.#more()))
        throw invalid(this.#source, 'an archive that ends too early', `${left} more bytes`)
      left -= this.#advance(Math.min(left, this.#buffer.length)).length
    }
  }

  async align(): Promise<void> {
    await this.skip((4 - (this.#offset % 4)) % 4)
  }

  async skipZeros(): Promise<void> {
    for (;;) {
      if (this.#buffer.length === 0 && !(await this.#more())) return
      const end = this.#buffer.findIndex(byte => byte !== 0)
      this.#advance(end < 0 ? this.#buffer.length : end)
      if (end >= 0) return
    }
  }

  /** All that is left. */
  async *rest(): AsyncGenerator<Uint8Array, void, undefined> {
    if (this.#buffer.length > 0) yield this.#buffer
    yield* this.#stream
  }
}

function invalid(source: string, found: string, wanted: string, cause?: unknown): ToolError {
  return new ToolError('INITRAMFS_INVALID', 'the initramfs cannot be read', { found, wanted, where: { source }, cause })
}
