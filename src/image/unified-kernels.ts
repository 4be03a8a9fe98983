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

const ukiDirectories = (tree: BootTree): string[] => [
  ...inAnyCase(tree, 'boot', ['EFI', 'Linux']),
  ...efiTrees(tree).flatMap(path => inAnyCase(tree, path, ['Linux'])),
]

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
  const shared = tops.flatMap(top =>
    ['addons', 'credentials', 'extensions'].map(name => ({ top, names: ['loader', name] })),
  )
  const own = ukis.flatMap(({ path }) => {
    const [directory, name] = [path.slice(0, path.lastIndexOf('/')), path.slice(path.lastIndexOf('/') + 1)]
    return [...new Set([name, withoutBootCount(name)])].map(one => ({ top: directory, names: [`${one}.extra.d`] }))
  })
  const directories = new Set([...own, ...shared].flatMap(({ top, names }) => inAnyCase(tree, top, names)))
  return [...directories].flatMap(directory =>
    tree
      .list(directory)
      .filter(name => companions.test(name))
      .map(name => `${directory}/${name}`),
  )
}

/** A stub since 255 looks beside the name that the file has without its tries: systemd, src/boot/util.c, get_extra_dir. */
const withoutBootCount = (name: string): string => name.replace(/\+[0-9]+(?:-[0-9]+)?(?=\.|$)/, '')

/** The directories that FAT takes for `top`/`names`, whatever the case of the names. */
function inAnyCase(tree: BootTree, top: string, names: readonly string[]): string[] {
  return names.reduce<string[]>(
    (found, wanted) =>
      found.flatMap(directory =>
        tree
          .list(directory)
          .filter(name => name.toLowerCase() === wanted.toLowerCase())
          .map(name => `${directory}/${name}`),
      ),
    [top],
  )
}
