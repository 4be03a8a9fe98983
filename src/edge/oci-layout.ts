// OCI layouts, in directories and archives: image-spec 1.1 image-layout.md. Reads one image of it as the same kind of source as a registry.

import { ToolError } from '../errors.ts'
import { parseImageConfig } from '../formats/oci/config.ts'
import type { Descriptor } from '../formats/oci/descriptor.ts'
import { digestHex } from '../formats/oci/digest.ts'
import { documentCeiling, parseJsonObject, textField } from '../formats/oci/json.ts'
import { choosePlatform, type ImageIndex, type ImageManifest, parseManifest } from '../formats/oci/manifest.ts'
import type { ImageSource } from '../image/image-source.ts'
import { within } from './blob-range.ts'
import { archiveFiles, directoryFiles, type LayoutFiles } from './layout-files.ts'
import { checkImage } from './registry.ts'
import { collect, verified } from './verified-stream.ts'

const nameAnnotation = 'org.opencontainers.image.ref.name'

export interface LayoutChoice {
  readonly architecture: string
  /** The reference name in index.json; without it the layout must hold one image. */
  readonly name?: string
}

/**
 * Opens the one image of a layout that fits. Manifest and config are read and checked by digest. Throws IMAGE_NOT_FOUND when no image of that name is
 * there or several are, IMAGE_INVALID, IMAGE_PLATFORM_MISSING, DIGEST_MISMATCH, CEILING_REACHED.
 */
export function openLayout(directory: string, choice: LayoutChoice): Promise<ImageSource> {
  return openLayoutFiles(directoryFiles(directory), choice)
}

/** The same of a tar archive. Throws besides what `archiveFiles` does. */
export async function openArchive(path: string, choice: LayoutChoice): Promise<ImageSource> {
  return await openLayoutFiles(await archiveFiles(path), choice)
}

async function openLayoutFiles(files: LayoutFiles, choice: LayoutChoice): Promise<ImageSource> {
  const source = `${files.source}${choice.name === undefined ? '' : `:${choice.name}`}`
  const layout = parseJsonObject(await files.readWhole('oci-layout'), source, 'oci-layout')
  const version = textField(layout, 'imageLayoutVersion')
  if (!version.startsWith('1.'))
    throw new ToolError('IMAGE_INVALID', 'an OCI layout of an unknown version', {
      found: version,
      wanted: '1.0.0',
      where: { source, path: 'oci-layout' },
    })
  const index = parseManifest(await files.readWhole('index.json'), source, 'index.json')
  if (index.kind !== 'index')
    throw new ToolError('IMAGE_INVALID', 'index.json is not an index', { where: { source, path: 'index.json' } })
  const pathOf = (blob: Descriptor) => `blobs/sha256/${digestHex(blob.digest)}`
  const openLayer = (blob: Descriptor) => verified(files.read(pathOf(blob)), blob, source)
  const document = (blob: Descriptor) => collect(openLayer(blob), documentCeiling, source)
  const chosen = await chooseManifest(index, choice, source, document)
  const configBytes = await document(chosen.manifest.config)
  const config = parseImageConfig(configBytes, source)
  checkImage(source, choice.architecture, chosen.manifest.layers.length, config)
  return {
    source,
    digest: chosen.descriptor.digest,
    manifest: chosen.manifest,
    manifestBytes: chosen.bytes,
    config,
    configBytes,
    openLayer,
    openRange: (blob, offset, size) => within(files.read(pathOf(blob), offset), 0, size),
  }
}

interface ChosenManifest {
  readonly descriptor: Descriptor
  readonly bytes: Uint8Array
  readonly manifest: ImageManifest
}

async function chooseManifest(
  index: ImageIndex,
  choice: LayoutChoice,
  source: string,
  document: (blob: Descriptor) => Promise<Uint8Array>,
): Promise<ChosenManifest> {
  const rows = index.manifests.filter(
    row => choice.name === undefined || row.annotations[nameAnnotation] === choice.name,
  )
  const digests = new Set(rows.map(row => row.digest))
  const [row] = rows
  if (row === undefined || digests.size > 1)
    throw new ToolError('IMAGE_NOT_FOUND', 'the layout does not hold exactly one image of that name', {
      found: `${digests.size} images: ${index.manifests.map(one => one.annotations[nameAnnotation] ?? one.digest).join(', ')}`,
      wanted: choice.name ?? 'one image',
      where: { source, path: 'index.json' },
      hint: 'name the image behind the path: oci:<directory>:<name>',
    })
  const bytes = await document(row)
  const manifest = parseManifest(bytes, source)
  if (manifest.kind === 'manifest') return { descriptor: row, bytes, manifest }
  const descriptor = choosePlatform(manifest, choice.architecture, source)
  const inner = await document(descriptor)
  const innerManifest = parseManifest(inner, source)
  if (innerManifest.kind === 'index')
    throw new ToolError('IMAGE_INVALID', 'an index inside an index', { where: { source, path: descriptor.digest } })
  return { descriptor, bytes: inner, manifest: innerManifest }
}
