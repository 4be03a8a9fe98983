// An RPM version 3 or 4 package file: lead, signature header, main header, payload. rpm, docs/manual/format_v4.md.

import { ToolError } from '../../errors.ts'
import { ByteCursor } from '../bytes/cursor.ts'
import { sha256Hex } from '../bytes/digest.ts'
import { headerOf, type RpmHeader, readHeaderStructure, rpmTags, stringOf } from './header.ts'

export interface RpmFile {
  readonly source: string
  readonly header: RpmHeader
  /** The bytes of the main header, magic included: what digests and signatures of the signature header are over. */
  readonly headerBytes: Uint8Array
  /** SHA-256 of the main header as the signature header gives it, hex; null where it has none. */
  readonly headerSha256: string | null
  /** Offset of the compressed payload in the file. */
  readonly payloadOffset: number
  readonly payload: Uint8Array
}

const leadSize = 96

/** Reads a whole RPM file. The payload is not decompressed. Throws RPM_INVALID. */
export function parseRpm(bytes: Uint8Array, source: string): RpmFile {
  const at = new ByteCursor(bytes, source, { code: 'RPM_INVALID' })
  readLead(at.part('lead', leadSize))
  const signatures = readHeaderStructure(at, 'signature header')
  at.skip('padding of the signature header', (8 - (at.offset % 8)) % 8)
  const start = at.offset
  const header = headerOf(readHeaderStructure(at, 'header'))
  const payloadOffset = at.offset
  return {
    source,
    header,
    headerBytes: bytes.subarray(start, payloadOffset),
    headerSha256: stringOf(signatures, rpmTags.signatureHeaderSha256) ?? null,
    payloadOffset,
    payload: bytes.subarray(payloadOffset),
  }
}

/** Only magic and major version count; rpm itself ignores the other fields since version 4. */
function readLead(lead: ByteCursor): void {
  const magic = lead.u32be('magic')
  if (magic !== 0xedabeedb) throw lead.error('magic', magic.toString(16), 'edabeedb')
  const major = lead.u8('major')
  if (major !== 3 && major !== 4) throw lead.error('major', `${major}`, '3 or 4')
}

/**
 * Compares header and payload with the SHA-256 digests that the file itself carries; a digest that is not there is not
 * compared. This finds damage, not a forger. Throws CHECKSUM_MISMATCH.
 */
export function checkRpmDigests(file: RpmFile): void {
  compare(file, 'header', file.headerSha256, file.headerBytes)
  compare(file, 'payload', file.header.payloadSha256, file.payload)
}

function compare(file: RpmFile, path: string, wanted: string | null, bytes: Uint8Array): void {
  if (wanted === null) return
  const found = sha256Hex(bytes)
  if (found === wanted) return
  throw new ToolError('CHECKSUM_MISMATCH', `the ${path} of an RPM file does not have the digest that the file gives`, {
    found,
    wanted,
    where: { source: file.source, path },
    hint: 'download the file again',
  })
}
