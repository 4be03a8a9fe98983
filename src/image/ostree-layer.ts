// One layer of an ostree commit, read once as a stream: its objects, each compared with the checksum that names it (bootc: ostree-ext/src/tar/import.rs).

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
import { contentsInPlace } from './entry-contents.ts'
import { type KnownPlaces, normalizePath } from './layer-path.ts'
import type { ScanCeilings } from './layers.ts'
import { type MemoryBudget, spareForNames } from './memory-budget.ts'
import { headOfObject, mayBecomeBootFile } from './places.ts'
import { type SpilledFile, type SpillRoom, spillAbove } from './spill-room.ts'
import type { TarEntry } from './tar-headers.ts'
import { type EntryContents, walkTar } from './tar-walker.ts'

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
  /** What container engines show in known places: a link to an object by its checksum, `empty`, or `other`. Importers do not read these entries. */
  readonly shown: ReadonlyMap<string, string>
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
  await walkTar(tar, source, entry => scan.add(entry), room.ceilings.entries)
  return scan.finished()
}

class ObjectScan {
  readonly #digest: OciDigest
  readonly #commits = new Map<OstreeChecksum, Uint8Array>()
  readonly #dirtrees = new Map<OstreeChecksum, Uint8Array>()
  readonly #files = new Map<OstreeChecksum, CommitFile>()
  readonly #present = new Set<OstreeChecksum>()
  readonly #shown = new Map<string, string>()
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

  add(entry: TarEntry): EntryContents | undefined {
    if (entry.type === 'directory') return undefined
    const object = parseObjectPath(entry.name)
    if (object !== undefined) return this.#object(entry, object)
    this.#show(entry)
    return undefined
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

  #show({ name, type, size, linkName }: TarEntry): void {
    const path = normalizePath(name, this.#source)
    if (path === `${repositoryDirectory}/config`) this.#hasRepository = true
    if (path.startsWith('sysroot/') || !this.#wishes.places.knows(path)) return
    const object = type === 'link' ? parseObjectPath(normalizePath(linkName, this.#source)) : undefined
    this.#take(path.length + checksumCost)
    const empty = type === 'file' && size === 0
    this.#shown.set(path, object?.kind === 'file' ? object.checksum : empty ? 'empty' : 'other')
  }

  #object(entry: TarEntry, name: ObjectName): EntryContents | undefined {
    const { checksum, kind } = name
    const { type, linkName } = entry
    if (kind === 'file') return this.#file(entry, checksum)
    if (kind === 'file-xattrs-link' && type === 'link') {
      const target = parseObjectPath(normalizePath(linkName, this.#source))
      const bytes = this.#xattrs.get(target?.checksum ?? '')
      this.#nextXattrs = bytes === undefined ? undefined : { file: checksum, bytes }
      return undefined
    }
    if (type !== 'file') throw this.#fault('an object that is no file', entry.name, type)
    const isXattrs = kind === 'file-xattrs' || kind === 'file-xattrs-link'
    return this.#whole(entry, isXattrs ? ceilingOf.xattrs : ceilingOf.metadata, bytes => {
      if (kind === 'file-xattrs-link') {
        this.#nextXattrs = { file: checksum, bytes }
        return
      }
      // commitmeta goes by the checksum of its commit
      if (kind === 'commitmeta') return
      const found = sha256Hex(bytes)
      if (found !== checksum) throw this.#fault('an object is not what its name says', entry.name, found)
      if (kind === 'dirmeta') return
      this.#take(bytes.length + checksumCost)
      const kept = { commit: this.#commits, dirtree: this.#dirtrees, 'file-xattrs': this.#xattrs }[kind]
      kept.set(checksum, bytes)
    })
  }

  #file(entry: TarEntry, checksum: OstreeChecksum): EntryContents | undefined {
    const { name, type, size, linkName, uid, gid, mode } = entry
    if (type !== 'file' && type !== 'symlink') throw this.#fault('an object that is no file', name, type)
    if (this.#present.has(checksum)) throw this.#fault('an object twice in one layer', name, checksum)
    this.#take(checksumCost)
    this.#present.add(checksum)
    const xattrs = this.#nextXattrs
    this.#nextXattrs = undefined
    const { files } = this.#wishes
    const likely = files === 'likely'
    const wanted = type === 'symlink' || size === 0 || (!likely && files.has(checksum))
    // without attributes it is a layout of another kind, and stays unread
    if ((!wanted && !likely) || xattrs?.file !== checksum) return undefined
    const target = type === 'symlink' ? linkName : undefined
    const hash = startFileChecksum({ uid, gid, mode, xattrs: xattrs.bytes, target })
    const keep = (file: CommitFile) => {
      const found = hash.checksum()
      if (found !== checksum) throw this.#fault('an object is not what its name says', name, found)
      this.#files.set(checksum, file)
    }
    if (target === undefined) return this.#contents(entry, wanted, hash, keep)
    this.#take(target.length + checksumCost)
    keep({ kind: 'symlink', target })
    return undefined
  }

  #contents(
    { name, size }: TarEntry,
    wanted: boolean,
    hash: FileChecksum,
    keep: (file: CommitFile) => void,
  ): EntryContents | undefined {
    if (size > this.#room.ceilings.file) {
      if (wanted) throw this.#ceiling(`a boot file is too large: ${name}`, this.#room.ceilings.file, size)
      return undefined
    }
    return contentsInPlace(size, wanted ? 'whole' : headOfObject, {
      place: head => (wanted || mayBecomeBootFile(head, size) ? this.#placeFor(size) : undefined),
      take: piece => hash.add(piece),
      end: bytes => {
        if (bytes !== undefined) keep({ kind: 'file', size, bytes })
      },
    })
  }

  #placeFor(size: number): Uint8Array | SpilledFile {
    const { budget, room } = this.#room
    if (size > spillAbove || !budget.tryTake(size, spareForNames)) return room.begin(size, this.#source)
    return new Uint8Array(size)
  }

  #whole({ name, size }: TarEntry, ceiling: number, end: (bytes: Uint8Array) => void): EntryContents {
    if (size > ceiling) throw this.#ceiling(`an object of ostree is too large: ${name}`, ceiling, size)
    const bytes = new Uint8Array(size)
    let filled = 0
    return {
      take: piece => {
        bytes.set(piece, filled)
        filled += piece.length
      },
      end: () => end(bytes),
    }
  }

  #take(bytes: number): void {
    this.#room.budget.take(bytes, this.#source)
  }

  #fault(message: string, path: string, found: string): ToolError {
    return new ToolError('OSTREE_COMMIT_INVALID', message, { found, where: { source: this.#source, path } })
  }

  #ceiling(message: string, ceiling: number, size: number): ToolError {
    return new ToolError('CEILING_REACHED', message, {
      found: `${size} bytes`,
      wanted: `at most ${ceiling}`,
      where: { source: this.#source },
    })
  }
}
