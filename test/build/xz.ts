// Wraps bytes as .xz without compressing them: one block of stored LZMA2 chunks. The .xz file format 1.2.0; xz-file-format.txt.

import { crc32 } from 'node:zlib'

const streamFlags = [0, 1] // check: CRC32
const chunkLength = 0x10000

/** A valid .xz file of the bytes; about as long as they are. */
export function makeXz(bytes: Uint8Array): Uint8Array {
  const flags = Uint8Array.from(streamFlags)
  const header = join([0xfd, 0x37, 0x7a, 0x58, 0x5a, 0], flags, little32(crc32(flags)))
  const blockHeader = withCrc(Uint8Array.from([2, 0, 0x21, 1, 0x16, 0, 0, 0]))
  const data = join(...storedChunks(bytes), [0])
  const unpadded = blockHeader.length + data.length + 4
  const block = join(blockHeader, data, padding(data.length), little32(crc32(bytes)))
  const records = join([0, 1], variable(unpadded), variable(bytes.length))
  const index = withCrc(join(records, padding(records.length)))
  const tail = join(little32(index.length / 4 - 1), flags)
  return join(header, block, index, little32(crc32(tail)), tail, [0x59, 0x5a])
}

/** The first chunk resets the dictionary (control 1), the others do not (2). */
function storedChunks(bytes: Uint8Array): Uint8Array[] {
  const chunks: Uint8Array[] = []
  for (let start = 0; start < bytes.length; start += chunkLength) {
    const part = bytes.subarray(start, start + chunkLength)
    const size = part.length - 1
    chunks.push(join([start === 0 ? 1 : 2, size >> 8, size & 0xff], part))
  }
  return chunks
}

/** Numbers of .xz: seven bits a byte, low ones first. */
function variable(value: number): number[] {
  return value < 0x80 ? [value] : [(value % 0x80) | 0x80, ...variable(Math.floor(value / 0x80))]
}

function withCrc(bytes: Uint8Array): Uint8Array {
  return join(bytes, little32(crc32(bytes)))
}

function little32(value: number): number[] {
  return [0, 8, 16, 24].map(shift => (value >>> shift) & 0xff)
}

function padding(length: number): Uint8Array {
  return new Uint8Array((4 - (length % 4)) % 4)
}

function join(...parts: readonly (Uint8Array | readonly number[])[]): Uint8Array {
  return new Uint8Array(Buffer.concat(parts.map(part => Uint8Array.from(part))))
}
