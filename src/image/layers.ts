// One layer, read once as a stream: entries in known places, whiteouts, hard links of the layer (image-spec 1.1 layer.md).

import type { ParsedTarEntry } from 'modern-tar'
import { ToolError } from '../errors.ts'
import type { OciDigest } from '../formats/oci/digest.ts'
import { ancestorsOf, type KnownPlaces, nameOf, normalizePath, parentOf } from './layer-path.ts'
import { isOstreeObject, keepsContents, mayBecomeBootFile } from './places.ts'
import { layerFault, tarEntries } from './tar-entries.ts'

export type LayerNode =
  | { readonly kind: 'directory' }
  /** `bytes` only of files that may matter; `path` is where the layer has them. */
  | { readonly kind: 'file'; readonly path: string; readonly size: number; readonly bytes: Uint8Array | undefined }
  | { readonly kind: 'symlink'; readonly target: string }
  /** A hard link to a file of this layer that was not kept, if it is there at all. */
  | { readonly kind: 'link'; readonly target: string }
  /** A device or pipe. */
  | { readonly kind: 'special' }

export interface ScannedLayer {
  readonly digest: OciDigest
  readonly nodes: ReadonlyMap<string, LayerNode>
  /** Paths that are hidden in lower layers, with all below them. */
  readonly whiteouts: ReadonlySet<string>
  /** Directories that hide what lower layers have in them. */
  readonly opaque: ReadonlySet<string>
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
  /** Bytes that are kept of one layer. */
  readonly keptBytes: number
}
export const defaultCeilings: ScanCeilings = {
  entries: 2_000_000,
  file: 512 * 1024 ** 2,
  kept: 500_000,
  keptBytes: 1536 * 1024 ** 2,
}

