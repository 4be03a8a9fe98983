// `boot-files`: which files an image boots, where they are, and the files themselves on request (interface §2).

import { extractFiles, type FileToWrite } from '../edge/extract-files.ts'
import { environment } from '../edge/surroundings.ts'
import { throwAll } from '../errors.ts'
import { sha256Hex } from '../formats/bytes/digest.ts'
import type { BootFile, BootFileRole } from '../image/boot-file.ts'
import { filesForChain } from '../image/chain-files.ts'
import { type ImageFacts, tocNote } from '../image/image-contents.ts'
import { oneLine } from '../predict/table.ts'
import type { Command } from './command.ts'
import { type ImageBootFiles, readBootFiles } from './image-boot-files.ts'
import { layerCacheOf, registryOf } from './open-image.ts'

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

export const bootFilesCommand: Command<'boot-files'> = async (request, credentials, { progress }) => {
  const { image, architecture, extract, trustToc } = request
  const registry = await registryOf(environment(), request, credentials)
  const cache = await layerCacheOf(environment(), request)
  const document = await listBootFiles(
    await readBootFiles(image, registry, architecture, { cache, proof: trustToc ? 'toc' : 'ostree', progress }),
    extract,
  )
  return { outputs: {}, document, text: bootFilesTable(document), exitCode: 0 }
}

/** Tells all boot files, and writes them when asked to. Throws what is missing for any boot chain, all refusals together. */
export async function listBootFiles(
  { facts, found }: ImageBootFiles,
  extract: string | undefined,
): Promise<BootFilesDocument> {
  const { problems } = filesForChain(found)
  throwAll(problems.filter(({ code }) => code === 'BOOT_LOADER_MISSING' || code === 'KERNEL_MISSING'))
  if (extract !== undefined) await extractFiles(extract, named(found.files))
  return { schemaVersion: 1, image: facts, bootFiles: found.files.map(describe) }
}

/** By role: `kernel`, and `kernel-2` for a second one. */
function named(files: readonly BootFile[]): FileToWrite[] {
  const times = new Map<string, number>()
  return files.map(file => {
    const { role } = file
    const time = (times.get(role) ?? 0) + 1
    times.set(role, time)
    return {
      name: time === 1 ? role : `${role}-${time}`,
      get bytes() {
        return file.bytes
      },
    }
  })
}

function describe(file: BootFile): BootFilesDocument['bootFiles'][number] {
  const { role, path, layer } = file
  if (file.known !== undefined) return { role, path, layer, ...file.known }
  const { bytes } = file
  return { role, path, layer, size: bytes.length, sha256: sha256Hex(bytes) }
}

/** For people. Names of an image cannot bring lines or control characters of their own. */
export function bootFilesTable({ image, bootFiles }: BootFilesDocument): string {
  return [
    `image   ${image.source}`,
    ...(image.digest === null ? [] : [`digest  ${image.digest}`]),
    `kernel  ${image.kernelRelease ?? 'none'}`,
    ...(image.proof === 'toc' ? [`note    ${tocNote}`] : []),
    ...bootFiles.flatMap(({ role, path, size, sha256 }) => [
      '',
      `${role}  ${path}`,
      `  ${size} bytes`,
      `  sha256 ${sha256}`,
    ]),
  ]
    .map(oneLine)
    .join('\n')
}
