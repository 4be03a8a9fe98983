// A cpio "newc" writer for tests: Linux, Documentation/driver-api/early-userspace/buffer-format.rst.

export interface CpioFile {
  readonly path: string
  readonly bytes: Uint8Array
  /** File type and permissions; a plain file 0644 when left out. */
  readonly mode?: number
}

/** An archive with the files in the order given, their directories before them, owner 0, time 0. */
export function makeCpio(files: readonly CpioFile[]): Uint8Array {
  const parts: Uint8Array[] = []
  const directories = new Set<string>()
  let inode = 1
  for (const file of files) {
    const names = file.path.split('/').slice(0, -1)
    for (let depth = 1; depth <= names.length; depth++) {
      const directory = names.slice(0, depth).join('/')
      if (directories.has(directory)) continue
      directories.add(directory)
      parts.push(...entry(directory, 0o040755, inode++, new Uint8Array(0)))
    }
    parts.push(...entry(file.path, file.mode ?? 0o100644, inode++, file.bytes))
  }
  parts.push(...entry('TRAILER!!!', 0, 0, new Uint8Array(0)))
  return new Uint8Array(Buffer.concat(parts))
}

function entry(path: string, mode: number, inode: number, bytes: Uint8Array): Uint8Array[] {
  const name = Buffer.from(`${path}\0`, 'utf8')
  const fields = [inode, mode, 0, 0, 1, 0, bytes.length, 0, 0, 0, 0, name.length, 0]
  const header = Buffer.from(`070701${fields.map(field => field.toString(16).padStart(8, '0')).join('')}`, 'latin1')
  return [header, name, zeros(header.length + name.length), bytes, zeros(bytes.length)]
}

/** What is missing to a multiple of four. */
function zeros(length: number): Uint8Array {
  return new Uint8Array((4 - (length % 4)) % 4)
}
