// Directories of this user alone, for what runs keep for the next one: XDG base directory specification, $XDG_CACHE_HOME.

import { constants } from 'node:fs'
import { type FileHandle, lstat, mkdir, open, readdir, rm, stat } from 'node:fs/promises'
import { join } from 'node:path'

/** Makes the directory where it is missing. False for one of somebody else, one that others may write to, or none that can be made. */
export async function openOwnDirectory(directory: string): Promise<boolean> {
  try {
    await mkdir(directory, { recursive: true, mode: 0o700 })
    const found = await lstat(directory)
    return found.isDirectory() && isOwn(found) && (found.mode & 0o022) === 0
  } catch {
    return false
  }
}

/** Opens for reading; undefined for what is not there, not ours, or no plain file. The caller closes it. */
export async function openOwnFile(path: string): Promise<FileHandle | undefined> {
  let file: FileHandle | undefined
  try {
    file = await open(path, constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK)
    const found = await file.stat()
    if (found.isFile() && isOwn(found)) return file
  } catch {
    // not there, or a link
  }
  await file?.close()
  return undefined
}

function isOwn({ uid }: { readonly uid: number }): boolean {
  return process.getuid === undefined || uid === process.getuid()
}

/** Of a run that was killed; a write takes seconds. */
const leftOverAfter = 60 * 60 * 1000

/**
 * Removes the entries that were not used for longest until the others have at most `total` bytes, and temporary files that killed runs
 * left. Another run may remove the same ones.
 */
export async function evictOldest(
  directory: string,
  total: number,
  names: { readonly entry: RegExp; readonly temporary: RegExp },
): Promise<void> {
  const entries: { readonly path: string; readonly size: number; readonly used: number }[] = []
  for (const name of await readdir(directory)) {
    const path = join(directory, name)
    const isEntry = names.entry.test(name)
    if (!isEntry && !names.temporary.test(name)) continue
    const found = await stat(path).catch(() => undefined)
    if (found === undefined) continue
    if (isEntry) entries.push({ path, size: found.size, used: found.mtimeMs })
    else if (Date.now() - found.mtimeMs > leftOverAfter) await rm(path, { force: true })
  }
  let sum = entries.reduce((bytes, { size }) => bytes + size, 0)
  for (const { path, size } of entries.sort((a, b) => a.used - b.used)) {
    if (sum <= total) return
    await rm(path, { force: true })
    sum -= size
  }
}
