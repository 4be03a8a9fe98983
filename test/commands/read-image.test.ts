// Reading whole images from a registry and from layouts: what is in them, and images that lie.

import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { gzipSync } from 'node:zlib'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { inspectImage, readImage } from '../../src/commands/read-image.ts'
import { openLayout } from '../../src/edge/oci-layout.ts'
import { openRegistry } from '../../src/edge/registry.ts'
import { noCredentials } from '../../src/edge/registry-credentials.ts'
import type { Descriptor } from '../../src/formats/oci/descriptor.ts'
import { parseImageReference } from '../../src/formats/oci/reference.ts'
import { seededBytes } from '../build/boot-files.ts'
import { baseEntries, bootLoaderFiles, kernelPackages, layeredEntries, vendorDirectory } from '../build/coreos.ts'
import { expectToolError } from '../build/expect-error.ts'
import {
  concat,
  file,
  hardLink,
  type Layer,
  type LayerEntry,
  layerOfTar,
  makeLayer,
  makeTar,
  sha256,
  symlink,
} from '../build/layer.ts'
import { type MadeImage, makeImage, writeLayout } from '../build/oci-layout.ts'
import { startRegistry, type TestRegistry } from '../build/registry.ts'

const [from, to] = ['6.1.0-55.x86_64', '6.1.0-56.x86_64']
const base = makeLayer(baseEntries(from))
const top = makeLayer(layeredEntries(from, to), { compression: 'zstd' })
const empty = makeLayer([], { compression: 'none' })

let directory: string
let registry: TestRegistry
beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), 'read-image-'))
  registry = await startRegistry()
})
afterEach(async () => {
  await registry.close()
  await rm(directory, { recursive: true })
})

async function layoutOf(made: MadeImage) {
  await writeLayout(made, directory)
  return await openLayout(directory, { architecture: 'amd64' })
}
const layersOf = async (...layers: readonly Layer[]) => await layoutOf(makeImage({ layers }))
const imageOf = (...layers: readonly (readonly LayerEntry[])[]) => layersOf(...layers.map(one => makeLayer(one)))

