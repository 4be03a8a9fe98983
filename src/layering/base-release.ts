// Which image of a release payload is the node's: release-manifests/image-references, an ImageStream (openshift/api image/v1).
// The rules are those of machine-config-operator, pkg/osimagestream/{imagestream_source,image_data}.go, and of names before it.

import { ToolError } from '../errors.ts'
import { type ImageReference, parseImageReference } from '../formats/oci/reference.ts'

/** Files of a release payload, without leading slash. */
export const imageReferencesPath = 'release-manifests/image-references'
export const releaseMetadataPath = 'release-manifests/release-metadata'

export interface PayloadTag {
  readonly name: string
  readonly image: ImageReference
  /** Repository that the image was built from; undefined where the payload does not say. */
  readonly builtFrom: string | undefined
}

export interface ReleasePayload {
  /** Such as 4.20.3. */
  readonly version: string | undefined
  readonly tags: readonly PayloadTag[]
}

/** A tag of the payload with the labels of its image. */
export interface NodeImageCandidate extends PayloadTag {
  readonly imageLabels: Readonly<Record<string, string>>
}

/** Real payloads have about 200. */
const mostTags = 5000
/** Real payloads have one or two; each is asked for. */
const mostNodeImages = 50

/** Reads image-references. Throws RELEASE_INVALID with the place, REFERENCE_INVALID. */
export function readReleasePayload(imageReferences: Uint8Array, source: string): ReleasePayload {
  const stream = jsonOf(imageReferences, source, imageReferencesPath)
  const refuse = (path: string, found: unknown, wanted: string): never => {
    throw invalid(source, `${imageReferencesPath}${path}`, found, wanted)
  }
  if (stream.kind !== 'ImageStream') refuse('/kind', stream.kind, 'ImageStream')
  const tags = member(stream.spec, 'tags')
  if (!Array.isArray(tags)) return refuse('/spec/tags', tags, 'a list')
  if (tags.length > mostTags) refuse('/spec/tags', `${tags.length} tags`, `at most ${mostTags}`)
  return {
    version: versionOf(member(stream.metadata, 'name')),
    tags: tags.flatMap((tag: unknown, index): PayloadTag[] => {
      const tagName = member(tag, 'name')
      if (typeof tagName !== 'string') return refuse(`/spec/tags/${index}/name`, tagName, 'a name')
      const from = member(tag, 'from')
      if (member(from, 'kind') !== 'DockerImage') return []
      const image = member(from, 'name')
      if (typeof image !== 'string') return refuse(`/spec/tags/${index}/from/name`, image, 'an image reference')
      if (!mayBeNodeImage(tagName, sourceOf(tag))) return []
      const reference = parseImageReference(image)
      // a tag could be moved without a change of the release
      if (reference.digest === undefined) refuse(`/spec/tags/${index}/from/name`, image, 'an image by digest')
      return [{ name: tagName, image: reference, builtFrom: sourceOf(tag) }]
    }),
  }
}

/** The version that release-metadata gives; undefined where it has none. Throws RELEASE_INVALID. */
export function readReleaseVersion(releaseMetadata: Uint8Array, source: string): string | undefined {
  return versionOf(jsonOf(releaseMetadata, source, releaseMetadataPath).version)
}

const versionOf = (value: unknown): string | undefined =>
  typeof value === 'string' && value !== '' ? value : undefined

/** `^(rhel|stream)…-coreos…`, what openshift/os builds, and the names of releases before that rule. */
function mayBeNodeImage(name: string, builtFrom: string | undefined): boolean {
  if (name === oldContent || name === 'fedora-coreos') return true
  if (builtFrom?.includes('github.com/openshift/os')) return true
  return /^(?:rhel|stream)[a-zA-Z0-9.-]*-coreos[a-zA-Z0-9.-]*$/.test(name)
}

/** The node's files as the content of an image that cannot run: until 4.11. */
const oldContent = 'machine-os-content'

function sourceOf(tag: unknown): string | undefined {
  const text = member(member(tag, 'annotations'), 'io.openshift.build.source-location')
  return typeof text === 'string' ? text : undefined
}

/**
 * The tags whose images may be the node's; their labels decide then. Throws BASE_NOT_SUPPORTED for a payload that has machine-os-content only,
 * BASE_NOT_FOUND for one without any, RELEASE_INVALID for one with very many.
 */
