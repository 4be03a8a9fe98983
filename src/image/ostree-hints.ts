// In which layers a file of a commit is looked for first, by the packages that layers are said to hold. A wrong hint costs time, nothing else.

import type { Descriptor } from '../formats/oci/descriptor.ts'
import { nameOf } from './layer-path.ts'
import { isEfi, modulesDirectory, rpmDatabasePaths } from './places.ts'

export interface DescribedLayer {
  readonly descriptor: Descriptor
  readonly description: string | undefined
}

/** Indexes of all layers, the likeliest first; those that name no packages before those that name others, small ones first. */
export function likelyLayers(path: string, layers: readonly DescribedLayer[]): readonly number[] {
  const wanted = packagesOf(path)
  return layers
    .map((layer, index) => ({ index, size: layer.descriptor.size, rank: rankOf(layer, wanted) }))
    .sort((a, b) => a.rank - b.rank || a.size - b.size)
    .map(({ index }) => index)
}

function rankOf({ descriptor, description }: DescribedLayer, wanted: readonly RegExp[]): number {
  // descriptions are lists of packages, or "12 components"
  const names = [description ?? '', descriptor.annotations['ostree.components'] ?? '']
    .flatMap(text => text.split(/,| and /))
    .map(name => name.trim())
    .filter(name => name !== '')
  const at = wanted.findIndex(pattern => names.some(name => pattern.test(name)))
  if (at >= 0) return at
  return names.every(name => /^\d+ components$/.test(name)) ? wanted.length : wanted.length + 1
}

/** The likeliest first. */
function packagesOf(path: string): readonly RegExp[] {
  const name = nameOf(path)
  if (name === 'initramfs.img') return [/^initramfs/]
  if (path.startsWith(`${modulesDirectory}/`)) return [/^kernel-(?:[a-z0-9]+-)?(?<!modules-)core-\d/, /^kernel\b/]
  if (isEfi(name)) return name.toLowerCase().startsWith('grub') ? [/^grub2/] : [/^shim/, /^bootupd/]
  if (rpmDatabasePaths.some(database => path.startsWith(database))) return [/rpmdb|rpm database/i]
  return path.includes('release') ? [/-release/] : []
}
