// The entries of a layer, one after another, their contents as streams.

import { createTarDecoder, type ParsedTarEntry } from 'modern-tar'
import { ToolError } from '../errors.ts'
import { checkedTar } from './tar-headers.ts'

/** Interface §8. */
export const entryCeiling = 2_000_000

/**
 * Reads a tar archive. Each entry's body has to be read to its end before the next entry, never cancelled. Throws LAYER_INVALID, LAYER_UNSUPPORTED, CEILING_REACHED, and
 * what the stream of bytes throws.
 */
export async function* tarEntries(
  bytes: AsyncIterable<Uint8Array>,
  source: string,
  ceiling = entryCeiling,
): AsyncGenerator<ParsedTarEntry, void, undefined> {
  const stream = ReadableStream.from(checkedTar(bytes, source)).pipeThrough(createTarDecoder({ strict: true }))
  let count = 0
  try {
    for await (const entry of stream) {
      count += 1
      if (count > ceiling)
        throw new ToolError('CEILING_REACHED', 'a layer has too many entries', {
          wanted: `at most ${ceiling}`,
          where: { source },
        })
      yield entry
    }
  } catch (cause) {
    throw layerFault(cause, source)
  }
}

/** What modern-tar throws, from entries and from their bodies, as a ToolError. */
export function layerFault(cause: unknown, source: string): ToolError {
  if (cause instanceof ToolError) return cause
  return new ToolError('LAYER_INVALID', 'a layer is not a readable tar archive', {
    found: cause instanceof Error ? cause.message : 'an error',
    where: { source },
    cause,
  })
}
