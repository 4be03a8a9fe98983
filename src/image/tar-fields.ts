// Fields of one tar header block (POSIX.1-1988 ustar, GNU tar, V7), taken only where all readers of container images agree about them.

export type TarDialect = 'ustar' | 'gnu' | 'v7'

/**
 * Which header this is, by magic and version; undefined for those that one reader takes as ustar and another as V7, for the star format, and for GNU
 * headers with bytes where ustar has its prefix: Go takes them as a prefix when they are no times.
 */
export function dialectOf(header: Buffer): TarDialect | undefined {
  if (header[257] === 0) return isZero(header, 257, 265) ? 'v7' : undefined
  if (!isText(header, 257, 'ustar')) return undefined
  if (isText(header, 262, '\x0000')) return isText(header, 508, 'tar\0') ? undefined : 'ustar'
  if (!isText(header, 262, '  \0')) return undefined
  return isTime(header, 345) && isTime(header, 357) && isZero(header, 369, 500) ? 'gnu' : undefined
}

/** Twelve bytes: nothing, or eleven octal digits and NUL. */
function isTime(header: Buffer, offset: number): boolean {
  if (isZero(header, offset, offset + 12)) return true
  for (let at = offset; at < offset + 11; at += 1) if (!isOctal(header[at] ?? 0)) return false
  return header[offset + 11] === 0
}

/** The size in bytes: octal digits that fill the field but for its ends, or a base-256 number; undefined for what readers take differently. */
export function sizeField(header: Buffer): number | undefined {
  const [start, end] = [124, 136]
  if (header[start] === 0x80) return base256(header, start, end)
  if (isZero(header, start, end)) return 0
  let at = start
  while (header[at] === space) at += 1
  const digits = at
  let size = 0
  for (; at < end && isOctal(header[at] ?? 0); at += 1) size = size * 8 + (header[at] ?? 0) - digit0
  if (at === digits) return undefined
  for (; at < end; at += 1) if (header[at] !== space && header[at] !== 0) return undefined
  return size
}

export interface OwnerFields {
  readonly mode: number
  readonly uid: number
  readonly gid: number
  /** Seconds since 1970. */
  readonly time: number
}

/** Octal, in base 256 but for the mode, or nothing. undefined where one of them is no number. */
export function ownerFields(header: Buffer): OwnerFields | undefined {
  const mode = octalField(header, 100, 108)
  const uid = numberField(header, 108, 116)
  const gid = numberField(header, 116, 124)
  const time = numberField(header, 136, 148)
  if (mode === undefined || uid === undefined || gid === undefined || time === undefined) return undefined
  return { mode, uid, gid, time }
}

function numberField(header: Buffer, start: number, end: number): number | undefined {
  return (header[start] ?? 0) & 0x80 ? base256(header, start, end) : octalField(header, start, end)
}

/** Digits and spaces to the first NUL. */
function octalField(header: Buffer, start: number, end: number): number | undefined {
  let value = 0
  for (let at = start; at < end && header[at] !== 0; at += 1) {
    const byte = header[at] ?? 0
    if (isOctal(byte)) value = value * 8 + byte - digit0
    else if (byte !== space) return undefined
  }
  return value
}

function base256(header: Buffer, start: number, end: number): number | undefined {
  let value = (header[start] ?? 0) & 0x7f
  for (let at = start + 1; at < end; at += 1) value = value * 256 + (header[at] ?? 0)
  return Number.isSafeInteger(value) ? value : undefined
}

/** The sum of all bytes, the field itself counted as spaces. `words` are the same bytes. */
export function hasChecksum(header: Buffer, words: Uint32Array): boolean {
  // two sums of two bytes each: 256 bytes of 255 at most, below 2^16
  let sums = 0
  for (let index = 0; index < 128; index += 1) {
    const word = words[index] ?? 0
    sums = (sums + (word & 0xff00ff) + ((word >>> 8) & 0xff00ff)) | 0
  }
  let sum = (sums & 0xffff) + (sums >>> 16) + 8 * space
  for (let at = 148; at < 156; at += 1) sum -= header[at] ?? 0
  let at = 148
  while (at < 156 && header[at] === space) at += 1
  const digits = at
  let stored = 0
  for (; at < 156 && isOctal(header[at] ?? 0); at += 1) stored = stored * 8 + (header[at] ?? 0) - digit0
  if (at === digits || stored !== sum) return false
  for (; at < 156 && header[at] !== 0; at += 1) if (header[at] !== space) return false
  return true
}

/** Text up to the first NUL. */
export function textField(header: Buffer, start: number, end: number): string {
  let at = start
  while (at < end && header[at] !== 0) at += 1
  return at === start ? '' : header.toString('utf8', start, at)
}

/** Some readers drop a byte order mark, so that they would read another name than the archive has. */
export function startsWithMark(bytes: Uint8Array, at = 0): boolean {
  return bytes[at] === 0xef && bytes[at + 1] === 0xbb && bytes[at + 2] === 0xbf
}

/** Name, link name and prefix begin there. */
export const nameOffsets = [0, 157, 345] as const

const space = 0x20
const digit0 = 0x30
const isOctal = (byte: number): boolean => byte >= 0x30 && byte <= 0x37

function isText(bytes: Buffer, offset: number, text: string): boolean {
  for (let index = 0; index < text.length; index += 1)
    if (bytes[offset + index] !== text.charCodeAt(index)) return false
  return true
}

export function isZero(bytes: Uint8Array, start: number, end: number): boolean {
  for (let at = start; at < end; at += 1) if (bytes[at] !== 0) return false
  return true
}
