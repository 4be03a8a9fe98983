// One header block of an OCI archive, a tar file around an OCI layout: POSIX.1-1988 ustar; containers/image writes no other members.

import { ToolError } from '../../errors.ts'

export const archiveBlock = 512

export interface ArchiveMember {
  /** Without leading `./`. */
  readonly name: string
  readonly size: number
  readonly isFile: boolean
}

/** undefined for a block of zeros, the end of the archive. `offset` is that of the block. Throws IMAGE_INVALID. */
export function parseArchiveHeader(block: Uint8Array, source: string, offset: number): ArchiveMember | undefined {
  if (block.every(byte => byte === 0)) return undefined
  const refuse = (path: string, found: string, wanted: string) =>
    new ToolError('IMAGE_INVALID', 'the OCI archive is not a readable tar file', {
      found,
      wanted,
      where: { source, path, offset },
    })
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
  return { name: name.replace(/^\.\//, ''), size: type === '5' ? 0 : size, isFile: type === '0' || type === '\0' }
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
