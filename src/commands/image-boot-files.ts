// All boot files of an image, wherever it is: a registry, an OCI layout, or a root file system on disk.

import type { RegistryClient } from '../edge/registry.ts'
import { openRootFileSystem } from '../edge/root-file-system.ts'
import { type FoundBootFiles, findBootFiles } from '../image/boot-files.ts'
import { filesForChain } from '../image/chain-files.ts'
import type { ImageFacts } from '../image/image-contents.ts'
import type { ImageSource } from '../image/image-source.ts'
import type { ImageLocation } from '../settings/values.ts'
import { openImage } from './open-image.ts'
import { inspectImage } from './read-image.ts'

export interface ImageBootFiles {
  readonly facts: ImageFacts
  readonly found: FoundBootFiles
}

/** Throws as the source is opened and read; what is missing or there twice is for `filesForChain` to say. */
export async function readBootFiles(
  location: ImageLocation,
  registry: RegistryClient,
  architecture: string,
): Promise<ImageBootFiles> {
  if (location.kind !== 'root-file-system') return await bootFilesOf(await openImage(location, registry, architecture))
  const source = `dir:${location.directory}`
  const found = findBootFiles(openRootFileSystem(location.directory), source, architecture)
  const { kernelRelease } = filesForChain(found)
  return { facts: { source, digest: null, proof: 'local', os: found.os, kernelRelease }, found }
}

/** The same of an image that is open already. */
export async function bootFilesOf(image: ImageSource): Promise<ImageBootFiles> {
  const { source, digest, proof, os, found } = await inspectImage(image)
  return { facts: { source, digest, proof, os, kernelRelease: filesForChain(found).kernelRelease }, found }
}