describe('inspectImage', () => {
  it.each(['oci', 'docker'] as const)('tells all of a layered image from a registry (%s)', async schema => {
    const made = makeImage({ layers: [base, empty, top, empty], schema, labels: { 'ostree.linux': from } })
    registry.add('team/image', made, 'v1')
    const client = openRegistry({ allowInsecure: true, credentials: noCredentials, pauseMs: 1 })
    const image = await client.openImage(parseImageReference(`${registry.host}/team/image:v1`), 'amd64')
    for (const inFlight of [1, 2, 4]) {
      const contents = await inspectImage(image, { inFlight })
      expect(contents.digest).toBe(made.digest)
      expect(contents.proof).toBe('all-layers')
      expect(contents.diffIds).toEqual(made.layers.map(layer => layer.diffId))
      expect(contents.kernelRelease).toBe(to)
      expect(contents.os).toEqual({ id: 'test', versionId: '42.1' })
      expect(contents.problems).toEqual([])
      expect(contents.bootFiles.map(one => [one.role, one.path, one.layer])).toEqual([
        ['shim', `${vendorDirectory}/shimx64.efi`, base.digest],
        ['grub', `${vendorDirectory}/grubx64.efi`, base.digest],
        ['mok-manager', `${vendorDirectory}/mmx64.efi`, base.digest],
        ['fallback', 'usr/lib/bootupd/updates/EFI/BOOT/fbx64.efi', base.digest],
        ['kernel', `usr/lib/modules/${to}/vmlinuz`, top.digest],
        ['initramfs', `usr/lib/modules/${to}/initramfs.img`, top.digest],
        ['os-release', 'usr/lib/os-release', base.digest],
      ])
      expect(contents.packages?.filter(one => one.name.startsWith('kernel'))).toEqual(kernelPackages(to))
      expect(contents.listing.has(`usr/lib/modules/${to}/modules.dep`)).toBe(true)
      expect(contents.listing.has(`usr/lib/modules/${from}/modules.dep`)).toBe(false)
      expect(contents.listing.has('usr/bin/kubelet')).toBe(true)
      expect(contents.listing.has('usr/bin/bootc')).toBe(false)
      expect(contents.kernelHmac).not.toBeNull()
      expect(contents.efiFiles).toEqual(
        new Map(bootLoaderFiles().map(({ path, content = new Uint8Array() }) => [path, sha256(content).slice(7)])),
      )
      expect(contents.hasOstreeRepository).toBe(false)
    }
  })

  it('reads layers again when links lead to places that were not kept', async () => {
    const image = await imageOf(
      baseEntries(from).map(entry => (entry.path.endsWith('/vmlinuz') ? { ...entry, path: 'opt/far/away' } : entry)),
      [file('opt/hidden', 'not it')],
      [symlink(`usr/lib/modules/${from}/vmlinuz`, '/opt/link'), symlink('opt/link', 'far/away')],
      [file('opt/os', 'ID=linked'), hardLink('etc/os-release', 'opt/os')],
    )
    const contents = await readImage(image)
    expect(contents.kernelRelease).toBe(from)
    expect(contents.bootFiles.find(one => one.role === 'kernel')?.bytes[0]).toBe(0x4d)
    expect(contents.os.id).toBe('linked')
  })

  it('reads an ostree layer once or twice, whatever its files are', async () => {
    const objects = baseEntries(from).flatMap((entry, index) => {
      if (entry.type !== 'file') return [entry]
      const object = `sysroot/ostree/repo/objects/aa/${String(index).padStart(62, '0')}.file`
      return [{ ...entry, path: object }, hardLink(entry.path, object)]
    })
    const image = await imageOf(objects)
    let reads = 0
    const counted = {
      ...image,
      openLayer: (layer: Descriptor) => {
        reads += 1
        return image.openLayer(layer)
      },
    }
    const contents = await readImage(counted)
    expect(contents.kernelRelease).toBe(from)
    expect(contents.kernelHmac).not.toBeNull()
    expect(contents.bootFiles.length).toBe(7)
    expect(reads).toBeLessThanOrEqual(2)
  })

  it('refuses a long chain of links after few reads', async () => {
    const path = `${vendorDirectory}/shimx64.efi`
    const links = Array.from({ length: 39 }, (_, index) => symlink(`d${index}`, `/d${index + 1}`))
    const image = await imageOf(
      baseEntries(from).filter(entry => entry.path !== path),
      [symlink(path, '/d0/shim'), ...links, file('d39/shim', 'MZ')],
    )
    let reads = 0
    const openLayer = (layer: Descriptor) => {
      reads += 1
      return image.openLayer(layer)
    }
    await expectToolError('LAYER_INVALID', inspectImage({ ...image, openLayer }))
    expect(reads).toBeLessThanOrEqual(2 * 6)
  })

  it('holds all layers together to one ceiling, without what upper layers hide', async () => {
    const layer = (name: string) => [file(`usr/lib/modules/x/${name}.efi`, new Uint8Array(100_000).fill(0x4d))]
    const ceilings = { keptBytes: 450_000, spilledBytes: 50_000 }
    const three = await imageOf(layer('a'), layer('b'), layer('c'))
    for (const inFlight of [1, 3]) await expectToolError('CEILING_REACHED', inspectImage(three, { ceilings, inFlight }))
    expect((await inspectImage(three)).kernelRelease).toBe('x')
    const hidden = await imageOf(layer('a'), layer('a'), layer('a'), layer('a'))
    expect((await inspectImage(hidden, { ceilings, inFlight: 1 })).kernelRelease).toBe('x')
  })

  it('reads large files, and small ones without room in memory, from a temporary file', async () => {
    const [large, small] = [new Uint8Array(34_000_000).fill(7), seededBytes('grub', 90_000)]
    const path = `usr/lib/modules/${to}/initramfs.img`
    const object = `sysroot/ostree/repo/objects/aa/${'b'.repeat(62)}.file`
    const cpio = concat([new TextEncoder().encode('070701'), large])
    const more = [file(path, large), file(`${vendorDirectory}/other.efi`, small)]
    const linked = [file(object, cpio), hardLink(path, object), file(`${vendorDirectory}/other.efi`, small)]
    for (const [entries, bytes] of [
      [more, large],
      [linked, cpio],
    ] as const) {
      const upper = layeredEntries(from, to).filter(entry => entry.path !== path)
      const image = await layersOf(base, makeLayer(upper), makeLayer(entries, { compression: 'none' }))
      const contents = await readImage(image, { ceilings: { keptBytes: 600_000 } })
      const initramfs = contents.bootFiles.find(one => one.role === 'initramfs')
      expect(initramfs?.known).toEqual({ size: bytes.length, sha256: sha256(bytes).slice('sha256:'.length) })
      expect(sha256(initramfs?.bytes ?? new Uint8Array())).toBe(sha256(bytes))
      expect(contents.efiFiles.get(`${vendorDirectory}/other.efi`)).toBe(sha256(small).slice('sha256:'.length))
      await expectToolError(
        'CEILING_REACHED',
        inspectImage(image, { ceilings: { keptBytes: 600_000, spilledBytes: 1_000_000 } }),
      )
    }
  })

  it('an image without RPM database and os-release', async () => {
    const image = await imageOf(baseEntries(from).filter(entry => !/os-release|rpm/.test(entry.path)))
    const contents = await inspectImage(image)
    expect(contents.packages).toBeNull()
    expect(contents.os).toEqual({ id: null, versionId: null })
    expect(contents.problems).toEqual([])
  })
})

