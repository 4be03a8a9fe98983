// UEFI_GPT_DATA: TCG PC Client Platform Firmware Profile 1.06 §10.2.5; header and entries as in UEFI 2.10 §5.3.

import type { ByteCursor } from '../bytes/cursor.ts'
import { formatGuid, type Guid } from '../efi/guid.ts'
import type { EventData } from './event-data.ts'

/** A used entry of the partition table. Blocks count from 0, the last one belongs to the partition. */
export interface GptPartition {
  readonly typeGuid: Guid
  readonly guid: Guid
  readonly firstBlock: number
  readonly lastBlock: number
  readonly name: string
}

const headerSize = 92
const smallestEntry = 128
const largestEntry = 4096

/** Places in the logged data that EV_EFI_GPT_EVENT2 hashes as zero bytes: the disk's GUID and those of the partitions. */
export function identityFields(data: Uint8Array): { readonly offset: number; readonly length: number }[] {
  const view = new DataView(data.buffer, data.byteOffset, data.byteLength)
  if (data.length < headerSize + 8) return []
  const entrySize = view.getUint32(84, true)
  if (entrySize < smallestEntry || entrySize > largestEntry) return []
  const fields = [{ offset: 56, length: 16 }]
  for (let entry = headerSize + 8; entry + entrySize <= data.length; entry += entrySize)
    fields.push({ offset: entry + 16, length: 16 })
  return fields
}

/** Throws the cursor's code. */
export function parseGptEvent(cursor: ByteCursor): EventData {
  const header = cursor.part('EFI_PARTITION_TABLE_HEADER', headerSize)
  const signature = Buffer.from(header.take('Signature', 8)).toString('latin1')
  if (signature !== 'EFI PART') throw header.error('Signature', JSON.stringify(signature), '"EFI PART"')
  header.skip('Revision, HeaderSize, HeaderCRC32, Reserved', 16)
  header.skip('MyLBA, AlternateLBA, FirstUsableLBA, LastUsableLBA', 32)
  const diskGuid = formatGuid(header.take('DiskGUID', 16))
  header.skip('PartitionEntryLBA', 8)
  header.skip('NumberOfPartitionEntries', 4)
  const entrySize = header.u32('SizeOfPartitionEntry')
  if (entrySize < smallestEntry || entrySize > largestEntry)
    throw header.error('SizeOfPartitionEntry', `${entrySize}`, `from ${smallestEntry} to ${largestEntry}`)
  const count = cursor.length64('NumberOfPartitions', Math.floor(cursor.bytes.length / entrySize))
  const partitions: GptPartition[] = []
  for (let index = 0; index < count; index++)
    partitions.push(parseEntry(cursor.part(`Partitions[${index}]`, entrySize)))
  cursor.done()
  return { kind: 'gpt', diskGuid, partitions }
}

function parseEntry(entry: ByteCursor): GptPartition {
  const typeGuid = formatGuid(entry.take('PartitionTypeGUID', 16))
  const guid = formatGuid(entry.take('UniquePartitionGUID', 16))
  const firstBlock = entry.length64('StartingLBA', Number.MAX_SAFE_INTEGER)
  const lastBlock = entry.length64('EndingLBA', Number.MAX_SAFE_INTEGER)
  entry.skip('Attributes', 8)
  const [name = ''] = Buffer.from(entry.take('PartitionName', 72)).toString('utf16le').split('\0')
  return { typeGuid, guid, firstBlock, lastBlock, name }
}
