// What may not be a base image: our own layered images (D7), and images from elsewhere than base-repositories.

import { ToolError } from '../errors.ts'
import type { OciDigest } from '../formats/oci/digest.ts'
import { formatImageReference, type ImageReference } from '../formats/oci/reference.ts'
import { kernelReleaseLabel } from './containerfile.ts'

/** An image that is asked for as base. */
export interface BaseCandidate {
  /** As people name it. */
  readonly source: string
  /** Of its manifest. */
  readonly digest: OciDigest
  readonly imageLabels: Readonly<Record<string, string>>
}

/** `layered`: digests of the images that records call layered. Throws BASE_IS_LAYERED. */
export function refuseLayeredBase(candidate: BaseCandidate, layered: ReadonlySet<OciDigest>): void {
  const { source, digest, imageLabels } = candidate
  const release = imageLabels[kernelReleaseLabel]
  if (release === undefined && !layered.has(digest)) return
  const baseName = imageLabels['org.opencontainers.image.base.name']
  throw new ToolError('BASE_IS_LAYERED', 'the base image is an image that attested-os-update layered', {
    found: release === undefined ? `a record of kind layered for ${digest}` : `label ${kernelReleaseLabel}=${release}`,
    wanted: 'the image that the release or its maker gives, without our layer',
    where: { source },
    ...(baseName === undefined ? {} : { hint: `it was built on ${baseName}: name that one` }),
  })
}

/** Throws BASE_REPOSITORY_NOT_ALLOWED for an image from a repository that the settings do not name. */
export function checkBaseRepository(
  reference: ImageReference,
  allowed: readonly { readonly registry: string; readonly repository: string }[],
): void {
  const { registry, repository } = reference
  if (allowed.some(one => one.registry === registry && one.repository === repository)) return
  throw new ToolError(
    'BASE_REPOSITORY_NOT_ALLOWED',
    'the base image is in a repository that base-repositories does not name',
    {
      found: `${registry}/${repository}`,
      wanted: allowed.map(one => `${one.registry}/${one.repository}`).join(', ') || 'a repository of base-repositories',
      where: { source: formatImageReference(reference) },
    },
  )
}
