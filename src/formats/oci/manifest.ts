// Image manifests and indexes: OCI image-spec 1.1 manifest.md and image-index.md; Docker image manifest version 2, schema 2, and manifest list.

import { ToolError } from '../../errors.ts'
import { type Descriptor, readDescriptor } from './descriptor.ts'
import { invalid, type JsonObject, objectField, objectsField, optionalText, parseJsonObject } from './json.ts'
import { dockerManifest, dockerManifestList, ociIndex, ociManifest } from './media-types.ts'

export interface ImageManifest {
  readonly kind: 'manifest'
  readonly mediaType: string
  readonly config: Descriptor
  /** Lowest first. */
  readonly layers: readonly Descriptor[]
}

export interface ImageIndex {
  readonly kind: 'index'
  readonly mediaType: string
  readonly manifests: readonly Descriptor[]
}

/** The runtime's own limit is near 128; chunkah makes at most 400. */
const layerCeiling = 2048

/**
 * Reads a manifest or an index. A missing mediaType is read from the document's form, as OCI allows.
 * Throws IMAGE_INVALID, also for a document that can be read as both, and CEILING_REACHED above 4 MiB.
 * `what` names the document in faults.
 */
export function parseManifest(bytes: Uint8Array, source: string, what = 'manifest'): ImageManifest | ImageIndex {
  const at = parseJsonObject(bytes, source, what)
  if (at.fields.schemaVersion !== 2) throw invalid(at, 'schemaVersion', at.fields.schemaVersion, '2')
  const hasLayers = at.fields.layers !== undefined || at.fields.config !== undefined
  const hasManifests = at.fields.manifests !== undefined
  if (hasLayers === hasManifests)
    throw new ToolError('IMAGE_INVALID', 'not a manifest and not an index', {
      found: hasLayers ? 'layers and manifests' : 'neither layers nor manifests',
      wanted: 'config and layers, or manifests',
      where: { source },
    })
  const mediaType = optionalText(at, 'mediaType')
  return hasManifests ? readIndex(at, mediaType) : readManifest(at, mediaType)
}

function readManifest(at: JsonObject, mediaType: string | undefined): ImageManifest {
  if (mediaType !== undefined && mediaType !== ociManifest && mediaType !== dockerManifest)
    throw invalid(at, 'mediaType', mediaType, `${ociManifest} or ${dockerManifest}`)
  const layers = objectsField(at, 'layers')
  limit(at, 'layers', layers.length)
  return {
    kind: 'manifest',
    mediaType: mediaType ?? ociManifest,
    config: readDescriptor(objectField(at, 'config')),
    layers: layers.map(readDescriptor),
  }
}

function readIndex(at: JsonObject, mediaType: string | undefined): ImageIndex {
  if (mediaType !== undefined && mediaType !== ociIndex && mediaType !== dockerManifestList)
    throw invalid(at, 'mediaType', mediaType, `${ociIndex} or ${dockerManifestList}`)
  const manifests = objectsField(at, 'manifests')
  limit(at, 'manifests', manifests.length)
  return { kind: 'index', mediaType: mediaType ?? ociIndex, manifests: manifests.map(readDescriptor) }
}

function limit(at: JsonObject, name: string, count: number): void {
  if (count > layerCeiling)
    throw new ToolError('CEILING_REACHED', `too many ${name}`, {
      found: `${count}`,
      wanted: `at most ${layerCeiling}`,
      where: { source: at.source, path: `${at.path}/${name}` },
    })
}

/**
 * The one manifest of an index for linux and an architecture. Rows with platform `unknown` are attestations, not images.
 * Throws IMAGE_PLATFORM_MISSING when there is none, IMAGE_INVALID when there are several different ones.
 */
export function choosePlatform(index: ImageIndex, architecture: string, source: string): Descriptor {
  const fitting = index.manifests.filter(
    row => row.platform?.os === 'linux' && row.platform.architecture === architecture,
  )
  const [first] = fitting
  if (first === undefined)
    throw new ToolError('IMAGE_PLATFORM_MISSING', 'the image has no manifest for this architecture', {
      found: platformNames(index) || 'no platforms',
      wanted: `linux/${architecture}`,
      where: { source },
    })
  if (new Set(fitting.map(row => row.digest)).size > 1)
    throw new ToolError('IMAGE_INVALID', 'the index has several manifests for one architecture', {
      found: fitting.map(row => row.digest).join(', '),
      wanted: `one for linux/${architecture}`,
      where: { source },
    })
  return first
}

function platformNames(index: ImageIndex): string {
  return index.manifests
    .map(row => row.platform)
    .filter(platform => platform !== undefined && platform.architecture !== 'unknown')
    .map(platform => `${platform?.os}/${platform?.architecture}`)
    .slice(0, 20)
    .join(', ')
}