describe('images that lie', () => {
  it('a diff_id of another layer', async () => {
    const config = { rootfs: { type: 'layers', diff_ids: [base.diffId, base.diffId] } }
    await expectToolError('DIGEST_MISMATCH', inspectImage(await layoutOf(makeImage({ layers: [base, top], config }))))
  })

  it('fewer diff_ids than layers', async () => {
    const config = { rootfs: { type: 'layers', diff_ids: [base.diffId] } }
    await expectToolError('IMAGE_INVALID', layoutOf(makeImage({ layers: [base, top], config })))
  })

  it('a layer that is no archive, one that is cut, a bomb', async () => {
    await expectToolError('LAYER_INVALID', inspectImage(await layersOf(base, layerOfTar(new Uint8Array(700).fill(1)))))
    const tar = makeTar(baseEntries(from))
    const cut = layerOfTar(tar.subarray(0, tar.length - 1500))
    await expectToolError('LAYER_INVALID', inspectImage(await layersOf(cut)))
    const bomb = makeLayer([file('usr/zeros', new Uint8Array(4 << 20))])
    await expectToolError('CEILING_REACHED', inspectImage(await layersOf(base, bomb)))
  })

  it('a layer of several gzip members is read, but nothing is built on it or approved', async () => {
    const half = top.tar.length >> 1
    const bytes = concat([gzipSync(top.tar.subarray(0, half)), gzipSync(top.tar.subarray(half))])
    const layer = { ...top, mediaType: base.mediaType, bytes, digest: sha256(bytes) }
    const image = await layersOf(base, layer)
    const contents = await inspectImage(image)
    expect(contents.kernelRelease).toBe(to)
    expect(contents.problems.map(({ code, where }) => [code, where.path])).toEqual([
      ['LAYER_UNSUPPORTED', layer.digest],
    ])
    await expectToolError('LAYER_UNSUPPORTED', readImage(image))
  })

  it('bytes in the registry that are not the layer', async () => {
    registry.add('team/image', makeImage({ layers: [base, top] }), 'v1')
    const client = openRegistry({ allowInsecure: true, credentials: noCredentials, pauseMs: 1 })
    const image = await client.openImage(parseImageReference(`${registry.host}/team/image:v1`), 'amd64')
    registry.faults.push({ path: new RegExp(top.digest), times: 1, body: 'wrong' })
    const error = await inspectImage(image).catch(one => one)
    expect(['DIGEST_MISMATCH', 'LAYER_INVALID']).toContain(error.code)
  })

  it('wrong kinds of compression under every media type', async () => {
    const renamed = { ...top, mediaType: base.mediaType }
    expect((await inspectImage(await layersOf(base, renamed))).kernelRelease).toBe(to)
    const xz = new Uint8Array([0xfd, 0x37, 0x7a, 0x58, 0x5a, 0, 1, 2])
    const layer = { ...base, bytes: xz, digest: sha256(xz) }
    await expectToolError('LAYER_UNSUPPORTED', inspectImage(await layersOf(layer)))
  })
})
