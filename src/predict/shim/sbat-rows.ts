// .sbat as shim reads it: rhboot/shim verify.c (verify_buffer_sbat), sbat.c (parse_sbat_section), csv.c, tags 15.3 to 16.1.

import { type ErrorCode, ToolError } from '../../errors.ts'
import type { PeFile } from '../../formats/pe/pe.ts'
import type { PeSection } from '../../formats/pe/sections.ts'
import { compareShimVersions, type ShimVersion } from '../../formats/shim/version.ts'

/** What shim compares of a row. */
export interface SbatGeneration {
  readonly component: string
  readonly generation: number
}

const rawName = Buffer.from('.sbat\0\0\0', 'latin1')
const byteOrderMark = Buffer.from('efbbbf', 'hex')
const columns = 6
const largest = 64 * 1024

/** Until then shim read the section where it was loaded, VirtualSize bytes of it. */
const readsFile = { major: 15, minor: 6 }

/**
 * Rows in order; undefined for a file without a section that shim takes: one of the eight raw name bytes, with bytes in the file and not
 * fewer of them than VirtualSize. Lines end at CR or LF, empty ones count for nothing, each needs six columns that are not empty, and a
 * generation is its leading digits (0 without). Throws `code` for what shim refuses (two sections, relocations, missing columns), and for
 * bytes behind the first NUL, which some versions read and others do not.
 */
export function shimSbatRows(pe: PeFile, version: ShimVersion, code: ErrorCode): SbatGeneration[] | undefined {
  const refuse = (found: string, wanted: string) =>
    new ToolError(code, 'cannot read .sbat as shim does', {
      found,
      wanted,
      where: { source: pe.source, path: '.sbat' },
    })
  const section = sbatSection(pe, refuse)
  if (section === undefined) return undefined
  const { pointerToRawData, sizeOfRawData, virtualSize } = section
  const size = compareShimVersions(version, readsFile) < 0 ? virtualSize : sizeOfRawData
  const bytes = pe.bytes.subarray(pointerToRawData, pointerToRawData + size)
  const end = bytes.indexOf(0)
  const written = end < 0 ? bytes : bytes.subarray(0, end)
  if (written.length > largest) throw refuse(`${written.length} bytes`, `at most ${largest} bytes`)
  if (bytes.subarray(written.length).some(byte => byte !== 0))
    throw refuse('bytes behind a NUL', 'NUL bytes to the end')
  return linesOf(written).map(line => {
    const fields = line.split(',', columns)
    const [component = '', generation = ''] = fields
    if (fields.length < columns || fields.includes(''))
      throw refuse(JSON.stringify(line.slice(0, 80)), `${columns} columns, none of them empty`)
    return { component, generation: leadingNumber(generation) }
  })
}

type Refuse = (found: string, wanted: string) => ToolError

function sbatSection({ sections, bytes }: PeFile, refuse: Refuse): PeSection | undefined {
  let found: PeSection | undefined
  for (const section of sections) {
    if (rawName.compare(bytes.subarray(section.headerOffset, section.headerOffset + rawName.length)) !== 0) continue
    if (found !== undefined) throw refuse('several sections .sbat', 'one')
    if (section.hasRelocations) throw refuse('a section .sbat with relocations', 'none')
    if (section.sizeOfRawData > 0 && section.sizeOfRawData >= section.virtualSize) found = section
  }
  return found
}

function linesOf(bytes: Uint8Array): string[] {
  const marked = byteOrderMark.compare(bytes.subarray(0, byteOrderMark.length)) === 0
  const text = Buffer.from(marked ? bytes.subarray(byteOrderMark.length) : bytes).toString('latin1')
  return text.split(/[\r\n]/).filter(line => line !== '')
}

/** Longer numbers than nine digits overflow somewhere; 0 is below every level. */
function leadingNumber(text: string): number {
  const [digits = ''] = /^[0-9]*/.exec(text) ?? []
  return digits.length > 9 ? 0 : Number(digits)
}
