// One layer, read once as a stream: entries in known places, whiteouts, hard links of the layer (image-spec 1.1 layer.md).

import type { ParsedTarEntry } from 'modern-tar'
import { ToolError } from '../errors.ts'
import type { OciDigest } from '../formats/oci/digest.ts'
import { ancestorsOf, type KnownPlaces, nameOf, normalizePath, parentOf } from './layer-path.ts'
import { LayerSkeleton, nameCost, type Skeleton } from './layer-skeleton.ts'
import { MemoryBudget } from './memory-budget.ts'
import { isOstreeObject, keepsContents, mayBecomeBootFile } from './places.ts'
import { type SpilledFile, type SpillRoom, spillAbove } from './spill-room.ts'
import { layerFault, tarEntries } from './tar-entries.ts'

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
  readonly skeleton: Skeleton
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
  const scan = new LayerScan(digest, source, wishes, ceilings, budget, room)
  for await (const entry of tarEntries(tar, source, ceilings.entries)) await scan.add(entry)
  return scan.finished()
}

class LayerScan {
  readonly #digest: OciDigest
  readonly #source: string
  readonly #wishes: ScanWishes
  readonly #ceilings: ScanCeilings
  readonly #nodes = new Map<string, LayerNode>()
  /** Objects of an ostree repository, until a link names them. */
  readonly #objects = new Map<string, LayerNode>()
  readonly #skeleton: LayerSkeleton
  readonly #whiteouts = new Set<string>()
  readonly #opaque = new Set<string>()
  readonly #budget: MemoryBudget
  readonly #room: SpillRoom | undefined
  #contentBytes = 0
  #lastParent: string | undefined

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

  async add(entry: ParsedTarEntry): Promise<void> {
    const path = normalizePath(entry.header.name, this.#source)
    const { type, size } = entry.header
    const name = nameOf(path)
    if (path === '' && type !== 'directory') throw this.#fault('an entry without a name', entry.header.name)
    if (parentOf(`/${path}`).includes('/.wh.')) throw this.#fault('an entry below a whiteout', path)
    this.#skeleton.enterParents(path)
    this.#noteParents(path)
    if (name.startsWith('.wh.')) {
      if (type !== 'file' || size !== 0) throw this.#fault('a whiteout that is no empty file', path)
      this.#whiteout(parentOf(path), name)
    } else if (path !== '') {
      const wanted = this.#wishes.places.knows(path)
      const node = await this.#node(entry, path, wanted)
      if (node !== undefined) this.#put(path, node, wanted ? this.#nodes : this.#objects)
    }
    await this.#drain(entry)
  }

  finished(): ScannedLayer {
    for (const path of this.#whiteouts)
      if (this.#nodes.has(path) || this.#skeleton.directories.has(path))
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
      if (this.#wishes.places.knows(directory)) this.#opaque.add(directory)
    } else if (hidden === '' || hidden === '.' || hidden === '..' || hidden.startsWith('.wh.')) {
      throw this.#fault('a whiteout without a name', `${directory}/${name}`)
    } else if (this.#wishes.places.knows(path)) {
      if (path.includes('\ufffd')) throw this.#fault('a name that is not UTF-8', path)
      this.#whiteouts.add(path)
    }
    if (this.#whiteouts.size + this.#opaque.size > this.#ceilings.kept)
      throw this.#ceiling('too many whiteouts', `at most ${this.#ceilings.kept}`)
  }

  /** Directories above an entry exist here even where the archive has no entry for them. */
  #noteParents(path: string): void {
    const parent = parentOf(path)
    if (parent === this.#lastParent) return
    this.#lastParent = parent
    for (const ancestor of ancestorsOf(path)) {
      if (!this.#wishes.places.knows(ancestor)) continue
      const above = this.#nodes.get(ancestor)
      if (above === undefined) this.#nodes.set(ancestor, { kind: 'directory' })
      else if (above.kind !== 'directory') throw this.#fault(`an entry below a ${above.kind}`, path, ancestor)
    }
  }

  async #node(entry: ParsedTarEntry, path: string, wanted: boolean): Promise<LayerNode | undefined> {
    const { type, linkname = '', size } = entry.header
    const object = isOstreeObject(path)
    const asked = this.#wishes.contents.has(path)
    const kept = wanted || object || asked
    // several names that are not UTF-8 look the same
    if (kept && `${path}${linkname}`.includes('\ufffd')) throw this.#fault('a name that is not UTF-8', path)
    switch (type) {
      case 'directory':
        this.#skeleton.enterDirectory(path)
        return kept ? { kind: 'directory' } : undefined
      case 'symlink':
        this.#skeleton.enterLink(path, linkname)
        return kept ? { kind: 'symlink', target: linkname } : undefined
      case 'link': {
        const target = normalizePath(linkname, this.#source)
        this.#skeleton.enterHardLink(path, target)
        return kept ? this.#hardLink(target) : undefined
      }
      case 'file': {
        this.#skeleton.enterLeaf(path)
        if (!kept) return undefined
        const bytes = await this.#contents(entry, size, asked || (wanted && keepsContents(path)), object)
        return bytes === undefined && !wanted ? undefined : { kind: 'file', path, size, bytes }
      }
      default:
        this.#skeleton.enterLeaf(path)
        // overlayfs takes some for whiteouts, ostree passes over others
        if (wanted)
          throw new ToolError('LAYER_UNSUPPORTED', 'a device or pipe where boot files are', {
            found: type ?? 'unknown',
            where: { source: this.#source, path },
          })
        return undefined
    }
  }

  /** The same node as its target: a link binds the contents of this moment, not a name. */
  #hardLink(target: string): LayerNode {
    const symbolic = this.#skeleton.links.get(target)
    if (symbolic !== undefined) return { kind: 'symlink', target: symbolic }
    return this.#nodes.get(target) ?? this.#objects.get(target) ?? { kind: 'link', target }
  }

  async #contents(
    entry: ParsedTarEntry,
    size: number,
    kept: boolean,
    object: boolean,
  ): Promise<Uint8Array | SpilledFile | undefined> {
    if (!kept && !object) return undefined
    let place = kept ? this.#placeFor(size, entry.header.name) : undefined
    let filled = 0
    for await (const chunk of this.#pieces(entry)) {
      // an object shows by its first piece what it may be; the rest of others is passed over, as are those without room, until they are asked for
      if (filled === 0 && place === undefined && size <= this.#ceilings.file && mayBecomeBootFile(chunk, size))
        place = this.#placeIn(size)
      if (place instanceof Uint8Array) place.set(chunk, filled)
      else place?.add(chunk)
      filled += chunk.length
    }
    if (place !== undefined && filled !== size)
      throw new ToolError('LAYER_INVALID', 'a file of a layer is cut', {
        found: `${filled} bytes`,
        wanted: `${size}`,
        where: { source: this.#source, path: entry.header.name },
      })
    return place
  }

  /**
   * Every body is read to its end: modern-tar 0.8.6 reads ahead, and cancelling a body that it holds whole takes the bytes from the entry that it has
   * come to meanwhile, whose reader then waits for ever.
   */
  async #drain(entry: ParsedTarEntry): Promise<void> {
    for await (const _ of this.#pieces(entry)) {
      // not wanted
    }
  }

  async *#pieces(entry: ParsedTarEntry): AsyncGenerator<Uint8Array, void, undefined> {
    try {
      for await (const chunk of entry.body) yield chunk
    } catch (cause) {
      throw layerFault(cause, this.#source)
    }
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
    // contents can go elsewhere, names cannot
    const spare = this.#room === undefined ? 0 : 1 / 2
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
