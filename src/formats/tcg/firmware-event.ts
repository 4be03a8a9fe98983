// What firmware says of its own parts: TCG PC Client Platform Firmware Profile 1.06 §10.2.1, §10.2.2, §10.4.1 (EV_S_CRTM_VERSION).

import type { ByteCursor } from '../bytes/cursor.ts'
import { formatGuid, type Guid } from '../efi/guid.ts'
import type { EventData } from './event-data.ts'

/** UEFI_PLATFORM_FIRMWARE_BLOB, and with a description UEFI_PLATFORM_FIRMWARE_BLOB2. The bytes themselves are not logged. */
export function firmwareBlob(cursor: ByteCursor, described: boolean): EventData {
  const head = described ? { description: description(cursor) } : {}
  const address = addressOf(cursor, 'BlobBase')
  const size = cursor.length64('BlobLength', Number.MAX_SAFE_INTEGER)
  cursor.done()
  return { kind: 'blob', ...head, address, size }
}

/** UEFI_HANDOFF_TABLE_POINTERS, and with a description UEFI_HANDOFF_TABLE_POINTERS2. */
export function handoffTables(cursor: ByteCursor, described: boolean): EventData {
  const head = described ? { description: description(cursor) } : {}
  const count = cursor.length64('NumberOfTables', Math.floor(cursor.bytes.length / 24))
  const tables: { guid: Guid; address: string }[] = []
  for (let index = 0; index < count; index++) {
    const guid = formatGuid(cursor.take(`TableEntry[${index}].VendorGuid`, 16))
    tables.push({ guid, address: addressOf(cursor, `TableEntry[${index}].VendorTable`) })
  }
  cursor.done()
  return { kind: 'tables', ...head, tables }
}

/** A text in UTF-16 with NUL, or a GUID. undefined where firmware put something else there. */
export function crtmVersion(data: Uint8Array): EventData | undefined {
  const ended = data.length >= 2 && data.length % 2 === 0 && data.at(-1) === 0 && data.at(-2) === 0
  const text = ended ? Buffer.from(data.subarray(0, -2)).toString('utf16le') : undefined
  if (text !== undefined && !/\p{Cc}/u.test(text)) return { kind: 'version', text }
  return data.length === 16 ? { kind: 'version', guid: formatGuid(data) } : undefined
}

function description(cursor: ByteCursor): string {
  const text = Buffer.from(cursor.take('Description', cursor.u8('DescriptionSize'))).toString('latin1')
  const [visible = ''] = text.split('\0')
  return visible
}

function addressOf(cursor: ByteCursor, name: string): string {
  return `0x${cursor.u64(name).toString(16)}`
}
