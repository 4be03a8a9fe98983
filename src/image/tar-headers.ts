// Watches the headers of a tar stream for what its readers take differently (modern-tar here; Go's archive/tar in podman, the tar crate in bootc on nodes), and adds end blocks that are missing.

import { ToolError } from '../errors.ts'
import { type PaxFacts, paxFacts } from './pax-records.ts'
import { dialectOf, hasChecksum, nameOffsets, sizeField, startsWithMark } from './tar-fields.ts'

const block = 512
/** Eleven octal digits. */
const fieldCeiling = 8 ** 11
/** Records of one pax header; names are at most 4 KiB, extended attributes 64 KiB. */
const paxCeiling = 1024 * 1024

const decode = (bytes: Uint8Array): string => new TextDecoder().decode(bytes)

const withContents = new Set(['\0', '0'])
const withoutContents = new Set(['1', '2', '3', '4', '5', '6'])
/** Headers that say something about the next entry, or about all. */
const metaTypes = ['x', 'g', 'L', 'K'] as const
type MetaType = (typeof metaTypes)[number]
const isMeta = (type: string): type is MetaType => (metaTypes as readonly string[]).includes(type)
/** As git archive writes it; podman takes the names of other global headers for paths of the image. */
const globalHeaderName = 'pax_global_header'

