// What the headers of a tar archive say, refused where its readers differ: Go's archive/tar in podman, the tar crate in bootc on nodes.

import { ToolError } from '../errors.ts'
import { type PaxFacts, paxFacts } from './pax-records.ts'
import {
  dialectOf,
  hasChecksum,
  nameOffsets,
  type OwnerFields,
  ownerFields,
  sizeField,
  startsWithMark,
  textField,
} from './tar-fields.ts'

export const blockSize = 512
/** Eleven octal digits. */
const fieldCeiling = 8 ** 11
/** Records of one pax header; names are at most 4 KiB, extended attributes 64 KiB. */
const metaCeiling = 1024 * 1024

export type TarEntryType = 'file' | 'link' | 'symlink' | 'character-device' | 'block-device' | 'directory' | 'fifo'

/** One member of an archive. */
export interface TarEntry extends OwnerFields {
  /** As the archive has it. */
  readonly name: string
  readonly type: TarEntryType
  /** Of links; '' for others. */
  readonly linkName: string
  /** Bytes of contents that follow. */
  readonly size: number
}

const types: Readonly<Record<string, TarEntryType>> = {
  '\0': 'file',
  '0': 'file',
  '1': 'link',
  '2': 'symlink',
  '3': 'character-device',
  '4': 'block-device',
  '5': 'directory',
  '6': 'fifo',
}
/** Headers that say something about the next entry, or about all. */
const metaTypes = ['x', 'g', 'L', 'K'] as const
type MetaType = (typeof metaTypes)[number]
const isMeta = (type: string): type is MetaType => (metaTypes as readonly string[]).includes(type)
/** As git archive writes it; podman takes the names of other global headers for paths of the image. */
const globalHeaderName = 'pax_global_header'
const repositoryStart = 'sysroot/ostree/repo/'

/** A header about an entry, whose contents have to be given to `meta`. */
export interface MetaHeader {
  readonly meta: MetaType
  readonly size: number
}

/**
 * Takes the header blocks of one archive in order. Refuses entry types and sparse files that some take for plain files (LAYER_UNSUPPORTED), and headers,
 * pax records and successions of headers that not all readers understand alike (LAYER_INVALID).
 */
export class TarHeaders {
  readonly #source: string
  /** Headers that wait for their entry, in order. */
  #pending = ''
  #pax: PaxFacts | undefined
  /** As L and K headers have them. */
  #longName: string | undefined
  #longLink: string | undefined

  constructor(source: string) {
    this.#source = source
  }

  /** Whether a header about an entry waits for that entry. */
  get waiting(): boolean {
    return this.#pending !== ''
  }

