// The section table of a PE file: "PE Format" (Microsoft), "Section Table"; long names by the COFF string table.

import type { ByteCursor } from '../bytes/cursor.ts'

export interface PeSection {
  /** The whole name, `/n` resolved. */
  readonly name: string
  /** The Name field, up to eight bytes: `/n` as it is there. */
  readonly shortName: string
  /** Offset of the section's header in the file. */
  readonly headerOffset: number
  readonly virtualSize: number
  readonly virtualAddress: number
  readonly sizeOfRawData: number
  readonly pointerToRawData: number
  /** COFF relocations, which no linked file has. */
  readonly hasRelocations: boolean
  /** The bytes that memory holds: VirtualSize of them, or fewer when the file has fewer (the rest is zero). */
  readonly data: Uint8Array
}

export const sectionHeaderSize = 40

interface SymbolTable {
  readonly offset: number
  readonly count: number
}

const symbolSize = 18
const longestName = 256

/** `count` sections from the cursor's place. Every section's bytes have to lie within the file. */
export function parseSectionTable(cursor: ByteCursor, count: number, symbols: SymbolTable): PeSection[] {
  const sections: PeSection[] = []
  for (let index = 0; index < count; index++) {
    const header = cursor.part(`Section ${index}`, sectionHeaderSize)
    const shortName = text(header.take('Name', 8))
    const virtualSize = header.u32('VirtualSize')
    const virtualAddress = header.u32('VirtualAddress')
    const sizeOfRawData = header.u32('SizeOfRawData')
    const pointerToRawData = header.u32('PointerToRawData')
    const pointerToRelocations = header.u32('PointerToRelocations')
    header.skip('PointerToLinenumbers', 4)
    const numberOfRelocations = header.u16('NumberOfRelocations')
    const end = pointerToRawData + sizeOfRawData
    if (sizeOfRawData > 0 && end > cursor.bytes.length)
      throw header.error('SizeOfRawData', `ends at ${end}`, `an end within the ${cursor.bytes.length} bytes`)
    const size = virtualSize === 0 ? sizeOfRawData : Math.min(virtualSize, sizeOfRawData)
    sections.push({
      name: resolveName(shortName, cursor, symbols),
      shortName,
      headerOffset: header.origin,
      virtualSize,
      virtualAddress,
      sizeOfRawData,
      pointerToRawData,
      hasRelocations: pointerToRelocations !== 0 || numberOfRelocations !== 0,
      data: cursor.bytes.subarray(
        sizeOfRawData > 0 ? pointerToRawData : 0,
        sizeOfRawData > 0 ? pointerToRawData + size : 0,
      ),
    })
  }
  return sections
}

function resolveName(short: string, cursor: ByteCursor, symbols: SymbolTable): string {
  if (!/^\/[0-9]{1,7}$/.test(short) || symbols.offset === 0) return short
  const start = symbols.offset + symbols.count * symbolSize + Number(short.slice(1))
  if (start >= cursor.bytes.length)
    throw cursor.error('Name', `${short}, offset ${start}`, `an offset below ${cursor.bytes.length}`)
  const rest = cursor.bytes.subarray(start, start + longestName)
  if (!rest.includes(0)) throw cursor.error('Name', `${short} without an end`, 'a name with NUL')
  return text(rest)
}

/** The bytes up to the first NUL as text. */
function text(bytes: Uint8Array): string {
  const end = bytes.indexOf(0)
  return Buffer.from(end < 0 ? bytes : bytes.subarray(0, end)).toString('latin1')
}