/** Reads a whole layer of plain tar. Throws LAYER_INVALID, LAYER_UNSUPPORTED, CEILING_REACHED, and what the stream of bytes throws. */
export async function scanLayer(
  tar: AsyncIterable<Uint8Array>,
  digest: OciDigest,
  source: string,
  wishes: ScanWishes,
  ceilings: ScanCeilings = defaultCeilings,
): Promise<ScannedLayer> {
  const scan = new LayerScan(digest, source, wishes, ceilings)
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
  /** Directories that have something in them here. */
  readonly #parents = new Set<string>()
  readonly #whiteouts = new Set<string>()
  readonly #opaque = new Set<string>()
  #keptBytes = 0
  #lastParent: string | undefined

  constructor(digest: OciDigest, source: string, wishes: ScanWishes, ceilings: ScanCeilings) {
    this.#digest = digest
    this.#source = source
    this.#wishes = wishes
    this.#ceilings = ceilings
  }

  async add(entry: ParsedTarEntry): Promise<void> {
    const path = normalizePath(entry.header.name, this.#source)
    const name = nameOf(path)
    const wanted = this.#wishes.places.knows(path)
    if (name.startsWith('.wh.')) {
      this.#whiteout(parentOf(path), name)
    } else if (path !== '') {
      this.#noteParents(path)
      const node = await this.#node(entry, path, wanted)
      if (node !== undefined && wanted) this.#put(path, node)
      else if (node !== undefined) this.#objects.set(path, node)
      if (this.#nodes.size + this.#objects.size > this.#ceilings.kept)
        throw this.#ceiling('too many entries in the places that are read', `at most ${this.#ceilings.kept}`)
    }
    await this.#drain(entry)
  }

  finished(): ScannedLayer {
    return { digest: this.#digest, nodes: this.#nodes, whiteouts: this.#whiteouts, opaque: this.#opaque }
  }

  #whiteout(directory: string, name: string): void {
    const hidden = name.slice('.wh.'.length)
    if (name === '.wh..wh..opq') {
      if (this.#wishes.places.knows(directory)) this.#opaque.add(directory)
    } else if (hidden === '' || hidden === '.' || hidden === '..') {
      throw new ToolError('LAYER_INVALID', 'a whiteout without a name', {
        found: `${directory}/${name}`,
        where: { source: this.#source },
      })
    } else if (!hidden.startsWith('.wh.')) {
      const path = directory === '' ? hidden : `${directory}/${hidden}`
      if (this.#wishes.places.knows(path)) this.#whiteouts.add(path)
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
      else if (above.kind !== 'directory')
        throw new ToolError('LAYER_INVALID', 'an entry below something that is no directory', {
          found: `${ancestor} is a ${above.kind}`,
          where: { source: this.#source, path },
        })
      this.#parents.add(ancestor)
    }
  }

  async #node(entry: ParsedTarEntry, path: string, wanted: boolean): Promise<LayerNode | undefined> {
    const { type, linkname = '', size } = entry.header
    const object = isOstreeObject(path)
    const asked = this.#wishes.contents.has(path)
    if (!wanted && !object && !asked) return undefined
    switch (type) {
      case 'directory':
        return { kind: 'directory' }
      case 'symlink':
        return { kind: 'symlink', target: linkname }
      case 'link':
        return this.#hardLink(linkname)
      case 'file': {
        const bytes = await this.#contents(entry, size, asked || (wanted && keepsContents(path)), object)
        if (bytes === undefined && !wanted) return undefined
        return { kind: 'file', path, size, bytes }
      }
      default:
        return { kind: 'special' }
    }
  }

  /** The same node as its target: a link binds the contents of this moment, not a name. */
  #hardLink(linkname: string): LayerNode {
    const target = normalizePath(linkname, this.#source)
    const bound = this.#nodes.get(target) ?? this.#objects.get(target)
    if (bound === undefined) return { kind: 'link', target }
    if (bound.kind === 'directory')
      throw new ToolError('LAYER_INVALID', 'a hard link to a directory', {
        found: target,
        where: { source: this.#source },
      })
    return bound
  }

  async #contents(
    entry: ParsedTarEntry,
    size: number,
    kept: boolean,
    object: boolean,
  ): Promise<Uint8Array | undefined> {
    if (!kept && !object) return undefined
    if (kept) this.#limit(size, entry.header.name)
    let bytes: Uint8Array | undefined = kept ? new Uint8Array(size) : undefined
    let filled = 0
    for await (const chunk of this.#pieces(entry)) {
      // an object shows by its first piece what it may be; the rest of others is passed over
      if (bytes === undefined && filled === 0 && mayBecomeBootFile(chunk, size)) {
        this.#limit(size, entry.header.name)
        bytes = new Uint8Array(size)
      }
      bytes?.set(chunk, filled)
      filled += chunk.length
    }
    if (bytes === undefined) return undefined
    if (filled !== size)
      throw new ToolError('LAYER_INVALID', 'a file of a layer is cut', {
        found: `${filled} bytes`,
        wanted: `${size}`,
        where: { source: this.#source, path: entry.header.name },
      })
    return bytes
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

  #limit(size: number, path: string): void {
    this.#keptBytes += size
    if (size > this.#ceilings.file)
      throw this.#ceiling(`a boot file is too large: ${path}`, `at most ${this.#ceilings.file} bytes`, `${size} bytes`)
    if (this.#keptBytes > this.#ceilings.keptBytes)
      throw this.#ceiling(
        'the boot files of a layer are too large together',
        `at most ${this.#ceilings.keptBytes} bytes`,
      )
  }

  #put(path: string, node: LayerNode): void {
    if (node.kind !== 'directory' && this.#parents.has(path)) {
      // tar replaces a directory by what comes later under its name
      for (const other of [...this.#nodes.keys()]) if (other.startsWith(`${path}/`)) this.#nodes.delete(other)
      this.#parents.delete(path)
      this.#lastParent = undefined
    }
    this.#nodes.set(path, node)
  }

  #ceiling(message: string, wanted: string, found?: string): ToolError {
    return new ToolError('CEILING_REACHED', message, {
      wanted,
      ...(found === undefined ? {} : { found }),
      where: { source: this.#source },
    })
  }
}
