// Memory for zstd windows (RFC 8878 §3.1.1.1.2): a decoder holds the whole window of its frame while it reads.

import { ToolError } from '../errors.ts'

/** Interface §8; also what zstd decoders take unless they are told otherwise. */
const windowCeiling = 128 * 1024 ** 2
/** Two of these at once are no matter. */
const shared = 32 * 1024 ** 2

/** Ends when the last that asked for a turn is done with it. */
let last: Promise<void> = Promise.resolve()

/** The turn of one stream; `end` has to be called in any case. */
export interface WindowTurn {
  /** Waits until nobody else has a large window, where this frame has one. Throws CEILING_REACHED. */
  frame(windowBytes: number, source: string): Promise<void>
  end(): void
}

export function windowTurn(): WindowTurn {
  let end: (() => void) | undefined
  return {
    async frame(windowBytes, source) {
      if (windowBytes > windowCeiling)
        throw new ToolError('CEILING_REACHED', 'a layer has a zstd frame with too large a window', {
          found: `${windowBytes} bytes`,
          wanted: `at most ${windowCeiling}`,
          where: { source },
        })
      if (windowBytes <= shared || end !== undefined) return
      const before = last
      last = new Promise(resolve => {
        end = resolve
      })
      await before
    },
    end: () => end?.(),
  }
}
