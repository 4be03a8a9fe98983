// The packages of an image, from the headers in its RPM database.

import { parseRpmHeader } from '../formats/rpm/header.ts'
import type { Evr } from '../formats/rpm/version.ts'

export interface InstalledPackage {
  readonly name: string
  readonly evr: Evr
  /** null for gpg-pubkey. */
  readonly arch: string | null
}

/** Name, version and architecture of each header blob, in their order. Throws RPM_INVALID. */
export function installedPackages(blobs: Iterable<Uint8Array>, source: string): InstalledPackage[] {
  const packages: InstalledPackage[] = []
  for (const blob of blobs) {
    const { name, evr, arch } = parseRpmHeader(blob, `${source}, package ${packages.length + 1}`)
    packages.push({ name, evr, arch })
  }
  return packages
}
