// The two questions that `check` and `update` share: what is in the base image, and which kernel could be put on it.

import type { Progress } from '../edge/progress.ts'
import type { RegistryClient } from '../edge/registry.ts'
import type { FetchedRepository } from '../edge/repository-metadata.ts'
import type { PackageOptions } from '../edge/rpm-repository.ts'
import { environment } from '../edge/surroundings.ts'
import { inStep, ToolError } from '../errors.ts'
import type { OciDigest } from '../formats/oci/digest.ts'
import {
  formatImageReference,
  formatPinnedReference,
  type PinnedReference,
  parsePinnedReference,
} from '../formats/oci/reference.ts'
import type { ImageContents } from '../image/image-contents.ts'
import type { ImageSource } from '../image/image-source.ts'
import { type BaseKernel, baseKernelOf } from '../kernel/base-kernel.ts'
import { findKernel, type KernelChoice, type NoKernel, namesToFetch } from '../kernel/choose-kernel.ts'
import { parseKernelRequest } from '../kernel/kernel-request.ts'
import { checkBaseRepository, refuseLayeredBase } from '../layering/base-rules.ts'
import type { BaseFrom, CheckSettings } from '../settings/settings.ts'
import { type BaseSources, findBase } from './find-base.ts'
import { readKernelRepositories } from './kernel-repositories.ts'
import { layerCacheOf } from './open-image.ts'
import { readImage } from './read-image.ts'
import { warnOfAges } from './repository-access.ts'

export interface Base {
  /** The manifest for the architecture, by digest. */
  readonly pinned: PinnedReference
  /** The tag that was followed; null for a base that is named by digest. */
  readonly tag: string | null
  /** The base as people know it: no digest, and its tag where it has one. */
  readonly name: string
  readonly from: BaseFrom
  /** false: the settings name exactly this image, so it never changes by itself (no base trigger). */
  readonly followed: boolean
  /** Release of the cluster, such as 4.20.3; undefined where nothing says. */
  readonly clusterVersion: string | undefined
  /** Where its layers are read from. */
  readonly image: ImageSource
  readonly contents: ImageContents
  readonly kernel: BaseKernel
}

/** RPM's name of an OCI architecture. */
const rpmArchitecture = { amd64: 'x86_64' } as const

/**
 * Finds and reads the base image. Throws as `findBase`, the registry client, `readImage` and `baseKernelOf`, and BASE_REPOSITORY_NOT_ALLOWED,
 * BASE_IS_LAYERED, RPMDB_UNREADABLE.
 */
export async function readBase(
  settings: CheckSettings,
  registry: RegistryClient,
  progress: Progress,
  sources: BaseSources,
): Promise<Base> {
  const { architecture, baseRepositories } = settings
  const found = await inStep('base image', () => findBase(settings, registry, sources))
  const { reference } = found
  const source = formatImageReference(reference)
  return await inStep(
    'base image',
    async () => {
      if (baseRepositories !== undefined) checkBaseRepository(reference, baseRepositories)
      const image = await registry.openImage(reference, architecture)
      refuseLayeredBase(
        { source, digest: image.digest, imageLabels: image.config.imageLabels },
        layeredDigests(sources),
      )
      const contents = await readImage(image, {
        cache: await layerCacheOf(environment(), settings),
        proof: 'ostree',
        bootChain: settings.bootChain,
        progress,
        packageHeaders: true,
      })
      if (contents.packages === null)
        throw new ToolError('RPMDB_UNREADABLE', 'the base image has no RPM database', { where: { source } })
      const pinned = { registry: reference.registry, repository: reference.repository, digest: image.digest }
      return {
        pinned,
        tag: reference.digest === undefined ? (reference.tag ?? 'latest') : null,
        name: formatImageReference({ ...reference, digest: undefined }),
        from: found.from,
        followed: found.followed,
        clusterVersion: found.clusterVersion,
        image,
        contents,
        kernel: baseKernelOf(contents.packages, rpmArchitecture[architecture], formatPinnedReference(pinned)),
      }
    },
    source,
  )
}

function layeredDigests({ gitops }: BaseSources): ReadonlySet<OciDigest> {
  const layered = gitops?.records.filter(({ record }) => record.kind === 'layered') ?? []
  return new Set(layered.map(({ record }) => parsePinnedReference(record.image).digest))
}

/** The kernel for this base. Throws as `findKernelFor`, and why there is none: KERNEL_NOT_FOUND, KERNEL_INCOMPLETE, DOWNGRADE_REFUSED. */
export async function chooseKernelFor(
  base: Pick<Base, 'kernel' | 'contents'>,
  settings: CheckSettings,
  access: PackageOptions,
): Promise<KernelChoice> {
  return await inStep('kernel', async () => {
    const { answer } = await findKernelFor(base, settings, access)
    if ('problem' in answer) throw answer.problem
    return answer
  })
}

export interface KernelAnswer {
  readonly answer: KernelChoice | NoKernel
  readonly repositories: readonly FetchedRepository[]
}

/** The kernel for this base, or why there is none. Throws as `readKernelRepositories`, and EXTRA_PACKAGE_NOT_FOUND and DOWNGRADE_REFUSED for extra packages. */
export async function findKernelFor(
  base: Pick<Base, 'kernel' | 'contents'>,
  settings: CheckSettings,
  access: PackageOptions,
): Promise<KernelAnswer> {
  const { kernelRepositories, extraPackages, dist, allowDowngrade } = settings
  return await inStep('kernel', async () => {
    const names = namesToFetch(base.kernel, extraPackages)
    const repositories = await readKernelRepositories(kernelRepositories, names, access)
    warnOfAges(repositories, settings.repositoryMaxAge, access.log)
    const request = parseKernelRequest(settings.kernelVersion)
    const installed = base.contents.packages ?? []
    const question = { base: base.kernel, installed, repositories, request, dist, extraPackages, allowDowngrade }
    const answer = findKernel(question)
    return { answer, repositories }
  })
}
