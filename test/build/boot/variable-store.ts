// Variables in the flash image of a virtual machine: EDK II AuthVariableFormat.h, UEFI PI 1.8 vol. 3 §3.2 (firmware volume).

import { parseGuid } from '../../../src/formats/efi/guid.ts'

export interface StoredVariable {
  readonly name: string
  readonly vendorGuid: string
  readonly attributes: number
  readonly data: Uint8Array
}

/** Non-volatile and seen by boot services only, as shim wants its Mok variables. */
export const bootServicesOnly = 0x3

const storeHeaderLength = 28
const recordHeaderLength = 60
const storeGuid = 'aaf32c78-947b-439a-a180-2e144ec37792'
const added = 0x3f

/** The store with one variable set: a record of that name that counts is marked as deleted, the new one goes behind the last. */
export function setVariable(store: Uint8Array, variable: StoredVariable): Uint8Array {
  const result = new Uint8Array(store)
  const { records, end, limit } = recordsOf(result)
  for (const record of records)
    if (record.name === variable.name && record.guid === guidHex(variable.vendorGuid) && record.state === added)
      result[record.offset + 2] = added & 0xfd
  const bytes = recordBytes(variable)
  if (end + bytes.length > limit) throw new Error(`no room for ${variable.name} in the variable store`)
  result.set(bytes, end)
  return result
}

interface StoredRecord {
  readonly offset: number
  readonly state: number
  readonly name: string
  readonly guid: string
}

function recordsOf(store: Uint8Array): { records: readonly StoredRecord[]; end: number; limit: number } {
  const view = new DataView(store.buffer, store.byteOffset, store.byteLength)
  const start = view.getUint16(0x30, true)
  if (hex(store.subarray(start, start + 16)) !== guidHex(storeGuid))
    throw new Error('not a store of authenticated variables')
  const limit = start + view.getUint32(start + 16, true)
  const records: StoredRecord[] = []
  let offset = start + storeHeaderLength
  while (offset + recordHeaderLength < limit && view.getUint16(offset, true) === 0x55aa) {
    const nameLength = view.getUint32(offset + 36, true)
    const dataLength = view.getUint32(offset + 40, true)
    const nameAt = offset + recordHeaderLength
    const name = Buffer.from(store.subarray(nameAt, nameAt + nameLength - 2)).toString('utf16le')
    const guid = hex(store.subarray(offset + 44, nameAt))
    records.push({ offset, state: store[offset + 2] ?? 0, name, guid })
    offset = aligned(nameAt + nameLength + dataLength)
  }
  return { records, end: offset, limit }
}

function recordBytes({ name, vendorGuid, attributes, data }: StoredVariable): Uint8Array {
  const encoded = Buffer.from(`${name}\0`, 'utf16le')
  const header = Buffer.alloc(recordHeaderLength)
  header.writeUInt16LE(0x55aa)
  header[2] = added
  header.writeUInt32LE(attributes, 4)
  header.writeUInt32LE(encoded.length, 36)
  header.writeUInt32LE(data.length, 40)
  header.write(guidHex(vendorGuid), 44, 'hex')
  const length = recordHeaderLength + encoded.length + data.length
  // flash that was never written holds ones
  return Buffer.concat([header, encoded, data, Buffer.alloc(aligned(length) - length, 0xff)])
}

const aligned = (offset: number) => Math.ceil(offset / 4) * 4
const hex = (bytes: Uint8Array) => Buffer.from(bytes).toString('hex')

function guidHex(guid: string): string {
  const bytes = parseGuid(guid)
  if (bytes === undefined) throw new Error(`not a GUID: ${guid}`)
  return hex(bytes)
}
