// One byte changed in the code of a PE file.

import { parsePe } from '../../../src/formats/pe/pe.ts'

/** In the middle of `.text`: what was signed is no longer what is there. */
export function withOtherByteInText(file: Uint8Array): Uint8Array {
  const { start, length } = textOf(file)
  return withOtherByte(file, start + Math.floor(length / 2))
}

/** The last byte of `.text`, which has to be padding, so that the code stays as it was. */
export function withOtherByteAtEndOfText(file: Uint8Array): Uint8Array {
  const { start, length } = textOf(file)
  const offset = start + length - 1
  if (file.subarray(offset - 15, offset + 1).some(byte => byte !== 0)) throw new Error('.text does not end in padding')
  return withOtherByte(file, offset)
}

function textOf(file: Uint8Array): { start: number; length: number } {
  const text = parsePe(file, 'changed file').sections.find(({ name }) => name === '.text')
  if (text === undefined) throw new Error('the file has no section .text')
  return { start: text.pointerToRawData, length: text.sizeOfRawData }
}

function withOtherByte(file: Uint8Array, offset: number): Uint8Array {
  const changed = new Uint8Array(file)
  changed[offset] = (changed[offset] ?? 0) ^ 1
  return changed
}
