// All EFI programs that an image brings for its EFI system partition, whatever their names (bootupd: src/efi.rs; before it ostree: usr/lib/ostree-boot).

import { ToolError } from '../errors.ts'
import { sha256Hex } from '../formats/bytes/digest.ts'
import type { ImageTree } from './image-tree.ts'
import { bootupdUpdatesDirectory, efiDirectory, isEfi, ostreeBootDirectory } from './places.ts'

/** Names below the three directories; real images have fewer than a hundred. */
const nameCeiling = 10_000

/**
 * SHA-256, as lower-case hex, by path without leading slash, of each *.efi (in any case) below usr/lib/bootupd/updates, usr/lib/efi and
 * usr/lib/ostree-boot. Links are followed, and paths are those that were walked. Throws LAYER_INVALID for links that go wrong, CEILING_REACHED.
 */
export function findEfiFiles(tree: ImageTree, source: string): ReadonlyMap<string, string> {
  const found = new Map<string, string>()
  /** Real directories above the one that is read: a link back to one of them is not followed. */
  const above = new Set<string>()
  let names = 0
  const walk = (directory: string) => {
    const real = tree.realPath(directory)
    if (above.has(real)) return
    above.add(real)
    for (const name of tree.list(directory)) {
      names += 1
      if (names > nameCeiling)
        throw new ToolError('CEILING_REACHED', 'too many files beside the boot loaders', {
          wanted: `at most ${nameCeiling}`,
          where: { source, path: directory },
        })
      const path = `${directory}/${name}`
      const kind = tree.kind(path)
      if (kind === 'directory') walk(path)
      const file = kind === 'file' && isEfi(name) ? tree.read(path) : undefined
      if (file !== undefined) found.set(path, file.known?.sha256 ?? sha256Hex(file.bytes))
    }
    above.delete(real)
  }
  for (const top of [bootupdUpdatesDirectory, efiDirectory, ostreeBootDirectory])
    if (tree.kind(top) === 'directory') walk(top)
  return found
}
