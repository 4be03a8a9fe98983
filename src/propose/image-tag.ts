// The tag that a built image gets: interface §1, image-tag; tag grammar of the OCI distribution specification.

import { ToolError } from '../errors.ts'
import { digestHex, type OciDigest } from '../formats/oci/digest.ts'

export interface ImageTagParts {
  /** What `uname -r` will print. */
  readonly kernelRelease: string
  readonly base: OciDigest
  /** 64 hex digits. */
  readonly changeKey: string
}

const placeholder = /\{([^{}]*)\}/g

/**
 * Expands `{kernel}`, `{base-short}` and `{change}` (the last two: first 12 hex digits); characters that no tag may have become `_`.
 * Throws SETTING_INVALID for another placeholder, an empty tag, or one above 128 characters.
 */
export function expandImageTag(template: string, parts: ImageTagParts): string {
  const values = new Map([
    ['kernel', parts.kernelRelease],
    ['base-short', digestHex(parts.base).slice(0, 12)],
    ['change', parts.changeKey.slice(0, 12)],
  ])
  const tag = template
    .replace(
      placeholder,
      (whole, name: string) => values.get(name) ?? refuse(whole, '{kernel}, {base-short} or {change}'),
    )
    .replace(/[^A-Za-z0-9_.-]/g, '_')
    .replace(/^[.-]/, '_')
  return tag === '' || tag.length > 128 ? refuse(tag, 'a tag of 1 to 128 characters') : tag
}

function refuse(found: string, wanted: string): never {
  throw new ToolError('SETTING_INVALID', 'image-tag does not make a tag', {
    found,
    wanted,
    where: { path: 'image-tag' },
  })
}
