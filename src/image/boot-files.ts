// Where boot loaders, kernels, UKIs and os-release are in an image (interface §2; bootupd: src/efi.rs; bootc: ostree-ext/src/bootabletree.rs).

import type { BootFile, BootFileRole } from './boot-file.ts'
import { findBootLoaders, findRemovable, type RemovableFile } from './boot-loaders.ts'
import type { BootTree } from './boot-tree.ts'
import { type OsRelease, parseOsRelease } from './os-release.ts'
import { modulesDirectory, osReleasePaths } from './places.ts'
import { findCompanions, findUkis } from './unified-kernels.ts'

export interface FoundBootFiles {
  readonly source: string
  /** All of them; a role may be there more than once. */
  readonly files: readonly BootFile[]
  /** Directories below usr/lib/modules with a vmlinuz or a UKI; those with left-over modules only do not count. */
  readonly kernels: readonly string[]
  /** Files that a UKI's stub would load besides: add-ons, credentials, extensions. */
  readonly companions: readonly string[]
  /** Copies for the start without a boot entry. */
  readonly removable: readonly RemovableFile[]
  readonly os: OsRelease
}

/** Looks for all boot files. `architecture` is OCI's word. Links that go wrong throw LAYER_INVALID. */
export function findBootFiles(tree: BootTree, source: string, architecture = 'amd64'): FoundBootFiles {
  const files: BootFile[] = []
  const add = (role: BootFileRole, path: string): BootFile | undefined => {
    const file = tree.read(path)
    if (file === undefined) return undefined
    const bootFile = {
      role,
      path,
      layer: file.layer,
      known: file.known,
      // large ones are read when they are asked for
      get bytes() {
        return file.bytes
      },
    }
    files.push(bootFile)
    return bootFile
  }
  const ukis = findUkis(tree)
  const withVmlinuz = kernelDirectories(tree)
  for (const { role, path } of findBootLoaders(tree, architecture)) add(role, path)
  for (const kernel of withVmlinuz) {
    add('kernel', `${modulesDirectory}/${kernel}/vmlinuz`)
    add('initramfs', `${modulesDirectory}/${kernel}/initramfs.img`)
  }
  for (const { path } of ukis) add('uki', path)
  const osRelease = osReleasePaths.find(path => tree.kind(path) === 'file')
  const osFile = osRelease === undefined ? undefined : add('os-release', osRelease)
  return {
    source,
    files,
    kernels: [...new Set([...withVmlinuz, ...ukis.flatMap(({ kernelRelease }) => kernelRelease ?? [])])].sort(),
    companions: findCompanions(tree, ukis),
    removable: findRemovable(tree, architecture),
    os: osFile === undefined ? { id: null, versionId: null } : parseOsRelease(osFile.bytes),
  }
}

function kernelDirectories(tree: BootTree): string[] {
  return tree.list(modulesDirectory).filter(name => tree.kind(`${modulesDirectory}/${name}/vmlinuz`) === 'file')
}
