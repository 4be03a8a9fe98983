// What is known of an image after all of its layers were read.

import type { ToolError } from '../errors.ts'
import type { OciDigest } from '../formats/oci/digest.ts'
import type { BootFile } from './boot-file.ts'
import type { FoundBootFiles } from './boot-files.ts'
import type { BootChainWord } from './chain-files.ts'
import type { InstalledPackage } from './installed-packages.ts'
import type { OsRelease } from './os-release.ts'

export interface ImageContents {
  /** As people name the image. */
  readonly source: string
  readonly digest: OciDigest
  /**
   * Every layer was read to its end and compared with its digest and diff_id, now or, for some, by an earlier run with the same cache; or the layers
   * above an ostree commit, and of the commit itself the files that are wanted, each compared with the checksum by which the commit names it; or some layers
   * only by their tables of contents.
   */
  readonly proof: 'all-layers' | 'cache' | 'ostree-commit' | 'toc'
  /** Lowest first. */
  readonly diffIds: readonly OciDigest[]
  readonly imageLabels: Readonly<Record<string, string>>
  /** The chain that is named, or the only one that the image can boot; undefined: which one that is, is not clear. */
  readonly bootChain: BootChainWord | undefined
  /** Those of that chain. */
  readonly bootFiles: readonly BootFile[]
  /** All boot files, for commands that take other chains too. */
  readonly found: FoundBootFiles
  readonly kernelRelease: string | null
  readonly os: OsRelease
  /** null: the image has no RPM database. */
  readonly packages: readonly InstalledPackage[] | null
  /** Paths, without leading slash, of files that checks ask for: below usr/lib/modules and boot, and some programs. */
  readonly listing: ReadonlySet<string>
  /** SHA-256, as hex, of every *.efi below usr/lib/bootupd/updates, usr/lib/efi and usr/lib/ostree-boot, by path without leading slash. */
  readonly efiFiles: ReadonlyMap<string, string>
  /** `.vmlinuz.hmac` beside the kernel; null where there is none. */
  readonly kernelHmac: Uint8Array | null
  /** Whether the image carries an ostree repository, which rpm-ostree needs (D8b). */
  readonly hasOstreeRepository: boolean
  /** What keeps the image from being built and proposed: kernel, boot loaders, a boot chain that is not clear. */
  readonly problems: readonly ToolError[]
}

/** `image` of the documents of interface §2. */
export interface ImageFacts {
  readonly source: string
  /** null for a root file system on disk. */
  readonly digest: OciDigest | null
  readonly proof: ImageContents['proof'] | 'local'
  readonly os: OsRelease
  readonly kernelRelease: string | null
}

export function imageFacts({ source, digest, proof, os, kernelRelease }: ImageContents): ImageFacts {
  return { source, digest, proof, os, kernelRelease }
}

/** What everybody has to know of answers with the proof `toc`. */
export const tocNote = 'read by tables of contents, which nothing binds to the layers that nodes unpack'
