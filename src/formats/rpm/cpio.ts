// The payload of an RPM: a cpio archive in "new ASCII" form (newc, magic 070701), all numbers as 8 hex digits. cpio(5).

import { ByteCursor } from '../bytes/cursor.ts'

export interface CpioEntry {
  /** As written: rpm has `./usr/lib/…`. */
  readonly path: string
  /** Type and permission bits as in st_mode. */
  readonly mode: number
  readonly ino: number
  readonly nlink: number
  /** Seconds. */
  readonly mtime: number
  /** Content of a file, target of a symbolic link; of hard links only the last one has the content. */
  readonly content: Uint8Array
}

const trailer = 'TRAILER!!!'
const maxPath = 4096
const maxEntries = 1_000_000

/**
 * The entries of a whole, decompressed archive, up to its trailer. Contents are parts of `bytes`, not copies.
 * Throws RPM_INVALID, also when the archive ends without a trailer.
 */
export function* readCpio(bytes: Uint8Array, source: string): Generator<CpioEntry> {
  const at = new ByteCursor(bytes, source, { code: 'RPM_INVALID', path: 'payload' })
  for (let count = 0; count < maxEntries; count += 1) {
    const entry = readEntry(at)
    if (entry.path === trailer) return
    yield entry
  }
  throw at.error('entries', `more than ${maxEntries}`, `at most ${maxEntries}`)
}

function readEntry(at: ByteCursor): CpioEntry {
  const magic = text(at, 'c_magic', 6)
  if (magic !== '070701') throw at.error('c_magic', JSON.stringify(magic), '070701')
  const ino = hex8(at, 'c_ino')
  const mode = hex8(at, 'c_mode')
  at.skip('c_uid and c_gid', 16)
  const nlink = hex8(at, 'c_nlink')
  const mtime = hex8(at, 'c_mtime')
  const size = hex8(at, 'c_filesize')
  at.skip('c_devmajor to c_rdevminor', 32)
  const nameSize = hex8(at, 'c_namesize')
  if (nameSize < 2 || nameSize > maxPath) throw at.error('c_namesize', `${nameSize}`, `2 to ${maxPath}`)
  at.skip('c_check', 8)
  const name = text(at, 'name', nameSize)
  if (name.indexOf('\0') !== name.length - 1) throw at.error('name', 'no single NUL at its end', 'a NUL at its end')
  const path = name.slice(0, -1)
  pad(at)
  const content = at.take(`content of ${path}`, size)
  if (path !== trailer) pad(at)
  return { path, mode, ino, nlink, mtime, content }
}

function hex8(at: ByteCursor, name: string): number {
  const digits = text(at, name, 8)
  if (!/^[0-9a-fA-F]{8}$/.test(digits)) throw at.error(name, JSON.stringify(digits), '8 hex digits')
  return Number.parseInt(digits, 16)
}

/** Name and content each end on a multiple of 4. */
function pad(at: ByteCursor): void {
  at.skip('padding', (4 - (at.offset % 4)) % 4)
}

const decoder = new TextDecoder('utf-8', { fatal: true })

function text(at: ByteCursor, name: string, length: number): string {
  const bytes = at.take(name, length)
  try {
    return decoder.decode(bytes)
  } catch {
    throw at.error(name, 'bytes that are not UTF-8', 'UTF-8')
  }
}
