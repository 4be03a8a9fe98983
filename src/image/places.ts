// Where in an image the files are that matter here (interface §2; bootupd: src/efi.rs; ostree: repo layout).

import { nameOf } from './layer-path.ts'

export const modulesDirectory = 'usr/lib/modules'
/** bootupd, Fedora 44 and later: <name>/<version>/EFI/… */
export const efiDirectory = 'usr/lib/efi'
/** bootupd before that. */
export const bootupdUpdatesDirectory = 'usr/lib/bootupd/updates'
export const bootupdDirectory = `${bootupdUpdatesDirectory}/EFI`
/** Boot loaders before bootupd, and where bootupd takes them from when an image is composed. */
export const ostreeBootDirectory = 'usr/lib/ostree-boot'
/** os-release(5): the first that is there. */
export const osReleasePaths = ['etc/os-release', 'usr/lib/os-release'] as const
export const rpmDatabasePaths = ['usr/share/rpm/rpmdb.sqlite', 'usr/lib/sysimage/rpm/rpmdb.sqlite'] as const
/** Programs whose presence a check or the build asks for. */
export const programPaths = [
  'usr/bin/kubelet',
  'usr/bin/crio',
  'usr/bin/rpm-ostree',
  'usr/bin/ostree',
  'usr/bin/bootc',
  'usr/bin/dnf',
  'usr/bin/dnf5',
] as const

/** Listed whole; files below are kept only if `keepsContents` says so. */
export const knownRoots: readonly string[] = [
  modulesDirectory,
  efiDirectory,
  bootupdUpdatesDirectory,
  ostreeBootDirectory,
  'boot',
  'lib',
  'usr/share/rpm',
  'usr/lib/sysimage/rpm',
  'usr/lib/os.release.d',
  'sysroot/ostree/repo/config',
  ...osReleasePaths,
  ...programPaths,
]

const efiPlaces = [efiDirectory, bootupdUpdatesDirectory, ostreeBootDirectory, 'boot']
const kernelFiles = new Set(['vmlinuz', 'initramfs.img', '.vmlinuz.hmac'])

/** Files whose bytes are kept while a layer passes. */
export function keepsContents(path: string): boolean {
  const name = nameOf(path)
  if (path.startsWith(`${modulesDirectory}/`)) return kernelFiles.has(name) || isEfi(name)
  if (efiPlaces.some(place => path.startsWith(`${place}/`))) return isEfi(name)
  if (path.startsWith('usr/lib/os.release.d/')) return true
  return (osReleasePaths as readonly string[]).includes(path) || isRpmDatabase(path)
}

/** rpmdb.sqlite, and the write-ahead log that may stand beside it. */
export function isRpmDatabase(path: string): boolean {
  return rpmDatabasePaths.some(database => path === database || path === `${database}-wal`)
}

export const isEfi = (name: string): boolean => name.toLowerCase().endsWith('.efi')

/** Below a repository of ostree. */
export const isInRepository = (path: string): boolean => path.startsWith('sysroot/ostree/repo/')

/** A regular file of an ostree repository; its name in the image comes later, as a hard link to it. */
export function isOstreeObject(path: string): boolean {
  return path.startsWith('sysroot/ostree/repo/objects/') && path.endsWith('.file')
}

/** cpio, gzip, zstd. */
const archiveMagics = ['070701', '070702', '\x1f\x8b', '\x28\xb5\x2f\xfd']
/** Smaller archives are documentation; an initramfs with less is read when it is asked for. */
const initramfsLeast = 4 * 1024 ** 2

/** Bytes at the start of an object that `mayBecomeBootFile` looks at. */
export const headOfObject = 16

/** Objects that a link may make a boot file: PE files, initramfs images (cpio, gzip, zstd), RPM databases, digests of kernels, os-release files. */
export function mayBecomeBootFile(head: Uint8Array, size: number): boolean {
  if (head[0] === 0x4d && head[1] === 0x5a) return true
  // most objects are neither small nor large, and no database
  if (size > 4096 && size < initramfsLeast && head[0] !== 0x53) return false
  const text = String.fromCharCode(...head.subarray(0, headOfObject))
  if (size >= initramfsLeast && archiveMagics.some(magic => text.startsWith(magic))) return true
  if (size <= 512 && /^[0-9a-f]{16}$/.test(text)) return true
  return text.startsWith('SQLite format 3') || (size <= 4096 && /^[A-Z_]+=/.test(text))
}
