// Files of an image that are too large for memory, in one temporary file without a name: it is gone when nobody reads it any more.

import { createHash } from 'node:crypto'
import { closeSync, openSync, readSync, rmSync, writeSync } from 'node:fs'
import { join } from 'node:path'
import { ToolError } from '../errors.ts'
import type { SpilledFile, SpillRoom } from '../image/spill-room.ts'
import { makeTemporaryDirectory, removeTemporaryDirectory } from './temporary.ts'

const pieceSize = 1024 ** 2

/** Closes files whose room is not used any more. */
const forgotten = new FinalizationRegistry<number>(file => closeSync(file))

/** `ceiling` in bytes holds for all files together. Throws OUTPUT_NOT_WRITABLE where no temporary file can be made. */
export async function openSpillRoom(ceiling: number): Promise<SpillRoom> {
  const directory = await makeTemporaryDirectory('attested-os-update-layers-')
  try {
    const path = join(directory, 'files')
    const file = openSync(path, 'wx+', 0o600)
    rmSync(path)
    const room = new TemporaryRoom(file, ceiling)
    forgotten.register(room, file)
    return room
  } finally {
    await removeTemporaryDirectory(directory)
  }
}

class TemporaryRoom implements SpillRoom {
  readonly #file: number
  readonly #ceiling: number
  #end = 0

  constructor(file: number, ceiling: number) {
    this.#file = file
    this.#ceiling = ceiling
  }

  begin(size: number, source: string): SpilledFile {
    const start = this.#end
    if (start + size > this.#ceiling)
      throw new ToolError('CEILING_REACHED', 'the boot files of an image are too large', {
        wanted: `at most ${this.#ceiling} bytes`,
        where: { source },
      })
    this.#end += size
    const hash = createHash('sha256')
    let filled = 0
    let sha256: string | undefined
    return {
      add: chunk => {
        if (filled + chunk.length > size) throw new RangeError('more bytes than were said')
        this.#whole(chunk, written =>
          writeSync(this.#file, chunk, written, chunk.length - written, start + filled + written),
        )
        hash.update(chunk)
        filled += chunk.length
      },
      read: () => this.#bytes(start, size),
      pieces: () => this.#pieces(start, size),
      get known() {
        sha256 ??= hash.digest('hex')
        return { size, sha256 }
      },
    }
  }

  *#pieces(start: number, size: number): Generator<Uint8Array> {
    for (let at = 0; at < size; at += pieceSize) yield this.#bytes(start + at, Math.min(pieceSize, size - at))
  }

  #bytes(start: number, size: number): Uint8Array {
    const bytes = new Uint8Array(size)
    this.#whole(bytes, read => readSync(this.#file, bytes, read, size - read, start + read))
    return bytes
  }

  #whole(bytes: Uint8Array, step: (done: number) => number): void {
    for (let done = 0; done < bytes.length; ) {
      let count = 0
      try {
        count = step(done)
      } catch (cause) {
        const found = (cause as NodeJS.ErrnoException).code ?? 'an error'
        throw new ToolError('OUTPUT_NOT_WRITABLE', 'a temporary file cannot be used', {
          found,
          where: { source: 'temporary directory' },
          hint: 'TMPDIR may name a directory with more room',
          cause,
        })
      }
      if (count === 0) throw new RangeError('a temporary file is shorter than what was written')
      done += count
    }
  }
}
