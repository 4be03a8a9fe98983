// A metadata file as text, decompressed by what it begins with: gzip, zstd, xz, or not compressed.

import { createReadStream } from 'node:fs'
import { open } from 'node:fs/promises'
import { Readable } from 'node:stream'
import { createGunzip, createZstdDecompress } from 'node:zlib'
import xz from 'xz-decompress'
import { ToolError } from '../errors.ts'
import { splitFrames } from './zstd-frames.ts'

const magics = [
  { name: 'gzip', bytes: [0x1f, 0x8b] },
  { name: 'zstd', bytes: [0x28, 0xb5, 0x2f, 0xfd] },
  { name: 'xz', bytes: [0xfd, 0x37, 0x7a, 0x58, 0x5a, 0x00] },
] as const
type Compression = (typeof magics)[number]['name'] | 'none'

/**
 * The text of the file, piece by piece. `check` sees the decompressed bytes on their way. Throws REPOSITORY_INVALID for
 * damaged compression and for text that is not UTF-8.
 */
export async function* readMetadataText(
  path: string,
  source: string,
  check: (bytes: AsyncIterable<Uint8Array>) => AsyncIterable<Uint8Array>,
): AsyncGenerator<string> {
  const compression = await compressionOf(path)
  const decoder = new TextDecoder('utf-8', { fatal: true })
  const decode = (chunk: Uint8Array, stream: boolean) => {
    try {
      return decoder.decode(chunk, { stream })
    } catch (error) {
      throw invalid('bytes that are not UTF-8', source, error)
    }
  }
  for await (const chunk of check(decompressed(path, compression, source))) yield decode(chunk, true)
  yield decode(new Uint8Array(), false)
}

async function compressionOf(path: string): Promise<Compression> {
  const file = await open(path)
  try {
    const { buffer } = await file.read(Buffer.alloc(6), 0, 6, 0)
    return magics.find(({ bytes }) => bytes.every((byte, index) => buffer[index] === byte))?.name ?? 'none'
  } finally {
    await file.close()
  }
}

async function* decompressed(path: string, compression: Compression, source: string): AsyncGenerator<Uint8Array> {
  const file = createReadStream(path)
  try {
    for await (const chunk of decompressor(file, compression, source)) yield chunk
  } catch (error) {
    throw invalid(`damaged ${compression}`, source, error)
  } finally {
    file.destroy()
  }
}

function decompressor(file: Readable, compression: Compression, source: string): AsyncIterable<Uint8Array> {
  if (compression === 'none') return file
  if (compression === 'xz') return new xz.XzReadableStream(Readable.toWeb(file) as ReadableStream<Uint8Array>)
  // Node's zstd decoder wants each frame in writes of its own
  const input = compression === 'gzip' ? file : Readable.from(splitFrames(file, source), { objectMode: true })
  const stream = compression === 'gzip' ? createGunzip() : createZstdDecompress()
  input.on('error', error => stream.destroy(error))
  return input.pipe(stream)
}

function invalid(found: string, source: string, cause: unknown): ToolError {
  return new ToolError('REPOSITORY_INVALID', 'cannot decompress the metadata of an RPM repository', {
    found,
    wanted: 'whole gzip, zstd or xz, with UTF-8 text inside',
    where: { source },
    cause,
  })
}
