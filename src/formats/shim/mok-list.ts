// What shim measures as MokList and MokListX: rhboot/shim mok.c. The vendor's lists, then the enrolled ones.

import { guids } from '../efi/guid.ts'
import { certificateList, formatSignatureLists, sha256List } from '../efi/signature-list.ts'
import type { VendorCert } from './vendor-cert.ts'

const nothing = new Uint8Array(0)

/** The variable is never empty: without entries shim writes one hash of zero bytes. */
export function dummyList(): Uint8Array {
  return formatSignatureLists([sha256List(guids.shimLock, new Uint8Array(32))])
}

/** The vendor's leading part of MokList, empty for none. Lists of a vendor_db build go in as they are, a certificate gets shim as owner. */
export function vendorLists({ allowed }: VendorCert): Uint8Array {
  if (allowed.kind === 'lists') return allowed.bytes
  if (allowed.kind === 'none') return nothing
  return formatSignatureLists([certificateList(guids.shimLock, allowed.certificate)])
}

/** Contents of MokList. `enrolled`: the user's own signature lists. */
export function mokListContents(vendor: VendorCert, enrolled: Uint8Array): Uint8Array {
  return joined(vendorLists(vendor), enrolled)
}

/** Contents of MokListX. `enrolled`: the user's own signature lists. */
export function mokListXContents({ denied }: VendorCert, enrolled: Uint8Array): Uint8Array {
  return joined(denied, enrolled)
}

/** Contents of MokList from the build alone. */
export function vendorMokList(vendor: VendorCert): Uint8Array {
  return mokListContents(vendor, nothing)
}

/** Contents of MokListX from the build alone. */
export function vendorMokListX(vendor: VendorCert): Uint8Array {
  return mokListXContents(vendor, nothing)
}

function joined(vendor: Uint8Array, enrolled: Uint8Array): Uint8Array {
  if (vendor.length + enrolled.length === 0) return dummyList()
  return new Uint8Array(Buffer.concat([vendor, enrolled]))
}
