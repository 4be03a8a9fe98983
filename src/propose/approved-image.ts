// ApprovedImage of the trusted-execution-clusters operator: api/v1alpha1/crds.go. One per digest, never edited: its spec is immutable.

import { ToolError } from '../errors.ts'
import { digestHex } from '../formats/oci/digest.ts'
import { formatPinnedReference, type PinnedReference, parsePinnedReference } from '../formats/oci/reference.ts'
import { below, imageName } from './names.ts'
import { isOfKind, resourcesOf, textAt, type YamlFile } from './yaml-file.ts'
import { formatYaml } from './yaml-text.ts'

const group = 'trusted-execution-clusters.io'

export function approvedImagePath(directory: string, image: PinnedReference): string {
  return below(directory, `reference-values/${imageName(image.digest)}.yaml`)
}

/** The manifest of one image in the operator's namespace. */
export function renderApprovedImage(image: PinnedReference, namespace: string): string {
  return formatYaml({
    apiVersion: `${group}/v1alpha1`,
    kind: 'ApprovedImage',
    metadata: { name: imageName(image.digest), namespace },
    spec: { image: formatPinnedReference(image) },
  })
}

/**
 * Whether the file that stands at the place of this image approves this digest in this namespace.
 * Throws RECORD_INVALID when it holds anything else: it can be neither kept nor replaced.
 */
export function checkApprovedImage(file: YamlFile, image: PinnedReference, namespace: string): void {
  const [only, ...others] = resourcesOf(file)
  const approved = only === undefined || others.length > 0 ? undefined : textAt(only.value, 'spec', 'image')
  const fits =
    only !== undefined &&
    approved !== undefined &&
    isOfKind(only, group, 'ApprovedImage') &&
    only.namespace === namespace &&
    only.name === imageName(image.digest) &&
    approvesDigest(approved, image)
  if (fits) return
  throw new ToolError('RECORD_INVALID', 'the file at the place of an ApprovedImage is not that ApprovedImage', {
    found: approved?.slice(0, 200) ?? `${resourcesOf(file).length} resources`,
    wanted: `only the ApprovedImage of ${digestHex(image.digest).slice(0, 32)}… in namespace ${namespace}`,
    where: { source: file.path },
    hint: 'approved images are never edited; see whether the namespace setting is right',
  })
}

function approvesDigest(text: string, image: PinnedReference): boolean {
  try {
    return parsePinnedReference(text).digest === image.digest
  } catch {
    return false
  }
}
