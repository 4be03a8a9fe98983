// The files of an image, or of the command line, that decide what a node boots.

import type { OciDigest } from '../formats/oci/digest.ts'
import type { KnownContents } from './spill-room.ts'

export const bootFileRoles = [
  'shim',
  'grub',
  'systemd-boot',
  'mok-manager',
  'fallback',
  'kernel',
  'initramfs',
  'uki',
  'os-release',
] as const
export type BootFileRole = (typeof bootFileRoles)[number]

/** One boot file, whole. `layer` is the layer that it came from, null for a file of the command line or of a directory. */
export interface BootFile {
  readonly role: BootFileRole
  /** Path in the image without a leading slash, or the path given. */
  readonly path: string
  readonly layer: OciDigest | null
  /** Those of large files come from a temporary file each time: ask once and let go. */
  readonly bytes: Uint8Array
  /** Of large files, so that nobody has to read them for it. */
  readonly known?: KnownContents | undefined
}
