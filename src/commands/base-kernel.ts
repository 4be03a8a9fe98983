// The two questions that `check` and `update` share: what is in the base image, and which kernel could be put on it.

import type { Progress } from '../edge/progress.ts'
import type { RegistryClient } from '../edge/registry.ts'
import { environment } from '../edge/surroundings.ts'
import { inStep, ToolError } from '../errors.ts'
import { formatImageReference, formatPinnedReference, type PinnedReference } from '../formats/oci/reference.ts'
import type { ImageContents } from '../image/image-contents.ts'
import type { ImageSource } from '../image/image-source.ts'
import { type BaseKernel, baseKernelOf } from '../kernel/base-kernel.ts'
import { findKernel, type KernelChoice, type NoKernel, namesToFetch } from '../kernel/choose-kernel.ts'
import { parseKernelRequest } from '../kernel/kernel-request.ts'
import type { CheckSettings } from '../settings/settings.ts'
import { readKernelRepositories } from './kernel-repositories.ts'
import { layerCacheOf } from './open-image.ts'
import { readImage } from './read-image.ts'

export interface Base {
  /** The manifest for the architecture, by digest. */
  readonly pinned: PinnedReference
  /** The tag that was followed; null for a base that is given by digest. */
  readonly tag: string | null
  /** Where its layers are read from. */
  readonly image: ImageSource
  readonly contents: ImageContents
  readonly kernel: BaseKernel
}

/** RPM's name of an OCI architecture. */
const rpmArchitecture = { amd64: 'x86_64' } as const

/** Resolves and reads the base image. Throws as the registry client, `readImage` and `baseKernelOf`, and RPMDB_UNREADABLE. */
export async function readBase(settings: CheckSettings, registry: RegistryClient, progress: Progress): Promise<Base> {
  const { baseImage, architecture } = settings
  const source = formatImageReference(baseImage)
  return await inStep(
    'base image',
    async () => {
      const image = await registry.openImage(baseImage, architecture)
      const contents = await readImage(image, {
        cache: await layerCacheOf(environment(), settings),
        progress,
        packageHeaders: true,
      })
      if (contents.packages === null)
        throw new ToolError('RPMDB_UNREADABLE', 'the base image has no RPM database', { where: { source } })
      const pinned = { registry: baseImage.registry, repository: baseImage.repository, digest: image.digest }
      return {
        pinned,
        tag: baseImage.digest === undefined ? (baseImage.tag ?? 'latest') : null,
        image,
        contents,
        kernel: baseKernelOf(contents.packages, rpmArchitecture[architecture], formatPinnedReference(pinned)),
      }
    },
    source,
  )
}

/** The kernel for this base. Throws as `findKernelFor`, and why there is none: KERNEL_NOT_FOUND, KERNEL_INCOMPLETE, DOWNGRADE_REFUSED. */
export async function chooseKernelFor(base: BaseKernel, settings: CheckSettings): Promise<KernelChoice> {
  return await inStep('kernel', async () => {
    const choice = await findKernelFor(base, settings)
    if ('problem' in choice) throw choice.problem
    return choice
  })
}

/** The kernel for this base, or why there is none. Throws as `readKernelRepositories` and EXTRA_PACKAGE_NOT_FOUND. */
export async function findKernelFor(base: BaseKernel, settings: CheckSettings): Promise<KernelChoice | NoKernel> {
  const { kernelRepositories, extraPackages, allowInsecure, dist, allowDowngrade } = settings
  return await inStep('kernel', async () => {
    const names = namesToFetch(base, extraPackages)
    const repositories = await readKernelRepositories(kernelRepositories, names, { allowInsecure })
    const request = parseKernelRequest(settings.kernelVersion)
    return findKernel({ base, repositories, request, dist, extraPackages, allowDowngrade })
  })
}
