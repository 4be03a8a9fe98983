// UEFI_VARIABLE_DATA: TCG PC Client Platform Firmware Profile 1.06 §10.2.6, what variable events hash and log.

import type { ErrorCode } from '../../errors.ts'
import { ByteCursor } from '../bytes/cursor.ts'
import { formatGuid, type Guid, parseGuid } from './guid.ts'

/** The TCG calls the GUID "VariableName" and the name "UnicodeName"; these are the UEFI words. */
export interface MeasuredVariable {
  readonly vendorGuid: Guid
  readonly name: string
  readonly data: Uint8Array
}

/** Throws `code`; bytes after the variable's data are refused. */
export function parseVariableEvent(bytes: Uint8Array, source: string, code: ErrorCode): MeasuredVariable {
  const cursor = new ByteCursor(bytes, source, { path: 'UEFI_VARIABLE_DATA', code })
  const vendorGuid = formatGuid(cursor.take('VariableName', 16))
  const units = cursor.length64('UnicodeNameLength', Math.floor(bytes.length / 2))
  const size = cursor.length64('VariableDataLength', bytes.length)
  const name = Buffer.from(cursor.take('UnicodeName', units * 2)).toString('utf16le')
  const data = cursor.take('VariableData', size)
  cursor.done()
  return { vendorGuid, name, data }
}

/** The bytes that the firmware hashes: no NUL behind the name, the length of the name in UTF-16 units. */
export function formatVariableEvent(variable: MeasuredVariable): Uint8Array {
  const name = Buffer.from(variable.name, 'utf16le')
  const lengths = Buffer.alloc(16)
  lengths.writeBigUInt64LE(BigInt(name.length / 2), 0)
  lengths.writeBigUInt64LE(BigInt(variable.data.length), 8)
  return new Uint8Array(
    Buffer.concat([parseGuid(variable.vendorGuid) ?? new Uint8Array(16), lengths, name, variable.data]),
  )
}
