// `boot-files`: which files an image boots, where they are, and the files themselves on request (interface §2).

import { extractFiles } from '../edge/extract-files.ts'
import { environment } from '../edge/surroundings.ts'
import { sha256Hex } from '../formats/bytes/digest.ts'
import type { BootFile, BootFileRole } from '../image/boot-file.ts'
import { type ImageFacts, imageFacts } from '../image/image-contents.ts'
import type { ImageSource } from '../image/image-source.ts'
import type { Command } from './command.ts'
import { openImage, registryOf } from './open-image.ts'
import { readImage } from './read-image.ts'

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

export const bootFilesCommand: Command<'boot-files'> = async ({ image, architecture, allowInsecure, extract }) => {
  const registry = await registryOf(environment(), allowInsecure)
  const document = await listBootFiles(await openImage(image, registry, architecture), extract)
  return { outputs: {}, document, text: bootFilesTable(document), exitCode: 0 }
}

/** Reads the image and its boot files; nothing is parsed. Throws the faults of the image, all refusals together. */
export async function listBootFiles(image: ImageSource, extract: string | undefined): Promise<BootFilesDocument> {
  const contents = await readImage(image)
  if (extract !== undefined)
    await extractFiles(
      extract,
      contents.bootFiles.map(file => ({ name: file.role, bytes: file.bytes })),
    )
  return { schemaVersion: 1, image: imageFacts(contents), bootFiles: contents.bootFiles.map(describe) }
}

function describe({ role, path, layer, bytes }: BootFile): BootFilesDocument['bootFiles'][number] {
  return { role, path, layer, size: bytes.length, sha256: sha256Hex(bytes) }
}

function bootFilesTable({ image, bootFiles }: BootFilesDocument): string {
  return [
    `image   ${image.source}`,
    `digest  ${image.digest}`,
    `kernel  ${image.kernelRelease ?? 'none'}`,
    ...bootFiles.flatMap(({ role, path, size, sha256 }) => [
      '',
      `${role}  ${path}`,
      `  ${size} bytes`,
      `  sha256 ${sha256}`,
    ]),
  ].join('\n')
}
