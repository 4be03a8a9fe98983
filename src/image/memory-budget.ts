// The memory that all layers of an image share while they are read (interface §8).

import { ToolError } from '../errors.ts'

/** The part that contents leave to names: they can go elsewhere, names cannot. */
export const spareForNames = 1 / 2

export class MemoryBudget {
  readonly #bytes: number
  #left: number

  constructor(bytes: number) {
    this.#bytes = bytes
    this.#left = bytes
  }

  /** Whether there is room, which is then taken; `spare` is the part of all that must stay. */
  tryTake(bytes: number, spare = 0): boolean {
    if (bytes > this.#left - spare * this.#bytes) return false
    this.#left -= bytes
    return true
  }

  /** Throws CEILING_REACHED when there is no room. */
  take(bytes: number, source: string): void {
    if (this.tryTake(bytes)) return
    throw new ToolError('CEILING_REACHED', 'what is to be kept of the layers of an image is too large', {
      wanted: `at most ${this.#bytes} bytes`,
      where: { source },
    })
  }

  give(bytes: number): void {
    this.#left += bytes
  }
}
