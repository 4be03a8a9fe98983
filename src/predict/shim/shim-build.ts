// What a shim binary says of itself: version, and what it measures as MOK lists when no key is enrolled.

import { ToolError } from '../../errors.ts'
import { findSection, type PeFile } from '../../formats/pe/pe.ts'
import { vendorMokList, vendorMokListX } from '../../formats/shim/mok-list.ts'
import { parseVendorCert, type VendorCert } from '../../formats/shim/vendor-cert.ts'
import {
  compareShimVersions,
  formatShimVersion,
  parseShimVersion,
  type ShimVersion,
} from '../../formats/shim/version.ts'

export interface ShimBuild {
  readonly version: ShimVersion
  readonly vendor: VendorCert
  /** Bytes that shim hashes into PCR 14, none of them depending on the machine. */
  readonly mokList: Uint8Array
  readonly mokListX: Uint8Array
  /** True where a missing variable MokListTrusted is measured as one byte 01 (since 15.6). */
  readonly measuresMokListTrusted: boolean
}

/** Versions between which the measuring code was read, and which are accepted. */
const [oldest, beforeNewest] = [
  { major: 15, minor: 3 },
  { major: 17, minor: 0 },
]
const trustedSince = { major: 15, minor: 6 }
/** The newest version whose source was read. */
export const newestRead = { major: 16, minor: 1 }

/** Throws SHIM_UNSUPPORTED for a shim without readable sections, or of a version whose behaviour is not known. */
export function parseShimBuild(shim: PeFile): ShimBuild {
  const version = parseShimVersion(sectionOf(shim, '.data.ident'), shim.source)
  if (compareShimVersions(version, oldest) < 0 || compareShimVersions(version, beforeNewest) >= 0)
    throw new ToolError('SHIM_UNSUPPORTED', 'it is not known what this shim measures', {
      found: formatShimVersion(version),
      wanted: `${formatShimVersion(oldest)} or newer, below ${formatShimVersion(beforeNewest)}`,
      where: { source: shim.source, path: '.data.ident' },
    })
  const vendor = parseVendorCert(sectionOf(shim, '.vendor_cert'), shim.source)
  return {
    version,
    vendor,
    mokList: vendorMokList(vendor),
    mokListX: vendorMokListX(vendor),
    measuresMokListTrusted: compareShimVersions(version, trustedSince) >= 0,
  }
}

function sectionOf(shim: PeFile, name: string): Uint8Array {
  const section = findSection(shim, name)
  if (section !== undefined) return section.data
  throw new ToolError('SHIM_UNSUPPORTED', `shim has no section ${name}`, {
    found: shim.sections.map(({ name: other }) => other).join(' '),
    wanted: name,
    where: { source: shim.source },
  })
}
