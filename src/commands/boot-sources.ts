// Where boot files and platform profiles are read from: images, single files, directories.

import { fileCeilings, readLocalFile } from '../edge/files.ts'
import type { Progress } from '../edge/progress.ts'
import { environment } from '../edge/surroundings.ts'
import { ToolError } from '../errors.ts'
import type { BootFile } from '../image/boot-file.ts'
import type { Platform } from '../predict/platform/platform.ts'
import type { PredictedImage } from '../predict/prediction.ts'
import type { Credentials } from '../settings/credentials.ts'
import type { BootFileSource, CacheSettings, PredictionRequest, RegistrySettings } from '../settings/settings.ts'
import type { PlatformSource } from '../settings/values.ts'
import { readChain } from './image-boot-files.ts'
import { layerCacheOf, registryOf } from './open-image.ts'
import { readPlatform } from './read-platform.ts'

/** The boot files of one image, or those of the command line. */
export interface BootFileSet {
  /** null for files of the command line. */
  readonly image: PredictedImage | null
  readonly imageLabels: Readonly<Record<string, string>>
  readonly files: readonly BootFile[]
}

/** In the order given. Throws as the images and files are read. */
export async function readBootFileSets(
  source: BootFileSource,
  request: RegistrySettings &
    CacheSettings &
    Pick<PredictionRequest, 'architecture' | 'bootChain'> & { readonly trustToc?: boolean },
  secrets: Pick<Credentials, 'pullSecret'> | undefined,
  progress: Progress,
): Promise<readonly BootFileSet[]> {
  if (source.kind === 'boot-files') {
    const files: BootFile[] = []
    for (const { role, path } of source.files)
      files.push({ role, path, layer: null, bytes: await readLocalFile(path, fileCeilings.bootFile) })
    return [{ image: null, imageLabels: {}, files }]
  }
  const registry = await registryOf(environment(), request, secrets)
  const cache = await layerCacheOf(environment(), request)
  const sets: BootFileSet[] = []
  for (const location of source.images) {
    const options = { cache, proof: request.trustToc ? 'toc' : 'ostree', progress } as const
    sets.push(await readChain(location, registry, request.architecture, request.bootChain, options))
  }
  return sets
}

/** Throws as `readPlatform`, and PLATFORM_INVALID for two of one name. */
export async function readPlatforms(sources: readonly PlatformSource[]): Promise<readonly Platform[]> {
  const platforms: Platform[] = []
  for (const { name, directories } of sources) {
    const platform = await readPlatform(directories, name)
    if (platforms.some(other => other.name === platform.name))
      throw new ToolError('PLATFORM_INVALID', 'two platforms have the same name', {
        found: platform.name,
        wanted: 'a name for each',
        where: { source: directories.join('+') },
        hint: 'give it another one: name=DIRECTORY',
      })
    platforms.push(platform)
  }
  return platforms
}
