// What the checks of a built image are asked about, and how their findings look.

import { ToolError } from '../errors.ts'
import type { Evr } from '../formats/rpm/version.ts'
import type { ImageContents } from './image-contents.ts'

/** One package that the build had to install. */
export interface ExpectedPackage {
  readonly name: string
  readonly evr: Evr
  readonly arch: string
}

export interface BuiltImage {
  readonly built: ImageContents
  readonly base: ImageContents
  /** `uname -r` of the kernel that was asked for. */
  readonly release: string
  /** The kernel's packages and the extra ones. */
  readonly packages: readonly ExpectedPackage[]
  /** SHA-256, hex, of the kernel in its package. */
  readonly vmlinuzSha256: string
  /** Names in the initramfs of the built image, or why they cannot be had; undefined where it has none. */
  readonly initramfs: readonly string[] | ToolError | undefined
}

type Code = ConstructorParameters<typeof ToolError>[0]

/** A fault of the built image, with the image as its source. */
export function finding(
  image: BuiltImage,
  code: Code,
  message: string,
  details: { found?: string; wanted?: string; path?: string },
): ToolError {
  const { path, ...rest } = details
  return new ToolError(code, message, {
    ...rest,
    where: { source: image.built.source, ...(path === undefined ? {} : { path }) },
  })
}

/** At most ten of a list, and how many more. */
export function some(texts: readonly string[]): string {
  return texts.slice(0, 10).join(', ') + (texts.length > 10 ? ` and ${texts.length - 10} more` : '')
}
