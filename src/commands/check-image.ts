// Checks a built image against its base before the push (D9): reads what the checks need, then asks them all.

import { listInitramfs } from '../edge/initramfs.ts'
import { ToolError, throwAll } from '../errors.ts'
import { sha256Hex } from '../formats/bytes/digest.ts'
import { parsePe } from '../formats/pe/pe.ts'
import { parseUki, type Uki } from '../formats/pe/uki.ts'
import { checkBuiltImage } from '../image/checks.ts'
import type { ExpectedPackage, InitramfsSeen } from '../image/finding.ts'
import type { ImageContents } from '../image/image-contents.ts'

export interface ImageToCheck {
  /** From `inspectImage`, so that kernels and boot loaders that are wrong are found together with all else. */
  readonly built: ImageContents
  readonly base: ImageContents
  readonly release: string
  readonly packages: readonly ExpectedPackage[]
  /** From `downloadKernel`: SHA-256, hex, of the kernel in the package that was downloaded. */
  readonly vmlinuzSha256: string
  /** Likewise: of its `.vmlinuz.hmac`; undefined where the package has none. */
  readonly hmacSha256: string | undefined
  readonly clusterVersion: string | undefined
}

/** Throws all findings together: one ToolError, or ToolErrors. */
export async function checkImage(image: ImageToCheck): Promise<void> {
  const unified = unifiedKernelOf(image.built)
  const unifiedKernel = unified === undefined ? undefined : insideOf(unified)
  const initramfs = await initramfsOf(image.built, unified)
  throwAll(checkBuiltImage({ ...image, initramfs, unifiedKernel }))
}

interface UnifiedKernel {
  readonly path: string
  readonly uki: Uki | ToolError
}

function insideOf({ path, uki }: UnifiedKernel): { path: string; linuxSha256: string } | ToolError {
  return uki instanceof ToolError ? uki : { path, linuxSha256: sha256Hex(uki.linux) }
}

function unifiedKernelOf({ bootFiles, source }: ImageContents): UnifiedKernel | undefined {
  const file = bootFiles.find(({ role }) => role === 'uki')
  if (file === undefined) return undefined
  return { path: file.path, uki: orFault(() => parseUki(parsePe(file.bytes, `${source}, ${file.path}`))) }
}

function orFault<T>(work: () => T): T | ToolError {
  try {
    return work()
  } catch (error) {
    if (error instanceof ToolError) return error
    throw error
  }
}

async function initramfsOf(
  built: ImageContents,
  unified: UnifiedKernel | undefined,
): Promise<InitramfsSeen | undefined> {
  if (unified?.uki instanceof ToolError) return undefined
  const section = unified?.uki.sections().find(({ name }) => name === '.initrd')
  const file = built.bootFiles.find(({ role }) => role === 'initramfs')
  const found = unified === undefined ? file : section && { path: unified.path, bytes: section.data }
  if (found === undefined) return undefined
  const { path, bytes } = found
  const names = bytes.length === 0 ? [] : await namesIn(bytes, `${built.source}, ${path}`)
  return { path, size: bytes.length, names }
}

async function namesIn(bytes: Uint8Array, source: string): Promise<readonly string[] | ToolError> {
  try {
    return await listInitramfs(bytes, source)
  } catch (error) {
    if (error instanceof ToolError) return error
    throw error
  }
}
