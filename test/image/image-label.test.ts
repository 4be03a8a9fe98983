// A label on an image: only that label changes, in the config, and its digest in the manifest.

import { createHash } from 'node:crypto'
import { describe, expect, it } from 'vitest'
import { parseImageConfig } from '../../src/formats/oci/config.ts'
import type { Descriptor } from '../../src/formats/oci/descriptor.ts'
import { type ImageManifest, parseManifest } from '../../src/formats/oci/manifest.ts'
import { withImageLabel } from '../../src/image/image-label.ts'
import type { ImageSource } from '../../src/image/image-source.ts'
import { faultOf } from '../build/damage.ts'
import { file, makeLayer } from '../build/layer.ts'

const layer = makeLayer([file('usr/lib/os-release', 'ID=rhcos\n')])
const sha256 = (bytes: Uint8Array | string) => `sha256:${createHash('sha256').update(bytes).digest('hex')}`

/** Written by hand: numbers, escapes and spaces that no JSON writer gives back. */
const config = (labels: string) =>
  `{"architecture":"amd64", "os":"linux","big":12345678901234567890,"config":{"Env":["A=\\u003c"]${labels}},
  "rootfs":{"type":"layers","diff_ids":["${layer.diffId}"]},"history":[{"created_by":"x","empty_layer":false, "y":1.0}]}`
const manifest = (configText: string, more = '') =>
  `{ "schemaVersion":2,"config":{"mediaType":"application/vnd.oci.image.config.v1+json","digest":"${sha256(configText)}","size":${Buffer.byteLength(configText)}${more}},
  "layers":[{"mediaType":"${layer.mediaType}","digest":"${layer.digest}","size":${layer.bytes.length},"x":1e0}],"annotations":{"ostree.commit":"y"}}`

function imageOf(labels = ',"Labels":{"ostree.linux":"5.14"}', more = ''): ImageSource {
  const configBytes = new TextEncoder().encode(config(labels))
  const manifestBytes = new TextEncoder().encode(manifest(config(labels), more))
  return {
    source: 'image',
    digest: sha256(manifestBytes) as ImageSource['digest'],
    manifest: parseManifest(manifestBytes, 'image') as ImageManifest,
    manifestBytes,
    config: parseImageConfig(configBytes, 'image'),
    configBytes,
    async *openLayer(blob: Descriptor) {
      yield blob.digest === layer.digest ? layer.bytes : configBytes
    },
  }
}

const text = (bytes: Uint8Array) => Buffer.from(bytes).toString()
async function read(image: ImageSource, blob: Descriptor | undefined): Promise<Buffer> {
  if (blob === undefined) throw new Error('no such blob')
  const chunks: Uint8Array[] = []
  for await (const chunk of image.openLayer(blob)) chunks.push(chunk)
  return Buffer.concat(chunks)
}

describe('a label', () => {
  const value = '{"pcrs": "é\\"\n"}'

  it('changes the config there, and digest and size in the manifest, and no other byte', () => {
    const image = imageOf()
    const labelled = withImageLabel(image, 'org.coreos.pcrs', value)
    const after = config(`,"Labels":{"ostree.linux":"5.14","org.coreos.pcrs":${JSON.stringify(value)}}`)
    expect(text(labelled.configBytes)).toBe(after)
    expect(text(labelled.manifestBytes)).toBe(manifest(after))
    expect(labelled.digest).toBe(sha256(manifest(after)))
    expect(labelled.config.imageLabels['org.coreos.pcrs']).toBe(value)
  })

  it('leaves layers and diff IDs as they are, and what is read of them', async () => {
    const image = imageOf()
    const labelled = withImageLabel(image, 'org.coreos.pcrs', value)
    expect(labelled.manifest.layers).toEqual(image.manifest.layers)
    expect(labelled.config.diffIds).toEqual(image.config.diffIds)
    expect(await read(labelled, labelled.manifest.layers[0])).toEqual(Buffer.from(layer.bytes))
    expect(sha256(await read(labelled, labelled.manifest.config))).toBe(labelled.manifest.config.digest)
  })

  it.each([
    ['', ',"Labels":{"a":"b"}'],
    [',"Labels":null', ',"Labels":{"a":"b"}'],
  ])('finds a place where there are no labels: %j', (before, after) => {
    expect(text(withImageLabel(imageOf(before), 'a', 'b').configBytes)).toBe(config(after))
  })

  it('is replaced, and taken away again', () => {
    const image = imageOf()
    const labelled = withImageLabel(withImageLabel(image, 'a', 'b'), 'a', 'c')
    expect(labelled.config.imageLabels.a).toBe('c')
    const removed = withImageLabel(labelled, 'a', undefined)
    expect(removed.digest).toBe(image.digest)
    expect(text(removed.manifestBytes)).toBe(text(image.manifestBytes))
  })

  it('that is not there, or says the same already, changes nothing at all', () => {
    const image = imageOf()
    expect(withImageLabel(image, 'a', undefined)).toBe(image)
    expect(withImageLabel(image, 'ostree.linux', '5.14')).toBe(image)
  })

  it('takes a copy of the old config out of the manifest', () => {
    const labelled = withImageLabel(imageOf(undefined, ',"data":"e30="'), 'a', 'b')
    expect(JSON.parse(text(labelled.manifestBytes)).config).not.toHaveProperty('data')
  })

  it.each([',"Labels":{"a":"1","A":"2"}', ',"labels":{"a":"1"}', ',"Labels":{},"Labels":{"a":"1"}'])(
    'is refused where programs would read another one: %s',
    labels => {
      expect(faultOf(() => withImageLabel(imageOf(labels), 'a', 'b')).code).toBe('IMAGE_INVALID')
    },
  )

  it('is refused when the config becomes too large', () => {
    expect(faultOf(() => withImageLabel(imageOf(), 'a', 'x'.repeat(4 * 1024 ** 2))).code).toBe('CEILING_REACHED')
  })
})
