// An RPM version 3, 4 or 6 package file: lead, signature header, main header, payload. rpm, docs/manual/format_v4.md and format_v6.md.

import { ByteCursor } from '../bytes/cursor.ts'
import {
  type HeaderStructure,
  headerOf,
  immutableRegion,
  type RpmHeader,
  readHeaderStructure,
  rpmTags,
  stringOf,
  takeHeaderBytes,
} from './header.ts'

/** A file that was taken apart, and of whose main header and payload nothing was read. */
export interface UnreadRpm {
  readonly source: string
  /** Nobody signs the signature header: it holds the signatures and the digests of the main header. */
  readonly signatureHeader: HeaderStructure
  /** The bytes of the main header, magic included: what digests and signatures of the signature header are over. */
  readonly headerBytes: Uint8Array
  /** Offset of the compressed payload in the file. */
  readonly payloadOffset: number
  readonly payload: Uint8Array
}

export interface RpmFile extends UnreadRpm {
  readonly header: RpmHeader
  /** SHA-256 of the main header as the signature header gives it, hex; null where it has none. */
  readonly headerSha256: string | null
}

const leadSize = 96

/** Finds the parts of a whole RPM file. Of the main header only its bounds are looked at. Throws RPM_INVALID. */
export function openRpm(bytes: Uint8Array, source: string): UnreadRpm {
  const at = new ByteCursor(bytes, source, { code: 'RPM_INVALID' })
  readLead(at.part('lead', leadSize))
  // nobody signs this one, and tools that sign files have put tags behind its region: rpm reads them, so its bounds are enough
  const signatureHeader = readHeaderStructure(at, 'signature header')
  const padding = at.take('padding of the signature header', (8 - (at.offset % 8)) % 8)
  if (padding.some(byte => byte !== 0)) throw at.error('padding of the signature header', 'other bytes', 'zeros')
  const headerBytes = takeHeaderBytes(at, 'header', immutableRegion)
  const payloadOffset = at.offset
  return { source, signatureHeader, headerBytes, payloadOffset, payload: bytes.subarray(payloadOffset) }
}

/** Reads the main header too. Throws RPM_INVALID. */
export function readRpm(file: UnreadRpm): RpmFile {
  const at = new ByteCursor(file.headerBytes, file.source, { code: 'RPM_INVALID' })
  return {
    ...file,
    header: headerOf(readHeaderStructure(at, 'header')),
    headerSha256: stringOf(file.signatureHeader, rpmTags.signatureHeaderSha256) ?? null,
  }
}

/** Reads a whole RPM file. The payload is not decompressed, and no signature or digest is checked. Throws RPM_INVALID. */
export function parseRpm(bytes: Uint8Array, source: string): RpmFile {
  return readRpm(openRpm(bytes, source))
}

/** Only magic and major version count; rpm itself ignores the other fields since version 4. */
function readLead(lead: ByteCursor): void {
  const magic = lead.u32be('magic')
  if (magic !== 0xedabeedb) throw lead.error('magic', magic.toString(16), 'edabeedb')
  const major = lead.u8('major')
  if (major !== 3 && major !== 4) throw lead.error('major', `${major}`, '3 or 4')
}
