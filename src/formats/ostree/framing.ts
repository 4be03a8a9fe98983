// Where the parts of a GVariant container end: GVariant specification 1.0, §2.3.6 and §2.5 (framing offsets).

import { ToolError } from '../../errors.ts'

/** Bytes with the name that faults give them. */
export interface NamedBytes {
  readonly bytes: Uint8Array
  readonly source: string
}

/** Bytes of one framing offset in a container of that size. */
export function offsetSize(containerSize: number): number {
  if (containerSize > 0xffff) return 4
  return containerSize > 0xff ? 2 : 1
}

/**
 * Ends of the `count` members of a tuple that are of variable size and not the last, and of the last one, in the order of the members.
 * Throws INPUT_INVALID when they are not in order or not within the tuple.
 */
export function tupleEnds({ bytes, source }: NamedBytes, count: number): readonly number[] {
  const width = offsetSize(bytes.length)
  const end = bytes.length - count * width
  if (end < 0) throw wrong(source, `${bytes.length} bytes`, `framing offsets of ${count} members`)
  // the offset of the first member stands last
  const ends = Array.from({ length: count }, (_, index) => readOffset(bytes, bytes.length - (index + 1) * width, width))
  return inOrder([...ends, end], end, source)
}

/** The elements of an array of elements of variable size that need no alignment. Throws INPUT_INVALID as `tupleEnds`. */
export function arrayElements({ bytes, source }: NamedBytes): readonly NamedBytes[] {
  if (bytes.length === 0) return []
  const width = offsetSize(bytes.length)
  if (bytes.length < width) throw wrong(source, `${bytes.length} bytes`, 'a framing offset')
  const table = readOffset(bytes, bytes.length - width, width)
  const count = (bytes.length - table) / width
  if (table > bytes.length - width || !Number.isInteger(count))
    throw wrong(source, `a last element that ends at ${table}`, `framing offsets behind it, up to ${bytes.length}`)
  const ends = Array.from({ length: count }, (_, index) => readOffset(bytes, table + index * width, width))
  return inOrder(ends, table, source).map((end, index) => ({
    bytes: bytes.subarray(index === 0 ? 0 : ends[index - 1], end),
    source,
  }))
}

/** A string without its NUL. Throws INPUT_INVALID for one without, with others, or that is not UTF-8. */
export function stringOf({ bytes, source }: NamedBytes): string {
  const length = bytes.length - 1
  if (bytes[length] !== 0 || bytes.indexOf(0) !== length)
    throw wrong(source, 'a string with NUL elsewhere', 'one NUL, at the end')
  try {
    return new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes.subarray(0, length))
  } catch {
    throw wrong(source, 'a string that is not UTF-8', 'UTF-8')
  }
}

export function wrong(source: string, found: string, wanted: string): ToolError {
  return new ToolError('INPUT_INVALID', 'not an object of ostree', { found, wanted, where: { source } })
}

function readOffset(bytes: Uint8Array, at: number, width: number): number {
  let value = 0
  for (let index = 0; index < width; index += 1) value += (bytes[at + index] ?? 0) * 2 ** (8 * index)
  return value
}

function inOrder(ends: readonly number[], limit: number, source: string): readonly number[] {
  let before = 0
  for (const end of ends) {
    if (end < before || end > limit) throw wrong(source, `a member that ends at ${end}`, `from ${before} to ${limit}`)
    before = end
  }
  return ends
}
