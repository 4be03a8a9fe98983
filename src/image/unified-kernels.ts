// Unified kernel images in an image, and what lies beside them for the stub: interface §2; systemd-stub(7), "Companion Files".

import { parsePe } from '../formats/pe/pe.ts'
import { isUki } from '../formats/pe/uki.ts'
import { efiTrees } from './boot-loaders.ts'
import type { BootTree } from './boot-tree.ts'
import { isEfi, modulesDirectory } from './places.ts'

export interface FoundUki {
  readonly path: string
  /** The directory below usr/lib/modules that it is in; null elsewhere. */
  readonly kernelRelease: string | null
}

const isAddon = (name: string): boolean => name.toLowerCase().endsWith('.addon.efi')

/** Files with a kernel inside at the places of UKIs. A file that cannot be read as PE counts too, so that none is overlooked. */
export function findUkis(tree: BootTree): FoundUki[] {
  const inModules = tree
    .list(modulesDirectory)
    .map(name => ({ directory: `${modulesDirectory}/${name}`, kernelRelease: name }))
  const elsewhere = ukiDirectories(tree).map(directory => ({ directory, kernelRelease: null }))
  return [...inModules, ...elsewhere].flatMap(({ directory, kernelRelease }) =>
    tree
      .list(directory)
      .filter(name => isEfi(name) && !isAddon(name) && hasKernel(tree, `${directory}/${name}`))
      .map(name => ({ path: `${directory}/${name}`, kernelRelease })),
  )
}

const ukiDirectories = (tree: BootTree): string[] => ['boot/EFI/Linux', ...efiTrees(tree).map(path => `${path}/Linux`)]

function hasKernel(tree: BootTree, path: string): boolean {
  const file = tree.read(path)
  if (file === undefined) return false
  try {
    return isUki(parsePe(file.bytes, path))
  } catch {
    return true
  }
}

/** Directories beside UKIs, and those of all UKIs, from which a stub takes add-ons, credentials and extensions. */
const companions = /\.(?:addon\.efi|cred|raw)$/i

/** Paths of files that a stub loads besides its own sections: they change PCR 12 and 13. */
export function findCompanions(tree: BootTree, ukis: readonly FoundUki[]): string[] {
  const tops = ['boot', ...efiTrees(tree).map(path => path.slice(0, -'/EFI'.length))]
  const shared = tops.flatMap(top => ['addons', 'credentials', 'extensions'].map(name => `${top}/loader/${name}`))
  return [...ukis.map(({ path }) => `${path}.extra.d`), ...shared].flatMap(directory =>
    tree
      .list(directory)
      .filter(name => companions.test(name))
      .map(name => `${directory}/${name}`),
  )
}
