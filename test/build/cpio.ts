// Writes a newc cpio archive as rpmbuild does: no device numbers, one link per file.

export interface CpioInput {
  readonly path: string
  /** Type and permission bits. */
  readonly mode: number
  readonly mtime: number
  readonly content: Uint8Array
}

/** The whole archive with its trailer; inode numbers count from 1. */
export function makeCpio(entries: readonly CpioInput[]): Uint8Array {
  const parts: Uint8Array[] = []
  entries.forEach((entry, index) => {
    parts.push(...member(entry, index + 1))
  })
  parts.push(...member({ path: 'TRAILER!!!', mode: 0, mtime: 0, content: new Uint8Array() }, 0))
  return new Uint8Array(Buffer.concat(parts))
}

function member(entry: CpioInput, ino: number): Uint8Array[] {
  const name = Buffer.from(`${entry.path}\0`)
  const numbers = [ino, entry.mode, 0, 0, 1, entry.mtime, entry.content.length, 0, 0, 0, 0, name.length, 0]
  const head = Buffer.from(`070701${numbers.map(number => number.toString(16).padStart(8, '0')).join('')}`)
  return [head, name, zeros(head.length + name.length), entry.content, zeros(entry.content.length)]
}

function zeros(length: number): Uint8Array {
  return new Uint8Array((4 - (length % 4)) % 4)
}
