// A warm read of an image: the same answer as a cold one, without the bytes; whatever is wrong with the cache, never another answer.

import { readdirSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { inspectImage } from '../../src/commands/read-image.ts'
import { type LayerCache, openLayerCache } from '../../src/edge/layer-cache.ts'
import { openSpillRoom } from '../../src/edge/spilled-files.ts'
import { parseImageConfig } from '../../src/formats/oci/config.ts'
import { type ImageManifest, parseManifest } from '../../src/formats/oci/manifest.ts'
import type { ImageSource } from '../../src/image/image-source.ts'
import { decodeLayer, type EntryBytes, encodeLayer } from '../../src/image/layer-entry.ts'
import { KnownPlaces } from '../../src/image/layer-path.ts'
import { scanLayer } from '../../src/image/layers.ts'
import { knownRoots } from '../../src/image/places.ts'
import { baseEntries, layeredEntries } from '../build/coreos.ts'
import { file, hardLink, type Layer, makeLayer, sha256, symlink } from '../build/layer.ts'
import { makeImage } from '../build/oci-layout.ts'
import { temporaryDirectory } from '../edge/temporary-directory.ts'

const top = temporaryDirectory()
let count = 0
const fresh = async (directory = join(top, `${++count}`)) => {
  const cache = await openLayerCache(directory)
  if (cache === undefined) throw new Error('no cache')
  return { cache, directory }
}

const [from, to] = ['6.1.0-55.x86_64', '6.1.0-56.x86_64']
const base = makeLayer(baseEntries(from))
const kernel = makeLayer(layeredEntries(from, to), { compression: 'zstd' })
const next = makeLayer(layeredEntries(from, '6.1.0-57.x86_64'))

function imageOf(...layers: readonly Layer[]) {
  const made = makeImage({ layers })
  const opened: string[] = []
  const image: ImageSource = {
    source: 'image',
    digest: made.digest,
    manifest: parseManifest(made.manifest, 'image') as ImageManifest,
    manifestBytes: made.manifest,
    config: parseImageConfig(made.config, 'image'),
    configBytes: made.config,
    async *openLayer(layer) {
      opened.push(layer.digest)
      yield made.blobs.get(layer.digest) ?? new Uint8Array()
    },
  }
  return { image, opened }
}

describe('an image read with a cache', () => {
  it('is the same from it, without a byte of its layers, and says so', async () => {
    const { cache } = await fresh()
    const { image, opened } = imageOf(base, kernel)
    const without = await inspectImage(image)
    const cold = await inspectImage(image, { cache })
    expect(cold).toEqual(without)
    opened.length = 0
    for (const inFlight of [1, 2, 4]) {
      const warm = await inspectImage(image, { cache, inFlight })
      expect(warm).toEqual({ ...without, proof: 'cache' })
    }
    expect(opened).toEqual([])
  })

  it('is the same from it where large files are kept on disk', async () => {
    const { cache } = await fresh()
    const { image, opened } = imageOf(base, kernel)
    const wanted = await inspectImage(image)
    // room for the names, and for few contents; one layer at a time, so that both runs choose the same ones
    const options = { cache, inFlight: 1, ceilings: { keptBytes: 30_000 } }
    const digests = ({ bootFiles }: typeof wanted) => bootFiles.map(({ path, bytes }) => [path, sha256(bytes)])
    const cold = await inspectImage(image, options)
    expect(cold.bootFiles.some(({ known }) => known !== undefined)).toBe(true)
    expect(digests(cold)).toEqual(digests(wanted))
    opened.length = 0
    const warm = await inspectImage(image, options)
    expect(opened).toEqual([])
    expect(warm.proof).toBe('cache')
    expect(warm.bootFiles.map(({ known }) => known)).toEqual(cold.bootFiles.map(({ known }) => known))
    expect(digests(warm)).toEqual(digests(wanted))
  })

  it('has only its new layer read after a kernel update', async () => {
    const { cache } = await fresh()
    await inspectImage(imageOf(base, kernel).image, { cache })
    const { image, opened } = imageOf(base, next)
    const contents = await inspectImage(image, { cache })
    expect(opened).toEqual([next.digest])
    expect(contents.kernelRelease).toBe('6.1.0-57.x86_64')
    expect(contents.proof).toBe('cache')
    expect(contents).toEqual({ ...(await inspectImage(image)), proof: 'cache' })
  })

  it('is read again where entries are damaged, gone, or made by somebody without the key', async () => {
    const { cache, directory } = await fresh()
    const { image, opened } = imageOf(base, kernel)
    const wanted = await inspectImage(image, { cache })
    const entries = () => readdirSync(directory).filter(name => name.endsWith('.layer'))
    const faults: readonly (() => void)[] = [
      () => {
        for (const name of entries()) writeFileSync(join(directory, name), 'x')
      },
      () => {
        for (const name of entries()) rmSync(join(directory, name))
      },
      () => writeFileSync(join(directory, 'key'), Buffer.alloc(32)),
    ]
    for (const fault of faults) {
      fault()
      opened.length = 0
      const again = (await fresh(directory)).cache
      expect(await inspectImage(image, { cache: again })).toEqual(wanted)
      expect(opened.toSorted()).toEqual([base.digest, kernel.digest].toSorted())
      expect((await inspectImage(image, { cache: again })).proof).toBe('cache')
    }
  })

  it('is read again where an entry has the right key and no sense', async () => {
    const { cache } = await fresh()
    const { image } = imageOf(base, kernel)
    const wanted = await inspectImage(image)
    const nonsense = new Uint8Array(Buffer.from('\0\0\0\x02{}'))
    const lying: LayerCache = { ...cache, write: name => cache.write(name, { size: 6, parts: () => [nonsense] }) }
    await inspectImage(image, { cache: lying })
    expect(await inspectImage(image, { cache })).toEqual(wanted)
  })

  it('puts nothing into it when the layer is not what its digest or diff ID says', async () => {
    const { cache, directory } = await fresh()
    const { image } = imageOf(base)
    const wrong = { ...image.config, diffIds: [kernel.diffId] }
    await expect(inspectImage({ ...image, config: wrong }, { cache })).rejects.toMatchObject({
      code: 'DIGEST_MISMATCH',
    })
    expect(readdirSync(directory)).toEqual(['key'])
    await inspectImage(image, { cache })
    await expect(inspectImage({ ...image, config: wrong }, { cache })).rejects.toMatchObject({
      code: 'DIGEST_MISMATCH',
    })
  })

  it('keeps to its ceilings with entries of a run that had others', async () => {
    const { cache } = await fresh()
    const { image } = imageOf(base, kernel)
    await inspectImage(image, { cache })
    await expect(inspectImage(image, { cache, ceilings: { file: 10 } })).rejects.toMatchObject({
      code: 'CEILING_REACHED',
    })
  })

  it('follows links out of the known places with it as without', async () => {
    const { cache } = await fresh()
    const linked = makeLayer([
      symlink(`usr/lib/modules/${from}/vmlinuz`, '/opt/kernel'),
      file('opt/kernel', 'MZ kernel'),
      file('usr/lib/modules/x/initramfs.img', 'initramfs'),
      hardLink(`usr/lib/modules/${from}/initramfs.img`, 'usr/lib/modules/x/initramfs.img'),
    ])
    const { image, opened } = imageOf(linked)
    const wanted = await inspectImage(image)
    expect(await inspectImage(image, { cache })).toEqual(wanted)
    opened.length = 0
    expect(await inspectImage(image, { cache })).toEqual({ ...wanted, proof: 'cache' })
    expect(opened).toEqual([])
  })
})

function entryOf(bytes: Uint8Array): EntryBytes {
  let at = 0
  return {
    size: bytes.length,
    next(length) {
      if (length > bytes.length - at) throw new RangeError('cut')
      at += length
      return bytes.subarray(at - length, at)
    },
  }
}

describe('an entry', () => {
  it('is the layer again, with contents that several names share once, and refused when cut anywhere', async () => {
    async function* tar() {
      yield layer.tar
    }
    const layer = makeLayer([
      file('usr/lib/modules/1/vmlinuz', 'MZ'),
      hardLink('usr/lib/modules/2/vmlinuz', 'usr/lib/modules/1/vmlinuz'),
      file('usr/lib/.wh.efi', ''),
      file('usr/lib/bootupd/updates/.wh..wh..opq', ''),
      symlink('opt', 'var/opt'),
    ])
    const wishes = { places: new KnownPlaces(knownRoots), contents: new Set<string>() }
    const scanned = await scanLayer(tar(), layer.digest, 'layer', wishes)
    const bytes = Buffer.concat([...(encodeLayer(scanned)?.parts() ?? [])])
    expect(encodeLayer(scanned)?.size).toBe(bytes.length)
    const again = decodeLayer(entryOf(bytes), size => new Uint8Array(size))
    const { skeleton, ...rest } = scanned
    const names = { links: [...skeleton.links()], directories: [...skeleton.directories()] }
    const { skeleton: skeletonAgain, ...restAgain } = again
    expect(restAgain).toEqual(rest)
    expect({ links: [...skeletonAgain.links()], directories: [...skeletonAgain.directories()] }).toEqual(names)
    expect(names.links).toEqual([['opt', 'var/opt']])
    const contents = (path: string) => {
      const node = again.nodes.get(path)
      return node?.kind === 'file' ? node.bytes : undefined
    }
    expect(contents('usr/lib/modules/1/vmlinuz')).toBe(contents('usr/lib/modules/2/vmlinuz'))
    // from a temporary file
    const room = await openSpillRoom(100)
    const spilled = decodeLayer(entryOf(bytes), size => room.begin(size, 'layer'))
    expect(spilled.contentBytes).toBe(0)
    expect(Buffer.concat([...(encodeLayer(spilled)?.parts() ?? [])])).toEqual(bytes)
    for (let length = 0; length < bytes.length; length += 1)
      expect(() => decodeLayer(entryOf(bytes.subarray(0, length)), size => new Uint8Array(size))).toThrow()
  })
})
