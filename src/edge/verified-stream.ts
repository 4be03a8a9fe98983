// Bytes named by a descriptor: size and digest are checked while they pass, before their end is believed.

import { createHash } from 'node:crypto'
import { ToolError } from '../errors.ts'
import type { OciDigest } from '../formats/oci/digest.ts'

/** What the bytes must be. */
export interface ExpectedBytes {
  readonly digest: OciDigest
  readonly size: number
}

export function sha256Digest(bytes: Uint8Array): OciDigest {
  return `sha256:${createHash('sha256').update(bytes).digest('hex')}`
}

/**
 * Passes the bytes on. Throws DIGEST_MISMATCH instead of giving the last piece when size or digest differ, and as soon as there are too many bytes:
 * an upload of wrong bytes never becomes complete.
 */
export async function* verified(
  bytes: AsyncIterable<Uint8Array>,
  expected: ExpectedBytes,
  source: string,
): AsyncGenerator<Uint8Array, void, undefined> {
  const hash = createHash('sha256')
  let size = 0
  let held: Uint8Array | undefined
  for await (const chunk of bytes) {
    size += chunk.length
    if (size > expected.size) throw mismatch(expected, `more than ${expected.size} bytes`, source)
    hash.update(chunk)
    if (held !== undefined) yield held
    held = chunk
  }
  if (size !== expected.size) throw mismatch(expected, `${size} bytes`, source)
  const digest = `sha256:${hash.digest('hex')}`
  if (digest !== expected.digest) throw mismatch(expected, digest, source)
  if (held !== undefined) yield held
}

function mismatch(expected: ExpectedBytes, found: string, source: string): ToolError {
  return new ToolError('DIGEST_MISMATCH', 'bytes are not what their digest says', {
    found,
    wanted: `${expected.size} bytes with ${expected.digest}`,
    where: { source, path: expected.digest },
  })
}

/** Collects a stream of at most `limit` bytes; throws CEILING_REACHED above. */
export async function collect(bytes: AsyncIterable<Uint8Array>, limit: number, source: string): Promise<Uint8Array> {
  const chunks: Uint8Array[] = []
  let size = 0
  for await (const chunk of bytes) {
    size += chunk.length
    if (size > limit)
      throw new ToolError('CEILING_REACHED', 'a document is too large', {
        found: `more than ${limit} bytes`,
        wanted: `at most ${limit} bytes`,
        where: { source },
      })
    chunks.push(chunk)
  }
  return new Uint8Array(Buffer.concat(chunks, size))
}
