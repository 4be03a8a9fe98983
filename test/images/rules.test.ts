// Every rule of layers, one image each: podman unpacks it into a fresh store, and our reader must see the same, or refuse what podman refuses.

import { mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, it } from 'vitest'
import { inspectImage } from '../../src/commands/read-image.ts'
import { openLayout } from '../../src/edge/oci-layout.ts'
import { expectToolError } from '../build/expect-error.ts'
import { file, makeLayer } from '../build/layer.ts'
import { makeImage, writeLayout } from '../build/oci-layout.ts'
import { type ImageCase, imageCases } from './cases.ts'
import { withStore } from './engine.ts'
import { expectSameImage } from './same-image.ts'

const rows = (wanted: (one: ImageCase) => boolean) => imageCases.filter(wanted).map(one => [one.rule, one] as const)

it.each(rows(one => one.refused === undefined))('%s', async (_, { layers, config, kernel }) => {
  await withStore(async store => {
    const layout = store.path('layout')
    mkdirSync(layout)
    await writeLayout(
      makeImage({ layers, ...(config === undefined ? {} : { config: configOf(layers, config) }) }),
      layout,
      'image',
    )
    const root = await store.mount(`oci:${layout}:image`)
    const contents = await expectSameImage(await openLayout(layout, { architecture: 'amd64' }), root)
    const found = contents.found.files
      .filter(file => file.role === 'kernel')
      .map(file => Buffer.from(file.bytes).toString())
    expect(found).toEqual(kernel == null ? [] : [kernel])
  })
})

it.each(rows(one => one.refused !== undefined))(
  'refused: %s',
  async (_, { layers, refused = 'LAYER_INVALID', podman }) => {
    await withStore(async store => {
      const layout = store.path('layout')
      mkdirSync(layout)
      await writeLayout(makeImage({ layers }), layout, 'image')
      await expectToolError(refused, inspectImage(await openLayout(layout, { architecture: 'amd64' })))
      const taken = await store.mount(`oci:${layout}:image`).then(
        () => 'takes it',
        () => 'refuses',
      )
      expect(taken).toBe(podman)
    })
  },
)

it('refused: a blob that is not what its name says', async () => {
  await withStore(async store => {
    const layout = store.path('layout')
    mkdirSync(layout)
    const made = makeImage({ layers: [makeLayer([file('usr/a', 'a'.repeat(600))], { compression: 'none' })] })
    await writeLayout(made, layout, 'image')
    const blob = join(layout, 'blobs/sha256', made.layers[0]?.digest.slice('sha256:'.length) ?? '')
    writeFileSync(blob, Buffer.from(readFileSync(blob)).fill('b', 512, 600))
    await expectToolError(
      'DIGEST_MISMATCH',
      openLayout(layout, { architecture: 'amd64' }).then(image => inspectImage(image)),
    )
    await expect(store.mount(`oci:${layout}:image`)).rejects.toThrow()
  })
})

const configOf = (layers: ImageCase['layers'], config: Readonly<Record<string, unknown>>) => ({
  rootfs: { type: 'layers', diff_ids: layers.map(layer => layer.diffId) },
  ...config,
})
