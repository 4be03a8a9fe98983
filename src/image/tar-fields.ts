// Fields of one tar header block (POSIX.1-1988 ustar, GNU tar, V7), taken only where all readers of container images agree about them.

const decode = (bytes: Uint8Array): string => new TextDecoder('latin1').decode(bytes)

export type TarDialect = 'ustar' | 'gnu' | 'v7'

/**
 * Which header this is, by magic and version; undefined for those that one reader takes as ustar and another as V7, for the star format, and for GNU
 * headers with bytes where ustar has its prefix: Go takes them as a prefix when they are no times.
 */
export function dialectOf(header: Uint8Array): TarDialect | undefined {
  const magic = decode(header.subarray(257, 265))
  if (magic === 'ustar\x0000') return decode(header.subarray(508, 512)) === 'tar\0' ? undefined : 'ustar'
  if (magic === '\0'.repeat(8)) return 'v7'
  if (magic !== 'ustar  \0') return undefined
  const times = decode(header.subarray(345, 369))
  return /^(?:(?:\0{12}|[0-7]{11}\0)){2}$/.test(times) && isZero(header.subarray(369, 500)) ? 'gnu' : undefined
}

/** The size in bytes: octal digits that fill the field but for its ends, or a base-256 number; undefined for what readers take differently. */
export function sizeField(header: Uint8Array): number | undefined {
  const field = header.subarray(124, 136)
  if (field[0] === 0x80) {
    let size = 0
    for (const byte of field.subarray(1)) size = size * 256 + byte
    return Number.isSafeInteger(size) ? size : undefined
  }
  if (isZero(field)) return 0
  const digits = /^ *([0-7]+)[ \0]*$/.exec(decode(field))?.[1]
  return digits === undefined ? undefined : Number.parseInt(digits, 8)
}

/** The sum of all bytes, the field itself counted as spaces. */
export function hasChecksum(header: Uint8Array): boolean {
  let sum = 8 * 0x20
  for (let index = 0; index < 512; index += 1) if (index < 148 || index >= 156) sum += header[index] ?? 0
  return Number.parseInt((decode(header.subarray(148, 156)).split('\0')[0] ?? '').trim(), 8) === sum
}

/** Text decoders drop a byte order mark, so that another name would be read than the archive has. */
export function startsWithMark(bytes: Uint8Array): boolean {
  return bytes[0] === 0xef && bytes[1] === 0xbb && bytes[2] === 0xbf
}

/** Name, link name and prefix begin there. */
export const nameOffsets = [0, 157, 345] as const

function isZero(bytes: Uint8Array): boolean {
  return bytes.every(byte => byte === 0)
}
