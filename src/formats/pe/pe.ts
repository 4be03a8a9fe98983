// PE32 and PE32+ files: "PE Format" (Microsoft). Fields are named as there. Only what measuring needs is read.

import { ByteCursor } from '../bytes/cursor.ts'
import { type AttributeCertificate, parseCertificateTable } from './certificate-table.ts'
import { type PeSection, parseSectionTable, sectionHeaderSize } from './sections.ts'

/** IMAGE_FILE_MACHINE_AMD64 and IMAGE_FILE_MACHINE_ARM64. */
export const machineX64 = 0x8664
export const machineArm64 = 0xaa64
/** IMAGE_SUBSYSTEM_EFI_APPLICATION. */
export const efiApplication = 10

export interface PeFile {
  readonly source: string
  readonly bytes: Uint8Array
  readonly magic: 'PE32' | 'PE32+'
  readonly machine: number
  /** 10 for an EFI application, 11 and 12 for drivers. */
  readonly subsystem: number
  /** Offset of the CheckSum field in the file. */
  readonly checkSumOffset: number
  /** Offset of the certificate table's data directory, or undefined when the header has none. */
  readonly certificateEntryOffset: number | undefined
  readonly sizeOfHeaders: number
  readonly sections: readonly PeSection[]
  /** Offset and size of the certificate table; size 0 for an unsigned file. */
  readonly certificateTable: { readonly offset: number; readonly size: number }
  /** Entries of the certificate table, of every type. */
  readonly signatures: readonly AttributeCertificate[]
}

/** Reads headers, section table and certificate table. Throws PE_INVALID. */
export function parsePe(bytes: Uint8Array, source: string): PeFile {
  const cursor = new ByteCursor(bytes, source, { code: 'PE_INVALID' })
  if (cursor.u16('e_magic') !== 0x5a4d)
    throw cursor.error('e_magic', describeStart(bytes), 'MZ, the beginning of a PE file')
  cursor.seek('e_lfanew', Math.min(0x3c, bytes.length))
  const headerOffset = cursor.u32('e_lfanew')
  cursor.seek('e_lfanew', headerOffset)
  if (cursor.u32('Signature') !== 0x00004550) throw cursor.error('Signature', 'other bytes', 'PE and two zero bytes')
  const machine = cursor.u16('Machine')
  const sectionCount = cursor.u16('NumberOfSections')
  cursor.skip('TimeDateStamp', 4)
  const symbols = { offset: cursor.u32('PointerToSymbolTable'), count: cursor.u32('NumberOfSymbols') }
  const optionalSize = cursor.u16('SizeOfOptionalHeader')
  cursor.skip('Characteristics', 2)
  const optional = parseOptionalHeader(cursor.part('OptionalHeader', optionalSize))
  const tableEnd = cursor.offset + sectionCount * sectionHeaderSize
  if (optional.sizeOfHeaders > bytes.length || tableEnd > optional.sizeOfHeaders)
    throw cursor.error('SizeOfHeaders', `${optional.sizeOfHeaders}`, `from ${tableEnd} to ${bytes.length}`)
  const sections = parseSectionTable(cursor, sectionCount, symbols)
  const { certificateTable } = optional
  return {
    source,
    bytes,
    machine,
    sections,
    ...optional,
    signatures: parseCertificateTable(cursor, certificateTable.offset, certificateTable.size),
  }
}

function parseOptionalHeader(cursor: ByteCursor) {
  const start = cursor.origin
  const magicNumber = cursor.u16('Magic')
  if (magicNumber !== 0x10b && magicNumber !== 0x20b)
    throw cursor.error('Magic', `0x${magicNumber.toString(16)}`, '0x10b (PE32) or 0x20b (PE32+)')
  const wide = magicNumber === 0x20b
  cursor.seek('SizeOfHeaders', Math.min(60, cursor.bytes.length))
  const sizeOfHeaders = cursor.u32('SizeOfHeaders')
  cursor.skip('CheckSum', 4)
  const subsystem = cursor.u16('Subsystem')
  cursor.seek('NumberOfRvaAndSizes', Math.min(wide ? 108 : 92, cursor.bytes.length))
  const directoryCount = cursor.u32('NumberOfRvaAndSizes')
  if (directoryCount * 8 > cursor.left)
    throw cursor.error('NumberOfRvaAndSizes', `${directoryCount}`, `at most ${Math.floor(cursor.left / 8)}`)
  const hasCertificates = directoryCount > 4
  cursor.skip('DataDirectory', hasCertificates ? 4 * 8 : 0)
  const certificateEntryOffset = hasCertificates ? start + cursor.offset : undefined
  const certificateTable = hasCertificates
    ? { offset: cursor.u32('Certificate Table'), size: cursor.u32('Certificate Table size') }
    : { offset: 0, size: 0 }
  const magic: PeFile['magic'] = wide ? 'PE32+' : 'PE32'
  return { magic, subsystem, checkSumOffset: start + 64, certificateEntryOffset, sizeOfHeaders, certificateTable }
}

/** The section of that name, the first one when there are several. */
export function findSection(pe: PeFile, name: string): PeSection | undefined {
  return pe.sections.find(section => section.name === name)
}

function describeStart(bytes: Uint8Array): string {
  if (bytes[0] === 0x1f && bytes[1] === 0x8b) return 'gzip data'
  return `0x${Buffer.from(bytes.subarray(0, 2)).toString('hex')}`
}
