// Records of a pax header (POSIX.1-2001), taken only where Go's archive/tar and the tar crate of Rust read the same out of them.

import { ToolError } from '../errors.ts'

/** What a pax header says about the entry that follows. */
export interface PaxFacts {
  /** Whether it sets path or linkpath. */
  readonly names: boolean
  readonly path: string | undefined
  readonly linkPath: string | undefined
  readonly size: number | undefined
  readonly uid: number | undefined
  readonly gid: number | undefined
}

/** Records of which one reader takes the first and another the last, and that decide what an entry is. */
const deciding = new Set(['path', 'linkpath', 'size'])
/** Set by overlayfs itself: a container runtime would write them, and the kernel then shows another tree than the archive has. */
const overlayAttribute = /^(?:SCHILY|LIBARCHIVE)\.xattr\.(?:trusted|user)\.overlay\./
/** The tar crate splits records at every newline, so that a value can bring records of its own. */
const recordInValue = /\n\d+ (?:path|linkpath|size|GNU\.sparse\.[^=]*)=/

/**
 * Checks the records of an `x` header (of the next entry) or a `g` header (of all that follow, where only a comment is harmless). Throws LAYER_INVALID
 * for records that are broken or that readers understand differently, LAYER_UNSUPPORTED for sparse files.
 */
export function paxFacts(bytes: Buffer, type: 'x' | 'g', source: string): PaxFacts {
  const fault = (found: string, code: 'LAYER_INVALID' | 'LAYER_UNSUPPORTED' = 'LAYER_INVALID') =>
    new ToolError(code, 'a layer has a pax header that cannot be taken', { found, where: { source } })
  const seen = new Set<string>()
  let path: string | undefined
  let linkPath: string | undefined
  let emptyLine = false
  let size: number | undefined
  let uid: number | undefined
  let gid: number | undefined
  for (const [key, value] of paxRecords(bytes)) {
    if (key === undefined) throw fault('broken records')
    if (key.startsWith('GNU.sparse.')) throw fault('a sparse file', 'LAYER_UNSUPPORTED')
    if (type === 'g' && key !== 'comment') throw fault(`a global record: ${JSON.stringify(key.slice(0, 60))}`)
    if (overlayAttribute.test(key)) throw fault(`an attribute of overlayfs: ${JSON.stringify(key.slice(0, 60))}`)
    if (recordInValue.test(value)) throw fault(`a record inside the value of ${JSON.stringify(key.slice(0, 60))}`)
    if (deciding.has(key)) {
      if (seen.has(key)) throw fault(`two records of ${key}`)
      if (value === '' || value.includes('\0')) throw fault(`an empty ${key}, or one with NUL`)
      if (emptyLine) throw fault(`an empty line before ${key}`)
      seen.add(key)
      if (key === 'path') path = value
      else if (key === 'linkpath') linkPath = value
      else if (/^\d{1,15}$/.test(value)) size = Number(value)
      else throw fault('a size that is no number')
    }
    if (key === 'uid') uid = numberOf(value)
    if (key === 'gid') gid = numberOf(value)
    emptyLine ||= value.includes('\n\n') || value.endsWith('\n')
  }
  return { names: path !== undefined || linkPath !== undefined, path, linkPath, size, uid, gid }
}

const numberOf = (value: string): number | undefined => (/^\d{1,15}$/.test(value) ? Number(value) : undefined)

/** Key and value of `length key=value\n` records; a key of undefined where they are broken. */
function* paxRecords(bytes: Buffer): Generator<[string, string] | [undefined, '']> {
  let at = 0
  while (at < bytes.length) {
    const space = bytes.indexOf(0x20, at)
    // more digits than these are beyond the ceiling of a header
    const digits = space < 0 || space - at > 7 ? '' : bytes.toString('latin1', at, space)
    const end = /^\d{1,7}$/.test(digits) ? at + Number(digits) : 0
    if (end <= space + 1 || end > bytes.length || bytes[end - 1] !== 0x0a) return yield [undefined, '']
    const record = bytes.toString('utf8', space + 1, end - 1)
    const equals = record.indexOf('=')
    if (equals <= 0) return yield [undefined, '']
    yield [record.slice(0, equals), record.slice(equals + 1)]
    at = end
  }
}
