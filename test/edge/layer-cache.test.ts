// The directory of the cache: entries with a key, several runs at once, bounds, and directories that others can reach.

import {
  chmodSync,
  chownSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  statSync,
  symlinkSync,
  utimesSync,
  writeFileSync,
} from 'node:fs'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { defaultCacheDirectory, type LayerCache, openLayerCache } from '../../src/edge/layer-cache.ts'
import { temporaryDirectory } from './temporary-directory.ts'

const top = temporaryDirectory()
const fresh = () => join(mkdtempSync(join(top, 'cache-')), 'a', 'layers')
const name = (digit: string) => digit.repeat(64)
const bytes = (text: string) => new Uint8Array(Buffer.from(text))

async function opened(directory: string, ceilings?: { total: number; entry: number }): Promise<LayerCache> {
  const cache = await openLayerCache(directory, ceilings)
  if (cache === undefined) throw new Error('no cache')
  return cache
}
const readBytes = (cache: LayerCache, one: string) => cache.read(one, found => found.next(found.size))
const readText = async (cache: LayerCache, one: string) => {
  const found = await readBytes(cache, one)
  return found === undefined ? undefined : Buffer.from(found).toString()
}
/** In two parts. */
const entry = (content: Uint8Array) => ({
  size: content.length,
  parts: () => [content.subarray(0, 3), content.subarray(3)],
})

