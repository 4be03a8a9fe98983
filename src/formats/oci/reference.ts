// Image references: distribution-spec names, and the short names of Docker Hub. A pinned reference is what osImageURL wants (D2).

import { ToolError } from '../../errors.ts'
import { isOciDigest, type OciDigest } from './digest.ts'

/** Where an image is. `registry` is host[:port]. */
export interface ImageReference {
  readonly registry: string
  readonly repository: string
  readonly tag: string | undefined
  readonly digest: OciDigest | undefined
}

/** registry/repository@sha256:…, no tag. */
export interface PinnedReference {
  readonly registry: string
  readonly repository: string
  readonly digest: OciDigest
}

const component = '[a-z0-9]+(?:(?:[._]|__|-+)[a-z0-9]+)*'
const repositoryPattern = new RegExp(`^${component}(?:/${component})*$`)
const hostPattern = /^(?:[A-Za-z0-9](?:[A-Za-z0-9.-]*[A-Za-z0-9])?|\[[0-9a-fA-F:]+\])(?::[0-9]{1,5})?$/
const tagPattern = /^[A-Za-z0-9_][A-Za-z0-9_.-]{0,127}$/

/**
 * Reads `[docker://]registry/repository[:tag][@digest]`; names without a registry are Docker Hub's.
 * Throws REFERENCE_INVALID.
 */
export function parseImageReference(text: string): ImageReference {
  const refuse = (wanted: string): never => {
    throw new ToolError('REFERENCE_INVALID', 'not an image reference', { found: text, wanted, where: { source: text } })
  }
  let rest = text.startsWith('docker://') ? text.slice('docker://'.length) : text
  let digest: OciDigest | undefined
  const at = rest.indexOf('@')
  if (at >= 0) {
    const digestText = rest.slice(at + 1)
    if (!isOciDigest(digestText)) return refuse('@sha256: and 64 lower-case hex digits')
    digest = digestText
    rest = rest.slice(0, at)
  }
  let tag: string | undefined
  const colon = rest.lastIndexOf(':')
  if (colon > rest.lastIndexOf('/')) {
    tag = rest.slice(colon + 1)
    if (!tagPattern.test(tag)) return refuse('a tag of at most 128 letters, digits, _ . -')
    rest = rest.slice(0, colon)
  }
  const slash = rest.indexOf('/')
  const first = slash < 0 ? '' : rest.slice(0, slash)
  const hasRegistry = first !== '' && (/[.:]/.test(first) || first === 'localhost' || first.startsWith('['))
  const registry = hasRegistry ? first : 'docker.io'
  let repository = hasRegistry ? rest.slice(slash + 1) : rest
  if (registry === 'docker.io' && !repository.includes('/')) repository = `library/${repository}`
  if (!hostPattern.test(registry)) return refuse('registry host[:port] first')
  if (repository.length > 255 || !repositoryPattern.test(repository))
    return refuse('a repository in lower case, like team/image')
  return { registry, repository, tag, digest }
}

/** The whole reference as text; `latest` is not added. */
export function formatImageReference(reference: ImageReference): string {
  const tag = reference.tag === undefined ? '' : `:${reference.tag}`
  const digest = reference.digest === undefined ? '' : `@${reference.digest}`
  return `${reference.registry}/${reference.repository}${tag}${digest}`
}

export function formatPinnedReference(reference: PinnedReference): string {
  return `${reference.registry}/${reference.repository}@${reference.digest}`
}

/** Reads exactly what `formatPinnedReference` writes; throws REFERENCE_INVALID for a tag, a missing digest or a short name. */
export function parsePinnedReference(text: string): PinnedReference {
  const reference = parseImageReference(text)
  const { registry, repository, digest } = reference
  if (digest === undefined || `${registry}/${repository}@${digest}` !== text)
    throw new ToolError('REFERENCE_INVALID', 'not a pinned image reference', {
      found: text,
      wanted: 'registry/repository@sha256:<64 hex digits> without a tag',
      where: { source: text },
    })
  return { registry, repository, digest }
}