/**
 * Passes the bytes of a tar archive on. Refuses entry types and sparse files that modern-tar takes for plain files (LAYER_UNSUPPORTED), and headers, pax
 * records and successions of headers that not all readers understand alike (LAYER_INVALID). An archive that ends behind the contents of an entry, without padding or its two zero blocks, gets these, as podman accepts it.
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
  /** Bytes of contents and padding still to pass, and how many of these at their end are padding. */
  #skip = 0
  #padding = 0
  #zeroBlocks = 0
  /** Contents of a header about the next entry, being collected. */
  #meta: { readonly type: MetaType; readonly bytes: Uint8Array; filled: number } | undefined
  /** Headers that wait for their entry, in order. */
  #pending = ''
  #pax: PaxFacts | undefined
  /** As an L header has it. */
  #longName: string | undefined

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
        if (this.#skip === 0) this.#finishMeta()
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

  /** Zeros to add: padding behind the last contents, which umoci leaves out, and end blocks. 0 when the archive is cut inside an entry, which modern-tar then says. */
  missingEnd(): number {
    const between = this.#skip <= this.#padding && this.#filled === 0 && this.#pending === ''
    return between ? this.#skip + Math.max(0, 2 - this.#zeroBlocks) * block : 0
  }

  #header(header: Uint8Array): void {
    if (header.every(byte => byte === 0)) {
      if (this.#pending !== '') throw this.#fault('LAYER_INVALID', 'a header about an entry that does not follow')
      this.#zeroBlocks += 1
      return
    }
    if (this.#zeroBlocks > 0 || !hasChecksum(header)) throw this.#fault('LAYER_INVALID', 'a block that is no header')
    const type = String.fromCharCode(header[156] ?? 0)
    const name = decode(header.subarray(0, 100)).split('\0')[0] ?? ''
    if (!isMeta(type) && !withContents.has(type) && !withoutContents.has(type))
      throw new ToolError('LAYER_UNSUPPORTED', 'a layer has an entry of a type that is not supported', {
        found: type === 'S' ? 'a GNU sparse file' : `type ${JSON.stringify(type)}`,
        wanted: 'files, directories, links, devices and pipes',
        where: { source: this.#source, path: name },
      })
    const dialect = dialectOf(header)
    if (dialect === undefined || (dialect === 'v7' && isMeta(type)))
      throw this.#fault('LAYER_INVALID', `a header that readers take differently, named ${JSON.stringify(name)}`)
    if (nameOffsets.some(offset => startsWithMark(header.subarray(offset))))
      throw this.#fault('LAYER_INVALID', 'a name with a byte order mark')
    const field = sizeField(header)
    if (field === undefined) throw this.#fault('LAYER_INVALID', 'a size that is no number')
    const size = field === 0 && !isMeta(type) ? (this.#largeSize() ?? field) : field
    this.#skip = Math.ceil(size / block) * block
    this.#padding = this.#skip - size
    if (isMeta(type)) this.#beginMeta(type, size, name)
    else this.#entry(type, size, name)
  }

  /** Alone, or `x` without names first and then `L` and `K`: other successions are read in several ways. */
  #beginMeta(type: MetaType, size: number, name: string): void {
    if (size > paxCeiling) throw this.#fault('CEILING_REACHED', `a header of ${size} bytes about an entry`)
    const follows = this.#pending + type
    if (!/^(?:g|x|x?LK?|x?KL?)$/.test(follows) || (follows.length > 1 && this.#pax?.names))
      throw this.#fault('LAYER_INVALID', `headers about one entry in an order that is not taken: ${follows}`)
    if (type === 'g' && name !== globalHeaderName)
      throw this.#fault('LAYER_INVALID', `a global header with the name ${JSON.stringify(name)}`)
    if (type !== 'g') this.#pending = follows
    this.#meta = { type, bytes: new Uint8Array(size), filled: 0 }
    if (size === 0) this.#finishMeta()
  }

  #entry(type: string, size: number, name: string): void {
    // a directory to one reader, a file to another
    if (type !== '5' && (this.#longName ?? this.#pax?.path ?? name).endsWith('/'))
      throw this.#fault(
        'LAYER_INVALID',
        `an entry of type ${type} whose name ends with a slash: ${JSON.stringify(name)}`,
      )
    if (size > 0 && withoutContents.has(type))
      throw this.#fault('LAYER_INVALID', `an entry of type ${type} with ${size} bytes: ${JSON.stringify(name)}`)
    if (this.#pax?.size !== undefined && this.#pax.size !== size)
      throw this.#fault('LAYER_INVALID', `two sizes of one entry: ${size} and, in its pax header, ${this.#pax.size}`)
    this.#pending = ''
    this.#pax = undefined
    this.#longName = undefined
  }

  /** A size that the field of the header cannot hold: Go's writer leaves that at zero, and all readers take the one of the pax header. */
  #largeSize(): number | undefined {
    const size = this.#pax?.size
    return size !== undefined && size >= fieldCeiling ? size : undefined
  }

  #collect(bytes: Uint8Array): void {
    const meta = this.#meta
    if (meta === undefined) return
    const taken = bytes.subarray(0, meta.bytes.length - meta.filled)
    meta.bytes.set(taken, meta.filled)
    meta.filled += taken.length
  }

  #finishMeta(): void {
    const meta = this.#meta
    this.#meta = undefined
    if (meta === undefined) return
    if (meta.type === 'x') this.#pax = paxFacts(meta.bytes, 'x', this.#source)
    else if (meta.type === 'g') paxFacts(meta.bytes, 'g', this.#source)
    else {
      // a name and one NUL, which some writers leave out
      const nul = meta.bytes.indexOf(0)
      if (
        meta.bytes.length === 0 ||
        nul === 0 ||
        (nul > 0 && nul < meta.bytes.length - 1) ||
        startsWithMark(meta.bytes)
      )
        throw this.#fault('LAYER_INVALID', 'a long name that is empty, has a byte order mark, or goes on after NUL')
      if (meta.type === 'L') this.#longName = decode(nul < 0 ? meta.bytes : meta.bytes.subarray(0, nul))
    }
  }

  #fault(code: 'LAYER_INVALID' | 'LAYER_UNSUPPORTED' | 'CEILING_REACHED', found: string): ToolError {
    return new ToolError(code, 'a layer is not a tar archive as it should be', {
      found,
      where: { source: this.#source },
    })
  }
}