describe('the cache of layers', () => {
  it('gives back what was written, to a later run too, and nothing else', async () => {
    const directory = fresh()
    const cache = await opened(directory)
    expect(await readBytes(cache, name('a'))).toBeUndefined()
    await cache.write(name('a'), entry(bytes('one')))
    await cache.write(name('a'), entry(bytes('two')))
    await cache.write(name('b'), entry(bytes('')))
    expect(await readText(await opened(directory), name('a'))).toBe('two')
    expect(await readText(cache, name('b'))).toBe('')
    expect(statSync(directory).mode & 0o777).toBe(0o700)
    expect(readdirSync(directory).map(one => statSync(join(directory, one)).mode & 0o777)).toEqual([
      0o600, 0o600, 0o600,
    ])
  })

  it('drops an entry that is changed in any byte, cut, renamed, or made with another key', async () => {
    const [directory, other] = [fresh(), fresh()]
    const cache = await opened(directory)
    const path = join(directory, `${name('a')}.layer`)
    await cache.write(name('a'), entry(bytes('content')))
    const good = readFileSync(path)
    const changed = (at: number) => Buffer.from(good.map((byte, index) => (index === at ? byte ^ 1 : byte)))
    const faults = [...good.keys()].flatMap(at => [changed(at), good.subarray(0, at)])
    await (await opened(other)).write(name('a'), entry(bytes('content')))
    for (const fault of [...faults, readFileSync(join(other, `${name('a')}.layer`))]) {
      writeFileSync(path, fault)
      expect(await readBytes(cache, name('a'))).toBeUndefined()
      expect(existsSync(path)).toBe(false)
    }
    writeFileSync(join(directory, `${name('b')}.layer`), good)
    expect(await readBytes(cache, name('b'))).toBeUndefined()
    writeFileSync(path, good)
    expect(await readText(cache, name('a'))).toBe('content')
  })

  it('drops an entry of which its reader can make nothing', async () => {
    const directory = fresh()
    const cache = await opened(directory)
    await cache.write(name('a'), entry(bytes('content')))
    expect(await cache.read(name('a'), found => found.next(found.size + 1))).toBeUndefined()
    expect(readdirSync(directory)).toEqual(['key'])
  })

  it('is one cache for runs that begin and write at the same time', async () => {
    const directory = fresh()
    const caches = await Promise.all(Array.from({ length: 16 }, () => opened(directory)))
    await Promise.all(caches.map((cache, index) => cache.write(name('a'), entry(bytes('x'.repeat(100_000 + index))))))
    for (const cache of caches) expect((await readBytes(cache, name('a')))?.length).toBeGreaterThanOrEqual(100_000)
    expect(readdirSync(directory).sort()).toEqual([`${name('a')}.layer`, 'key'])
  })

  it('keeps within its bound: what was not used for longest goes', async () => {
    const directory = fresh()
    const cache = await opened(directory, { total: 500, entry: 200 })
    for (const [index, one] of ['a', 'b', 'c'].entries()) {
      await cache.write(name(one), entry(new Uint8Array(100)))
      utimesSync(join(directory, `${name(one)}.layer`), 1000 + index, 1000 + index)
    }
    await readBytes(cache, name('a'))
    await cache.write(name('d'), entry(new Uint8Array(100)))
    expect(
      await Promise.all(['a', 'b', 'c', 'd'].map(async one => (await readBytes(cache, name(one))) !== undefined)),
    ).toEqual([true, false, true, true])
    await cache.write(name('e'), entry(new Uint8Array(201)))
    expect(await readBytes(cache, name('e'))).toBeUndefined()
  })

  it('removes what killed runs left, and no file of anybody else', async () => {
    const directory = fresh()
    const cache = await opened(directory)
    const [old, recent, foreign] = [`${name('a')}.layer.${'0'.repeat(16)}`, `key.${'1'.repeat(16)}`, 'notes.txt']
    for (const one of [old, recent, foreign]) writeFileSync(join(directory, one), 'x')
    for (const one of [old, foreign]) utimesSync(join(directory, one), 1000, 1000)
    await cache.write(name('b'), entry(bytes('b')))
    expect(readdirSync(directory).sort()).toEqual([`${name('b')}.layer`, 'key', recent, foreign].sort())
  })

  it('is not used where others may write, or where it is no directory', async () => {
    const writable = fresh()
    await opened(writable)
    for (const mode of [0o770, 0o702, 0o777]) {
      chmodSync(writable, mode)
      expect(await openLayerCache(writable)).toBeUndefined()
    }
    const link = join(mkdtempSync(join(top, 'link-')), 'layers')
    symlinkSync(mkdtempSync(join(top, 'target-')), link)
    expect(await openLayerCache(link)).toBeUndefined()
    expect(await openLayerCache('/dev/null/layers')).toBeUndefined()
    const shortKey = fresh()
    mkdirSync(shortKey, { recursive: true, mode: 0o700 })
    writeFileSync(join(shortKey, 'key'), 'short')
    expect(await openLayerCache(shortKey)).toBeUndefined()
  })

  it.skipIf(process.getuid?.() !== 0)('is not used when it, its key or an entry belongs to somebody else', async () => {
    const directory = fresh()
    const cache = await opened(directory)
    await cache.write(name('a'), entry(bytes('a')))
    chownSync(join(directory, `${name('a')}.layer`), 65534, 65534)
    expect(await readBytes(cache, name('a'))).toBeUndefined()
    chownSync(join(directory, 'key'), 65534, 65534)
    expect(await openLayerCache(directory)).toBeUndefined()
    const foreign = fresh()
    mkdirSync(foreign, { recursive: true, mode: 0o700 })
    chownSync(foreign, 65534, 65534)
    expect(await openLayerCache(foreign)).toBeUndefined()
    expect(readdirSync(foreign)).toEqual([])
  })

  it('follows no link in place of an entry', async () => {
    const directory = fresh()
    const cache = await opened(directory)
    await cache.write(name('a'), entry(bytes('a')))
    symlinkSync(`${name('a')}.layer`, join(directory, `${name('b')}.layer`))
    expect(await readBytes(cache, name('b'))).toBeUndefined()
  })

  it('stands in the XDG directory, else below the home', () => {
    expect(defaultCacheDirectory({ XDG_CACHE_HOME: '/c', HOME: '/h' })).toBe('/c/attested-os-update/layers')
    expect(defaultCacheDirectory({ XDG_CACHE_HOME: 'relative', HOME: '/h' })).toBe(
      '/h/.cache/attested-os-update/layers',
    )
    expect(defaultCacheDirectory({})).toBeUndefined()
  })
})
