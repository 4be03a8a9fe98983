// The image configuration: OCI image-spec 1.1 config.md; Docker's is the same for the fields used here.

import { isOciDigest, type OciDigest } from './digest.ts'
import {
  arrayField,
  invalid,
  objectField,
  optionalObject,
  optionalText,
  parseJsonObject,
  textField,
  textsField,
} from './json.ts'

export interface ImageConfig {
  readonly architecture: string
  readonly os: string
  /** Digests of the uncompressed layers, lowest first. */
  readonly diffIds: readonly OciDigest[]
  readonly imageLabels: Readonly<Record<string, string>>
  /** When it was made, in seconds since 1970; undefined where it does not say. */
  readonly created: number | undefined
}

/** Throws IMAGE_INVALID, and CEILING_REACHED above 4 MiB. */
export function parseImageConfig(bytes: Uint8Array, source: string): ImageConfig {
  const at = parseJsonObject(bytes, source, 'config')
  const rootfs = objectField(at, 'rootfs')
  const diffIds = arrayField(rootfs, 'diff_ids').map((text, index) => {
    if (typeof text !== 'string' || !isOciDigest(text))
      throw invalid(rootfs, `diff_ids/${index}`, text, 'sha256: and 64 lower-case hex digits')
    return text
  })
  const runtime = optionalObject(at, 'config')
  return {
    architecture: textField(at, 'architecture'),
    os: textField(at, 'os'),
    diffIds,
    imageLabels: runtime === undefined ? {} : textsField(runtime, 'Labels'),
    created: secondsOf(optionalText(at, 'created')),
  }
}

function secondsOf(time: string | undefined): number | undefined {
  const milliseconds = time === undefined ? Number.NaN : Date.parse(time)
  return Number.isNaN(milliseconds) || milliseconds < 0 ? undefined : Math.floor(milliseconds / 1000)
}
