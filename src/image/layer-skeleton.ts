// Directories and symbolic links of a whole layer, in known places or not: an entry that is written through a link lands where its name does not say.

import { ToolError } from '../errors.ts'
import { nameOf, parentOf } from './layer-path.ts'
import { NameTree, noName, rootOfNames, treeNameCost } from './name-tree.ts'

/** Bytes of memory that one kept entry costs besides its characters, about. */
export const nameCost = 300

/** Paths of directories whose numbers are at hand: entries of one directory come together, mostly. */
const mostRecent = 1024

/**
 * Refuses what engines unpack in several ways: entries and targets of hard links below a symbolic link of the same layer (podman writes through it, the tar
 * crate and ostree do not), and names that are a directory and something else in one layer. All throw LAYER_INVALID.
 */
export class LayerSkeleton {
  /** Directories, with those that have no entry of their own, and symbolic links. */
  readonly names: NameTree
  readonly #source: string
  /** Is told the bytes of memory that a new name takes. */
  readonly #take: (bytes: number) => void
  readonly #recent = new Map<string, number>([['', rootOfNames]])

  constructor(source: string, take: (bytes: number) => void = () => undefined) {
    this.#source = source
    this.#take = take
    this.names = new NameTree(source)
  }

  /** The directory that an entry is in, which exists here even where the archive has no entry for it. */
  enterParent(path: string): number {
    return this.#directory(parentOf(path))
  }

  /** As `parent` gives a directory, so do the others take it. */
  enterDirectory(parent: number, path: string): number {
    const name = nameOf(path)
    const found = this.names.find(parent, name)
    if (found === noName) return this.#add(parent, name)
    if (this.names.kind(found) === 'symlink')
      throw this.#fault('an entry below, or in place of, a symbolic link of its layer', path)
    return found
  }

  /** A file, device or pipe. */
  enterLeaf(parent: number, path: string): void {
    const found = this.names.find(parent, nameOf(path))
    if (found === noName) return
    if (this.names.kind(found) === 'directory') throw this.#fault('an entry in place of a directory of its layer', path)
    throw this.#fault('two entries with one name', path)
  }

  enterLink(parent: number, path: string, target: string): void {
    this.enterLeaf(parent, path)
    this.#add(parent, nameOf(path), target)
  }

  /** `target` is a path as entries have it. A hard link to a symbolic link is one more of these, whose target is given back. */
  enterHardLink(parent: number, path: string, target: string): string | undefined {
    const found = this.#follow(target)
    if (found === 'through a link') throw this.#fault('a hard link through a symbolic link of its layer', path, target)
    if (found === noName) {
      this.enterLeaf(parent, path)
      return undefined
    }
    if (this.names.kind(found) === 'directory') throw this.#fault('a hard link to a directory', path, target)
    const bound = this.names.targetOf(found)
    this.enterLink(parent, path, bound)
    return bound
  }

  isDirectory(path: string): boolean {
    const found = this.names.findPath(path)
    return found !== noName && this.names.kind(found) === 'directory'
  }

  *directories(): Generator<string> {
    for (let name = 1; name < this.names.count; name += 1)
      if (this.names.kind(name) === 'directory') yield this.names.pathOf(name)
  }

  /** Path and target. */
  *links(): Generator<readonly [string, string]> {
    for (let name = 1; name < this.names.count; name += 1)
      if (this.names.kind(name) === 'symlink') yield [this.names.pathOf(name), this.names.targetOf(name)]
  }

  /** What is at a path, whose way may not lead over a link. */
  #follow(path: string): number | 'through a link' {
    const near = this.#recent.get(parentOf(path))
    if (near !== undefined) return path === '' ? rootOfNames : this.names.find(near, nameOf(path))
    let at = rootOfNames
    for (const part of path.split('/')) {
      if (this.names.kind(at) === 'symlink') return 'through a link'
      at = this.names.find(at, part)
      if (at === noName) return noName
    }
    return at
  }

  #directory(path: string): number {
    const near = this.#recent.get(path)
    if (near !== undefined) return near
    const number = this.enterDirectory(this.#directory(parentOf(path)), path)
    if (this.#recent.size >= mostRecent) {
      this.#recent.clear()
      this.#recent.set('', rootOfNames)
    }
    this.#recent.set(path, number)
    return number
  }

  #add(parent: number, name: string, target?: string): number {
    this.#take(treeNameCost + name.length + (target?.length ?? 0))
    const number = this.names.add(parent, name)
    if (target !== undefined) this.names.setTarget(number, target)
    return number
  }

  #fault(message: string, path: string, found = path): ToolError {
    return new ToolError('LAYER_INVALID', message, { found, where: { source: this.#source, path } })
  }
}
