// The attribute certificate table of a PE file: "PE Format" (Microsoft), "The Attribute Certificate Table".

import type { ByteCursor } from '../bytes/cursor.ts'

/** WIN_CERTIFICATE. */
export interface AttributeCertificate {
  readonly revision: number
  /** 2 is PKCS#7 SignedData. */
  readonly type: number
  /** Offset of the entry in the file. */
  readonly offset: number
  readonly data: Uint8Array
}

export const pkcsSignedData = 2

/** Files that are really signed have one to three. */
const mostEntries = 16

/**
 * The entries of the table, each on a multiple of 8 from its beginning. The table has to end where the file ends:
 * shim refuses other files, and bytes behind it would be hashed by some readers and not by others.
 */
export function parseCertificateTable(file: ByteCursor, offset: number, size: number): AttributeCertificate[] {
  if (size === 0) return []
  if (offset + size !== file.bytes.length)
    throw file.error('Certificate Table', `ends at ${offset + size}`, `the end of the file, ${file.bytes.length}`)
  file.seek('Certificate Table', offset)
  const table = file.part('Certificate Table', size)
  const entries: AttributeCertificate[] = []
  while (table.left > 0) {
    const start = table.offset
    const length = table.u32('dwLength')
    if (length < 8) throw table.error('dwLength', `${length}`, 'at least 8')
    const revision = table.u16('wRevision')
    const type = table.u16('wCertificateType')
    const data = table.take('bCertificate', length - 8)
    if (entries.length === mostEntries) throw table.error('Certificate Table', 'more entries', `at most ${mostEntries}`)
    entries.push({ revision, type, offset: offset + start, data })
    table.skip('alignment', Math.min((8 - (length % 8)) % 8, table.left))
  }
  return entries
}
