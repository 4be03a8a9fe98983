// Images of every kind of manifest, served by a registry: podman pulls what we read.

import { afterEach, beforeEach, expect, it } from 'vitest'
import { inspectImage } from '../../src/commands/read-image.ts'
import { openRegistry } from '../../src/edge/registry.ts'
import { noCredentials } from '../../src/edge/registry-credentials.ts'
import { parseImageReference } from '../../src/formats/oci/reference.ts'
import { expectToolError } from '../build/expect-error.ts'
import { file, type LayerCompression, makeLayer, whiteout } from '../build/layer.ts'
import { type ImageOptions, type MadeImage, type MadeIndex, makeImage, makeIndex } from '../build/oci-layout.ts'
import { startRegistry, type TestRegistry } from '../build/registry.ts'
import { withStore } from './engine.ts'
import { expectSameImage } from './same-image.ts'

let registry: TestRegistry
beforeEach(async () => {
  registry = await startRegistry()
})
afterEach(() => registry.close())

const old = [file('usr/lib/modules/6.1/vmlinuz', 'MZ old'), file('usr/lib/os-release', 'ID=test\n')]
const now = [whiteout('usr/lib/modules/6.1'), file('usr/lib/modules/6.2/vmlinuz', 'MZ new')]

function image(
  schema: 'oci' | 'docker',
  compression: LayerCompression = 'gzip',
  more: Partial<ImageOptions> = {},
): MadeImage {
  const layers = [old, now].map(entries => makeLayer(entries, { compression, mediaTypes: schema }))
  return makeImage({ layers, schema, ...more })
}

const other = makeImage({
  layers: [makeLayer([file('usr/lib/modules/5.1/vmlinuz', 'MZ other')])],
  architecture: 'arm64',
})
const attestation = makeImage({ layers: [makeLayer([])], architecture: 'unknown' })
const among = (wanted: MadeImage, schema: 'oci' | 'docker') =>
  makeIndex(
    [
      ...(schema === 'oci' ? [{ image: attestation, architecture: 'unknown' }] : []),
      { image: other, architecture: 'arm64' },
      { image: wanted, architecture: 'amd64' },
    ],
    schema,
  )

const open = (reference: string) =>
  openRegistry({ allowInsecure: true, credentials: noCredentials, pauseMs: 1 }).openImage(
    parseImageReference(reference),
    'amd64',
  )

it.each<[string, MadeImage | MadeIndex]>([
  ['docker schema 2', image('docker')],
  ['docker schema 2, plain layers', image('docker', 'none')],
  ['OCI', image('oci')],
  ['OCI, zstd', image('oci', 'zstd')],
  ['OCI, without media type', image('oci', 'gzip', { withoutMediaType: true })],
  ['docker manifest list', among(image('docker'), 'docker')],
  ['OCI index with attestations', among(image('oci'), 'oci')],
  ['OCI index of docker images', among(image('docker'), 'oci')],
])('%s', async (_, made) => {
  registry.add('team/image', made, 'v1')
  for (const name of [`${registry.host}/team/image:v1`, `${registry.host}/team/image@${made.digest}`])
    await withStore(async store => {
      const root = await store.mount(`docker://${name}`)
      const contents = await expectSameImage(await open(name), root)
      expect(contents.kernelRelease).toBe('6.2')
    })
})

it('an index without our architecture: both refuse', async () => {
  const made = makeIndex([{ image: other, architecture: 'arm64' }])
  registry.add('team/image', made, 'v1')
  const name = `${registry.host}/team/image:v1`
  await expectToolError('IMAGE_PLATFORM_MISSING', open(name))
  await withStore(store => expect(store.mount(`docker://${name}`)).rejects.toThrow())
})

it('a blob of other bytes: both refuse', async () => {
  registry.add('team/image', image('docker'), 'v1')
  const name = `${registry.host}/team/image:v1`
  const layer = image('docker').layers[1]
  const damage = () => registry.faults.push({ path: new RegExp(layer?.digest ?? ''), times: 9, body: 'wrong' })
  damage()
  const error = await inspectImage(await open(name)).catch(one => one)
  expect(['DIGEST_MISMATCH', 'LAYER_INVALID']).toContain(error.code)
  damage()
  await withStore(store => expect(store.mount(`docker://${name}`)).rejects.toThrow())
})
