// Boot loaders in the directories of bootupd, by name and architecture: bootupd, src/efi.rs; UEFI 2.10 §3.5.1.1, removable media boot behaviour.

import { loaderInfo } from '../formats/pe/loader-info.ts'
import { parsePe } from '../formats/pe/pe.ts'
import { compareVersions } from '../formats/rpm/version.ts'
import type { BootFileRole } from './boot-file.ts'
import type { BootTree } from './boot-tree.ts'
import { bootupdDirectory, efiDirectory } from './places.ts'

type LoaderRole = Extract<BootFileRole, 'shim' | 'grub' | 'systemd-boot' | 'mok-manager' | 'fallback'>

/** How UEFI shortens an architecture in file names, by OCI's word for it. */
const suffixes: Readonly<Record<string, string>> = { amd64: 'x64', arm64: 'aa64' }

function rolesByName(suffix: string): Readonly<Record<string, LoaderRole>> {
  return {
    [`shim${suffix}.efi`]: 'shim',
    [`grub${suffix}.efi`]: 'grub',
    [`systemd-boot${suffix}.efi`]: 'systemd-boot',
    [`mm${suffix}.efi`]: 'mok-manager',
    [`fb${suffix}.efi`]: 'fallback',
  }
}

/** A boot loader by its place; `role` by its name. */
export interface LoaderPlace {
  readonly role: LoaderRole
  readonly path: string
}

/**
 * All boot loaders for an architecture, by role in the order of the table, then by path. What EFI/BOOT repeats from the vendor's directory does
 * not count, but for fallback, which is only there, and systemd-boot, which is there as BOOTX64.EFI.
 */
export function findBootLoaders(tree: BootTree, architecture: string): LoaderPlace[] {
  const suffix = suffixes[architecture] ?? 'x64'
  const roles = rolesByName(suffix)
  const found: LoaderPlace[] = []
  const efi = efiTrees(tree)
  for (const top of efi.length > 0 ? efi : [bootupdDirectory])
    for (const vendor of tree.list(top))
      for (const name of tree.list(`${top}/${vendor}`)) {
        const path = `${top}/${vendor}/${name}`
        const removable = vendor.toUpperCase() === 'BOOT'
        const role = roles[name.toLowerCase()]
        if (role !== undefined && (role === 'systemd-boot' || removable === (role === 'fallback')))
          found.push({ role, path })
        else if (removable && name.toUpperCase() === `BOOT${suffix}.EFI`.toUpperCase() && isSystemdBoot(tree, path))
          found.push({ role: 'systemd-boot', path })
      }
  return Object.values(roles).flatMap(role =>
    withoutCopies(
      tree,
      found.filter(one => one.role === role),
    ),
  )
}

/** What EFI/BOOT has: the file that firmware starts where no boot entry names another (null), or a loader by its name. */
export interface RemovableFile {
  readonly role: Exclude<LoaderRole, 'fallback'> | null
  readonly path: string
  readonly bytes: Uint8Array
}

/** The copies in EFI/BOOT, in the order of their paths; fallback is no copy. */
export function findRemovable(tree: BootTree, architecture: string): RemovableFile[] {
  const suffix = suffixes[architecture] ?? 'x64'
  const roles = rolesByName(suffix)
  const efi = efiTrees(tree)
  return (efi.length > 0 ? efi : [bootupdDirectory]).flatMap(top =>
    tree
      .list(top)
      .filter(name => name.toUpperCase() === 'BOOT')
      .flatMap(directory =>
        tree.list(`${top}/${directory}`).map(name => ({ name, path: `${top}/${directory}/${name}` })),
      )
      .flatMap(({ name, path }) => {
        const role = name.toLowerCase() === `boot${suffix}.efi` ? null : roles[name.toLowerCase()]
        const bytes = role === undefined || role === 'fallback' ? undefined : tree.read(path)?.bytes
        return role === undefined || role === 'fallback' || bytes === undefined ? [] : [{ role, path, bytes }]
      }),
  )
}

/** systemd-boot is installed twice, under its own name and as BOOTX64.EFI: files with the same bytes count once. */
function withoutCopies(tree: BootTree, places: readonly LoaderPlace[]): readonly LoaderPlace[] {
  const [first] = places
  if (first?.role !== 'systemd-boot' || places.length < 2) return places
  const named = places.toSorted((a, b) => Number(isRemovable(a)) - Number(isRemovable(b)))
  const bytes = named.map(({ path }) => Buffer.from(tree.read(path)?.bytes ?? new Uint8Array(0)))
  return named.filter((_, index) => !bytes.slice(0, index).some(other => other.equals(bytes[index] ?? Buffer.alloc(0))))
}

const isRemovable = ({ path }: LoaderPlace): boolean => /\/boot[^/]*$/i.test(path)

function isSystemdBoot(tree: BootTree, path: string): boolean {
  const file = tree.read(path)
  if (file === undefined) return false
  try {
    return loaderInfo(parsePe(file.bytes, path))?.program === 'systemd-boot'
  } catch {
    // no PE file, so no program at all
    return false
  }
}

/** usr/lib/efi/<name>/<newest version>/EFI of every package there. */
export function efiTrees(tree: BootTree): string[] {
  return tree.list(efiDirectory).flatMap(name => {
    const versions = tree
      .list(`${efiDirectory}/${name}`)
      .filter(version => tree.kind(`${efiDirectory}/${name}/${version}/EFI`) === 'directory')
      .sort(compareVersions)
    const newest = versions.at(-1)
    return newest === undefined ? [] : [`${efiDirectory}/${name}/${newest}/EFI`]
  })
}
