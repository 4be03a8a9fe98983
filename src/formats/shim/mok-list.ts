// What shim measures as MokList and MokListX when no key is enrolled: rhboot/shim mok.c.

import { guids } from '../efi/guid.ts'
import { certificateList, formatSignatureLists, sha256List } from '../efi/signature-list.ts'
import type { VendorCert } from './vendor-cert.ts'

/** The variable is never empty: without entries shim writes one hash of zero bytes. */
const dummy = () => formatSignatureLists([sha256List(guids.shimLock, new Uint8Array(32))])

/** Contents of MokList from the build alone. Lists of a vendor_db build go in as they are, a certificate gets shim as owner. */
export function vendorMokList({ allowed }: VendorCert): Uint8Array {
  if (allowed.kind === 'lists') return allowed.bytes
  if (allowed.kind === 'none') return dummy()
  return formatSignatureLists([certificateList(guids.shimLock, allowed.certificate)])
}

/** Contents of MokListX from the build alone. */
export function vendorMokListX({ denied }: VendorCert): Uint8Array {
  return denied.length === 0 ? dummy() : denied
}
