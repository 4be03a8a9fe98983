// The hash by which shim looks a file up in its lists: rhboot/shim pe.c, generate_hash of tags 15.3 to 16.1.

import { type Digests, digestInBanks } from '../../formats/bytes/digest.ts'
import { authenticodeParts } from '../../formats/pe/authenticode.ts'
import { compareShimVersions, type ShimVersion } from '../../formats/shim/version.ts'
import type { LoadedFile } from '../loaded-file.ts'

/** Since then what is behind the sections of an unsigned file counts. */
const hashesOverlay = { major: 16, minor: 1 }

/**
 * As the firmware computes it, but for an unsigned file with bytes behind its sections: before 16.1 shim leaves them out, since then it adds
 * zeros up to a multiple of 8. What shim measures stays the firmware's hash in any case.
 */
export function shimDigests({ pe, digests }: LoadedFile, version: ShimVersion): Digests {
  if (pe.certificateTable.size > 0) return digests
  const parts = authenticodeParts(pe)
  const overlay = parts.at(-1)
  if (overlay === undefined || overlay.length === 0) return digests
  if (compareShimVersions(version, hashesOverlay) < 0) return digestInBanks(...parts.slice(0, -1))
  return digestInBanks(...parts, new Uint8Array((8 - (pe.bytes.length % 8)) % 8))
}
