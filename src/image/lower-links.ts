// Entries of a layer below a symbolic link of a lower layer. overlayfs hides the link behind a new directory, ostree writes through it, so nobody can say what a node gets.

import { ToolError } from '../errors.ts'
import type { KnownPlaces } from './layer-path.ts'
import { NameTree, noName, rootOfNames } from './name-tree.ts'

/** Linux follows as many. */
const linkCeiling = 40
/** Links of several layers are put into one tree up to this many names; those of larger layers stay where they are. */
const mostTogether = 100_000

/** Collects the symbolic links of all layers, lowest first; links that a layer between takes away are still counted. */
export class LowerLinks {
  /** Lowest first. */
  readonly #trees: NameTree[] = []

  /** Throws LAYER_INVALID when a directory of the layer is or goes through a link of a lower layer and either place is a known one. */
  pass(layer: NameTree, places: KnownPlaces, source: string): void {
    for (const directory of this.#belowLinks(layer)) {
      const real = this.#resolve(directory)
      if (real !== directory && (real === undefined || places.knows(real) || places.knows(directory)))
        throw new ToolError('LAYER_INVALID', 'a layer has entries below a symbolic link of a lower layer', {
          found: real === undefined ? 'a link that leads nowhere' : `it leads to ${real === '' ? '/' : real}`,
          wanted: 'entries where the link leads to',
          where: { source, path: directory },
          hint: 'container engines and ostree disagree about such entries',
        })
    }
    this.#collect(layer, source)
  }

  /** Directories of the layer that are, or are below, what lower layers have as links. */
  *#belowLinks(layer: NameTree): Generator<string> {
    if (this.#trees.length === 0) return
    const below = new Uint8Array(layer.count)
    for (const lower of this.#trees) {
      // the same path in both trees; directories come before what is in them
      const same = new Int32Array(layer.count).fill(noName)
      same[rootOfNames] = rootOfNames
      for (let name = 1; name < layer.count; name += 1) {
        const parent = layer.parent(name)
        const found = same[parent] === noName ? noName : lower.find(same[parent] ?? noName, layer.nameOf(name))
        same[name] = found
        if (below[parent] === 1 || (found !== noName && lower.kind(found) === 'symlink')) below[name] = 1
      }
    }
    for (let name = 1; name < layer.count; name += 1)
      if (below[name] === 1 && layer.kind(name) === 'directory') yield layer.pathOf(name)
  }

  #collect(layer: NameTree, source: string): void {
    const links: number[] = []
    for (let name = 1; name < layer.count; name += 1) if (layer.kind(name) === 'symlink') links.push(name)
    if (links.length === 0) return
    if (layer.count > mostTogether) {
      this.#trees.push(layer)
      return
    }
    let together = this.#trees.at(-1)
    if (together === undefined || together.count + layer.count > mostTogether) {
      together = new NameTree(source)
      this.#trees.push(together)
    }
    for (const link of links) together.setTarget(place(layer, link, together), layer.targetOf(link))
  }

  /** Where a directory really is; undefined for circles. */
  #resolve(directory: string): string | undefined {
    let rest = directory.split('/').reverse()
    let here = ''
    let followed = 0
    for (let name = rest.pop(); name !== undefined; name = rest.pop()) {
      if (name === '' || name === '.') continue
      if (name === '..') {
        here = here.slice(0, Math.max(0, here.lastIndexOf('/')))
        continue
      }
      const next = here === '' ? name : `${here}/${name}`
      const target = this.#targetOf(next)
      if (target === undefined) {
        here = next
        continue
      }
      followed += 1
      if (followed > linkCeiling) return undefined
      if (target.startsWith('/')) here = ''
      rest = [...rest, ...target.split('/').reverse()]
    }
    return here
  }

  /** That of the highest layer. */
  #targetOf(path: string): string | undefined {
    for (let index = this.#trees.length - 1; index >= 0; index -= 1) {
      const tree = this.#trees[index]
      const found = tree?.findPath(path) ?? noName
      if (tree !== undefined && found !== noName && tree.kind(found) === 'symlink') return tree.targetOf(found)
    }
    return undefined
  }
}

/** The number of the same path in another tree, which gets what it lacks. */
function place(from: NameTree, name: number, to: NameTree): number {
  if (name === rootOfNames) return rootOfNames
  const parent = place(from, from.parent(name), to)
  const text = from.nameOf(name)
  const found = to.find(parent, text)
  return found === noName ? to.add(parent, text) : found
}
