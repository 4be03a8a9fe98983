// The merged view over the layers of an image: what a node sees, whiteouts applied, links followed, never out of the root.

import { ToolError } from '../errors.ts'
import type { OciDigest } from '../formats/oci/digest.ts'
import { type KnownPlaces, parentOf } from './layer-path.ts'
import type { LayerNode, ScannedLayer } from './layers.ts'
import { LowerLinks } from './lower-links.ts'
import type { KnownContents } from './spill-room.ts'

/** A file, found through any links. */
export interface ImageFile {
  /** Where it really is. */
  readonly path: string
  /** The layer that it came from. */
  readonly layer: OciDigest
  /** Read anew each time where the file is large. */
  readonly bytes: Uint8Array
  readonly known?: KnownContents | undefined
}

/** Thrown when an answer needs a place or contents that were not kept: the layers are then read again with wider wishes. */
export class MoreWanted extends Error {
  override readonly name = 'MoreWanted'
  readonly place: string | undefined
  readonly contents: string | undefined

  constructor(wanted: { place: string } | { contents: string }) {
    super('more of the layers is wanted')
    this.place = 'place' in wanted ? wanted.place : undefined
    this.contents = 'contents' in wanted ? wanted.contents : undefined
  }
}

interface Branch {
  node: LayerNode
  layer: OciDigest
  readonly children: Map<string, Branch>
}

/** Linux follows as many. */
const linkCeiling = 40

export class ImageTree {
  readonly #source: string
  readonly #places: KnownPlaces
  readonly #root: Branch
  /** Paths that one read of a layer did not find: a hard link to them leads nowhere. */
  readonly #absent: ReadonlySet<string>
  readonly #lower = new LowerLinks()
  readonly #gathered: MoreWanted[] | undefined

  /**
   * `layers` lowest first. `asked` are contents that the layers were read for already. With `gathered`, what more is wanted is put there, and answers
   * are as if nothing were there, instead of throwing MoreWanted.
   */
  constructor(
    layers: readonly ScannedLayer[],
    places: KnownPlaces,
    source: string,
    asked: ReadonlySet<string> = new Set(),
    gathered?: MoreWanted[],
  ) {
    this.#source = source
    this.#places = places
    this.#absent = asked
    this.#gathered = gathered
    this.#root = { node: { kind: 'directory' }, layer: layers[0]?.digest ?? 'sha256:', children: new Map() }
    for (const layer of layers) this.add(layer)
  }

  /** Puts one more layer over those that are there. Throws LAYER_INVALID for entries below links of lower layers. */
  add(layer: ScannedLayer): void {
    this.#lower.pass(layer.skeleton.names, this.#places, this.#source)
    this.#apply(layer)
  }

  /** Bytes in memory of all contents that no layer above hides, each counted once. */
  contentBytes(): number {
    const seen = new Set<Uint8Array>()
    const walk = (branch: Branch) => {
      if (branch.node.kind === 'file' && branch.node.bytes instanceof Uint8Array) seen.add(branch.node.bytes)
      for (const child of branch.children.values()) walk(child)
    }
    walk(this.#root)
    return [...seen].reduce((sum, bytes) => sum + bytes.length, 0)
  }

  #want(more: MoreWanted): void {
    if (this.#gathered === undefined) throw more
    this.#gathered.push(more)
  }

  /** First what the layer hides below it, then what it has. */
  #apply(layer: ScannedLayer): void {
    for (const path of layer.whiteouts) {
      const parent = this.#find(parentOf(path))
      parent?.children.delete(path.slice(path.lastIndexOf('/') + 1))
    }
    for (const path of layer.opaque) this.#find(path)?.children.clear()
    for (const [path, node] of layer.nodes) this.#put(path, node, layer.digest)
  }

