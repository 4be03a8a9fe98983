// Gives a built image the layers of its base as the base's registry stores them; builders compress them anew, so they would be pushed again.

import { ToolError } from '../errors.ts'
import { sha256Hex } from '../formats/bytes/digest.ts'
import type { Descriptor } from '../formats/oci/descriptor.ts'
import { type ImageManifest, parseManifest } from '../formats/oci/manifest.ts'
import type { ImageContents } from './image-contents.ts'
import type { ImageSource } from './image-source.ts'

/** Docker's names for what OCI manifests call otherwise; the bytes are the same. */
const ociLayerTypes: Readonly<Record<string, string>> = {
  'application/vnd.docker.image.rootfs.diff.tar': 'application/vnd.oci.image.layer.v1.tar',
  'application/vnd.docker.image.rootfs.diff.tar.gzip': 'application/vnd.oci.image.layer.v1.tar+gzip',
  'application/vnd.docker.image.rootfs.diff.tar.zstd': 'application/vnd.oci.image.layer.v1.tar+zstd',
}
const ociLayer = /^application\/vnd\.oci\.image\.layer\.v1\.tar(?:\+gzip|\+zstd)?$/

/**
 * The built image with the base's own compressed layers: config, diff IDs and what nodes unpack stay the same, the manifest and
 * its digest change. Layers of the base are then read from the base, others from the built image. A base with layers that an
 * OCI manifest cannot name leaves the built image as it is. Throws IMAGE_NOT_ON_BASE when the diff IDs of the base do not lead
 * those of the built image, IMAGE_INVALID when a manifest does not fit its config.
 */
export function onBaseLayers(built: ImageSource, base: ImageSource): ImageSource {
  expectOnBase(built, base)
  const lower = base.manifest.layers.map(asOciLayer)
  if (!lower.every(layer => layer !== undefined)) return built
  const manifestBytes = replaceLayers(built.manifestBytes, lower)
  const manifest = parseManifest(manifestBytes, built.source) as ImageManifest
  const fromBase = new Map(base.manifest.layers.map(layer => [layer.digest, layer]))
  return {
    source: built.source,
    digest: `sha256:${sha256Hex(manifestBytes)}`,
    manifest,
    manifestBytes,
    config: built.config,
    configBytes: built.configBytes,
    openLayer: layer => {
      const stored = fromBase.get(layer.digest)
      return stored === undefined ? built.openLayer(layer) : base.openLayer(stored)
    },
  }
}

function expectOnBase(built: ImageSource, base: ImageSource): void {
  for (const { source, manifest, config } of [built, base]) {
    if (manifest.layers.length === config.diffIds.length) continue
    throw new ToolError('IMAGE_INVALID', 'manifest and config do not have the same number of layers', {
      found: `${manifest.layers.length} layers, ${config.diffIds.length} diff IDs`,
      where: { source },
    })
  }
  const at = base.config.diffIds.findIndex((diffId, index) => built.config.diffIds[index] !== diffId)
  if (at < 0) return
  throw new ToolError('IMAGE_NOT_ON_BASE', 'the built image does not begin with the layers of its base', {
    found: built.config.diffIds[at] ?? 'no layer',
    wanted: base.config.diffIds[at] ?? '',
    where: { source: built.source, path: `rootfs/diff_ids/${at}` },
  })
}

function asOciLayer(layer: Descriptor): Descriptor | undefined {
  if (ociLayer.test(layer.mediaType)) return layer
  const mediaType = ociLayerTypes[layer.mediaType]
  return mediaType === undefined ? undefined : { ...layer, mediaType }
}

/** All other fields of the manifest stay, known here or not. */
function replaceLayers(manifestBytes: Uint8Array, lower: readonly Descriptor[]): Uint8Array {
  const manifest = JSON.parse(new TextDecoder().decode(manifestBytes)) as { layers: unknown[] }
  const named = lower.map(({ mediaType, digest, size, annotations }) => ({
    mediaType,
    digest,
    size,
    ...(Object.keys(annotations).length === 0 ? {} : { annotations }),
  }))
  const layers = [...named, ...manifest.layers.slice(lower.length)]
  return new TextEncoder().encode(JSON.stringify({ ...manifest, layers }))
}

/** What was read of `built`, with the digests of `image`: the same image after `onBaseLayers`. */
export function namedAs(image: ImageSource, built: ImageSource, contents: ImageContents): ImageContents {
  const names = new Map(
    built.manifest.layers.map(({ digest }, index) => [digest, image.manifest.layers[index]?.digest]),
  )
  const bootFiles = contents.bootFiles.map(file => ({
    role: file.role,
    path: file.path,
    known: file.known,
    layer: file.layer === null ? null : (names.get(file.layer) ?? file.layer),
    get bytes() {
      return file.bytes
    },
  }))
  return { ...contents, digest: image.digest, bootFiles }
}
