// The contents of one entry on their way to a place: memory, a temporary file, or none, which the first bytes decide.

import type { SpilledFile } from './spill-room.ts'
import type { EntryContents } from './tar-walker.ts'

export type ContentsPlace = Uint8Array | SpilledFile

export interface Placing {
  /** Where contents go that begin with `head`; undefined: nowhere. */
  place(head: Uint8Array): ContentsPlace | undefined
  /** Is shown all bytes that go to a place. */
  take?(piece: Uint8Array): void
  end(contents: ContentsPlace | undefined): void
}

/** `headLength` bytes of `size`, or all when these are fewer, are shown to `placing` first; with 'whole' it is asked at once and shown none. */
export function contentsInPlace(size: number, headLength: number | 'whole', placing: Placing): EntryContents {
  const needed = headLength === 'whole' ? 0 : Math.min(size, headLength)
  let place = needed === 0 ? placing.place(new Uint8Array()) : undefined
  let head: Uint8Array = new Uint8Array()
  let filled = 0
  const put = (piece: Uint8Array) => {
    if (place === undefined || piece.length === 0) return
    if (place instanceof Uint8Array) place.set(piece, filled)
    else place.add(piece)
    placing.take?.(piece)
    filled += piece.length
  }
  return {
    take: piece => {
      if (head.length === needed) {
        put(piece)
        return
      }
      const missing = needed - head.length
      const start = piece.subarray(0, missing)
      head = start.length === needed ? start : Buffer.concat([head, start])
      if (head.length < needed) return
      place = placing.place(head)
      put(head)
      put(piece.subarray(missing))
    },
    end: () => placing.end(place),
  }
}
