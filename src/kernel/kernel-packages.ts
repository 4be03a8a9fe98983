// The kernel that was chosen: one version, all of its packages, where to fetch them.

import type { Evr } from '../formats/rpm/version.ts'

/** One RPM as the repository's metadata describes it. */
export interface RepositoryPackage {
  readonly name: string
  readonly evr: Evr
  readonly arch: string
  /** Hex digest of the RPM file by `checksumType`. */
  readonly checksum: string
  readonly checksumType: 'sha256' | 'sha384' | 'sha512'
  /** Size of the RPM file in bytes. */
  readonly size: number
  /** Whole URL of the RPM file. */
  readonly location: string
  /** Where else the same file is, in the order in which to ask; absent: nowhere. */
  readonly otherLocations?: readonly string[]
  /** A metalink that came by https has the hash of the metadata that has `checksum`, so that the file may come by plain http. */
  readonly boundByMetalink?: true
  readonly sourceRpm: string | null
}

/** A complete set: every package of the base's kernel at one version, then the extra packages. */
export interface KernelPackages {
  readonly evr: Evr
  /** RPM architecture: x86_64. */
  readonly arch: string
  /** What `uname -r` will print: version-release.arch. */
  readonly release: string
  readonly packages: readonly RepositoryPackage[]
  readonly extraPackages: readonly RepositoryPackage[]
}
