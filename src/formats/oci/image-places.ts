// From the name of an image to the places to ask for it, in order: the rules of containers-registries.conf(5).

import { ToolError } from '../../errors.ts'
import { formatImageReference, type ImageReference, parseImageReference } from './reference.ts'
import type { MirrorUse, RegistryRow } from './registries-conf.ts'

/** One place to ask; `reference` has the tag and digest of the image's own. */
export interface ImagePlace {
  readonly reference: ImageReference
  readonly insecure: boolean
  readonly isMirror: boolean
}

/** Mirrors that may be asked for such a reference, then the registry itself; never empty. Throws REGISTRY_BLOCKED. */
export function imagePlaces(rows: readonly RegistryRow[], reference: ImageReference): readonly ImagePlace[] {
  const name = formatImageReference(reference)
  const found = fitting(rows, name, reference)
  if (found === undefined) return [{ reference, insecure: false, isMirror: false }]
  const { row, length } = found
  const moved = (location: string | undefined): ImageReference => {
    if (location === undefined) return reference
    const { registry, repository } = parseImageReference(location + name.slice(length))
    return { ...reference, registry, repository }
  }
  const mirrors = row.mirrors.filter(({ use }) => isFor(use, reference))
  return [
    ...mirrors.map(({ location, insecure }) => ({ reference: moved(location), insecure, isMirror: true })),
    { reference: moved(row.location), insecure: row.insecure, isMirror: false },
  ]
}

/** Whether a push to this repository may go without verified TLS. Mirrors and locations are for pulls only. Throws REGISTRY_BLOCKED. */
export function isInsecureTarget(rows: readonly RegistryRow[], target: ImageReference): boolean {
  return fitting(rows, formatImageReference(target), target)?.row.insecure ?? false
}

/** The row with the longest prefix; of equal prefixes the later one. */
function fitting(
  rows: readonly RegistryRow[],
  name: string,
  { registry }: ImageReference,
): { readonly row: RegistryRow; readonly length: number } | undefined {
  let best: { readonly row: RegistryRow; readonly length: number } | undefined
  for (const row of rows) {
    const length = matchLength(row.prefix, name, registry)
    if (length !== undefined && row.prefix.length >= (best?.row.prefix.length ?? 0)) best = { row, length }
  }
  if (best?.row.blocked === true)
    throw new ToolError('REGISTRY_BLOCKED', 'registries.conf blocks this registry', {
      found: `blocked = true for ${best.row.prefix}`,
      where: { source: best.row.source },
    })
  return best
}

/** How much of the name the prefix covers. A host without a port does not stand for the same host with one. */
function matchLength(prefix: string, name: string, registry: string): number | undefined {
  if (prefix.startsWith('*.')) {
    const host = registry.replace(/:\d+$/, '')
    return host.endsWith(prefix.slice(1)) && host.length > prefix.length - 1 ? host.length : undefined
  }
  if (name === prefix) return prefix.length
  const ends = prefix.includes('/') ? ['/', ':', '@'] : ['/']
  return name.startsWith(prefix) && ends.includes(name.charAt(prefix.length)) ? prefix.length : undefined
}

function isFor(use: MirrorUse, { digest }: ImageReference): boolean {
  return use === 'all' || (use === 'digest-only') === (digest !== undefined)
}
