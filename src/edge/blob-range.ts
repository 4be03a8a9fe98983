// A part of a blob. Nothing is verified here: whoever asks compares the bytes with a digest that he has for them.

import { ToolError } from '../errors.ts'
import type { Descriptor } from '../formats/oci/descriptor.ts'
import type { BlobPlace } from './mirrored-blobs.ts'
import { isBroken } from './registry-http.ts'

/** From the registry itself. One that gives the whole blob is read up to the end of the part. Throws as the registry client. */
export async function* registryRange(
  { requests, repository }: BlobPlace,
  blob: Descriptor,
  offset: number,
  size: number,
  source: string,
): AsyncGenerator<Uint8Array, void, undefined> {
  let received = 0
  for (let attempt = 1; received < size; attempt += 1) {
    const from = offset + received
    const answer = await requests.send(repository, 'pull', {
      method: 'GET',
      path: `blobs/${blob.digest}`,
      headers: { range: `bytes=${from}-${offset + size - 1}` },
    })
    const start = Number(/^bytes (\d+)-/.exec(answer.headers.get('content-range') ?? '')?.[1] ?? Number.NaN)
    if (answer.status !== 200 && !(answer.status === 206 && start === from)) {
      await answer.drop()
      throw answer.status === 404
        ? new ToolError('IMAGE_NOT_FOUND', 'the registry lacks a part of the image', {
            where: { source, path: blob.digest },
          })
        : requests.error(answer, source)
    }
    try {
      for await (const chunk of within(answer.chunks(), answer.status === 200 ? from : 0, size - received)) {
        received += chunk.length
        yield chunk
      }
      if (received < size) throw cut(source, received, size)
    } catch (error) {
      if (attempt >= (requests.limits.attempts ?? 4) || !isBroken(error)) throw error
    }
  }
}

/** `size` bytes from `start` on, or as many as there are. */
export async function* within(
  bytes: AsyncIterable<Uint8Array>,
  start: number,
  size: number,
): AsyncGenerator<Uint8Array, void, undefined> {
  let skip = start
  let left = size
  for await (const chunk of bytes) {
    const part = chunk.subarray(Math.min(skip, chunk.length)).subarray(0, left)
    skip -= Math.min(skip, chunk.length)
    left -= part.length
    if (part.length > 0) yield part
    if (left === 0) return
  }
}

function cut(source: string, found: number, wanted: number): ToolError {
  return new ToolError('REGISTRY_ERROR', 'the registry gives less of a blob than was asked for', {
    found: `${found} bytes`,
    wanted: `${wanted}`,
    where: { source },
  })
}