  /** A block that is not zero; `words` are the same bytes. */
  header(header: Buffer, words: Uint32Array): TarEntry | MetaHeader {
    if (!hasChecksum(header, words)) throw this.fault('a block that is no header')
    const flag = String.fromCharCode(header[156] ?? 0)
    const name = textField(header, 0, 100)
    const type = types[flag]
    if (type === undefined && !isMeta(flag))
      throw new ToolError('LAYER_UNSUPPORTED', 'a layer has an entry of a type that is not supported', {
        found: flag === 'S' ? 'a GNU sparse file' : `type ${JSON.stringify(flag)}`,
        wanted: 'files, directories, links, devices and pipes',
        where: { source: this.#source, path: name },
      })
    const dialect = dialectOf(header)
    if (dialect === undefined || (dialect === 'v7' && isMeta(flag)))
      throw this.fault(`a header that readers take differently, named ${JSON.stringify(name)}`)
    if (nameOffsets.some(offset => startsWithMark(header, offset))) throw this.fault('a name with a byte order mark')
    const owner = ownerFields(header)
    if (owner === undefined) throw this.fault('a field that is no number')
    const field = sizeField(header)
    if (field === undefined) throw this.fault('a size that is no number')
    if (type === undefined) return this.#beginMeta(flag as MetaType, field, name)
    const size = field === 0 ? (this.#largeSize() ?? field) : field
    const prefix = dialect === 'ustar' ? textField(header, 345, 500) : ''
    const linkName = flag === '1' || flag === '2' ? textField(header, 157, 257) : ''
    return this.#entry(type, size, prefix === '' ? name : `${prefix}/${name}`, linkName, owner)
  }

  /** Alone, or `x` without names first and then `L` and `K`: other successions are read in several ways. */
  #beginMeta(meta: MetaType, size: number, name: string): MetaHeader {
    if (size > metaCeiling) throw this.fault(`a header of ${size} bytes about an entry`, 'CEILING_REACHED')
    const follows = this.#pending + meta
    if (!/^(?:g|x|x?LK?|x?KL?)$/.test(follows) || (follows.length > 1 && this.#pax?.names))
      throw this.fault(`headers about one entry in an order that is not taken: ${follows}`)
    if (meta === 'g' && name !== globalHeaderName)
      throw this.fault(`a global header with the name ${JSON.stringify(name)}`)
    if (meta !== 'g') this.#pending = follows
    return { meta, size }
  }

  #entry(type: TarEntryType, size: number, ownName: string, ownLink: string, owner: OwnerFields): TarEntry {
    const name = this.#longName ?? this.#pax?.path ?? ownName
    const isLink = type === 'link' || type === 'symlink'
    const linkName = isLink ? (this.#longLink ?? this.#pax?.linkPath ?? ownLink) : ''
    // a directory to one reader, a file to another
    if (type !== 'directory' && name.endsWith('/'))
      throw this.fault(`a ${type} whose name ends with a slash: ${JSON.stringify(name)}`)
    if (size > 0 && type !== 'file') throw this.fault(`a ${type} with ${size} bytes: ${JSON.stringify(name)}`)
    if (this.#pax?.size !== undefined && this.#pax.size !== size)
      throw this.fault(`two sizes of one entry: ${size} and, in its pax header, ${this.#pax.size}`)
    // links from elsewhere into the repository bootc knows by this field, and all others by their long names: ostree-ext/src/tar/write.rs, filter_tar
    const intoRepository = ownLink.startsWith(repositoryStart) && !name.startsWith(repositoryStart)
    if (type === 'link' && intoRepository && linkName !== ownLink)
      throw this.fault(`a link to ${JSON.stringify(linkName)} and, in its own field, to ${JSON.stringify(ownLink)}`)
    const { mode, time } = owner
    const [uid, gid] = [this.#pax?.uid ?? owner.uid, this.#pax?.gid ?? owner.gid]
    this.#pending = ''
    this.#pax = undefined
    this.#longName = undefined
    this.#longLink = undefined
    return { name, type, linkName, size, mode, uid, gid, time }
  }

  /** A size that the field of the header cannot hold: Go's writer leaves that at zero, and all readers take the one of the pax header. */
  #largeSize(): number | undefined {
    const size = this.#pax?.size
    return size !== undefined && size >= fieldCeiling ? size : undefined
  }

  /** The whole contents of the header that came last. */
  meta(meta: MetaType, bytes: Buffer): void {
    if (meta === 'x') this.#pax = paxFacts(bytes, 'x', this.#source)
    else if (meta === 'g') paxFacts(bytes, 'g', this.#source)
    else {
      // a name and one NUL, which some writers leave out
      const nul = bytes.indexOf(0)
      if (bytes.length === 0 || nul === 0 || (nul > 0 && nul < bytes.length - 1) || startsWithMark(bytes))
        throw this.fault('a long name that is empty, has a byte order mark, or goes on after NUL')
      const text = bytes.toString('utf8', 0, nul < 0 ? bytes.length : nul)
      if (meta === 'L') this.#longName = text
      else this.#longLink = text
    }
  }

  fault(found: string, code: 'LAYER_INVALID' | 'CEILING_REACHED' = 'LAYER_INVALID'): ToolError {
    return new ToolError(code, 'a layer is not a tar archive as it should be', {
      found,
      where: { source: this.#source },
    })
  }
}
