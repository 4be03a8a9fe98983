// One layer, read once as a stream: entries in known places, whiteouts, hard links of the layer (image-spec 1.1 layer.md).

import { ToolError } from '../errors.ts'
import type { OciDigest } from '../formats/oci/digest.ts'
import { type ContentsPlace, contentsInPlace } from './entry-contents.ts'
import { ancestorsOf, type KnownPlaces, nameOf, normalizePath, parentOf } from './layer-path.ts'
import { LayerSkeleton, nameCost } from './layer-skeleton.ts'
import { MemoryBudget, spareForNames } from './memory-budget.ts'
import { headOfObject, isInRepository, isOstreeObject, keepsContents, mayBecomeBootFile } from './places.ts'
import { type SpilledFile, type SpillRoom, spillAbove } from './spill-room.ts'
import type { TarEntry } from './tar-headers.ts'
import { type EntryContents, type EntryReader, walkTar } from './tar-walker.ts'

export type LayerNode =
  | { readonly kind: 'directory' }
  /** Bytes only of files that may matter, in memory or, where they are many, spilled; `path` is where the layer has them. */
  | {
      readonly kind: 'file'
      readonly path: string
      readonly size: number
      readonly bytes: Uint8Array | SpilledFile | undefined
    }
  | { readonly kind: 'symlink'; readonly target: string }
  /** A hard link to a file of this layer that was not kept, if it is there at all. */
  | { readonly kind: 'link'; readonly target: string }

export interface ScannedLayer {
  readonly digest: OciDigest
  readonly nodes: ReadonlyMap<string, LayerNode>
  /** Paths that are hidden in lower layers, with all below them. */
  readonly whiteouts: ReadonlySet<string>
  /** Directories that hide what lower layers have in them. */
  readonly opaque: ReadonlySet<string>
  readonly skeleton: LayerSkeleton
  /** Of contents; taken from the budget of the image. */
  readonly contentBytes: number
}

/** What to keep of a layer. */
export interface ScanWishes {
  readonly places: KnownPlaces
  /** Files in known places, or targets of hard links, whose bytes are wanted besides. */
  readonly contents: ReadonlySet<string>
}

/** Interface §8; settings may change them. */
export interface ScanCeilings {
  readonly entries: number
  readonly file: number
  /** Entries that are kept of one layer. */
  readonly kept: number
  /** Bytes that are kept in memory of all layers of an image together: contents, and names with what they cost. */
  readonly keptBytes: number
}
export const defaultCeilings: ScanCeilings = {
  entries: 2_000_000,
  file: 512 * 1024 ** 2,
  kept: 500_000,
  keptBytes: 96 * 1024 ** 2,
}

/** Reads a whole layer of plain tar. Without `room`, all contents must fit into memory. Throws LAYER_INVALID, LAYER_UNSUPPORTED, CEILING_REACHED, and what the stream of bytes throws. */
export async function scanLayer(
  tar: AsyncIterable<Uint8Array>,
  digest: OciDigest,
  source: string,
  wishes: ScanWishes,
  ceilings: ScanCeilings = defaultCeilings,
  budget: MemoryBudget = new MemoryBudget(ceilings.keptBytes),
  room?: SpillRoom,
): Promise<ScannedLayer> {
  const walk = (read: EntryReader) => walkTar(tar, source, read, ceilings.entries)
  return await scanEntries(walk, digest, source, wishes, ceilings, budget, room)
}

/** The same of entries that something else than an archive tells. */
export async function scanEntries(
  walk: (read: EntryReader) => Promise<void>,
  digest: OciDigest,
  source: string,
  wishes: ScanWishes,
  ceilings: ScanCeilings,
  budget: MemoryBudget,
  room?: SpillRoom,
): Promise<ScannedLayer> {
  const scan = new LayerScan(digest, source, wishes, ceilings, budget, room)
  await walk(entry => scan.add(entry))
  return scan.finished()
}

/** What is remembered of a directory: nothing yet, or whether all that is in it is in a known place. */
const [outside, inside] = [1, 2] as const

class LayerScan {
  readonly #digest: OciDigest
  readonly #source: string
  readonly #wishes: ScanWishes
  readonly #ceilings: ScanCeilings
  readonly #nodes = new Map<string, LayerNode>()
  /** Objects of an ostree repository, until a link names them. */
  readonly #objects = new Map<string, LayerNode>()
  /** Those with a time: something changed them after they were taken out of a commit. */
  readonly #changedObjects = new Set<string>()
  readonly #skeleton: LayerSkeleton
  readonly #whiteouts = new Set<string>()
  readonly #opaque = new Set<string>()
  readonly #budget: MemoryBudget
  readonly #room: SpillRoom | undefined
  #contentBytes = 0

