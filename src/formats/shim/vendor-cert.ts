// shim's .vendor_cert section: rhboot/shim cert.S and mok.c. Sizes and offsets of what the build trusts and denies.

import { ToolError } from '../../errors.ts'
import { ByteCursor } from '../bytes/cursor.ts'
import { isOneSequence } from '../der/certificate.ts'
import { parseSignatureLists } from '../efi/signature-list.ts'

/** `certificate`: one DER certificate; `lists`: signature lists (a build with vendor_db); `none`: nothing. */
export type VendorPart =
  | { readonly kind: 'certificate'; readonly certificate: Uint8Array }
  | { readonly kind: 'lists'; readonly bytes: Uint8Array }
  | { readonly kind: 'none' }

export interface VendorCert {
  readonly allowed: VendorPart
  /** Signature lists (vendor_dbx), empty for none. */
  readonly denied: Uint8Array
}

/** Throws SHIM_UNSUPPORTED. */
export function parseVendorCert(section: Uint8Array, source: string): VendorCert {
  const cursor = new ByteCursor(section, source, { path: '.vendor_cert', code: 'SHIM_UNSUPPORTED' })
  const allowedSize = cursor.u32('vendor_authorized_size')
  const deniedSize = cursor.u32('vendor_deauthorized_size')
  const allowedOffset = cursor.u32('vendor_authorized_offset')
  const deniedOffset = cursor.u32('vendor_deauthorized_offset')
  const allowed = partAt(cursor, 'vendor_authorized', allowedOffset, allowedSize)
  const denied = partAt(cursor, 'vendor_deauthorized', deniedOffset, deniedSize)
  checkLists(denied, 'vendor_dbx', source)
  return { allowed: vendorPart(allowed, source), denied }
}

function partAt(cursor: ByteCursor, name: string, offset: number, size: number): Uint8Array {
  if (size === 0) return new Uint8Array(0)
  cursor.seek(name, offset)
  return cursor.take(name, size)
}

function vendorPart(bytes: Uint8Array, source: string): VendorPart {
  if (bytes.length === 0) return { kind: 'none' }
  if (isOneSequence(bytes)) return { kind: 'certificate', certificate: bytes }
  checkLists(bytes, 'vendor_db', source)
  return { kind: 'lists', bytes }
}

function checkLists(bytes: Uint8Array, path: string, source: string): void {
  try {
    parseSignatureLists(bytes, source, 'SHIM_UNSUPPORTED')
  } catch (error) {
    throw new ToolError('SHIM_UNSUPPORTED', `cannot read ${path} of .vendor_cert`, {
      found: error instanceof ToolError ? (error.found ?? error.message) : String(error),
      wanted: 'one DER certificate or signature lists',
      where: { source, path: '.vendor_cert' },
      cause: error,
    })
  }
}
