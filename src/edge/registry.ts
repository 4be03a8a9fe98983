// Registries: OCI distribution-spec 1.1. Reading images here, writing in registry-push.ts.

import { ToolError } from '../errors.ts'
import { parseImageConfig } from '../formats/oci/config.ts'
import type { OciDigest } from '../formats/oci/digest.ts'
import { type ImagePlace, imagePlaces, isInsecureTarget } from '../formats/oci/image-places.ts'
import { documentCeiling } from '../formats/oci/json.ts'
import { choosePlatform, parseManifest } from '../formats/oci/manifest.ts'
import { acceptedManifests } from '../formats/oci/media-types.ts'
import { formatImageReference, type ImageReference } from '../formats/oci/reference.ts'
import type { RegistryRow } from '../formats/oci/registries-conf.ts'
import type { ImageSource } from '../image/image-source.ts'
import { registryRange } from './blob-range.ts'
import { afterMirrors, type BlobPlace, mirroredBlobs } from './mirrored-blobs.ts'
import type { RegistryCredentials } from './registry-credentials.ts'
import { type HttpLimits, isBroken } from './registry-http.ts'
import { type PushOptions, type PushResult, pushImage } from './registry-push.ts'
import { RepositoryRequests } from './registry-requests.ts'
import { collect, sha256Digest } from './verified-stream.ts'

export interface RegistryOptions extends HttpLimits {
  readonly credentials: RegistryCredentials
  /** Mirrors, insecure and blocked registries. */
  readonly registries?: readonly RegistryRow[]
}

export interface RegistryClient {
  /** What a tag, or no tag (`latest`), names now: digest of a manifest or an index. */
  resolveDigest(reference: ImageReference): Promise<OciDigest>
  /** Opens an image for one architecture; manifest and config are read and checked, layers are not. */
  openImage(reference: ImageReference, architecture: string, options?: OpenOptions): Promise<ImageSource>
  /** Pushes an image, tag last; see registry-push.ts. */
  pushImage(image: ImageSource, target: PushTarget, options: PushOptions): Promise<PushResult>
  /** Registries that were really asked by plain http, or without a look at their certificate; sorted. */
  insecureHosts(): readonly string[]
}

export interface OpenOptions {
  /** The registry itself and no mirror: what was pushed is read back from where it was pushed to. */
  readonly direct?: true
}

export interface PushTarget {
  readonly registry: string
  readonly repository: string
}

/**
 * Opens registries. Nothing is contacted before it is needed. Plain http only with `allowInsecure`: a loopback host is then asked by http, others by
 * https first. Faults: IMAGE_NOT_FOUND, IMAGE_INVALID, IMAGE_PLATFORM_MISSING, REGISTRY_DENIED, REGISTRY_UNREACHABLE, REGISTRY_ERROR,
 * INSECURE_NOT_ALLOWED, DIGEST_MISMATCH, CEILING_REACHED, REGISTRY_BLOCKED.
 */
export function openRegistry(options: RegistryOptions): RegistryClient {
  const { registries = [], credentials } = options
  const hosts = new Map<string, RepositoryRequests>()
  const host = ({ registry }: PushTarget, insecure: boolean, isMirror = false): RepositoryRequests => {
    const key = `${registry} ${insecure} ${isMirror}`
    // behind a mirror there is the registry itself: no reason to be patient
    const limits = isMirror ? { ...options, attempts: Math.min(2, options.attempts ?? 2) } : options
    const found = hosts.get(key) ?? new RepositoryRequests(registry, credentials, limits, insecure)
    hosts.set(key, found)
    return found
  }
  const itself = (reference: ImageReference): readonly ImagePlace[] => [
    { reference, insecure: isInsecureTarget(registries, reference), isMirror: false },
  ]
  const requestsAt = ({ reference: at, insecure, isMirror }: ImagePlace): BlobPlace => ({
    requests: host(at, insecure, isMirror),
    repository: at.repository,
  })
  return {
    resolveDigest: reference =>
      firstOf(
        imagePlaces(registries, reference),
        async place => (await fetchManifest(requestsAt(place).requests, place.reference)).digest,
      ),
    openImage: (reference, architecture, { direct } = {}) =>
      firstOf(direct ? itself(reference) : imagePlaces(registries, reference), (place, behind) =>
        openImage(
          [requestsAt(place), ...behind.map(requestsAt)],
          place.reference,
          architecture,
          formatImageReference(reference),
        ),
      ),
    pushImage(image, target, push) {
      const insecure = isInsecureTarget(registries, { ...target, tag: push.tag, digest: undefined })
      return pushImage(host(target, insecure), image, target, push)
    },
    insecureHosts: () => {
      const names = [...hosts.values()].filter(one => one.plain).map(({ registry }) => registry)
      return [...new Set(names)].sort()
    },
  }
}

