// Content descriptors: OCI image-spec 1.1 descriptor.md; platform objects of image-index.md.

import type { OciDigest } from './digest.ts'
import { digestField, invalid, type JsonObject, optionalObject, optionalText, textField, textsField } from './json.ts'

/** Which machine a manifest is for. Firmware and variables are another thing: Platform. */
export interface OciPlatform {
  readonly architecture: string
  readonly os: string
  readonly variant?: string
}

/** Names bytes by type, digest and size in bytes. */
export interface Descriptor {
  readonly mediaType: string
  readonly digest: OciDigest
  readonly size: number
  readonly platform?: OciPlatform
  readonly annotations: Readonly<Record<string, string>>
}

export function readDescriptor(at: JsonObject): Descriptor {
  const size = at.fields.size
  if (typeof size !== 'number' || !Number.isSafeInteger(size) || size < 0)
    throw invalid(at, 'size', size, 'a number of bytes')
  const platform = optionalObject(at, 'platform')
  return {
    mediaType: textField(at, 'mediaType'),
    digest: digestField(at, 'digest'),
    size,
    ...(platform === undefined ? {} : { platform: readPlatform(platform) }),
    annotations: textsField(at, 'annotations'),
  }
}

function readPlatform(at: JsonObject): OciPlatform {
  const variant = optionalText(at, 'variant')
  return {
    architecture: textField(at, 'architecture'),
    os: textField(at, 'os'),
    ...(variant === undefined ? {} : { variant }),
  }
}
