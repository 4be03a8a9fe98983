// Checks a built image against its base before the push (D9): reads what the checks need, then asks them all.

import { listInitramfs } from '../edge/initramfs.ts'
import { ToolError, throwAll } from '../errors.ts'
import { checkBuiltImage } from '../image/checks.ts'
import type { ExpectedPackage } from '../image/finding.ts'
import type { ImageContents } from '../image/image-contents.ts'

export interface ImageToCheck {
  /** From `inspectImage`, so that kernels and boot loaders that are wrong are found together with all else. */
  readonly built: ImageContents
  readonly base: ImageContents
  readonly release: string
  readonly packages: readonly ExpectedPackage[]
  /** From `downloadKernel`: SHA-256, hex, of the kernel in the package that was downloaded. */
  readonly vmlinuzSha256: string
}

/** Throws all findings together: one ToolError, or ToolErrors. */
export async function checkImage(image: ImageToCheck): Promise<void> {
  throwAll(checkBuiltImage({ ...image, initramfs: await initramfsNames(image.built) }))
}

async function initramfsNames(built: ImageContents): Promise<readonly string[] | ToolError | undefined> {
  const initramfs = built.bootFiles.find(file => file.role === 'initramfs')
  const bytes = initramfs?.bytes
  if (initramfs === undefined || bytes === undefined || bytes.length === 0) return undefined
  try {
    return await listInitramfs(bytes, `${built.source}, ${initramfs.path}`)
  } catch (error) {
    if (error instanceof ToolError) return error
    throw error
  }
}
