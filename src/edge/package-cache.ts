// A directory with packages of earlier runs, each under its checksum. It is only a help: whatever is wrong with it, the package is downloaded.

import { createHash, randomBytes } from 'node:crypto'
import { constants, copyFile, open, rename, rm, utimes } from 'node:fs/promises'
import { join } from 'node:path'
import type { Checksum } from '../formats/rpm/checksum.ts'
import { evictOldest, openOwnDirectory, openOwnFile } from './own-directory.ts'
import type { Environment } from './surroundings.ts'

export interface PackageCache {
  /** Copies the package with this checksum and size to `path`; false, and no file there, when the cache does not have it. */
  take(checksum: Checksum, size: number, path: string): Promise<boolean>
  /** Keeps a copy of a file that was found to have this checksum. */
  put(checksum: Checksum, path: string): Promise<void>
}

/** Bytes of all packages; a kernel has 150 MB. */
const defaultTotal = 2 * 1024 ** 3
const entryPattern = /^(?:sha256-[0-9a-f]{64}|sha384-[0-9a-f]{96}|sha512-[0-9a-f]{128})\.rpm$/
const temporaryPattern = /^sha[0-9]{3}-[0-9a-f]+\.rpm\.[0-9a-f]{16}$/

/** Where the cache is when nobody says: XDG base directory specification; undefined without a home. */
export function defaultPackageDirectory({ XDG_CACHE_HOME, HOME }: Environment): string | undefined {
  if (XDG_CACHE_HOME?.startsWith('/')) return join(XDG_CACHE_HOME, 'attested-os-update', 'packages')
  return HOME?.startsWith('/') ? join(HOME, '.cache', 'attested-os-update', 'packages') : undefined
}

/**
 * Opens the cache, and makes its directory. undefined where it cannot be used: a directory of somebody else, one that others may write
 * to, or none that can be made. Several runs may use one directory at the same time. What is taken is hashed on the way, so that nothing
 * is believed of the directory.
 */
export async function openPackageCache(directory: string, total = defaultTotal): Promise<PackageCache | undefined> {
  if (!(await openOwnDirectory(directory))) return undefined
  const pathOf = ({ type, hex }: Checksum) => join(directory, `${type}-${hex}.rpm`)
  return {
    async take(checksum, size, path) {
      const entry = pathOf(checksum)
      try {
        if (await copyChecked(entry, path, checksum, size)) {
          const now = new Date()
          await utimes(entry, now, now)
          return true
        }
      } catch {
        // not there, or not readable, or no room beside it: the download says what is wrong
      }
      await rm(path, { force: true })
      return false
    },
    async put(checksum, path) {
      const entry = pathOf(checksum)
      const temporary = `${entry}.${randomBytes(8).toString('hex')}`
      try {
        await copyFile(path, temporary, constants.COPYFILE_EXCL | constants.COPYFILE_FICLONE)
        await rename(temporary, entry)
        await evictOldest(directory, total, { entry: entryPattern, temporary: temporaryPattern })
      } catch {
        // no room, or somebody removed the directory
        await rm(temporary, { force: true }).catch(() => undefined)
      }
    },
  }
}

/** Removes an entry that is not what its name says. */
async function copyChecked(entry: string, path: string, { type, hex }: Checksum, size: number): Promise<boolean> {
  const from = await openOwnFile(entry)
  if (from === undefined) return false
  try {
    if ((await from.stat()).size === size) {
      const to = await open(path, 'w')
      const hash = createHash(type)
      try {
        let count = 0
        for await (const chunk of from.createReadStream({ autoClose: false, end: size })) {
          count += chunk.length
          hash.update(chunk)
          await to.appendFile(chunk)
        }
        if (count === size && hash.digest('hex') === hex) return true
      } finally {
        await to.close()
      }
    }
  } finally {
    await from.close()
  }
  await rm(entry, { force: true })
  return false
}
