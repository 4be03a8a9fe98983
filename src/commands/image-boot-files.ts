// All boot files of an image, wherever it is: a registry, an OCI layout, or a root file system on disk.

import type { RegistryClient } from '../edge/registry.ts'
import { openRootFileSystem } from '../edge/root-file-system.ts'
import { throwAll } from '../errors.ts'
import type { BootFile } from '../image/boot-file.ts'
import { type FoundBootFiles, findBootFiles } from '../image/boot-files.ts'
import { type BootChainWord, filesForChain } from '../image/chain-files.ts'
import type { ImageFacts } from '../image/image-contents.ts'
import type { ImageSource } from '../image/image-source.ts'
import type { ImageLocation } from '../settings/values.ts'
import { openImage } from './open-image.ts'
import { inspectImage, type ReadImageOptions } from './read-image.ts'

export interface ImageBootFiles {
  readonly facts: ImageFacts
  /** Empty for a root file system, which has no image config. */
  readonly imageLabels: Readonly<Record<string, string>>
  readonly found: FoundBootFiles
}

/** Throws as the source is opened and read; what is missing or there twice is for `filesForChain` to say. */
export async function readBootFiles(
  location: ImageLocation,
  registry: RegistryClient,
  architecture: string,
  options: ReadImageOptions = {},
): Promise<ImageBootFiles> {
  if (location.kind !== 'root-file-system')
    return await bootFilesOf(await openImage(location, registry, architecture), options)
  const source = `dir:${location.directory}`
  const found = findBootFiles(openRootFileSystem(location.directory), source, architecture)
  const { kernelRelease } = filesForChain(found)
  return { facts: { source, digest: null, proof: 'local', os: found.os, kernelRelease }, imageLabels: {}, found }
}

/** The same of an image that is open already. */
export async function bootFilesOf(image: ImageSource, options: ReadImageOptions = {}): Promise<ImageBootFiles> {
  const { source, digest, proof, os, found, imageLabels } = await inspectImage(image, { ...options, packages: false })
  const { kernelRelease } = filesForChain(found)
  return { facts: { source, digest, proof, os, kernelRelease }, imageLabels, found }
}

/** The files of one boot chain: the one that is named, or the only one that the image can boot. */
export interface ImageChain {
  readonly image: ImageFacts
  readonly imageLabels: Readonly<Record<string, string>>
  readonly files: readonly BootFile[]
}

/** Throws as `readBootFiles`, and all that keeps the chain from being predicted, together. */
export async function readChain(
  location: ImageLocation,
  registry: RegistryClient,
  architecture: string,
  bootChain: BootChainWord | undefined,
  options: ReadImageOptions = {},
): Promise<ImageChain> {
  const { facts, imageLabels, found } = await readBootFiles(location, registry, architecture, options)
  const { files, problems } = filesForChain(found, bootChain)
  throwAll(problems)
  return { image: facts, imageLabels, files }
}
