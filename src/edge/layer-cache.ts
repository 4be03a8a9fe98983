// A directory with what was read of layers, for the next run. It is only a help: whatever is wrong with it, the layer is read again.

import { createHmac, type Hmac, randomBytes, timingSafeEqual } from 'node:crypto'
import { readSync } from 'node:fs'
import { type FileHandle, link, open, rename, rm, utimes } from 'node:fs/promises'
import { join } from 'node:path'
import type { EntryBytes, EntryToWrite } from '../image/layer-entry.ts'
import { evictOldest, openOwnDirectory, openOwnFile } from './own-directory.ts'
import type { Environment } from './surroundings.ts'

export interface LayerCache {
  /** Decodes an entry as it was written by somebody with the key; undefined where there is none. One that `decode` throws at is removed. */
  read<T>(name: string, decode: (entry: EntryBytes) => T): Promise<T | undefined>
  write(name: string, entry: EntryToWrite): Promise<void>
}

export interface CacheCeilings {
  /** Bytes of all entries; the ones that were not used for longest go first. */
  readonly total: number
  /** Bytes of one. */
  readonly entry: number
}
const defaultCeilings: CacheCeilings = { total: 2 * 1024 ** 3, entry: 512 * 1024 ** 2 }

const mebibyte = 1024 ** 2
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
  return {
    async read(name, decode) {
      const file = await openOwnFile(pathOf(name))
      if (file === undefined) return undefined
      try {
        const { size } = await file.stat()
        if (size > ceilings.entry + keyLength || !(await isMarked(file, size, key, name)))
          throw new RangeError('an entry that nobody with the key wrote')
        const decoded = decode(behindMark(file, size))
        const now = new Date()
        await utimes(pathOf(name), now, now)
        return decoded
      } catch {
        await rm(pathOf(name), { force: true }).catch(() => undefined)
        return undefined
      } finally {
        await file.close().catch(() => undefined)
      }
    },
    async write(name, entry) {
      if (entry.size > ceilings.entry) return
      const fill = async (file: FileHandle) => {
        await file.writeFile(new Uint8Array(keyLength))
        const mark = startMark(key, name)
        for (const part of entry.parts()) {
          mark.update(part)
          await file.writeFile(part)
        }
        await file.write(mark.digest(), 0, keyLength, 0)
      }
      try {
        await writeWhole(directory, `${name}.layer`, fill, rename)
        await evictOldest(directory, ceilings.total, names)
      } catch {
        // no room, or somebody removed the directory
      }
    },
  }
}

/** Binds an entry to its name and to whoever can read the key. */
const startMark = (key: Uint8Array, name: string): Hmac => createHmac('sha256', key).update(`${name}\n`)

async function isMarked(file: FileHandle, size: number, key: Uint8Array, name: string): Promise<boolean> {
  const found = Buffer.alloc(keyLength)
  if ((await file.read(found, 0, keyLength, 0)).bytesRead < keyLength) return false
  const mark = startMark(key, name)
  const piece = Buffer.allocUnsafe(mebibyte)
  for (let at = keyLength; at < size; ) {
    const { bytesRead } = await file.read(piece, 0, Math.min(mebibyte, size - at), at)
    if (bytesRead === 0) return false
    mark.update(piece.subarray(0, bytesRead))
    at += bytesRead
  }
  return timingSafeEqual(found, mark.digest())
}

function behindMark(file: FileHandle, size: number): EntryBytes {
  let at = keyLength
  return {
    size: size - keyLength,
    next(length) {
      if (length > size - at) throw new RangeError('an entry is shorter than what it says')
      const bytes = new Uint8Array(length)
      for (let filled = 0; filled < length; ) {
        const count = readSync(file.fd, bytes, filled, length - filled, at + filled)
        if (count === 0) throw new RangeError('an entry became shorter')
        filled += count
      }
      at += length
      return bytes
    },
  }
}

/** The key of the first run that made one. */
async function makeKey(directory: string): Promise<Uint8Array | undefined> {
  const fill = (file: FileHandle) => file.writeFile(randomBytes(keyLength))
  await writeWhole(directory, keyName, fill, async (from, to) => {
    await link(from, to).catch(() => undefined)
    await rm(from, { force: true })
  })
  return await readWhole(join(directory, keyName), keyLength)
}

/** A whole file appears under its name, or none. */
async function writeWhole(
  directory: string,
  name: string,
  fill: (file: FileHandle) => Promise<void>,
  publish: (from: string, to: string) => Promise<void>,
): Promise<void> {
  const temporary = join(directory, `${name}.${randomBytes(8).toString('hex')}`)
  try {
    const file = await open(temporary, 'wx', 0o600)
    try {
      await fill(file)
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
