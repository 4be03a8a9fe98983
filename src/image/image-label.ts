// Puts a label on an image, or takes it off, by rewriting config and manifest (D13): the layers and all other fields stay byte for byte.

import { sha256Hex } from '../formats/bytes/digest.ts'
import { parseImageConfig } from '../formats/oci/config.ts'
import type { OciDigest } from '../formats/oci/digest.ts'
import { removeJsonValue, setJsonValue } from '../formats/oci/json-edit.ts'
import { type ImageManifest, parseManifest } from '../formats/oci/manifest.ts'
import type { ImageSource } from './image-source.ts'

/**
 * The same image with the label set, or without it when `value` is undefined; config and manifest get new digests, unless nothing
 * changes. Diff IDs, history, layers and fields that nobody here knows stay as they are. Throws IMAGE_INVALID where programs would not
 * agree on the fields to change, and CEILING_REACHED when config or manifest become larger than 4 MiB.
 */
export function withImageLabel(image: ImageSource, name: string, value: string | undefined): ImageSource {
  const { source } = image
  const path = ['config', 'Labels', name]
  const before = decode(image.configBytes)
  const after =
    value === undefined
      ? removeJsonValue(before, path, source)
      : setJsonValue(before, path, JSON.stringify(value), source)
  if (after === before) return image
  const configBytes = new TextEncoder().encode(after)
  const config = parseImageConfig(configBytes, source)
  const configDigest: OciDigest = `sha256:${sha256Hex(configBytes)}`
  const manifestBytes = withConfig(image, configBytes, configDigest)
  const manifest = parseManifest(manifestBytes, source) as ImageManifest
  return {
    source,
    digest: `sha256:${sha256Hex(manifestBytes)}`,
    manifest,
    manifestBytes,
    config,
    configBytes,
    openLayer: blob => (blob.digest === configDigest ? once(configBytes) : image.openLayer(blob)),
  }
}

function withConfig({ manifestBytes, source }: ImageSource, config: Uint8Array, digest: OciDigest): Uint8Array {
  const fields: readonly (readonly [string, string])[] = [
    ['digest', JSON.stringify(digest)],
    ['size', `${config.length}`],
  ]
  const text = fields.reduce(
    (changed, [name, value]) => setJsonValue(changed, ['config', name], value, source),
    decode(manifestBytes),
  )
  // a copy of the config within its descriptor would be the old one
  return new TextEncoder().encode(removeJsonValue(text, ['config', 'data'], source))
}

function decode(bytes: Uint8Array): string {
  return new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes)
}

async function* once(bytes: Uint8Array): AsyncGenerator<Uint8Array, void, undefined> {
  yield bytes
}
