// A zstd:chunked layer by its table of contents: the table, and the bytes of single files, each compared with its digest in the table.

import { zstdDecompressSync } from 'node:zlib'
import { ToolError } from '../errors.ts'
import type { Descriptor } from '../formats/oci/descriptor.ts'
import { parseToc, tocPosition } from '../formats/oci/zstd-chunked.ts'
import type { ImageSource } from '../image/image-source.ts'
import type { EntryReader } from '../image/tar-walker.ts'
import { plainBytes } from './decompress.ts'
import { collect, verified } from './verified-stream.ts'

/** Whether `layerByToc` can read it. */
export function hasToc(image: ImageSource, layer: Descriptor): boolean {
  return image.openRange !== undefined && tocPosition(layer) !== undefined
}

export interface TocWishes {
  /** Whether the contents of a file are wanted: others are passed over. */
  wants(name: string): boolean
  /** Is told how many bytes came. */
  passed(bytes: number): void
}

/**
 * Walks over a layer that `hasToc` as `walkTar` does, in the order of its table. Throws DIGEST_MISMATCH for a table or a file that is not what its digest
 * says, LAYER_INVALID, and as the source of the image and `read` do.
 */
export async function walkToc(
  image: ImageSource,
  layer: Descriptor,
  source: string,
  read: EntryReader,
  { wants, passed }: TocWishes,
): Promise<void> {
  const position = tocPosition(layer)
  if (position === undefined) throw new Error('a layer without a table of contents')
  const { offset, size, plainSize } = position
  async function* range(from: number, length: number): AsyncGenerator<Uint8Array, void, undefined> {
    for await (const chunk of image.openRange?.(layer, from, length) ?? []) {
      passed(chunk.length)
      yield chunk
    }
  }
  const compressed = await collect(verified(range(offset, size), position, source), size, source)
  for (const { content, ...entry } of parseToc(decompressed(compressed, plainSize, source), layer, source)) {
    const contents = read({ ...entry, uid: 0, gid: 0, mode: 0, time: 0 })
    if (contents !== undefined && content !== undefined && wants(entry.name)) {
      const { offset: start, end, digest } = content
      const plain = plainBytes(range(start, end - start), source)
      for await (const piece of verified(plain, { digest, size: entry.size }, `${source}, ${entry.name}`))
        contents.take(piece)
    }
    contents?.end()
  }
}

function decompressed(bytes: Uint8Array, size: number, source: string): Uint8Array {
  try {
    return zstdDecompressSync(bytes, { maxOutputLength: size })
  } catch (cause) {
    throw new ToolError('LAYER_INVALID', 'the table of contents of a layer cannot be decompressed', {
      found: (cause as NodeJS.ErrnoException).code ?? 'an error',
      wanted: `${size} bytes`,
      where: { source },
      cause,
    })
  }
}
