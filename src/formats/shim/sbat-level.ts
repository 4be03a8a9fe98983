// SBAT levels and shim's .sbatlevel section: rhboot/shim sbat_var.S, sbat.c and SBAT.md.

import { ToolError } from '../../errors.ts'
import { ByteCursor } from '../bytes/cursor.ts'

/** The two levels of a build. `automatic` (called previous until 15.7) is the one that shim sets without being asked. */
export interface SbatLevels {
  readonly automatic: string
  readonly latest: string
}

/** What a level says: its date and the least generation of each component. */
export interface SbatLevel {
  readonly version: string
  readonly date: string
  readonly revocations: readonly { readonly component: string; readonly generation: number }[]
}

/** The first level that ever was; shim goes back to it when Secure Boot is off. */
export const originalLevel = 'sbat,1,2021030218\n'

/** A level is some lines; a section holds two of them. */
const largestLevel = 4096
const headerStart = 4
const headerSize = 8

/**
 * The texts of a .sbatlevel section, each with its last line end and without the NUL behind it, as shim measures them.
 * Throws SHIM_UNSUPPORTED for another format than 0, offsets that point into the header or out of the section, a text
 * without end, and a text that is no level.
 */
export function parseSbatLevelSection(section: Uint8Array, source: string): SbatLevels {
  const cursor = new ByteCursor(section, source, { path: '.sbatlevel', code: 'SHIM_UNSUPPORTED' })
  const format = cursor.u32('format version')
  if (format !== 0) throw cursor.error('format version', `${format}`, '0')
  const automatic = cursor.u32('automatic_offset')
  const latest = cursor.u32('latest_offset')
  return {
    automatic: levelAt(cursor, 'automatic_offset', automatic),
    latest: levelAt(cursor, 'latest_offset', latest),
  }
}

/** Offsets count from the header, which begins behind the format version. */
function levelAt(cursor: ByteCursor, name: string, offset: number): string {
  if (offset < headerSize) throw cursor.error(name, `offset ${offset}`, `at least ${headerSize}`)
  cursor.seek(name, headerStart + offset)
  const rest = cursor.bytes.subarray(cursor.offset, cursor.offset + largestLevel)
  const length = rest.indexOf(0)
  if (length < 0) throw cursor.error(name, 'a text without NUL', `a text of less than ${largestLevel} bytes and a NUL`)
  const text = Buffer.from(rest.subarray(0, length)).toString('latin1')
  if (parseSbatLevel(text) === undefined || !text.endsWith('\n'))
    throw cursor.error(name, JSON.stringify(text.slice(0, 60)), 'sbat,version,date and component,generation lines')
  return text
}

/** Reads a level; undefined for a text that is none. The last line end may be missing. */
export function parseSbatLevel(text: string): SbatLevel | undefined {
  if (text.length > largestLevel) return undefined
  const [first = '', ...lines] = (text.endsWith('\n') ? text.slice(0, -1) : text).split('\n')
  const [, version, date] = first.match(/^sbat,([0-9]{1,9}),([0-9]{10})$/) ?? []
  if (version === undefined || date === undefined) return undefined
  const revocations: { component: string; generation: number }[] = []
  for (const line of lines) {
    const [, component, generation] = line.match(/^([!-+\--~]{1,255}),([0-9]{1,5})$/) ?? []
    if (component === undefined || generation === undefined) return undefined
    revocations.push({ component, generation: Number(generation) })
  }
  return { version, date, revocations }
}

/** How a level begins. A second beginning before the NUL makes the first one no level: its line would have a comma too many. */
const beginning = /(?=sbat,[0-9]{1,9},[0-9]{10}\n)/

/**
 * Levels that a build without .sbatlevel carries among its data (15.3 to 15.6), each text once.
 * Nothing says which of them is which. Throws SHIM_UNSUPPORTED when there are too many to be real.
 */
export function findCompiledLevels(bytes: Uint8Array, source: string): string[] {
  const most = 16
  const found = new Set<string>()
  const file = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  // each byte is looked at once or twice, whatever the file holds: only what ends at a NUL, and only its last beginning
  for (let at = file.indexOf('sbat,'); at >= 0; ) {
    const end = file.indexOf(0, at)
    if (end < 0) break
    const text =
      file
        .toString('latin1', Math.max(at, end - largestLevel), end)
        .split(beginning)
        .at(-1) ?? ''
    if (text.endsWith('\n') && parseSbatLevel(text) !== undefined) found.add(text)
    if (found.size > most)
      throw new ToolError('SHIM_UNSUPPORTED', 'shim holds too many SBAT levels', {
        found: `more than ${most}`,
        wanted: 'two or three',
        where: { source },
      })
    at = file.indexOf('sbat,', end)
  }
  return [...found]
}
