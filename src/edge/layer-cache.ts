// A directory with what was read of layers, for the next run. It is only a help: whatever is wrong with it, the layer is read again.

import { createHmac, randomBytes, timingSafeEqual } from 'node:crypto'
import { link, open, rename, rm, utimes } from 'node:fs/promises'
import { join } from 'node:path'
import { evictOldest, openOwnDirectory, openOwnFile } from './own-directory.ts'
import type { Environment } from './surroundings.ts'

export interface LayerCache {
  /** The bytes of an entry, as they were written by somebody with the key; undefined where there are none. */
  read(name: string): Promise<Uint8Array | undefined>
  write(name: string, bytes: Uint8Array): Promise<void>
  /** For an entry that turned out to be of no use. */
  drop(name: string): Promise<void>
}

export interface CacheCeilings {
  /** Bytes of all entries; the ones that were not used for longest go first. */
  readonly total: number
  /** Bytes of one. */
  readonly entry: number
}
const defaultCeilings: CacheCeilings = { total: 2 * 1024 ** 3, entry: 512 * 1024 ** 2 }

const keyName = 'key'
const keyLength = 32
const names = { entry: /^[0-9a-f]{64}\.layer$/, temporary: /^(?:key|[0-9a-f]{64}\.layer)\.[0-9a-f]{16}$/ }

/** Where the cache is when nobody says: XDG base directory specification; undefined without a home. */
export function defaultCacheDirectory({ XDG_CACHE_HOME, HOME }: Environment): string | undefined {
  if (XDG_CACHE_HOME?.startsWith('/')) return join(XDG_CACHE_HOME, 'attested-os-update', 'layers')
  return HOME?.startsWith('/') ? join(HOME, '.cache', 'attested-os-update', 'layers') : undefined
}

/**
 * Opens the cache and makes what is missing of it. undefined where it cannot be used: a directory of somebody else, one that others may
 * write to, or none that can be made. Several runs may use one directory at the same time.
 */
export async function openLayerCache(
  directory: string,
  ceilings: CacheCeilings = defaultCeilings,
): Promise<LayerCache | undefined> {
  try {
    if (!(await openOwnDirectory(directory))) return undefined
    const key = (await readWhole(join(directory, keyName), keyLength)) ?? (await makeKey(directory))
    if (key?.length !== keyLength) return undefined
    return cacheIn(directory, key, ceilings)
  } catch {
    return undefined
  }
}

function cacheIn(directory: string, key: Uint8Array, ceilings: CacheCeilings): LayerCache {
  const pathOf = (name: string) => join(directory, `${name}.layer`)
  const drop = (name: string) => rm(pathOf(name), { force: true }).catch(() => undefined)
  return {
    drop,
    async read(name) {
      try {
        const bytes = await readWhole(pathOf(name), ceilings.entry + keyLength)
        if (bytes === undefined) return undefined
        const payload = bytes.subarray(keyLength)
        if (bytes.length < keyLength || !timingSafeEqual(bytes.subarray(0, keyLength), mark(key, name, payload))) {
          await drop(name)
          return undefined
        }
        const now = new Date()
        await utimes(pathOf(name), now, now)
        return payload
      } catch {
        return undefined
      }
    },
    async write(name, bytes) {
      if (bytes.length > ceilings.entry) return
      try {
        await writeWhole(directory, `${name}.layer`, [mark(key, name, bytes), bytes], rename)
        await evictOldest(directory, ceilings.total, names)
      } catch {
        // no room, or somebody removed the directory
      }
    },
  }
}

/** Binds an entry to its name and to whoever can read the key. */
function mark(key: Uint8Array, name: string, bytes: Uint8Array): Buffer {
  return createHmac('sha256', key).update(`${name}\n`).update(bytes).digest()
}

/** The key of the first run that made one. */
async function makeKey(directory: string): Promise<Uint8Array | undefined> {
  await writeWhole(directory, keyName, [randomBytes(keyLength)], async (from, to) => {
    await link(from, to).catch(() => undefined)
    await rm(from, { force: true })
  })
  return await readWhole(join(directory, keyName), keyLength)
}

/** A whole file appears under its name, or none. */
async function writeWhole(
  directory: string,
  name: string,
  parts: readonly Uint8Array[],
  publish: (from: string, to: string) => Promise<void>,
): Promise<void> {
  const temporary = join(directory, `${name}.${randomBytes(8).toString('hex')}`)
  try {
    const file = await open(temporary, 'wx', 0o600)
    try {
      for (const part of parts) await file.writeFile(part)
    } finally {
      await file.close()
    }
    await publish(temporary, join(directory, name))
  } catch (error) {
    await rm(temporary, { force: true })
    throw error
  }
}

/** undefined for what is not there, not ours, no plain file, or too large. */
async function readWhole(path: string, ceiling: number): Promise<Buffer | undefined> {
  const file = await openOwnFile(path)
  try {
    if (file === undefined || (await file.stat()).size > ceiling) return undefined
    const bytes = await file.readFile()
    return bytes.length > ceiling ? undefined : bytes
  } catch {
    return undefined
  } finally {
    await file?.close()
  }
}
