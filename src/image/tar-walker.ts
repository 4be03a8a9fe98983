// Walks over a tar archive that comes in pieces, without copying or waiting: headers go to their reader, contents to whoever wants them.

import { ToolError } from '../errors.ts'
import { isZero } from './tar-fields.ts'
import { blockSize, type MetaHeader, type TarEntry, TarHeaders } from './tar-headers.ts'

/** Interface §8. */
export const entryCeiling = 2_000_000

/** Takes the contents of one entry, which are never cut: where the archive ends too early, `end` is not called. */
export interface EntryContents {
  /** The next bytes; they belong to the archive and may not be kept. */
  take(piece: Uint8Array): void
  end(): void
}

/** Called at each entry; undefined: its contents are passed over. */
export type EntryReader = (entry: TarEntry) => EntryContents | undefined

/**
 * Reads a tar archive from its first byte to its last. An archive that ends behind the contents of an entry, without padding or its two zero blocks, is
 * whole: umoci writes such, and podman reads them. Throws LAYER_INVALID, LAYER_UNSUPPORTED, CEILING_REACHED, and what `bytes` and `read` throw.
 */
export async function walkTar(
  bytes: AsyncIterable<Uint8Array>,
  source: string,
  read: EntryReader,
  ceiling = entryCeiling,
): Promise<void> {
  const walker = new TarWalker(source, read, ceiling)
  for await (const piece of bytes) walker.push(piece)
  walker.end()
}

class TarWalker {
  readonly #source: string
  readonly #read: EntryReader
  readonly #ceiling: number
  readonly #headers: TarHeaders
  /** The block that is being filled, and the same bytes as words. */
  readonly #words = new Uint32Array(blockSize / 4)
  readonly #block = Buffer.from(this.#words.buffer)
  #filled = 0
  /** Bytes of contents, then of padding, still to pass. */
  #left = 0
  #padding = 0
  #contents: EntryContents | undefined
  #zeroBlocks = 0
  #entries = 0

  constructor(source: string, read: EntryReader, ceiling: number) {
    this.#source = source
    this.#read = read
    this.#ceiling = ceiling
    this.#headers = new TarHeaders(source)
  }

  push(piece: Uint8Array): void {
    let at = 0
    while (at < piece.length) {
      const room = piece.length - at
      if (this.#left > 0) {
        const taken = Math.min(this.#left, room)
        this.#contents?.take(piece.subarray(at, at + taken))
        this.#left -= taken
        at += taken
        if (this.#left === 0) this.#endContents()
      } else if (this.#padding > 0) {
        const taken = Math.min(this.#padding, room)
        this.#padding -= taken
        at += taken
      } else if (this.#zeroBlocks === 2) {
        if (!isZero(piece, at, piece.length)) throw this.#unreadable('bytes behind the end')
        return
      } else {
        const taken = Math.min(blockSize - this.#filled, room)
        this.#block.set(piece.subarray(at, at + taken), this.#filled)
        this.#filled += taken
        at += taken
        if (this.#filled === blockSize) {
          this.#filled = 0
          this.#header()
        }
      }
    }
  }

  end(): void {
    if (this.#left > 0 || this.#filled > 0 || this.#headers.waiting) throw this.#unreadable('it ends too early')
  }

  #header(): void {
    if (this.#block[0] === 0 && isZero(this.#block, 0, blockSize)) {
      if (this.#headers.waiting) throw this.#headers.fault('a header about an entry that does not follow')
      this.#zeroBlocks += 1
      return
    }
    if (this.#zeroBlocks > 0) throw this.#headers.fault('a block that is no header')
    const header = this.#headers.header(this.#block, this.#words)
    this.#left = header.size
    this.#padding = (blockSize - (header.size % blockSize)) % blockSize
    this.#contents = 'meta' in header ? this.#collect(header) : this.#entry(header)
    if (this.#left === 0) this.#endContents()
  }

  #entry(entry: TarEntry): EntryContents | undefined {
    this.#entries += 1
    if (this.#entries > this.#ceiling)
      throw new ToolError('CEILING_REACHED', 'a layer has too many entries', {
        wanted: `at most ${this.#ceiling}`,
        where: { source: this.#source },
      })
    return this.#read(entry)
  }

  #collect({ meta, size }: MetaHeader): EntryContents {
    const bytes = Buffer.allocUnsafe(size)
    let filled = 0
    return {
      take: piece => {
        bytes.set(piece, filled)
        filled += piece.length
      },
      end: () => this.#headers.meta(meta, bytes),
    }
  }

  #endContents(): void {
    const contents = this.#contents
    this.#contents = undefined
    contents?.end()
  }

  #unreadable(found: string): ToolError {
    return new ToolError('LAYER_INVALID', 'a layer is not a readable tar archive', {
      found,
      where: { source: this.#source },
    })
  }
}
