// Where the bytes of large files wait until somebody asks for them; whoever reads an image has such a place, on disk.

/** What is known of a file without its bytes. */
export interface KnownContents {
  readonly size: number
  /** Lower-case hex. */
  readonly sha256: string
}

export interface SpilledFile {
  /** Takes the next bytes. */
  add(chunk: Uint8Array): void
  /** All bytes, read anew each time. */
  read(): Uint8Array
  /** The same, one after another. */
  pieces(): Iterable<Uint8Array>
  /** Of all bytes, once they are there. */
  readonly known: KnownContents
}

export interface SpillRoom {
  /** Room for `size` bytes. Throws CEILING_REACHED when there is none. */
  begin(size: number, source: string): SpilledFile
}

/** Files above this size never stay in memory (interface §8). */
export const spillAbove = 32 * 1024 ** 2
