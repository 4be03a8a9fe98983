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
  /** Of `.vmlinuz.hmac` in its package; undefined where that has none. */
  readonly hmacSha256: string | undefined
  /** The initramfs that is booted; undefined where the image has none. */
  readonly initramfs: InitramfsSeen | undefined
  /** What is inside of the unified kernel image that is booted; undefined for other boot chains. */
  readonly unifiedKernel: { readonly path: string; readonly linuxSha256: string } | ToolError | undefined
  /** Release of the cluster that nodes with this image join; undefined: not known. */
  readonly clusterVersion: string | undefined
}

export interface InitramfsSeen {
  /** Of the file, or of the unified kernel image that holds it. */
  readonly path: string
  readonly size: number
  /** Names in it, or why they cannot be had. */
  readonly names: readonly string[] | ToolError
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
