// The Authenticode digest as firmware measures it: edk2 SecurityPkg/Tcg/Tcg2Dxe/MeasureBootPeCoff.c. No padding is added.

import { ToolError } from '../../errors.ts'
import { type Digests, digestInBanks } from '../bytes/digest.ts'
import type { PeFile } from './pe.ts'

/** The digest of the file in every bank. Throws PE_INVALID when sections overlap. */
export function authenticodeDigests(pe: PeFile): Digests {
  return digestInBanks(...authenticodeParts(pe))
}

/**
 * The parts of the file that the digest covers, in order: headers without CheckSum and certificate directory entry,
 * sections by their place in the file, then the overlay. The overlay begins at the *sum* of what was hashed, not behind
 * the last section; with gaps between sections the two differ, and firmware goes by the sum.
 */
export function authenticodeParts(pe: PeFile): Uint8Array[] {
  const { bytes, checkSumOffset, certificateEntryOffset, sizeOfHeaders } = pe
  const afterCheckSum = checkSumOffset + 4
  const parts = [bytes.subarray(0, checkSumOffset)]
  if (certificateEntryOffset === undefined) parts.push(bytes.subarray(afterCheckSum, sizeOfHeaders))
  else
    parts.push(
      bytes.subarray(afterCheckSum, certificateEntryOffset),
      bytes.subarray(certificateEntryOffset + 8, sizeOfHeaders),
    )
  const placed = pe.sections.filter(section => section.sizeOfRawData > 0)
  const sorted = placed.toSorted((a, b) => a.pointerToRawData - b.pointerToRawData)
  let sum = sizeOfHeaders
  for (const { pointerToRawData, sizeOfRawData, name } of sorted) {
    sum += sizeOfRawData
    if (sum > bytes.length) throw overlapping(pe, name, sum)
    parts.push(bytes.subarray(pointerToRawData, pointerToRawData + sizeOfRawData))
  }
  const end = bytes.length - pe.certificateTable.size
  if (end < sum) throw overlapping(pe, 'Certificate Table', sum)
  parts.push(bytes.subarray(sum, end))
  return parts
}

function overlapping(pe: PeFile, path: string, sum: number): ToolError {
  return new ToolError('PE_INVALID', 'parts of the file overlap', {
    found: `headers and sections of ${sum} bytes`,
    wanted: `at most ${pe.bytes.length - pe.certificateTable.size}`,
    where: { source: pe.source, path },
  })
}
