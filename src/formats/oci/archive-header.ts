// One header block of an OCI archive, a tar file around an OCI layout: POSIX.1-1988 ustar; containers/image unpacks all of it and reads the files.

import { ToolError } from '../../errors.ts'

export const archiveBlock = 512

export interface ArchiveMember {
  /** Without leading `./`, and for a directory without the slash behind it. */
  readonly name: string
  /** Of what follows the header. */
  readonly size: number
  /** pax: records of the next member or of all that follow, for `checkPaxRecords`. */
  readonly kind: 'file' | 'directory' | 'pax'
}

const kinds: Readonly<Record<string, ArchiveMember['kind']>> = {
  '0': 'file',
  '\0': 'file',
  '5': 'directory',
  x: 'pax',
  g: 'pax',
}

/**
 * undefined for a block of zeros, the end of the archive. `offset` is that of the block. Throws IMAGE_INVALID, for links, long names and names that
 * have to be put together or cleaned too: they make an unpacked archive another layout than its headers show.
 */
export function parseArchiveHeader(block: Uint8Array, source: string, offset: number): ArchiveMember | undefined {
  if (block.every(byte => byte === 0)) return undefined
  const refuse = (path: string, found: string, wanted: string) => refusal(source, offset, path, found, wanted)
  const text = (from: number, to: number) =>
    Buffer.from(block.subarray(from, to)).toString('latin1').split('\0')[0] ?? ''
  const checksum = Number.parseInt(text(148, 156).trim(), 8)
  if (block.length !== archiveBlock || checksum !== sumOf(block))
    throw refuse('chksum', block.length < archiveBlock ? `${block.length} bytes` : 'another sum', 'a tar header')
  const name = text(0, 100)
  const size = sizeOf(block.subarray(124, 136))
  if (size === undefined)
    throw refuse('size', `${JSON.stringify(text(124, 136))} for ${JSON.stringify(name)}`, 'octal digits')
  const type = String.fromCharCode(block[156] ?? 0)
  const kind = kinds[type]
  if (kind === undefined)
    throw refuse('typeflag', `${JSON.stringify(type)} for ${JSON.stringify(name)}`, 'plain files and directories')
  if (kind === 'pax') return { name, size, kind }
  if (text(345, 500) !== '') throw refuse('prefix', JSON.stringify(text(345, 500)), 'names of at most 100 bytes')
  const clean = (kind === 'directory' ? name.replace(/\/$/, '') : name).replace(/^\.\//, '')
  const top = kind === 'directory' && (clean === '' || clean === '.')
  if (!top && clean.split('/').some(part => part === '' || part === '.' || part === '..'))
    throw refuse('name', JSON.stringify(name), 'a plain path inside of the layout')
  return { name: clean, size: kind === 'directory' ? 0 : size, kind }
}

/** Records of POSIX.1-2001 that say another name or size than the header; the others are times, owners and attributes. */
const deciding = /^(?:path|linkpath|size|hdrcharset|GNU\.sparse\..*)$/

/** Throws IMAGE_INVALID for records that would make the next member another one, and for broken ones. `offset` is that of the records. */
export function checkPaxRecords(records: Uint8Array, source: string, offset: number): void {
  for (let at = 0; at < records.length; ) {
    const line = Buffer.from(records.subarray(at, at + 300)).toString('latin1')
    const [head = '', length = '', key = ''] = /^([0-9]{1,7}) ([^=\0\n]+)=/.exec(line) ?? []
    const end = at + Number(length)
    if (end < at + head.length + 1 || records[end - 1] !== 0x0a)
      throw refusal(source, offset + at, 'pax records', 'a broken record', 'length key=value')
    if (deciding.test(key))
      throw refusal(source, offset + at, 'pax records', key, 'no names and sizes beside the header')
    at = end
  }
}

function refusal(source: string, offset: number, path: string, found: string, wanted: string): ToolError {
  return new ToolError('IMAGE_INVALID', 'the OCI archive is not a tar file that can be read in one way only', {
    found,
    wanted,
    where: { source, path, offset },
    hint: 'write it again: skopeo copy oci-archive:<file> oci-archive:<new file>',
  })
}

/** Octal digits, or a base-256 number for more than 8 GiB. */
function sizeOf(field: Uint8Array): number | undefined {
  if (field[0] === 0x80) {
    const size = field.subarray(1).reduce((sum, byte) => sum * 256 + byte, 0)
    return Number.isSafeInteger(size) ? size : undefined
  }
  const digits = /^ *([0-7]+)[ \0]*$/.exec(Buffer.from(field).toString('latin1'))?.[1]
  return digits === undefined ? undefined : Number.parseInt(digits, 8)
}

/** The sum of all bytes, the field itself counted as spaces. */
function sumOf(block: Uint8Array): number {
  return block.reduce((sum, byte, index) => sum + (index >= 148 && index < 156 ? 0x20 : byte), 0)
}
