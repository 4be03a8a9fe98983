// The tree in which boot files are looked for: the merged layers of an image, or a root file system on disk.

import type { OciDigest } from '../formats/oci/digest.ts'
import type { KnownContents } from './spill-room.ts'

/** A file, found through any links. */
export interface TreeFile {
  /** Where it really is. */
  readonly path: string
  /** The layer that it came from; null for a file on disk. */
  readonly layer: OciDigest | null
  readonly bytes: Uint8Array
  /** Of large files, whose bytes are read anew each time. */
  readonly known?: KnownContents | undefined
}

/** Paths have no leading slash; links are followed, never out of the root. */
export interface BootTree {
  /** What is at a path; undefined where nothing is. */
  kind(path: string): 'directory' | 'file' | undefined
  /** Names in a directory, sorted; none where there is no directory. */
  list(path: string): string[]
  /** undefined where no file is. */
  read(path: string): TreeFile | undefined
}
