// Blobs of an image that several places have: where a mirror fails at one of them, the next place gives it, or the rest of it.

import { ToolError } from '../errors.ts'
import type { Descriptor } from '../formats/oci/descriptor.ts'
import type { RepositoryRequests } from './registry-requests.ts'
import { verified } from './verified-stream.ts'

export interface BlobPlace {
  readonly requests: RepositoryRequests
  readonly repository: string
}

export interface MirroredBlobs {
  /** The bytes of a blob; see `ImageSource.openLayer`. */
  open(blob: Descriptor): AsyncGenerator<Uint8Array, void, undefined>
  /** See `ImageSource.hasOtherPlace`. */
  hasOtherPlace(): boolean
}

/** `places` in the order in which they are asked; all but the last are mirrors. `source` is how people name the image. */
export function mirroredBlobs(places: readonly BlobPlace[], source: string): MirroredBlobs {
  const own = places.at(-1)
  /** Mirrors that do not answer, or whose bytes came to no good end: they are not asked for other blobs either. */
  const left = new Set<BlobPlace>()
  let noticed = false

  async function* read(blob: Descriptor, givers: Set<BlobPlace>): AsyncGenerator<Uint8Array, void, undefined> {
    const failed: string[] = []
    let received = 0
    for (const place of places) {
      if (left.has(place)) continue
      try {
        for await (const chunk of place.requests.blob(place.repository, blob, source, received)) {
          givers.add(place)
          received += chunk.length
          yield chunk
        }
        return
      } catch (error) {
        if (!(error instanceof ToolError)) throw error
        if (place === own) throw afterMirrors(error, failed)
        if (error.code === 'REGISTRY_UNREACHABLE') left.add(place)
        failed.push(`${place.requests.registry}: ${error.code}`)
      }
    }
  }

  return {
    async *open(blob) {
      const givers = new Set<BlobPlace>()
      let doubtful = true
      try {
        yield* verified(read(blob, givers), blob, source)
        doubtful = false
      } catch (error) {
        doubtful = error instanceof ToolError && error.code === 'DIGEST_MISMATCH'
        throw error
      } finally {
        // whoever stops early did not like the bytes
        for (const place of doubtful ? givers : [])
          if (place !== own) {
            left.add(place)
            noticed = true
          }
      }
    },
    hasOtherPlace() {
      const answer = noticed
      noticed = false
      return answer
    },
  }
}

/** The fault of the registry itself, with what its mirrors said before. */
export function afterMirrors(error: ToolError, failed: readonly string[]): ToolError {
  if (failed.length === 0) return error
  const { code, message, found, wanted, where, hint } = error
  return new ToolError(code, message, {
    ...(found === undefined ? {} : { found }),
    ...(wanted === undefined ? {} : { wanted }),
    where,
    hint: [`mirrors that were asked before: ${failed.join(', ')}`, ...(hint === undefined ? [] : [hint])].join('; '),
    cause: error.cause,
  })
}
