// Where shim, GRUB, kernel and os-release are in an image: exactly one of each, or an error (interface §2; bootupd: src/efi.rs; bootc: ostree-ext/src/bootabletree.rs).

import { ToolError } from '../errors.ts'
import { compareVersions } from '../formats/rpm/version.ts'
import type { BootFile, BootFileRole } from './boot-file.ts'
import type { ImageTree } from './image-tree.ts'
import { type OsRelease, parseOsRelease } from './os-release.ts'
import { bootupdDirectory, efiDirectory, isEfi, modulesDirectory, osReleasePaths } from './places.ts'

export interface FoundBootFiles {
  readonly files: readonly BootFile[]
  /** Name of the one directory below usr/lib/modules with a vmlinuz; null when there is not exactly one. */
  readonly kernelRelease: string | null
  readonly os: OsRelease
  /** What keeps the image from being predicted, all together. */
  readonly problems: readonly ToolError[]
}

/** Looks for all boot files. Refusals of interface §2 are collected in `problems`; links that go wrong throw LAYER_INVALID. */
export function findBootFiles(tree: ImageTree, source: string): FoundBootFiles {
  const problems: ToolError[] = []
  const found: BootFile[] = []
  const add = (role: BootFileRole, path: string): BootFile | undefined => {
    const file = tree.read(path)
    if (file === undefined) return undefined
    const bootFile = { role, path, layer: file.layer, bytes: file.bytes }
    found.push(bootFile)
    return bootFile
  }
  const kernels = kernelDirectories(tree)
  const ukis = findUkis(tree)
  if (ukis.length > 0)
    problems.push(refuse('UKI_NOT_SUPPORTED', 'the image has a unified kernel image', source, ukis.join(', ')))
  for (const [role, candidates] of findBootLoaders(tree)) {
    const [first, ...others] = candidates
    if (first === undefined) {
      if (role === 'shim' || role === 'grub')
        problems.push(
          refuse(
            'BOOT_LOADER_MISSING',
            `the image has no ${role}`,
            source,
            'none',
            `${efiDirectory} or ${bootupdDirectory}`,
          ),
        )
    } else if (others.length > 0) {
      problems.push(
        refuse(
          'BOOT_LOADER_NOT_UNIQUE',
          `the image has several files for ${role}`,
          source,
          candidates.join(', '),
          'one',
        ),
      )
    } else add(role, first)
  }
  const [kernel, ...moreKernels] = kernels
  if (kernel === undefined)
    problems.push(
      refuse('KERNEL_MISSING', 'the image has no kernel', source, 'none', `one ${modulesDirectory}/<release>/vmlinuz`),
    )
  else if (moreKernels.length > 0)
    problems.push(
      refuse('KERNEL_NOT_UNIQUE', 'the image has several kernels', source, kernels.join(', '), 'one', modulesDirectory),
    )
  else {
    add('kernel', `${modulesDirectory}/${kernel}/vmlinuz`)
    add('initramfs', `${modulesDirectory}/${kernel}/initramfs.img`)
  }
  const osRelease = osReleasePaths.find(path => tree.kind(path) === 'file')
  const osFile = osRelease === undefined ? undefined : add('os-release', osRelease)
  return {
    files: found,
    kernelRelease: moreKernels.length === 0 ? (kernel ?? null) : null,
    os: osFile === undefined ? { id: null, versionId: null } : parseOsRelease(osFile.bytes),
    problems,
  }
}

/** Directories below usr/lib/modules with a vmlinuz; those with left-over modules only do not count. */
export function kernelDirectories(tree: ImageTree): string[] {
  return tree.list(modulesDirectory).filter(name => tree.kind(`${modulesDirectory}/${name}/vmlinuz`) === 'file')
}

/** By name, as interface §2 lists the places; what is in them is not read here. */
export function findUkis(tree: ImageTree): string[] {
  const isUki = (name: string) => isEfi(name) && !name.toLowerCase().endsWith('.addon.efi')
  const directories = [
    ...tree.list(modulesDirectory).map(name => `${modulesDirectory}/${name}`),
    'boot/EFI/Linux',
    ...efiTrees(tree).map(path => `${path}/Linux`),
  ]
  return directories.flatMap(directory =>
    tree
      .list(directory)
      .filter(isUki)
      .map(name => `${directory}/${name}`),
  )
}

const rolesByName: Readonly<Record<string, BootFileRole>> = {
  'shimx64.efi': 'shim',
  'grubx64.efi': 'grub',
  'mmx64.efi': 'mok-manager',
  'fbx64.efi': 'fallback',
}

/** Candidates by role. What EFI/BOOT repeats from the vendor's directory does not count, but for fallback, which is only there. */
function findBootLoaders(tree: ImageTree): ReadonlyMap<BootFileRole, string[]> {
  const found = new Map<BootFileRole, string[]>(
    Object.values(rolesByName).map((role): [BootFileRole, string[]] => [role, []]),
  )
  const efi = efiTrees(tree)
  for (const top of efi.length > 0 ? efi : [bootupdDirectory])
    for (const vendor of tree.list(top))
      for (const name of tree.list(`${top}/${vendor}`)) {
        const role = rolesByName[name.toLowerCase()]
        const counts = (vendor.toUpperCase() === 'BOOT') === (role === 'fallback')
        if (role !== undefined && counts) found.get(role)?.push(`${top}/${vendor}/${name}`)
      }
  return found
}

/** usr/lib/efi/<name>/<newest version>/EFI of every package there. */
function efiTrees(tree: ImageTree): string[] {
  return tree.list(efiDirectory).flatMap(name => {
    const versions = tree
      .list(`${efiDirectory}/${name}`)
      .filter(version => tree.kind(`${efiDirectory}/${name}/${version}/EFI`) === 'directory')
      .sort(compareVersions)
    const newest = versions.at(-1)
    return newest === undefined ? [] : [`${efiDirectory}/${name}/${newest}/EFI`]
  })
}

function refuse(
  code: 'UKI_NOT_SUPPORTED' | 'BOOT_LOADER_MISSING' | 'BOOT_LOADER_NOT_UNIQUE' | 'KERNEL_MISSING' | 'KERNEL_NOT_UNIQUE',
  message: string,
  source: string,
  found: string,
  wanted?: string,
  path?: string,
): ToolError {
  return new ToolError(code, message, {
    found,
    ...(wanted === undefined ? {} : { wanted }),
    where: { source, ...(path === undefined ? {} : { path }) },
  })
}
