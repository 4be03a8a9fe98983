// The checksum of a file in ostree, over its header and its bytes: libostree ostree-core.c, _ostree_file_header_new and _ostree_write_variant_with_size.

import { createHash } from 'node:crypto'
import { offsetSize } from './framing.ts'
import type { OstreeChecksum } from './object-name.ts'

export interface FileAttributes {
  readonly uid: number
  readonly gid: number
  /** Permissions only, 12 bits. */
  readonly mode: number
  /** Extended attributes as a GVariant a(ayay), byte for byte as its object has them. */
  readonly xattrs: Uint8Array
  /** Of a symbolic link; undefined for a regular file. */
  readonly target: string | undefined
}

export interface FileChecksum {
  /** Takes the next bytes of a regular file. */
  add(chunk: Uint8Array): void
  checksum(): OstreeChecksum
}

const [regular, symbolicLink] = [0o100000, 0o120000] as const

/** Numbers outside of 32 bits give a checksum that no object has. */
export function startFileChecksum(attributes: FileAttributes): FileChecksum {
  const hash = createHash('sha256').update(headerOf(attributes))
  return {
    add: chunk => {
      hash.update(chunk)
    },
    checksum: () => hash.digest('hex'),
  }
}

/** The size in 4 bytes, 4 bytes of padding, and the GVariant (uuuusa(ayay)); numbers are big-endian. */
function headerOf({ uid, gid, mode, xattrs, target }: FileAttributes): Uint8Array {
  const numbers = Buffer.alloc(16)
  const format = target === undefined ? regular : symbolicLink
  for (const [index, value] of [uid, gid, format | (target === undefined ? mode & 0o7777 : 0o777), 0].entries())
    numbers.writeUInt32BE(value >>> 0, index * 4)
  const name = Buffer.from(`${target ?? ''}\0`, 'utf8')
  const body = Buffer.concat([numbers, name, xattrs])
  // the container must be of the size for which its offset is as wide
  const width = [1, 2, 4].find(size => offsetSize(body.length + size) <= size) ?? 4
  const offset = Buffer.alloc(4)
  offset.writeUInt32LE(numbers.length + name.length)
  const variant = Buffer.concat([body, offset.subarray(0, width)])
  const size = Buffer.alloc(8)
  size.writeUInt32BE(variant.length)
  return Buffer.concat([size, variant])
}
