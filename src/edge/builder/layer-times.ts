// A layer with all its times set to one, as podman's --timestamp does: pax(1) of POSIX.1-2008 (ustar and pax formats), tar(5) for GNU's fields.

import { ToolError } from '../../errors.ts'

const block = 512
/** Records of one pax header. */
const paxCeiling = 1024 * 1024
const times = new Set(['mtime', 'atime', 'ctime', 'LIBARCHIVE.creationtime'])

/** The same tar archive with `seconds` since 1970 as the time of every entry. Throws BUILD_FAILED when the bytes are no tar archive. */
export async function* withTime(
  tar: AsyncIterable<Uint8Array>,
  seconds: number,
): AsyncGenerator<Uint8Array, void, undefined> {
  const bytes = new Blocks(tar)
  /** As a pax header says of the next entry: contents of more than 8 GiB. */
  let told: number | undefined
  for (;;) {
    const header = await bytes.take(block)
    if (header.length === 0) return
    if (header.length < block) throw broken('a part of a header')
    if (header.every(byte => byte === 0)) {
      yield header
      yield* bytes.rest()
      return
    }
    const type = String.fromCharCode(header[156] ?? 0)
    const size = sizeOf(header)
    if (type === 'x' || type === 'g') {
      if (size > paxCeiling) throw broken(`a pax header of ${size} bytes`)
      const contents = await bytes.take(padded(size))
      if (contents.length < padded(size)) throw broken('an end inside of a pax header')
      const records = recordsOf(contents.subarray(0, size))
      if (type === 'x') told = sizeRecord(records)
      const kept = Buffer.concat(records.filter(({ key }) => !times.has(key)).map(({ line }) => line))
      if (kept.length === 0) continue
      yield stamped(header, seconds, kept.length)
      yield kept
      yield new Uint8Array(padded(kept.length) - kept.length)
      continue
    }
    yield stamped(header, seconds, undefined)
    const contents = type === '0' || type === '\0' || type === 'L' || type === 'K' ? padded(told ?? size) : 0
    told = type === 'L' || type === 'K' ? told : undefined
    yield* bytes.pass(contents)
  }
}

const padded = (size: number): number => Math.ceil(size / block) * block

function stamped(header: Uint8Array, seconds: number, size: number | undefined): Uint8Array {
  const made = Buffer.from(header)
  const octal = (value: number, digits: number) => value.toString(8).padStart(digits, '0')
  if (size !== undefined) made.write(`${octal(size, 11)}\0`, 124, 'latin1')
  made.write(`${octal(seconds, 11)}\0`, 136, 'latin1')
  // GNU's atime and ctime stand where ustar has the prefix of the name
  if (made.toString('latin1', 257, 265) === 'ustar  \0') made.fill(0, 345, 369)
  made.fill(0x20, 148, 156)
  const sum = made.reduce((total, byte) => total + byte, 0)
  made.write(`${octal(sum, 6)}\0 `, 148, 'latin1')
  return made
}

/** Octal digits, or a base-256 number. */
function sizeOf(header: Uint8Array): number {
  const field = header.subarray(124, 136)
  const size =
    field[0] === 0x80
      ? field.subarray(1).reduce((sum, byte) => sum * 256 + byte, 0)
      : Number.parseInt(/^ *([0-7]+)[ \0]*$/.exec(Buffer.from(field).toString('latin1'))?.[1] ?? '', 8)
  if (!Number.isSafeInteger(size)) throw broken('a size that is no number')
  return size
}

interface PaxRecord {
  readonly key: string
  readonly value: string
  readonly line: Uint8Array
}

function recordsOf(bytes: Uint8Array): PaxRecord[] {
  const records: PaxRecord[] = []
  for (let at = 0; at < bytes.length; ) {
    const head = Buffer.from(bytes.subarray(at, at + 300)).toString('latin1')
    const [start = '', length = '', key = ''] = /^([0-9]{1,7}) ([^=\0\n]+)=/.exec(head) ?? []
    const end = at + Number(length)
    if (end < at + start.length + 1 || bytes[end - 1] !== 0x0a) throw broken('a broken pax record')
    const value = Buffer.from(bytes.subarray(at + start.length, end - 1)).toString('latin1')
    records.push({ key, value, line: bytes.slice(at, end) })
    at = end
  }
  return records
}

function sizeRecord(records: readonly PaxRecord[]): number | undefined {
  const value = records.findLast(({ key }) => key === 'size')?.value
  if (value === undefined) return undefined
  if (!/^\d{1,15}$/.test(value)) throw broken('a size that is no number')
  return Number(value)
}

function broken(found: string): ToolError {
  return new ToolError('BUILD_FAILED', 'a layer that the builder exported is not a tar archive', { found })
}

/** Pieces of a stream, cut as they are needed. */
class Blocks {
  readonly #chunks: AsyncIterator<Uint8Array>
  #held: Uint8Array = new Uint8Array()

  constructor(bytes: AsyncIterable<Uint8Array>) {
    this.#chunks = bytes[Symbol.asyncIterator]()
  }

  /** Fewer bytes at the end of the stream only. */
  async take(count: number): Promise<Uint8Array> {
    const parts: Uint8Array[] = []
    for await (const part of this.#upTo(count)) parts.push(part)
    return new Uint8Array(Buffer.concat(parts))
  }

  async *pass(count: number): AsyncGenerator<Uint8Array, void, undefined> {
    let passed = 0
    for await (const part of this.#upTo(count)) {
      passed += part.length
      yield part
    }
    if (passed < count) throw broken('an end inside of a file')
  }

  rest(): AsyncGenerator<Uint8Array, void, undefined> {
    return this.#upTo(Number.POSITIVE_INFINITY)
  }

  async *#upTo(count: number): AsyncGenerator<Uint8Array, void, undefined> {
    for (let missing = count; missing > 0; ) {
      if (this.#held.length === 0) {
        const { done, value } = await this.#chunks.next()
        if (done) return
        this.#held = value
      }
      const part = this.#held.subarray(0, Math.min(missing, this.#held.length))
      this.#held = this.#held.subarray(part.length)
      missing -= part.length
      if (part.length > 0) yield part
    }
  }
}
