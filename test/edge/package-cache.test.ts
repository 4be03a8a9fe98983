import { createHash, randomBytes } from 'node:crypto'
import {
  chmodSync,
  chownSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  symlinkSync,
  utimesSync,
  writeFileSync,
} from 'node:fs'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { defaultPackageDirectory, openPackageCache } from '../../src/edge/package-cache.ts'
import { downloadPackages } from '../../src/edge/rpm-repository.ts'
import type { RepositoryPackage } from '../../src/kernel/kernel-packages.ts'
import { serveFiles } from '../build/file-server.ts'
import { temporaryDirectory } from './temporary-directory.ts'

const sum = (bytes: Uint8Array) => ({ type: 'sha256' as const, hex: createHash('sha256').update(bytes).digest('hex') })
const top = temporaryDirectory()
let count = 0
/** Paths in a new directory. */
const place = () => {
  count += 1
  const directory = join(top, String(count))
  mkdirSync(directory)
  return { cache: join(directory, 'cache'), file: join(directory, 'file'), out: join(directory, 'out') }
}
const bytes = new Uint8Array(randomBytes(200_000))
const entry = `sha256-${sum(bytes).hex}.rpm`

async function filled(total?: number) {
  const { cache: directory, file, out } = place()
  const cache = await openPackageCache(directory, total)
  if (cache === undefined) throw new Error('no cache')
  writeFileSync(file, bytes)
  await cache.put(sum(bytes), file)
  return { cache, directory, file, out }
}

describe('the package cache', () => {
  it('gives what was put, and only that', async () => {
    const { cache, directory, out } = await filled()
    expect(readdirSync(directory)).toEqual([entry])
    expect(await cache.take(sum(bytes), bytes.length, out)).toBe(true)
    expect(readFileSync(out).equals(bytes)).toBe(true)
    expect(await cache.take(sum(new Uint8Array(1)), 1, `${out}2`)).toBe(false)
    expect(readdirSync(join(out, '..'))).not.toContain('out2')
  })

  it.each([
    ['one byte changed', (path: string) => writeFileSync(path, bytes.with(1000, (bytes[1000] ?? 0) ^ 1))],
    ['cut', (path: string) => writeFileSync(path, bytes.subarray(1))],
    ['longer', (path: string) => writeFileSync(path, Buffer.concat([bytes, bytes]))],
    ['empty', (path: string) => writeFileSync(path, '')],
  ])('an entry that is %s is no entry, and goes away', async (_, damage) => {
    const { cache, directory, out } = await filled()
    damage(join(directory, entry))
    expect(await cache.take(sum(bytes), bytes.length, out)).toBe(false)
    expect(readdirSync(directory)).toEqual([])
    expect(readdirSync(join(directory, '..'))).not.toContain('out')
  })

  it('a link in place of an entry is not followed', async () => {
    const { cache, directory, file, out } = await filled()
    const other = new Uint8Array(10)
    writeFileSync(file, other)
    symlinkSync(file, join(directory, `sha256-${sum(other).hex}.rpm`))
    expect(await cache.take(sum(other), other.length, out)).toBe(false)
  })

  it('what was used least recently goes when there is too much; other files stay', async () => {
    const { cache, directory, file } = await filled(450_000)
    writeFileSync(join(directory, 'note'), 'mine')
    const others = [1, 2].map(() => new Uint8Array(randomBytes(200_000)))
    utimesSync(join(directory, entry), 1, 1)
    for (const other of others) {
      writeFileSync(file, other)
      await cache.put(sum(other), file)
    }
    expect(readdirSync(directory).sort()).toEqual(['note', ...others.map(one => `sha256-${sum(one).hex}.rpm`)].sort())
  })

  it('temporary files of killed runs go, those of running ones stay', async () => {
    const { cache, directory, file } = await filled()
    for (const [name, time] of [
      ['0', 1],
      ['1', Date.now() / 1000],
    ] as const) {
      const path = join(directory, `${entry}.${name.repeat(16)}`)
      writeFileSync(path, '')
      utimesSync(path, time, time)
    }
    await cache.put(sum(bytes), file)
    expect(readdirSync(directory).sort()).toEqual([entry, `${entry}.${'1'.repeat(16)}`])
  })

  it('a directory that others may write to is not used', async () => {
    const { cache } = place()
    mkdirSync(cache)
    chmodSync(cache, 0o777)
    expect(await openPackageCache(cache)).toBeUndefined()
  })

  it.runIf(process.getuid?.() === 0)('a directory or an entry of somebody else is not used', async () => {
    const { cache: directory } = place()
    mkdirSync(directory)
    chownSync(directory, 12345, 12345)
    expect(await openPackageCache(directory)).toBeUndefined()
    const { cache, directory: own, out } = await filled()
    chownSync(join(own, entry), 12345, 12345)
    expect(await cache.take(sum(bytes), bytes.length, out)).toBe(false)
  })

  it('a file in its place is no cache', async () => {
    const { file } = place()
    writeFileSync(file, '')
    expect(await openPackageCache(file)).toBeUndefined()
  })

  it('is where XDG says, or nowhere', () => {
    expect(defaultPackageDirectory({ XDG_CACHE_HOME: '/c', HOME: '/h' })).toBe('/c/attested-os-update/packages')
    expect(defaultPackageDirectory({ XDG_CACHE_HOME: 'c', HOME: '/h' })).toBe('/h/.cache/attested-os-update/packages')
    expect(defaultPackageDirectory({})).toBeUndefined()
  })

  it('a package is downloaded once; a damaged entry has it downloaded again', async () => {
    const { cache: directory, out } = place()
    const cache = await openPackageCache(directory)
    mkdirSync(out)
    await using server = await serveFiles(new Map([['a-1-1.x86_64.rpm', bytes]]))
    const one: RepositoryPackage = {
      name: 'a',
      evr: { epoch: 0, version: '1', release: '1' },
      arch: 'x86_64',
      checksum: sum(bytes).hex,
      checksumType: 'sha256',
      size: bytes.length,
      location: `${server.url}/a-1-1.x86_64.rpm`,
      sourceRpm: null,
    }
    const options = { allowInsecure: true, cache }
    const get = async () => {
      await downloadPackages([one], out, options)
      expect(readFileSync(join(out, 'a-1-1.x86_64.rpm')).equals(bytes)).toBe(true)
      return server.requests.length
    }
    expect([await get(), await get()]).toEqual([1, 1])
    writeFileSync(join(directory, entry), bytes.subarray(1))
    expect([await get(), await get()]).toEqual([2, 2])
  })
})
