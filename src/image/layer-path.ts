// Paths of layer members: image-spec 1.1 layer.md. One form for all: no leading slash, no dots, no trailing slash; the root is ''.

import { ToolError } from '../errors.ts'

/** Interface §8. */
export const pathCeiling = 4096

/** `./usr/lib/`, `/usr/lib` and `usr//lib` are `usr/lib`. Throws LAYER_INVALID for `..` and NUL, CEILING_REACHED above 4 KiB. */
export function normalizePath(path: string, source: string): string {
  if (path.length > pathCeiling)
    throw new ToolError('CEILING_REACHED', 'a path in a layer is too long', {
      found: `${path.length} characters`,
      wanted: `at most ${pathCeiling}`,
      where: { source, path: `${path.slice(0, 60)}…` },
    })
  // nearly all paths are in order already
  if (!/^[./]|\/$|\/\/|\/\.|\0/.test(path)) return path
  const parts = path.split('/').filter(part => part !== '' && part !== '.')
  if (parts.includes('..') || path.includes('\0'))
    throw new ToolError('LAYER_INVALID', 'a path in a layer leaves the layer', {
      found: JSON.stringify(path),
      wanted: 'a path without .. and NUL',
      where: { source },
    })
  return parts.join('/')
}

export function parentOf(path: string): string {
  return path.slice(0, Math.max(0, path.lastIndexOf('/')))
}

export function nameOf(path: string): string {
  return path.slice(path.lastIndexOf('/') + 1)
}

/** `usr`, `usr/lib` of `usr/lib/modules`; not the root and not the path itself. */
export function* ancestorsOf(path: string): Generator<string> {
  for (let slash = path.indexOf('/'); slash >= 0; slash = path.indexOf('/', slash + 1)) yield path.slice(0, slash)
}

/** The places of an image whose entries are kept; all others are passed over and count as unknown, never as absent. */
export class KnownPlaces {
  readonly #roots: ReadonlySet<string>
  readonly #ancestors: ReadonlySet<string>

  constructor(roots: Iterable<string>) {
    this.#roots = new Set(roots)
    this.#ancestors = new Set(['', ...[...this.#roots].flatMap(root => [...ancestorsOf(root)])])
  }

  get roots(): readonly string[] {
    return [...this.#roots]
  }

  /** At or below a root. */
  covers(path: string): boolean {
    if (this.#roots.has(path) || this.#roots.has('')) return true
    for (const ancestor of ancestorsOf(path)) if (this.#roots.has(ancestor)) return true
    return false
  }

  /** Whether a path whose directory is not covered is a root, or on the way to one. */
  borders(path: string): boolean {
    return this.#ancestors.has(path) || this.#roots.has(path)
  }

  /** Covered, or on the way to a root: whether such an entry is a directory decides what is at the root. */
  knows(path: string): boolean {
    return this.#ancestors.has(path) || this.covers(path)
  }
}
