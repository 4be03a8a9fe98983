// One layer of an ostree commit, read once as a stream: its objects, each compared with the checksum that names it (bootc: ostree-ext/src/tar/import.rs).

import type { ParsedTarEntry } from 'modern-tar'
import { ToolError } from '../errors.ts'
import { sha256Hex } from '../formats/bytes/digest.ts'
import type { OciDigest } from '../formats/oci/digest.ts'
import { type FileChecksum, startFileChecksum } from '../formats/ostree/file-object.ts'
import {
  type ObjectName,
  type OstreeChecksum,
  parseObjectPath,
  repositoryDirectory,
} from '../formats/ostree/object-name.ts'
import { type KnownPlaces, normalizePath } from './layer-path.ts'
import type { ScanCeilings } from './layers.ts'
import type { MemoryBudget } from './memory-budget.ts'
import { mayBecomeBootFile } from './places.ts'
import { type SpilledFile, type SpillRoom, spillAbove } from './spill-room.ts'
import { layerFault, tarEntries } from './tar-entries.ts'

/** A file of the commit, whose checksum was computed from its bytes. */
export type CommitFile =
  | { readonly kind: 'file'; readonly size: number; readonly bytes: Uint8Array | SpilledFile }
  | { readonly kind: 'symlink'; readonly target: string }

/** What one layer of a commit has. */
export interface ObjectLayer {
  readonly digest: OciDigest
  readonly commits: ReadonlyMap<OstreeChecksum, Uint8Array>
  readonly dirtrees: ReadonlyMap<OstreeChecksum, Uint8Array>
  /** Those that were wanted, and symbolic links. */
  readonly files: ReadonlyMap<OstreeChecksum, CommitFile>
  /** All files, read or not. */
  readonly present: ReadonlySet<OstreeChecksum>
  /** What container engines show in known places: a link to an object, an empty file, or something else. Importers do not read these entries. */
  readonly shown: ReadonlyMap<string, OstreeChecksum | 'empty' | 'other'>
  readonly hasRepository: boolean
}

export interface ObjectWishes {
  readonly places: KnownPlaces
  /** 'likely': what may be a boot file, by its first bytes, as long as there is room. */
  readonly files: ReadonlySet<OstreeChecksum> | 'likely'
}

export interface ObjectRoom {
  readonly ceilings: ScanCeilings
  readonly budget: MemoryBudget
  readonly room: SpillRoom
}

/** libostree: OSTREE_MAX_METADATA_SIZE; ostree-ext: MAX_XATTR_SIZE. */
const ceilingOf = { metadata: 10 * 1024 ** 2, xattrs: 1024 ** 2 } as const
/** Bytes of memory that a checksum costs, about. */
const checksumCost = 160

/** Throws as `scanLayer`, and OSTREE_COMMIT_INVALID for an object that is not what its name says: nodes refuse it too. */
export async function scanObjects(
  tar: AsyncIterable<Uint8Array>,
  digest: OciDigest,
  source: string,
  wishes: ObjectWishes,
  room: ObjectRoom,
): Promise<ObjectLayer> {
  const scan = new ObjectScan(digest, source, wishes, room)
  for await (const entry of tarEntries(tar, source, room.ceilings.entries)) await scan.add(entry)
  return scan.finished()
}

class ObjectScan {
  readonly #digest: OciDigest
  readonly #commits = new Map<OstreeChecksum, Uint8Array>()
  readonly #dirtrees = new Map<OstreeChecksum, Uint8Array>()
  readonly #files = new Map<OstreeChecksum, CommitFile>()
  readonly #present = new Set<OstreeChecksum>()
  readonly #shown = new Map<string, OstreeChecksum | 'empty' | 'other'>()
  #hasRepository = false
  readonly #source: string
  readonly #wishes: ObjectWishes
  readonly #room: ObjectRoom
  readonly #xattrs = new Map<OstreeChecksum, Uint8Array>()
  /** They stand right before their file. */
  #nextXattrs: { readonly file: OstreeChecksum; readonly bytes: Uint8Array } | undefined

  constructor(digest: OciDigest, source: string, wishes: ObjectWishes, room: ObjectRoom) {
    this.#digest = digest
    this.#source = source
    this.#wishes = wishes
    this.#room = room
  }

  async add(entry: ParsedTarEntry): Promise<void> {
    const { name, type } = entry.header
    const object = type === 'directory' ? undefined : parseObjectPath(name)
    if (object !== undefined) await this.#object(entry, object)
    else if (type !== 'directory') this.#show(entry)
    // every body is read to its end, see layers.ts
    for await (const _ of this.#pieces(entry)) {
      // not wanted
    }
  }

  finished(): ObjectLayer {
    return {
      digest: this.#digest,
      commits: this.#commits,
      dirtrees: this.#dirtrees,
      files: this.#files,
      present: this.#present,
      shown: this.#shown,
      hasRepository: this.#hasRepository,
    }
  }