  #find(path: string): Branch | undefined {
    let at: Branch | undefined = this.#root
    if (path !== '') for (const name of path.split('/')) at = at?.children.get(name)
    return at
  }

  #put(path: string, node: LayerNode, layer: OciDigest): void {
    let at = this.#root
    const names = path.split('/')
    for (const [index, name] of names.entries()) {
      const last = index === names.length - 1
      const wanted: LayerNode = last ? node : { kind: 'directory' }
      let next = at.children.get(name)
      if (next === undefined) {
        next = { node: wanted, layer, children: new Map() }
        at.children.set(name, next)
      } else if (last || next.node.kind !== 'directory') {
        // a file hides a directory with all in it, and a directory a file
        if (wanted.kind !== 'directory') next.children.clear()
        next.node = wanted
        next.layer = layer
      }
      at = next
    }
  }

  /** The path without links, and what is there; `branch` is undefined where nothing is. */
  #resolve(path: string): { readonly path: string; readonly branch: Branch | undefined } {
    const rest = path.split('/').filter(part => part !== '' && part !== '.')
    const done: string[] = []
    let followed = 0
    for (;;) {
      const name = rest.shift()
      const here = done.join('/')
      if (name === undefined) return { path: here, branch: this.#find(here) }
      if (name === '..') {
        if (done.pop() === undefined) throw this.#fault('a symbolic link leaves the image', path, '.. above the root')
        continue
      }
      const next = here === '' ? name : `${here}/${name}`
      if (!this.#places.knows(next)) {
        this.#want(new MoreWanted({ place: next }))
        return { path: [next, ...rest].join('/'), branch: undefined }
      }
      const branch = this.#find(next)
      if (branch === undefined) return { path: [next, ...rest].join('/'), branch: undefined }
      if (branch.node.kind === 'link') {
        this.#unbound(branch.node.target, next)
        return { path: [next, ...rest].join('/'), branch: undefined }
      }
      if (branch.node.kind !== 'symlink') {
        if (rest.length > 0 && branch.node.kind !== 'directory')
          return { path: [next, ...rest].join('/'), branch: undefined }
        done.push(name)
        continue
      }
      followed += 1
      if (followed > linkCeiling)
        throw this.#fault('symbolic links go in a circle', path, `${linkCeiling} links followed`)
      if (branch.node.target.startsWith('/')) done.length = 0
      rest.unshift(...branch.node.target.split('/').filter(part => part !== '' && part !== '.'))
      if (rest.length > 4096) throw this.#fault('symbolic links grow too long', path, `${rest.length} parts`)
    }
  }

  #unbound(target: string, path: string): void {
    if (!this.#absent.has(target)) this.#want(new MoreWanted({ contents: target }))
    else
      throw new ToolError('LAYER_INVALID', 'a hard link to a file that its layer does not have', {
        found: target,
        wanted: 'a file earlier in the same layer',
        where: { source: this.#source, path },
      })
  }

  /** What is at a path, links followed; undefined where nothing is. Throws LAYER_INVALID for links that go in circles or out of the image. */
  kind(path: string): 'directory' | 'file' | undefined {
    const kind = this.#resolve(path).branch?.node.kind
    return kind === 'symlink' || kind === 'link' ? undefined : kind
  }

  /** The path without links on its way; a name that is not there stays as it is. */
  realPath(path: string): string {
    return this.#resolve(path).path
  }

  /** Whether anything has this name; the last link is not followed. */
  isThere(path: string): boolean {
    const slash = path.lastIndexOf('/')
    const parent = this.#resolve(path.slice(0, Math.max(0, slash))).path
    const named = parent === '' ? path.slice(slash + 1) : `${parent}/${path.slice(slash + 1)}`
    if (!this.#places.knows(named)) this.#want(new MoreWanted({ place: named }))
    return this.#find(named) !== undefined
  }

  /** Names in a directory, sorted; none where there is no directory. */
  list(path: string): string[] {
    const found = this.#resolve(path)
    if (found.branch?.node.kind !== 'directory') return []
    if (!this.#places.covers(found.path)) this.#want(new MoreWanted({ place: found.path }))
    return [...found.branch.children.keys()].sort()
  }

  /** A file's bytes; undefined where no file is. */
  read(path: string): ImageFile | undefined {
    const { path: real, branch } = this.#resolve(path)
    if (branch?.node.kind !== 'file') return undefined
    if (branch.node.bytes === undefined) {
      this.#want(new MoreWanted({ contents: branch.node.path }))
      return undefined
    }
    const { bytes } = branch.node
    return {
      path: real,
      layer: branch.layer,
      known: bytes instanceof Uint8Array ? undefined : bytes.known,
      get bytes() {
        return bytes instanceof Uint8Array ? bytes : bytes.read()
      },
    }
  }

  /** Paths of all that is no directory below a directory, as they are named there; links are not followed. */
  leaves(path: string): string[] {
    const found = this.#find(path)
    const paths: string[] = []
    const walk = (branch: Branch, at: string) => {
      for (const [name, child] of branch.children)
        if (child.node.kind === 'directory') walk(child, `${at}/${name}`)
        else paths.push(`${at}/${name}`)
    }
    if (found !== undefined) walk(found, path)
    return paths.sort()
  }

  #fault(message: string, path: string, found: string): ToolError {
    return new ToolError('LAYER_INVALID', message, { found, where: { source: this.#source, path } })
  }
}
