// What a build must leave as the base has it: boot loaders and /boot (D9).

import type { ToolError } from '../errors.ts'
import { type BuiltImage, finding, some } from './finding.ts'

/** Firmware starts any of them, by an entry of its own or by the removable-media path: all must be those of the base. Fault: BOOT_LOADER_CHANGED. */
export function checkBootLoaders(image: BuiltImage): ToolError[] {
  const [built, base] = [image.built.efiFiles, image.base.efiFiles]
  const differences = [...new Set([...base.keys(), ...built.keys()])]
    .filter(path => base.get(path) !== built.get(path))
    .sort()
    .map(path => `${path} ${base.has(path) ? (built.has(path) ? 'is changed' : 'is gone') : 'is new'}`)
  if (differences.length === 0) return []
  return [
    finding(image, 'BOOT_LOADER_CHANGED', 'the EFI programs of the image are not those of its base', {
      found: some(differences),
      wanted: `the files and bytes that ${image.base.source} has`,
    }),
  ]
}

/** Nothing is below /boot that the base does not have. Fault: BOOT_DIRECTORY_NOT_EMPTY. */
export function checkBootDirectory(image: BuiltImage): ToolError[] {
  const added = [...image.built.listing].filter(path => path.startsWith('boot/') && !image.base.listing.has(path))
  if (added.length === 0) return []
  return [
    finding(image, 'BOOT_DIRECTORY_NOT_EMPTY', 'the build put files below /boot', {
      found: some(added),
      wanted: 'nothing that the base did not have',
      path: 'boot',
    }),
  ]
}
