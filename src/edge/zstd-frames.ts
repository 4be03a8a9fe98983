// Frame borders in a zstd stream: RFC 8878 §3.1. Node's decoder drops what follows a frame in the same write (24.21), so frames are fed to it apart.

import { ToolError } from '../errors.ts'

const frameMagic = 0xfd2fb528
const skippableMagic = 0x184d2a50
const dictionaryIdBytes = [0, 1, 2, 4]

/** What the next bytes are: a field of `need` bytes to be read, or `need` bytes to be passed over. */
interface Step {
  readonly field:
    | 'magic'
    | 'skippable-size'
    | 'descriptor'
    | 'window'
    | 'dictionary'
    | 'content-size'
    | 'block-header'
    | 'content'
  readonly need: number
}

/**
 * Gives the same bytes in pieces that never reach over the end of a frame. Throws LAYER_INVALID where the frames are wrong or cut. With `zerosMayFollow`
 * the stream ends before a zero byte behind a frame. `onWindow` is told the bytes that a frame's decoder has to hold, before it gets more of the frame.
 */
export async function* splitFrames(
  bytes: AsyncIterable<Uint8Array>,
  source: string,
  options: {
    readonly zerosMayFollow?: boolean
    readonly onWindow?: (bytes: number) => Promise<void>
  } = {},
): AsyncGenerator<Uint8Array, void, undefined> {
  const borders = new FrameBorders(source)
  for await (const chunk of bytes) {
    let start = 0
    while (start < chunk.length) {
      if (options.zerosMayFollow && borders.between && chunk[start] === 0) return
      const end = borders.advance(chunk, start)
      const window = borders.takeWindow()
      if (window !== undefined) await options.onWindow?.(window)
      yield chunk.subarray(start, end)
      start = end
    }
  }
  borders.end()
}

class FrameBorders {
  readonly #source: string
  #step: Step = { field: 'magic', need: 4 }
  /** Bytes of the current step that were seen. */
  #seen = 0
  #value = 0
  #checksum = 0
  #lastBlock = false
  /** Bytes of the frame's content size, which is the window where there is no other. */
  #sizeBytes = 0
  #dictionaryBytes = 0
  #window: number | undefined

  constructor(source: string) {
    this.#source = source
  }

  /** At the start, or behind a whole frame. */
  get between(): boolean {
    return this.#step.field === 'magic' && this.#seen === 0
  }

  /** The window of the frame whose header was passed since this was asked last. */
  takeWindow(): number | undefined {
    const window = this.#window
    this.#window = undefined
    return window
  }

  /** Walks from `start` to the end of the chunk, or of the frame if that comes first. */
  advance(chunk: Uint8Array, start: number): number {
    let at = start
    while (at < chunk.length) {
      const step = this.#step
      if (step.field === 'content') {
        const taken = Math.min(step.need - this.#seen, chunk.length - at)
        this.#seen += taken
        at += taken
      } else {
        this.#value += (chunk[at] ?? 0) * 2 ** (8 * this.#seen)
        this.#seen += 1
        at += 1
      }
      // a content of no bytes is done at once
      while (this.#seen === this.#step.need) if (this.#finishStep()) return at
    }
    return at
  }

  end(): void {
    if (!this.between) throw this.#fault('a frame that ends too early')
  }

  /** True at the end of a frame. */
  #finishStep(): boolean {
    const value = this.#value
    this.#seen = 0
    this.#value = 0
    switch (this.#step.field) {
      case 'magic':
        if (value !== frameMagic && value - (value % 16) !== skippableMagic)
          throw this.#fault('bytes that are no frame')
        this.#step = value === frameMagic ? { field: 'descriptor', need: 1 } : { field: 'skippable-size', need: 4 }
        return false
      case 'skippable-size':
        this.#lastBlock = true
        this.#checksum = 0
        this.#step = { field: 'content', need: value }
        return false
      case 'descriptor': {
        const singleSegment = (value >> 5) & 1
        const sizeFlag = value >> 6
        const contentSize = sizeFlag === 0 ? singleSegment : 2 ** sizeFlag
        this.#checksum = (value >> 2) & 1 ? 4 : 0
        this.#lastBlock = false
        const dictionary = dictionaryIdBytes[value & 3] ?? 0
        this.#sizeBytes = contentSize
        this.#dictionaryBytes = dictionary
        this.#step = singleSegment ? { field: 'dictionary', need: dictionary } : { field: 'window', need: 1 }
        return false
      }
      case 'window': {
        const base = 2 ** (10 + (value >> 3))
        this.#window = base + (base / 8) * (value & 7)
        this.#step = { field: 'content', need: this.#dictionaryBytes + this.#sizeBytes }
        return false
      }
      case 'dictionary':
        this.#step = { field: 'content-size', need: this.#sizeBytes }
        return false
      case 'content-size':
        this.#window = value + (this.#sizeBytes === 2 ? 256 : 0)
        this.#step = { field: 'block-header', need: 3 }
        return false
      case 'block-header': {
        const type = (value >> 1) & 3
        if (type === 3) throw this.#fault('a block of a reserved type')
        this.#lastBlock = (value & 1) === 1
        const content = type === 1 ? 1 : value >> 3
        this.#step = { field: 'content', need: content + (this.#lastBlock ? this.#checksum : 0) }
        return false
      }
      case 'content':
        this.#step = this.#lastBlock ? { field: 'magic', need: 4 } : { field: 'block-header', need: 3 }
        return this.#lastBlock
    }
  }

  #fault(found: string): ToolError {
    return new ToolError('LAYER_INVALID', 'not a zstd stream', {
      found,
      wanted: 'zstd frames to the end',
      where: { source: this.#source },
    })
  }
}
