// What a build must leave as the base has it: boot loaders and /boot (D9).

import type { ToolError } from '../errors.ts'
import { type BuiltImage, finding, some } from './finding.ts'

/** Firmware starts any of them, by an entry of its own or by the removable-media path: all must be those of the base. Fault: BOOT_LOADER_CHANGED. */
export function checkBootLoaders(image: BuiltImage): ToolError[] {
  const [built, base] = [image.built.efiFiles, image.base.efiFiles]
  const unified = unifiedKernels(image)
  const differences = [...new Set([...base.keys(), ...built.keys()])]
    .filter(path => base.get(path) !== built.get(path) && !unified.has(path))
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

/** Nothing but a unified kernel image is below /boot that the base does not have. Fault: BOOT_DIRECTORY_NOT_EMPTY. */
export function checkBootDirectory(image: BuiltImage): ToolError[] {
  const { built, base } = image
  const unified = unifiedKernels(image)
  const added = [...built.listing].filter(
    path => path.startsWith('boot/') && !base.listing.has(path) && !unified.has(path),
  )
  if (added.length === 0) return []
  return [
    finding(image, 'BOOT_DIRECTORY_NOT_EMPTY', 'the build put files below /boot', {
      found: some(added),
      wanted: 'nothing that the base did not have',
      path: 'boot',
    }),
  ]
}

/** Paths of unified kernel images: kernels, which a build changes, at places where boot loaders are. */
function unifiedKernels({ built, base }: BuiltImage): ReadonlySet<string> {
  const files = [...built.found.files, ...base.found.files]
  return new Set(files.flatMap(({ role, path }) => (role === 'uki' ? [path] : [])))
}
