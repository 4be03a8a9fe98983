// Watches the headers of a tar stream for what modern-tar reads otherwise than POSIX.1-2001 and GNU tar mean it, and adds end blocks that are missing.

import { ToolError } from '../errors.ts'

const block = 512
/** Records of one pax header; names are at most 4 KiB, extended attributes 64 KiB. */
const paxCeiling = 1024 * 1024

const decode = (bytes: Uint8Array): string => new TextDecoder().decode(bytes)

/** Types with contents; every other known type has none, whatever its size field says. */
const withContents = new Set(['\0', '0', '7', 'x', 'g', 'L', 'K'])
const withoutContents = new Set(['1', '2', '3', '4', '5', '6'])

/**
 * Passes the bytes of a tar archive on. Refuses entry types and sparse files that modern-tar takes for plain files (LAYER_UNSUPPORTED) and broken pax
 * records that it passes over (LAYER_INVALID). An archive that ends between entries without its two zero blocks, as podman accepts them, gets these.
 */
export async function* checkedTar(
  bytes: AsyncIterable<Uint8Array>,
  source: string,
): AsyncGenerator<Uint8Array, void, undefined> {
  const headers = new TarHeaders(source)
  for await (const chunk of bytes) {
    headers.watch(chunk)
    yield chunk
  }
  const missing = headers.missingEnd()
  if (missing > 0) yield new Uint8Array(missing)
}

class TarHeaders {
  readonly #source: string
  #part = new Uint8Array(block)
  #filled = 0
  /** Bytes of contents and padding still to pass. */
  #skip = 0
  #zeroBlocks = 0
  /** Contents of a pax header, being collected. */
  #records: { type: string; bytes: Uint8Array; filled: number } | undefined
  #paxSize: number | undefined
  #longNames = 0

  constructor(source: string) {
    this.#source = source
  }

  watch(chunk: Uint8Array): void {
    let at = 0
    while (at < chunk.length && this.#zeroBlocks < 2) {
      if (this.#skip > 0) {
        const taken = Math.min(this.#skip, chunk.length - at)
        this.#collect(chunk.subarray(at, at + taken))
        this.#skip -= taken
        at += taken
        if (this.#skip === 0) this.#finishRecords()
      } else {
        const taken = Math.min(block - this.#filled, chunk.length - at)
        this.#part.set(chunk.subarray(at, at + taken), this.#filled)
        this.#filled += taken
        at += taken
        if (this.#filled === block) {
          this.#filled = 0
          this.#header(this.#part)
        }
      }
    }
  }

  /** Bytes of zero blocks to add; 0 when the archive is cut inside an entry, which modern-tar then says. */
  missingEnd(): number {
    const between = this.#skip === 0 && this.#filled === 0 && this.#paxSize === undefined && this.#longNames === 0
    return between ? Math.max(0, 2 - this.#zeroBlocks) * block : 0
  }

  #header(header: Uint8Array): void {
    if (header.every(byte => byte === 0)) {
      this.#zeroBlocks += 1
      return
    }
    if (this.#zeroBlocks > 0 || !hasChecksum(header)) throw this.#fault('LAYER_INVALID', 'a block that is no header')
    const type = String.fromCharCode(header[156] ?? 0)
    if (!withContents.has(type) && !withoutContents.has(type))
      throw new ToolError('LAYER_UNSUPPORTED', 'a layer has an entry of a type that is not supported', {
        found: type === 'S' ? 'a GNU sparse file' : `type ${JSON.stringify(type)}`,
        wanted: 'files, directories, links, devices and pipes',
        where: { source: this.#source, path: decode(header.subarray(0, 100)).split('\0')[0] ?? '' },
      })
    const size = withoutContents.has(type) ? 0 : this.#sizeOf(header, type)
    this.#skip = Math.ceil(size / block) * block
    if (type === 'x' || type === 'g') {
      if (size > paxCeiling) throw this.#fault('CEILING_REACHED', `a pax header of ${size} bytes`)
      this.#records = { type, bytes: new Uint8Array(size), filled: 0 }
      if (size === 0) this.#finishRecords()
    } else if (type === 'L' || type === 'K') {
      if (size > paxCeiling) throw this.#fault('CEILING_REACHED', `a name of ${size} bytes`)
      this.#longNames += 1
    } else {
      this.#paxSize = undefined
      this.#longNames = 0
    }
  }

  #sizeOf(header: Uint8Array, type: string): number {
    const meta = type === 'x' || type === 'g' || type === 'L' || type === 'K'
    if (!meta && this.#paxSize !== undefined) return this.#paxSize
    const field = header.subarray(124, 136)
    let size = 0
    if ((field[0] ?? 0) & 0x80) {
      size = (field[0] ?? 0) & 0x7f
      for (const byte of field.subarray(1)) size = size * 256 + byte
    } else {
      const text = (decode(field).split('\0')[0] ?? '').trim()
      size = text === '' ? 0 : /^[0-7]+$/.test(text) ? Number.parseInt(text, 8) : Number.NaN
    }
    if (!Number.isSafeInteger(size)) throw this.#fault('LAYER_INVALID', 'a size that is no number')
    return size
  }

  #collect(bytes: Uint8Array): void {
    const records = this.#records
    if (records === undefined) return
    const taken = bytes.subarray(0, records.bytes.length - records.filled)
    records.bytes.set(taken, records.filled)
    records.filled += taken.length
  }

  #finishRecords(): void {
    const records = this.#records
    this.#records = undefined
    if (records === undefined) return
    for (const [key, value] of paxRecords(records.bytes)) {
      if (key === undefined) throw this.#fault('LAYER_INVALID', 'a pax header with broken records')
      if (key.startsWith('GNU.sparse.')) throw this.#fault('LAYER_UNSUPPORTED', 'a sparse file')
      if (key !== 'size') continue
      if (records.type === 'g' || !/^\d{1,15}$/.test(value))
        throw this.#fault('LAYER_INVALID', 'a pax size that is no number of one entry')
      this.#paxSize = Number(value)
    }
  }

  #fault(code: 'LAYER_INVALID' | 'LAYER_UNSUPPORTED' | 'CEILING_REACHED', found: string): ToolError {
    return new ToolError(code, 'a layer is not a tar archive as it should be', {
      found,
      where: { source: this.#source },
    })
  }
}

/** The sum of all bytes, the field itself counted as spaces. */
function hasChecksum(header: Uint8Array): boolean {
  let sum = 8 * 0x20
  for (let index = 0; index < block; index += 1) if (index < 148 || index >= 156) sum += header[index] ?? 0
  return Number.parseInt((decode(header.subarray(148, 156)).split('\0')[0] ?? '').trim(), 8) === sum
}

/** Key and value of `length key=value\n` records; a key of undefined where they are broken. */
function* paxRecords(bytes: Uint8Array): Generator<[string, string] | [undefined, '']> {
  let at = 0
  while (at < bytes.length) {
    const space = bytes.indexOf(0x20, at)
    const digits = space < 0 ? '' : decode(bytes.subarray(at, space))
    const end = /^\d{1,7}$/.test(digits) ? at + Number(digits) : 0
    if (end <= space + 1 || end > bytes.length || bytes[end - 1] !== 0x0a) return yield [undefined, '']
    const record = decode(bytes.subarray(space + 1, end - 1))
    const equals = record.indexOf('=')
    if (equals <= 0) return yield [undefined, '']
    yield [record.slice(0, equals), record.slice(equals + 1)]
    at = end
  }
}
