// Writes named files into a directory: never over a link, never outside of it.

import { lstat, mkdir, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { ToolError } from '../errors.ts'

export interface FileToWrite {
  /** One path component. */
  readonly name: string
  readonly bytes: Uint8Array
}

/** Writes all files; the directory is made when it is not there. Existing regular files are replaced. Throws OUTPUT_NOT_WRITABLE. */
export async function extractFiles(directory: string, files: readonly FileToWrite[]): Promise<void> {
  const refuse = (found: string, path: string, cause?: unknown): never => {
    throw new ToolError('OUTPUT_NOT_WRITABLE', 'a file cannot be written', { found, where: { source: path }, cause })
  }
  for (const { name } of files)
    if (name === '' || name === '.' || name === '..' || /[/\0]/.test(name)) refuse('a name with a path', name)
  try {
    await mkdir(directory, { recursive: true })
    if (!(await lstat(directory)).isDirectory()) refuse('no directory', directory)
  } catch (cause) {
    if (cause instanceof ToolError) throw cause
    refuse((cause as NodeJS.ErrnoException).code ?? 'an error', directory, cause)
  }
  for (const file of files) {
    const { name } = file
    const path = join(directory, name)
    try {
      const old = await lstat(path).catch(() => undefined)
      if (old !== undefined && !old.isFile()) refuse('no regular file', path)
      // a new file, so that nothing else that has the old one's name by a hard link is changed
      await rm(path, { force: true })
      await writeFile(path, file.bytes, { flag: 'wx', mode: 0o644 })
    } catch (cause) {
      if (cause instanceof ToolError) throw cause
      refuse((cause as NodeJS.ErrnoException).code ?? 'an error', path, cause)
    }
  }
}