  constructor(
    digest: OciDigest,
    source: string,
    wishes: ScanWishes,
    ceilings: ScanCeilings,
    budget: MemoryBudget,
    room: SpillRoom | undefined,
  ) {
    this.#digest = digest
    this.#source = source
    this.#wishes = wishes
    this.#ceilings = ceilings
    this.#skeleton = new LayerSkeleton(source, bytes => budget.take(bytes, source))
    this.#budget = budget
    this.#room = room
  }

  add(entry: TarEntry): EntryContents | undefined {
    const path = normalizePath(entry.name, this.#source)
    const { type, size } = entry
    if (path === '') {
      if (type !== 'directory') throw this.#fault('an entry without a name', entry.name)
      return undefined
    }
    const marked = path.includes('.wh.')
    if (marked && `/${parentOf(path)}`.includes('/.wh.')) throw this.#fault('an entry below a whiteout', path)
    const parent = this.#skeleton.enterParent(path)
    if (this.#skeleton.names.mark(parent) === 0) this.#enterPlace(parent, path)
    if (marked && nameOf(path).startsWith('.wh.')) {
      if (type !== 'file' || size !== 0) throw this.#fault('a whiteout that is no empty file', path)
      this.#whiteout(parentOf(path), nameOf(path))
      return undefined
    }
    const wanted = this.#skeleton.names.mark(parent) === inside || this.#wishes.places.borders(path)
    return this.#entry(entry, parent, path, wanted)
  }

  finished(): ScannedLayer {
    for (const path of this.#whiteouts)
      if (this.#nodes.has(path) || this.#skeleton.isDirectory(path))
        // in the order of the archive podman hides one or the other
        throw this.#fault('a whiteout of a name that the same layer has', path)
    return {
      digest: this.#digest,
      nodes: this.#nodes,
      whiteouts: this.#whiteouts,
      opaque: this.#opaque,
      skeleton: this.#skeleton,
      contentBytes: this.#contentBytes,
    }
  }

  #whiteout(directory: string, name: string): void {
    const hidden = name.slice('.wh.'.length)
    const path = directory === '' ? hidden : `${directory}/${hidden}`
    if (name === '.wh..wh..opq') {
      // overlayfs has no opaque root
      if (directory === '') throw this.#fault('an opaque root directory', name)
      if (this.#wishes.places.knows(directory)) {
        this.#hide(directory, this.#opaque)
      }
    } else if (hidden === '' || hidden === '.' || hidden === '..' || hidden.startsWith('.wh.')) {
      throw this.#fault('a whiteout without a name', `${directory}/${name}`)
    } else if (path === 'usr') {
      // nodes take nothing from the top of a layer that is not below usr, etc or var (bootc: ostree-ext/src/tar/write.rs, normalize_validate_path)
      throw this.#fault('a whiteout of usr, which nodes pass over', name)
    } else if (this.#wishes.places.knows(path)) {
      if (path.includes('\ufffd')) throw this.#fault('a name that is not UTF-8', path)
      this.#hide(path, this.#whiteouts)
    }
    if (this.#whiteouts.size + this.#opaque.size > this.#ceilings.kept)
      throw this.#ceiling('too many whiteouts', `at most ${this.#ceilings.kept}`)
  }

  #hide(path: string, hidden: Set<string>): void {
    // measured: V8 keeps twice the text of names that are cut out of longer ones
    if (!hidden.has(path)) this.#budget.take(2 * path.length + nameCost, this.#source)
    hidden.add(path)
  }

  /** Directories above an entry exist here even where the archive has no entry for them. */
  #enterPlace(parent: number, path: string): void {
    for (const ancestor of ancestorsOf(path)) {
      if (!this.#wishes.places.knows(ancestor)) continue
      const above = this.#nodes.get(ancestor)
      if (above === undefined) {
        this.#budget.take(nameCost, this.#source)
        this.#nodes.set(ancestor, { kind: 'directory' })
      } else if (above.kind !== 'directory') throw this.#fault(`an entry below a ${above.kind}`, path, ancestor)
    }
    this.#skeleton.names.setMark(parent, this.#wishes.places.covers(parentOf(path)) ? inside : outside)
  }

  #entry(entry: TarEntry, parent: number, path: string, wanted: boolean): EntryContents | undefined {
    const { type, linkName } = entry
    const object = isOstreeObject(path)
    const asked = this.#wishes.contents.has(path)
    const kept = wanted || object || asked
    // several names that are not UTF-8 look the same
    if (kept && (path.includes('\ufffd') || linkName.includes('\ufffd')))
      throw this.#fault('a name that is not UTF-8', path)
    const put = (node: LayerNode) => this.#put(path, node, wanted ? this.#nodes : this.#objects)
    switch (type) {
      case 'directory':
        this.#skeleton.enterDirectory(parent, path)
        if (kept) put({ kind: 'directory' })
        return undefined
      case 'symlink':
        this.#skeleton.enterLink(parent, path, linkName)
        if (kept) put({ kind: 'symlink', target: linkName })
        return undefined
      case 'link': {
        const target = normalizePath(linkName, this.#source)
        // both have one time, but to nodes: they pass over links with a time to objects without (bootc: ostree-ext/src/tar/write.rs, filter_tar)
        if (wanted && entry.time > 0 && isInRepository(target) && !this.#changedObjects.has(target))
          throw this.#fault('a hard link that is newer than the object it names', path, target)
        const symbolic = this.#skeleton.enterHardLink(parent, path, target)
        if (kept) put(symbolic === undefined ? this.#hardLink(target) : { kind: 'symlink', target: symbolic })
        return undefined
      }
      case 'file':
        this.#skeleton.enterLeaf(parent, path)
        if (entry.time > 0 && isInRepository(path)) {
          this.#budget.take(path.length + nameCost, this.#source)
          this.#changedObjects.add(path)
        }
        if (!kept) return undefined
        if (asked || (wanted && keepsContents(path))) return this.#kept(entry, path, put)
        if (object && entry.size <= this.#ceilings.file) return this.#candidate(entry, path, wanted, put)
        if (wanted) put({ kind: 'file', path, size: entry.size, bytes: undefined })
        return undefined
      default:
        this.#skeleton.enterLeaf(parent, path)
        // overlayfs takes some for whiteouts, ostree passes over others
        if (wanted)
          throw new ToolError('LAYER_UNSUPPORTED', 'a device or pipe where boot files are', {
            found: type,
            where: { source: this.#source, path },
          })
        return undefined
    }
  }

  /** The same node as its target: a link binds the contents of this moment, not a name. */
  #hardLink(target: string): LayerNode {
    return this.#nodes.get(target) ?? this.#objects.get(target) ?? { kind: 'link', target }
  }

  /** A file whose bytes are wanted. */
  #kept({ size, name }: TarEntry, path: string, put: (node: LayerNode) => void): EntryContents {
    const end = (bytes: ContentsPlace | undefined) => put({ kind: 'file', path, size, bytes })
    return contentsInPlace(size, 'whole', { place: () => this.#placeFor(size, name), end })
  }

  /** An object shows by its first bytes what it may be; others are passed over, as are those without room, until they are asked for. */
  #candidate({ size }: TarEntry, path: string, wanted: boolean, put: (node: LayerNode) => void): EntryContents {
    return contentsInPlace(size, headOfObject, {
      place: head => (mayBecomeBootFile(head, size) ? this.#placeIn(size) : undefined),
      end: bytes => {
        if (bytes !== undefined || wanted) put({ kind: 'file', path, size, bytes })
      },
    })
  }

  #placeFor(size: number, path: string): Uint8Array | SpilledFile {
    if (size > this.#ceilings.file)
      throw this.#ceiling(`a boot file is too large: ${path}`, `at most ${this.#ceilings.file} bytes`, `${size} bytes`)
    const place = this.#placeIn(size)
    if (place !== undefined) return place
    this.#budget.take(size, this.#source)
    this.#contentBytes += size
    return new Uint8Array(size)
  }

  /** undefined where memory has no room and nothing else is there. */
  #placeIn(size: number): Uint8Array | SpilledFile | undefined {
    const spare = this.#room === undefined ? 0 : spareForNames
    if ((this.#room !== undefined && size > spillAbove) || !this.#budget.tryTake(size, spare))
      return this.#room?.begin(size, this.#source)
    this.#contentBytes += size
    return new Uint8Array(size)
  }

  /** Directories may come again; podman refuses other names that do. */
  #put(path: string, node: LayerNode, nodes: Map<string, LayerNode>): void {
    const before = nodes.get(path)
    if (before !== undefined && (before.kind !== 'directory' || node.kind !== 'directory'))
      throw this.#fault('two entries with one name', path)
    if (before === undefined) this.#budget.take(path.length + nameCost, this.#source)
    nodes.set(path, node)
    if (this.#nodes.size + this.#objects.size > this.#ceilings.kept)
      throw this.#ceiling('too many entries in the places that are read', `at most ${this.#ceilings.kept}`)
  }

  #fault(message: string, path: string, found = path): ToolError {
    return new ToolError('LAYER_INVALID', message, {
      found: JSON.stringify(found),
      where: { source: this.#source, path },
    })
  }

  #ceiling(message: string, wanted: string, found?: string): ToolError {
    return new ToolError('CEILING_REACHED', message, {
      wanted,
      ...(found === undefined ? {} : { found }),
      where: { source: this.#source },
    })
  }
}
