import { describe, expect, it } from 'vitest'
import { ToolError } from '../../src/errors.ts'
import { parseImageConfig } from '../../src/formats/oci/config.ts'
import type { Descriptor } from '../../src/formats/oci/descriptor.ts'
import { type ImageManifest, parseManifest } from '../../src/formats/oci/manifest.ts'
import { onBaseLayers } from '../../src/image/base-layers.ts'
import type { ImageSource } from '../../src/image/image-source.ts'
import { file, type Layer, layerOfTar, makeLayer } from '../build/layer.ts'
import { type ImageOptions, type MadeImage, makeImage } from '../build/oci-layout.ts'

const lower = makeLayer([file('usr/lib/os-release', 'ID=rhcos\n')], { compression: 'zstd' })
const middle = makeLayer([file('usr/bin/kubelet', 'kubelet')])
const top = makeLayer([file('usr/lib/modules/1/vmlinuz', 'kernel')])
/** The same archive, compressed in another way, as a builder does. */
const anew = (layer: Layer) => layerOfTar(layer.tar, { compression: 'none' })

function sourceOf(name: string, made: MadeImage, opened: string[]): ImageSource {
  return {
    source: name,
    digest: made.digest,
    manifest: parseManifest(made.manifest, name) as ImageManifest,
    manifestBytes: made.manifest,
    config: parseImageConfig(made.config, name),
    configBytes: made.config,
    async *openLayer(layer: Descriptor) {
      opened.push(`${name} ${layer.digest}`)
      const bytes = made.blobs.get(layer.digest)
      if (bytes === undefined) throw new Error('no such blob')
      yield bytes
    },
  }
}

function images(base: Partial<ImageOptions> = {}, builtLayers = [anew(lower), anew(middle), top]) {
  const opened: string[] = []
  return {
    opened,
    base: sourceOf('base', makeImage({ layers: [lower, middle], ...base }), opened),
    built: sourceOf('built', makeImage({ layers: builtLayers }), opened),
  }
}

describe('the layers of the base', () => {
  it('are named as the base stores them, and all else stays', () => {
    const { base, built } = images()
    const image = onBaseLayers(built, base)
    expect(image.manifest.layers.map(({ digest }) => digest)).toEqual([lower.digest, middle.digest, top.digest])
    expect(image.manifest.config).toEqual(built.manifest.config)
    expect(image.configBytes).toBe(built.configBytes)
    expect(image.digest).not.toBe(built.digest)
    const { layers: _, ...rest } = JSON.parse(new TextDecoder().decode(image.manifestBytes))
    const { layers: __, ...before } = JSON.parse(new TextDecoder().decode(built.manifestBytes))
    expect(rest).toEqual(before)
  })

  it('are read from the base, the others from the built image', async () => {
    const { base, built, opened } = images()
    const image = onBaseLayers(built, base)
    const bytes: Uint8Array[] = []
    for (const layer of image.manifest.layers) for await (const chunk of image.openLayer(layer)) bytes.push(chunk)
    expect(bytes).toEqual([lower.bytes, middle.bytes, top.bytes])
    expect(opened).toEqual([`base ${lower.digest}`, `base ${middle.digest}`, `built ${top.digest}`])
  })

  it('of a Docker manifest get the OCI names', () => {
    const docker = [
      makeLayer([file('a', 'a')], { mediaTypes: 'docker' }),
      makeLayer([file('b', 'b')], { mediaTypes: 'docker', compression: 'none' }),
    ]
    const { base, built } = images({ layers: docker, schema: 'docker' }, [...docker.map(anew), top])
    expect(onBaseLayers(built, base).manifest.layers.map(({ mediaType }) => mediaType)).toEqual([
      'application/vnd.oci.image.layer.v1.tar+gzip',
      'application/vnd.oci.image.layer.v1.tar',
      'application/vnd.oci.image.layer.v1.tar+gzip',
    ])
  })

  it('that an OCI manifest cannot name leave the built image as it is', () => {
    const foreign = { ...lower, mediaType: 'application/vnd.docker.image.rootfs.foreign.diff.tar.gzip' }
    const { base, built } = images({ layers: [foreign, middle] })
    expect(onBaseLayers(built, base)).toBe(built)
  })

  it.each([
    ['another order', [anew(middle), anew(lower), top]],
    ['another layer', [anew(lower), top]],
    ['too few layers', [anew(lower)]],
  ])('must lead: %s is refused', (_, layers) => {
    const { base, built } = images({}, layers)
    expect(() => onBaseLayers(built, base)).toThrow(ToolError)
    expect(() => onBaseLayers(built, base)).toThrow('does not begin with the layers of its base')
  })

  it('must be as many as the config says', () => {
    const config = { rootfs: { type: 'layers', diff_ids: [lower.diffId] } }
    const { base, built } = images({ config })
    expect(() => onBaseLayers(built, base)).toThrow('same number of layers')
  })
})
