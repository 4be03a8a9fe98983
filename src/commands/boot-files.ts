// `boot-files`: which files an image boots, where they are, and the files themselves on request (interface §2).

import { extractFiles } from '../edge/extract-files.ts'
import type { RegistryClient } from '../edge/registry.ts'
import { sha256Hex } from '../formats/bytes/digest.ts'
import type { BootFile, BootFileRole } from '../image/boot-file.ts'
import type { ImageContents } from '../image/image-contents.ts'
import { openImage } from './open-image.ts'
import { readImage } from './read-image.ts'

export interface BootFilesOptions {
  /** As people write it. */
  readonly image: string
  readonly registry: RegistryClient
  readonly architecture: string
  /** Writes each file there, named by its role. */
  readonly extract?: string
}

export interface ImageFacts {
  readonly source: string
  readonly digest: string
  readonly proof: 'all-layers'
  readonly os: { readonly id: string | null; readonly versionId: string | null }
  readonly kernelRelease: string | null
}

/** The document that `boot-files --json` prints. */
export interface BootFilesDocument {
  readonly schemaVersion: 1
  readonly image: ImageFacts
  readonly bootFiles: readonly {
    readonly role: BootFileRole
    readonly path: string
    readonly layer: string | null
    readonly size: number
    readonly sha256: string
  }[]
}

/** Reads the image and its boot files; nothing is parsed. Throws the faults of the image, all refusals together. */
export async function bootFilesCommand(options: BootFilesOptions): Promise<BootFilesDocument> {
  const image = await openImage(options.image, options.registry, options.architecture)
  const contents = await readImage(image)
  if (options.extract !== undefined)
    await extractFiles(
      options.extract,
      contents.bootFiles.map(file => ({ name: file.role, bytes: file.bytes })),
    )
  return { schemaVersion: 1, image: imageFacts(contents, options.image), bootFiles: contents.bootFiles.map(describe) }
}

/** `image` of interface §2's documents. */
export function imageFacts(contents: ImageContents, source = contents.source): ImageFacts {
  const { digest, proof, os, kernelRelease } = contents
  return { source, digest, proof, os, kernelRelease }
}

function describe(file: BootFile): BootFilesDocument['bootFiles'][number] {
  const { role, path, layer, bytes } = file
  return { role, path, layer, size: bytes.length, sha256: sha256Hex(bytes) }
}