/** What the first place gives that has it. The fault is that of the last place, which is the registry itself. */
async function firstOf<T>(
  places: readonly ImagePlace[],
  ask: (place: ImagePlace, behind: readonly ImagePlace[]) => Promise<T>,
): Promise<T> {
  const failed: string[] = []
  for (const [index, place] of places.entries()) {
    try {
      return await ask(place, places.slice(index + 1))
    } catch (error) {
      if (!(error instanceof ToolError)) throw error
      if (!place.isMirror) throw afterMirrors(error, failed)
      failed.push(`${place.reference.registry}: ${error.code}`)
    }
  }
  throw new Error('an image without a place')
}

interface FetchedManifest {
  readonly bytes: Uint8Array
  readonly digest: OciDigest
}

/** Reads a manifest by digest, else by tag; the digest is always computed from the bytes. */
export async function fetchManifest(requests: RepositoryRequests, reference: ImageReference): Promise<FetchedManifest> {
  const source = formatImageReference(reference)
  for (let attempt = 1; ; attempt += 1) {
    const answer = await requests.send(reference.repository, 'pull', {
      method: 'GET',
      path: `manifests/${reference.digest ?? reference.tag ?? 'latest'}`,
      headers: { accept: acceptedManifests.join(', ') },
    })
    if (answer.status !== 200) {
      await answer.drop()
      throw answer.status === 404
        ? new ToolError('IMAGE_NOT_FOUND', 'the registry has no such image', { where: { source } })
        : requests.error(answer, source)
    }
    const last = attempt >= (requests.limits.attempts ?? 4)
    // a body that breaks off is asked for again: a manifest is too small to go on in its middle
    const bytes = await collect(answer.chunks(), documentCeiling, source).catch(error => {
      if (last || !isBroken(error)) throw error
      return undefined
    })
    if (bytes === undefined) continue
    const digest = sha256Digest(bytes)
    const wanted = reference.digest ?? answer.headers.get('docker-content-digest') ?? digest
    if (wanted !== digest)
      throw new ToolError('DIGEST_MISMATCH', 'the manifest is not what its digest says', {
        found: digest,
        wanted,
        where: { source },
      })
    return { bytes, digest }
  }
}

/** Manifest and config from the first of the places, layers from there and, where that fails, from those behind it. */
async function openImage(
  places: readonly [BlobPlace, ...BlobPlace[]],
  reference: ImageReference,
  architecture: string,
  source: string,
): Promise<ImageSource> {
  const [{ requests }] = places
  let fetched = await fetchManifest(requests, reference)
  let manifest = parseManifest(fetched.bytes, source)
  if (manifest.kind === 'index') {
    const { digest } = choosePlatform(manifest, architecture, source)
    fetched = await fetchManifest(requests, { ...reference, digest })
    manifest = parseManifest(fetched.bytes, source)
  }
  if (manifest.kind === 'index')
    throw new ToolError('IMAGE_INVALID', 'an index inside an index', { where: { source, path: fetched.digest } })
  const { open: openLayer, hasOtherPlace } = mirroredBlobs(places, source)
  const { config: descriptor } = manifest
  if (descriptor.size > documentCeiling)
    throw new ToolError('CEILING_REACHED', 'the config is too large', {
      found: `${descriptor.size} bytes`,
      wanted: `at most ${documentCeiling}`,
      where: { source },
    })
  const configBytes = await collect(openLayer(descriptor), documentCeiling, source)
  const config = parseImageConfig(configBytes, source)
  checkImage(source, architecture, manifest.layers.length, config)
  return {
    source,
    digest: fetched.digest,
    manifest,
    manifestBytes: fetched.bytes,
    config,
    configBytes,
    openLayer,
    hasOtherPlace,
    openRange: (layer, offset, size) => registryRange(places[0], layer, offset, size, source),
  }
}

/** Rules that manifest and config must keep together. */
export function checkImage(
  source: string,
  architecture: string,
  layerCount: number,
  config: { readonly architecture: string; readonly os: string; readonly diffIds: readonly OciDigest[] },
): void {
  if (config.architecture !== architecture || config.os !== 'linux')
    throw new ToolError('IMAGE_PLATFORM_MISSING', 'the image is for another platform', {
      found: `${config.os}/${config.architecture}`,
      wanted: `linux/${architecture}`,
      where: { source },
    })
  if (config.diffIds.length !== layerCount)
    throw new ToolError('IMAGE_INVALID', 'manifest and config do not have the same number of layers', {
      found: `${config.diffIds.length} diff_ids`,
      wanted: `${layerCount}`,
      where: { source },
    })
}
