// The packages of an image, from the headers in its RPM database.

import { type HeaderStructure, headerOf, readMainHeader } from '../formats/rpm/header.ts'
import type { Evr } from '../formats/rpm/version.ts'

export interface InstalledPackage {
  readonly name: string
  readonly evr: Evr
  /** null for gpg-pubkey. */
  readonly arch: string | null
  /** Only where it was asked for: all headers of a CoreOS are 40 MB. */
  readonly header?: HeaderStructure
}

/** Name, version and architecture of each header blob, in their order; the headers themselves with `keep`. Throws RPM_INVALID. */
export function installedPackages(blobs: Iterable<Uint8Array>, source: string, keep = false): InstalledPackage[] {
  const packages: InstalledPackage[] = []
  for (const blob of blobs) {
    const header = readMainHeader(blob, `${source}, package ${packages.length + 1}`)
    const { name, evr, arch } = headerOf(header)
    packages.push({ name, evr, arch, ...(keep ? { header } : {}) })
  }
  return packages
}
