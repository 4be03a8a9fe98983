// zstd:chunked layers as podman writes them, read by their tables of contents: the same as podman itself unpacks.

import { mkdirSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { expect, it } from 'vitest'
import { inspectImage } from '../../src/commands/read-image.ts'
import { openLayout } from '../../src/edge/oci-layout.ts'
import type { Descriptor } from '../../src/formats/oci/descriptor.ts'
import { seededBytes } from '../build/boot-files.ts'
import { baseEntries, layeredEntries } from '../build/coreos.ts'
import type { LayerEntry } from '../build/layer.ts'
import { withStore } from './engine.ts'
import { expectSameImage } from './same-image.ts'

const [old, now] = ['6.1.0-55.x86_64', '6.1.0-56.x86_64'] as const

function write(directory: string, entries: readonly LayerEntry[]): void {
  for (const { type, path, content } of entries) {
    if (type !== 'file' || path.includes('.wh.')) continue
    mkdirSync(dirname(join(directory, path)), { recursive: true })
    writeFileSync(join(directory, path), content ?? '')
  }
}

it('reads an image that podman pushed, kernel replaced in an upper layer', async () => {
  await withStore(async store => {
    const context = store.path('context')
    // parts that come again and holes make several chunks of one file
    const modules = Buffer.concat([seededBytes('m', 300_000), Buffer.alloc(2_000_000), seededBytes('m', 300_000)])
    write(join(context, 'base'), baseEntries(old))
    write(join(context, 'base'), [{ type: 'file', path: `usr/lib/modules/${old}/more.efi`, content: modules }])
    write(join(context, 'base'), [{ type: 'file', path: 'usr/share/large', content: seededBytes('large', 40_000_000) }])
    write(join(context, 'top'), layeredEntries(old, now))
    const file = store.path('Containerfile')
    writeFileSync(file, 'FROM scratch\nCOPY base/ /\nCOPY top/ /\n')
    const name = 'localhost/chunked:image'
    await store.podman(
      'build',
      '--quiet',
      '--isolation=chroot',
      '--network=host',
      '--file',
      file,
      '--tag',
      name,
      context,
    )
    const pushed = `oci:${store.path('pushed')}:image`
    await store.podman('push', '--quiet', '--compression-format', 'zstd:chunked', name, pushed)
    const image = await openLayout(store.path('pushed'), { architecture: 'amd64' })
    await withStore(async other => {
      const all = await expectSameImage(image, await other.mount(pushed))
      let bytes = 0
      const openRange = (layer: Descriptor, offset: number, size: number) => {
        bytes += size
        return image.openRange?.(layer, offset, size) ?? []
      }
      const openLayer = (): never => {
        throw new Error('a layer was read whole')
      }
      const quick = await inspectImage({ ...image, openLayer, openRange: openRange as never }, { proof: 'toc' })
      expect(quick.proof).toBe('toc')
      expect(quick.efiFiles).toEqual(all.efiFiles)
      expect(quick.listing).toEqual(all.listing)
      expect(quick.packages).toEqual(all.packages)
      const shown = (contents: typeof all) =>
        contents.found.files.map(one => [one.role, one.path, one.layer, Buffer.from(one.bytes)])
      expect(shown(quick)).toEqual(shown(all))
      expect(bytes).toBeLessThan(image.manifest.layers.reduce((sum, { size }) => sum + size, 0) * 0.03)
    })
  })
})