  #show({ header: { name, type, size, linkname = '' } }: ParsedTarEntry): void {
    const path = normalizePath(name, this.#source)
    if (path === `${repositoryDirectory}/config`) this.#hasRepository = true
    if (path.startsWith('sysroot/') || !this.#wishes.places.knows(path)) return
    const object = type === 'link' ? parseObjectPath(normalizePath(linkname, this.#source)) : undefined
    this.#take(path.length + checksumCost)
    const empty = type === 'file' && size === 0
    this.#shown.set(path, object?.kind === 'file' ? object.checksum : empty ? 'empty' : 'other')
  }

  async #object(entry: ParsedTarEntry, name: ObjectName): Promise<void> {
    const { checksum, kind } = name
    const { type, linkname = '' } = entry.header
    if (kind === 'file') return await this.#file(entry, checksum)
    if (kind === 'file-xattrs-link' && type === 'link') {
      const target = parseObjectPath(normalizePath(linkname, this.#source))
      const bytes = this.#xattrs.get(target?.checksum ?? '')
      this.#nextXattrs = bytes === undefined ? undefined : { file: checksum, bytes }
      return
    }
    if (type !== 'file') throw this.#fault('an object that is no file', entry.header.name, type ?? 'unknown')
    const isXattrs = kind === 'file-xattrs' || kind === 'file-xattrs-link'
    const bytes = await this.#whole(entry, isXattrs ? ceilingOf.xattrs : ceilingOf.metadata)
    if (kind === 'file-xattrs-link') {
      this.#nextXattrs = { file: checksum, bytes }
      return
    }
    // commitmeta goes by the checksum of its commit
    if (kind === 'commitmeta') return
    const found = sha256Hex(bytes)
    if (found !== checksum) throw this.#fault('an object is not what its name says', entry.header.name, found)
    if (kind === 'dirmeta') return
    this.#take(bytes.length + checksumCost)
    const kept = { commit: this.#commits, dirtree: this.#dirtrees, 'file-xattrs': this.#xattrs }[kind]
    kept.set(checksum, bytes)
  }

  async #file(entry: ParsedTarEntry, checksum: OstreeChecksum): Promise<void> {
    const { name, type, size, linkname, uid = 0, gid = 0, mode = 0 } = entry.header
    if (type !== 'file' && type !== 'symlink') throw this.#fault('an object that is no file', name, type ?? 'unknown')
    if (this.#present.has(checksum)) throw this.#fault('an object twice in one layer', name, checksum)
    this.#take(checksumCost)
    this.#present.add(checksum)
    const xattrs = this.#nextXattrs
    this.#nextXattrs = undefined
    const { files } = this.#wishes
    const likely = files === 'likely'
    const wanted = type === 'symlink' || size === 0 || (!likely && files.has(checksum))
    // without attributes it is a layout of another kind, and stays unread
    if ((!wanted && !likely) || xattrs?.file !== checksum) return
    const target = type === 'symlink' ? (linkname ?? '') : undefined
    const hash = startFileChecksum({ uid, gid, mode, xattrs: xattrs.bytes, target })
    let file: CommitFile | undefined
    if (target !== undefined) {
      this.#take(target.length + checksumCost)
      file = { kind: 'symlink', target }
    } else {
      const bytes = await this.#contents(entry, size, wanted, hash)
      if (bytes !== undefined) file = { kind: 'file', size, bytes }
    }
    if (file === undefined) return
    const found = hash.checksum()
    if (found !== checksum) throw this.#fault('an object is not what its name says', name, found)
    this.#files.set(checksum, file)
  }

  async #contents(
    entry: ParsedTarEntry,
    size: number,
    wanted: boolean,
    hash: FileChecksum,
  ): Promise<Uint8Array | SpilledFile | undefined> {
    if (wanted && size > this.#room.ceilings.file)
      throw this.#ceiling(`a boot file is too large: ${entry.header.name}`, this.#room.ceilings.file, size)
    let place = wanted ? this.#placeFor(size) : undefined
    let filled = 0
    for await (const chunk of this.#pieces(entry)) {
      if (filled === 0 && place === undefined && size <= this.#room.ceilings.file && mayBecomeBootFile(chunk, size))
        place = this.#placeFor(size)
      if (place instanceof Uint8Array) place.set(chunk, filled)
      else place?.add(chunk)
      if (place !== undefined) hash.add(chunk)
      filled += chunk.length
    }
    if (place !== undefined && filled !== size) throw this.#cut(entry.header.name, size, filled)
    return place
  }

  #placeFor(size: number): Uint8Array | SpilledFile {
    const { budget, room } = this.#room
    // contents can go elsewhere, names cannot
    if (size > spillAbove || !budget.tryTake(size, 1 / 2)) return room.begin(size, this.#source)
    return new Uint8Array(size)
  }

  async #whole(entry: ParsedTarEntry, ceiling: number): Promise<Uint8Array> {
    const { name, size } = entry.header
    if (size > ceiling) throw this.#ceiling(`an object of ostree is too large: ${name}`, ceiling, size)
    const bytes = new Uint8Array(size)
    let filled = 0
    for await (const chunk of this.#pieces(entry)) {
      bytes.set(chunk, filled)
      filled += chunk.length
    }
    if (filled !== size) throw this.#cut(name, size, filled)
    return bytes
  }

  async *#pieces(entry: ParsedTarEntry): AsyncGenerator<Uint8Array, void, undefined> {
    try {
      for await (const chunk of entry.body) yield chunk
    } catch (cause) {
      throw layerFault(cause, this.#source)
    }
  }

  #take(bytes: number): void {
    this.#room.budget.take(bytes, this.#source)
  }

  #fault(message: string, path: string, found: string): ToolError {
    return new ToolError('OSTREE_COMMIT_INVALID', message, { found, where: { source: this.#source, path } })
  }

  #cut(path: string, size: number, found: number): ToolError {
    return new ToolError('LAYER_INVALID', 'a file of a layer is cut', {
      found: `${found} bytes`,
      wanted: `${size}`,
      where: { source: this.#source, path },
    })
  }

  #ceiling(message: string, ceiling: number, size: number): ToolError {
    return new ToolError('CEILING_REACHED', message, {
      found: `${size} bytes`,
      wanted: `at most ${ceiling}`,
      where: { source: this.#source },
    })
  }
}