export function nodeImageTags({ tags }: ReleasePayload, source: string): readonly PayloadTag[] {
  const found = tags.filter(({ name }) => name !== oldContent && !isExtensionsName(name))
  if (found.length > mostNodeImages)
    throw invalid(source, imageReferencesPath, `${found.length} tags`, `at most ${mostNodeImages} node images`)
  if (found.length > 0) return found
  if (tags.some(({ name }) => name === oldContent))
    throw new ToolError('BASE_NOT_SUPPORTED', 'the release has its node image in the old form only', {
      found: oldContent,
      wanted: 'rhel-coreos, stream-coreos or the like, which releases have since 4.12',
      where: { source, path: imageReferencesPath },
      hint: 'an image of the old form holds an ostree commit and is no base to build on; update the cluster first',
    })
  throw new ToolError('BASE_NOT_FOUND', 'the release names no node image', {
    found: 'no tag that could be one',
    wanted: 'rhel-coreos, stream-coreos, fedora-coreos, or an image that openshift/os built',
    where: { source, path: imageReferencesPath },
  })
}

const isExtensionsName = (name: string): boolean => /-extensions(?:-|$)/.test(name)

/**
 * The one node image. Labels say which candidates are node images and of which stream; where no candidate has them, names do. `stream` is a stream's
 * name or a tag's. Throws BASE_AMBIGUOUS with the choices, BASE_NOT_FOUND.
 */
export function chooseNodeImage(
  candidates: readonly NodeImageCandidate[],
  stream: string | undefined,
  source: string,
): NodeImageCandidate {
  const others = candidates.filter(({ imageLabels }) => !isTrue(imageLabels['io.openshift.os.extensions']))
  const labelled = others.filter(({ imageLabels }) => isNodeImage(imageLabels))
  const images = distinct(labelled.length > 0 ? labelled : others)
  const wanted = images.filter(one => stream === undefined || stream === streamOf(one) || stream === one.name)
  const [only, second] = wanted
  if (only !== undefined && second === undefined) return only
  const choices = images.map(one => `${streamOf(one) ?? one.name} (tag ${one.name})`).join(', ')
  const details = { found: choices === '' ? 'none' : choices, where: { source, path: imageReferencesPath } }
  if (only === undefined)
    throw new ToolError('BASE_NOT_FOUND', 'the release has no such node image', {
      ...details,
      wanted: stream === undefined ? 'an image that nodes can boot' : `stream ${stream}`,
      hint: 'set base-stream to one of those that are there',
    })
  throw new ToolError('BASE_AMBIGUOUS', 'the release has several node images', {
    ...details,
    wanted: 'one of them',
    hint: 'name it with base-stream',
  })
}

/** The stream that labels name: rhel-9, rhel-10, centos-10. */
export function streamOf({ imageLabels }: Pick<NodeImageCandidate, 'imageLabels'>): string | undefined {
  return imageLabels['io.openshift.os.streamclass'] || undefined
}

function isNodeImage(labels: NodeImageCandidate['imageLabels']): boolean {
  return isTrue(labels['containers.bootc']) || isTrue(labels['ostree.bootable'])
}

/** The MCO takes both, in any case. */
const isTrue = (value: string | undefined): boolean => value === '1' || value?.toLowerCase() === 'true'

/** Two tags may name one image. */
function distinct(candidates: readonly NodeImageCandidate[]): NodeImageCandidate[] {
  const seen = new Set<string>()
  return candidates.filter(({ image }) => {
    const key = image.digest ?? `${image.registry}/${image.repository}:${image.tag ?? ''}`
    return !seen.has(key) && seen.add(key)
  })
}

type Json = Readonly<Record<string, unknown>>

function jsonOf(bytes: Uint8Array, source: string, path: string): Json {
  let value: unknown
  try {
    value = JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(bytes))
  } catch {
    throw invalid(source, path, 'no JSON', 'a JSON object')
  }
  if (!isObject(value)) throw invalid(source, path, value, 'a JSON object')
  return value
}

function member(value: unknown, name: string): unknown {
  return isObject(value) && Object.hasOwn(value, name) ? value[name] : undefined
}

function isObject(value: unknown): value is Json {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

function invalid(source: string, path: string, found: unknown, wanted: string): ToolError {
  return new ToolError('RELEASE_INVALID', 'the release image cannot be read', {
    found: (JSON.stringify(found) ?? 'nothing').slice(0, 200),
    wanted,
    where: { source, path },
  })
}
