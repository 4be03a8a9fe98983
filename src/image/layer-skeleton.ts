// Directories and symbolic links of a whole layer, in known places or not: an entry that is written through a link lands where its name does not say.

import { ToolError } from '../errors.ts'
import { ancestorsOf, parentOf } from './layer-path.ts'

/** Bytes of memory that one name costs besides its characters, about. */
export const nameCost = 300

export interface Skeleton {
  /** Targets by path. */
  readonly links: ReadonlyMap<string, string>
  /** With those that have no entry of their own. */
  readonly directories: ReadonlySet<string>
}

/**
 * Refuses what engines unpack in several ways: entries and targets of hard links below a symbolic link of the same layer (podman writes through it, the tar
 * crate and ostree do not), and names that are a directory and something else in one layer. All throw LAYER_INVALID.
 */
export class LayerSkeleton implements Skeleton {
  readonly links = new Map<string, string>()
  readonly directories = new Set<string>()
  readonly #source: string
  /** Is told the bytes of memory that a new name takes. */
  readonly #take: (bytes: number) => void
  #lastParent = ''

  constructor(source: string, take: (bytes: number) => void) {
    this.#source = source
    this.#take = take
  }

  /** Directories above an entry exist here even where the archive has no entry for them. */
  enterParents(path: string): void {
    const parent = parentOf(path)
    if (parent === this.#lastParent) return
    for (const ancestor of ancestorsOf(path)) this.enterDirectory(ancestor)
    this.#lastParent = parent
  }

  enterDirectory(path: string): void {
    if (this.directories.has(path)) return
    if (this.links.has(path)) throw this.#fault('an entry below, or in place of, a symbolic link of its layer', path)
    this.#take(path.length + nameCost)
    this.directories.add(path)
  }

  /** A file, device or pipe. */
  enterLeaf(path: string): void {
    if (this.directories.has(path)) throw this.#fault('an entry in place of a directory of its layer', path)
    if (this.links.has(path)) throw this.#fault('two entries with one name', path)
  }

  enterLink(path: string, target: string): void {
    this.enterLeaf(path)
    this.#take(path.length + target.length + nameCost)
    this.links.set(path, target)
  }

  /** `target` is a path as entries have it. A hard link to a symbolic link is one more symbolic link. */
  enterHardLink(path: string, target: string): void {
    for (const ancestor of ancestorsOf(target))
      if (this.links.has(ancestor)) throw this.#fault('a hard link through a symbolic link of its layer', path, target)
    if (this.directories.has(target) || target === '') throw this.#fault('a hard link to a directory', path, target)
    const bound = this.links.get(target)
    if (bound === undefined) this.enterLeaf(path)
    else this.enterLink(path, bound)
  }

  #fault(message: string, path: string, found = path): ToolError {
    return new ToolError('LAYER_INVALID', message, { found, where: { source: this.#source, path } })
  }
}
