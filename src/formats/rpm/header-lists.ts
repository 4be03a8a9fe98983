// Lists of strings and of numbers in an RPM header, bounded. rpm, docs/manual/format_header.md.

import { ToolError } from '../../errors.ts'
import type { HeaderStructure } from './header.ts'

/** A tag by number, and by rpm's name for people. */
export interface ListTag {
  readonly number: number
  readonly name: string
}

const types = { int32: 4, stringArray: 8 } as const
/** A kernel's largest package has 5,000 files. */
const maxItems = 200_000
/** PATH_MAX of Linux. */
const maxString = 4096

const decoder = new TextDecoder()

/** The strings of a tag; none where the header has no such tag. Throws RPM_INVALID. */
export function stringsOf(structure: HeaderStructure, tag: ListTag): string[] {
  const entry = structure.entries.get(tag.number)
  if (entry === undefined) return []
  if (entry.type !== types.stringArray) throw invalidList(structure, tag, `type ${entry.type}`, 'a list of strings')
  if (entry.count > maxItems) throw invalidList(structure, tag, `${entry.count} strings`, `at most ${maxItems}`)
  const texts: string[] = []
  for (let at = 0; texts.length < entry.count; ) {
    const end = entry.data.subarray(at, at + maxString).indexOf(0)
    if (end < 0) throw invalidList(structure, tag, 'no end', `strings of less than ${maxString} bytes`)
    texts.push(decoder.decode(entry.data.subarray(at, at + end)))
    at += end + 1
  }
  return texts
}

/** The 32-bit numbers of a tag; none where the header has no such tag. Throws RPM_INVALID. */
export function numbersOf(structure: HeaderStructure, tag: ListTag): number[] {
  const entry = structure.entries.get(tag.number)
  if (entry === undefined) return []
  if (entry.type !== types.int32) throw invalidList(structure, tag, `type ${entry.type}`, '32-bit numbers')
  if (entry.count > maxItems) throw invalidList(structure, tag, `${entry.count} numbers`, `at most ${maxItems}`)
  const view = new DataView(entry.data.buffer, entry.data.byteOffset, entry.data.byteLength)
  return Array.from({ length: entry.count }, (_, index) => view.getUint32(index * 4, false))
}

/** The error of a list that cannot be used. */
export function invalidList(structure: HeaderStructure, tag: ListTag, found: string, wanted: string): ToolError {
  return new ToolError('RPM_INVALID', 'a list in an RPM header cannot be used', {
    found,
    wanted,
    where: { source: structure.source, path: `${tag.name} (${tag.number})` },
  })
}
