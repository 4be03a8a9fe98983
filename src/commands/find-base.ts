// Which image is the base, by base-from: the reference itself, the release's node image, the cluster's, or that of the image in use.

import type { RegistryClient } from '../edge/registry.ts'
import { environment } from '../edge/surroundings.ts'
import { inStep, ToolError } from '../errors.ts'
import { formatImageReference, type ImageReference } from '../formats/oci/reference.ts'
import type { ImageSource } from '../image/image-source.ts'
import {
  chooseNodeImage,
  imageReferencesPath,
  nodeImageTags,
  type ReleasePayload,
  readReleasePayload,
  readReleaseVersion,
  releaseMetadataPath,
} from '../layering/base-release.ts'
import { checkBaseRepository } from '../layering/base-rules.ts'
import { baseReferenceOf } from '../propose/record.ts'
import type { Credentials } from '../settings/credentials.ts'
import type { BaseFrom, CheckSettings } from '../settings/settings.ts'
import { baseOfCluster } from './cluster-base.ts'
import { type GitOpsTree, recordInUse } from './gitops.ts'
import { readImageFiles } from './image-files.ts'

/** What is known beside the settings: `cluster` and `lock` need it. */
export interface BaseSources {
  readonly credentials: Credentials
  readonly gitops: Pick<GitOpsTree, 'records' | 'lock'> | undefined
  /** ClusterVersion spec.clusterID that the settings want. */
  readonly clusterId?: string | undefined
}

export interface FoundBase {
  readonly reference: ImageReference
  readonly from: BaseFrom
  /** Whether the same settings may name another base tomorrow. */
  readonly followed: boolean
  readonly clusterVersion: string | undefined
}

/**
 * Throws BASE_NOT_FOUND, BASE_AMBIGUOUS, BASE_NOT_SUPPORTED, RELEASE_INVALID, TOKEN_MISSING (lock without GitOps repository), and the faults of registry
 * and cluster.
 */
export async function findBase(
  settings: CheckSettings,
  registry: RegistryClient,
  sources: BaseSources,
): Promise<FoundBase> {
  const { baseFrom, clusterVersion } = settings
  const found = await finders[baseFrom](settings, registry, sources)
  return { ...found, from: baseFrom, clusterVersion: clusterVersion ?? found.clusterVersion }
}

type Finder = (
  settings: CheckSettings,
  registry: RegistryClient,
  sources: BaseSources,
) => Promise<Omit<FoundBase, 'from'>>

const finders: Readonly<Record<BaseFrom, Finder>> = {
  reference: async settings => {
    const reference = given(settings.baseImage, 'base-image')
    return { reference, followed: reference.digest === undefined, clusterVersion: undefined }
  },
  release: async (settings, registry) => {
    const release = given(settings.releaseImage, 'release-image')
    const source = formatImageReference(release)
    return await inStep('release image', () => baseOfRelease(release, settings, registry), source)
  },
  cluster: async (settings, _, sources) =>
    await inStep('cluster', async () => ({
      ...(await baseOfCluster(settings, sources, environment())),
      followed: true,
    })),
  lock: async (settings, _, { gitops }) => {
    if (gitops === undefined)
      throw new ToolError(
        'TOKEN_MISSING',
        'base-from: lock needs the GitOps repository, which cannot be read without a token',
      )
    const record = recordInUse(gitops, settings.pools)
    const base = record === undefined ? undefined : baseReferenceOf(record)
    if (base === undefined)
      throw new ToolError('BASE_NOT_FOUND', 'no record says which base the image in use was built on', {
        found:
          record === undefined ? 'no record that the lock names for all of pools' : `a record of kind ${record.kind}`,
        wanted: 'a record of kind layered or base',
        hint: 'name the base with base-from: reference, release or cluster for the first update',
      })
    return {
      reference: { ...base, tag: undefined },
      followed: false,
      clusterVersion: undefined,
    }
  },
}

/** The parser of settings has seen to it. */
function given(reference: ImageReference | undefined, name: string): ImageReference {
  if (reference !== undefined) return reference
  throw new ToolError('SETTING_MISSING', `${name} is required`)
}

async function baseOfRelease(
  release: ImageReference,
  settings: CheckSettings,
  registry: RegistryClient,
): Promise<Omit<FoundBase, 'from'>> {
  const { architecture, baseStream, baseRepositories } = settings
  const image = await registry.openImage(release, architecture)
  const references = (await readImageFiles(image, [imageReferencesPath])).get(imageReferencesPath)
  if (references === undefined)
    throw new ToolError('RELEASE_INVALID', 'the image is no release image', {
      found: `no ${imageReferencesPath}`,
      wanted: 'a release image of OpenShift or OKD, such as quay.io/openshift-release-dev/ocp-release:4.20.3-x86_64',
      where: { source: image.source },
    })
  const payload = await versioned(image, readReleasePayload(references, image.source))
  const tags = nodeImageTags(payload, image.source)
  // before the first question: a release image would say which registries we ask
  for (const tag of tags) if (baseRepositories !== undefined) checkBaseRepository(tag.image, baseRepositories)
  const candidates = []
  for (const tag of tags) {
    const { config } = await inStep(`labels of tag ${tag.name}`, () => registry.openImage(tag.image, architecture))
    candidates.push({ ...tag, imageLabels: config.imageLabels })
  }
  const chosen = chooseNodeImage(candidates, baseStream, image.source)
  return { reference: chosen.image, followed: release.digest === undefined, clusterVersion: payload.version }
}

/** Nearly every payload names its version in image-references; the file beside it need not be looked for then. */
async function versioned(image: ImageSource, payload: ReleasePayload): Promise<ReleasePayload> {
  if (payload.version !== undefined) return payload
  const metadata = (await readImageFiles(image, [releaseMetadataPath])).get(releaseMetadataPath)
  return metadata === undefined ? payload : { ...payload, version: readReleaseVersion(metadata, image.source) }
}
