// Entries of a layer below a symbolic link of a lower layer. overlayfs hides the link behind a new directory, ostree writes through it, so nobody can say what a node gets.

import { ToolError } from '../errors.ts'
import type { KnownPlaces } from './layer-path.ts'
import type { Skeleton } from './layer-skeleton.ts'

/** Linux follows as many. */
const linkCeiling = 40

/** Collects the symbolic links of all layers, lowest first; links that a layer between takes away are still counted. */
export class LowerLinks {
  readonly #links = new Map<string, string>()

  /** Throws LAYER_INVALID when a directory of the layer is or goes through a link of a lower layer and either place is a known one. */
  pass(layer: Skeleton, places: KnownPlaces, source: string): void {
    if (this.#links.size > 0)
      for (const directory of layer.directories) {
        const real = this.#resolve(directory)
        if (real !== directory && (real === undefined || places.knows(real) || places.knows(directory)))
          throw new ToolError('LAYER_INVALID', 'a layer has entries below a symbolic link of a lower layer', {
            found: real === undefined ? 'a link that leads nowhere' : `it leads to ${real === '' ? '/' : real}`,
            wanted: 'entries where the link leads to',
            where: { source, path: directory },
            hint: 'container engines and ostree disagree about such entries',
          })
      }
    for (const [path, target] of layer.links) this.#links.set(path, target)
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
      const target = this.#links.get(next)
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
}
