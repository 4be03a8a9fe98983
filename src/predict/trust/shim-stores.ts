// Where shim looks for the entries by which it trusts or denies a file: rhboot/shim verify.c (check_denylist, check_allowlist), shim.c before 16.1.

import type { Bank } from '../../formats/bytes/digest.ts'
import { extendedKeyUsage, sameElement } from '../../formats/der/certificate.ts'
import { type Guid, guids } from '../../formats/efi/guid.ts'
import { formatSignatureLists, parseSignatureLists, type SignatureList } from '../../formats/efi/signature-list.ts'
import { vendorMokList } from '../../formats/shim/mok-list.ts'
import type { VendorCert } from '../../formats/shim/vendor-cert.ts'
import { compareShimVersions, type ShimVersion } from '../../formats/shim/version.ts'
import type { FirmwareKeys } from './firmware-authority.ts'
import { type TrustAnchor, trustAnchors } from './trust-anchor.ts'

export interface ShimKeys extends FirmwareKeys {
  readonly version: ShimVersion
  readonly vendor: VendorCert
  /** Content of MokListRT: the vendor's part, then the enrolled keys. */
  readonly mokList: readonly SignatureList[]
  /** Content of MokListXRT. */
  readonly mokListX: readonly SignatureList[]
  /** shim does not look into db (MokIgnoreDB). */
  readonly ignoreDb: boolean
}

/** One place that shim looks in, under the name that it measures. */
export interface Store {
  readonly name: string
  readonly vendorGuid: Guid
  readonly lists: readonly SignatureList[]
  /** The hashes of whole files that shim compares there, in this order. */
  readonly hashes: readonly Bank[]
}

/** Since then shim reads MokListRT, which holds the vendor's certificate; before, MokList with the enrolled keys alone. */
const readsMokListRt = { major: 15, minor: 7 }
/** Certificates for kernel modules only, which shim skips. */
const moduleSigning = '1.3.6.1.4.1.2312.16.1.2'

/** In shim’s order. Throws SHIM_UNSUPPORTED for an unreadable vendor_dbx. */
export function denyingStores({ vendor, dbx, mokListX, source }: ShimKeys): Store[] {
  const vendorDbx = parseSignatureLists(vendor.denied, source, 'SHIM_UNSUPPORTED')
  const [firmware, shim] = [guids.imageSecurityDatabase, guids.shimLock]
  return [
    // shim measures its own denied list under the name of the firmware's
    { name: 'dbx', vendorGuid: firmware, lists: vendorDbx, hashes: ['sha256', 'sha1'] },
    { name: 'dbx', vendorGuid: firmware, lists: dbx, hashes: ['sha256', 'sha1'] },
    { name: 'MokListX', vendorGuid: shim, lists: mokListX, hashes: ['sha256'] },
  ]
}

/** In shim’s order, without the vendor’s bare certificate. Throws SHIM_UNSUPPORTED for an unreadable vendor_db. */
export function allowingStores(keys: ShimKeys): Store[] {
  const { vendor, db, ignoreDb, mokList, version, source } = keys
  const [firmware, shim] = [guids.imageSecurityDatabase, guids.shimLock]
  const wholeList = compareShimVersions(version, readsMokListRt) >= 0
  const stores: Store[] = []
  if (!ignoreDb) stores.push({ name: 'db', vendorGuid: firmware, lists: db, hashes: ['sha256', 'sha1'] })
  if (vendor.allowed.kind === 'lists') {
    const lists = parseSignatureLists(vendor.allowed.bytes, source, 'SHIM_UNSUPPORTED')
    stores.push({ name: 'vendor_db', vendorGuid: firmware, lists, hashes: ['sha256'] })
  }
  stores.push({
    name: wholeList ? 'MokListRT' : 'MokList',
    vendorGuid: shim,
    lists: wholeList ? mokList : withoutVendor(mokList, vendor, source),
    hashes: ['sha256'],
  })
  return stores
}

/** The enrolled part of MokListRT: what follows the vendor's lists. */
function withoutVendor(
  mokList: readonly SignatureList[],
  vendor: VendorCert,
  source: string,
): readonly SignatureList[] {
  const own = parseSignatureLists(vendorMokList(vendor), source, 'SHIM_UNSUPPORTED')
  const first = mokList.slice(0, own.length)
  return sameElement(formatSignatureLists(first), formatSignatureLists(own)) ? mokList.slice(own.length) : mokList
}

/** The certificates that shim tries: the first one of each list, read as shim reads it, and none for kernel modules. */
export function usableAnchors({ lists, name }: Store): TrustAnchor[] {
  return trustAnchors(lists, name, { firstOnly: true }).filter(
    ({ entry, certificate }) => hasLongLength(entry.data) && !extendedKeyUsage(certificate).includes(moduleSigning),
  )
}

/** shim reads certificates with a length of two bytes only (256 bytes to 64 KiB) that end where the entry ends. */
function hasLongLength(der: Uint8Array): boolean {
  const [tag, form, high = 0, low = 0] = der
  return tag === 0x30 && form === 0x82 && high * 256 + low === der.length - 4
}
