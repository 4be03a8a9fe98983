// Pushing an image: blobs that are missing, the manifest by digest, read back and compared, then the tag (D1).

import { ToolError } from '../errors.ts'
import type { Descriptor } from '../formats/oci/descriptor.ts'
import type { OciDigest } from '../formats/oci/digest.ts'
import { documentCeiling } from '../formats/oci/json.ts'
import { acceptedManifests } from '../formats/oci/media-types.ts'
import type { ImageSource } from '../image/image-source.ts'
import { noProgress, type Progress, type ProgressItem } from './progress.ts'
import type { HttpAnswer } from './registry-http.ts'
import type { RepositoryRequest, RepositoryRequests } from './registry-requests.ts'
import { locationOf, refusalOf, uploadBlob } from './registry-upload.ts'
import { collect, sha256Digest } from './verified-stream.ts'

export interface PushOptions {
  /** Put on the manifest at the very end; without one nothing is tagged. */
  readonly tag?: string
  /** A repository of the same registry that may hold the blobs already, as the base image's does. */
  readonly mountFrom?: string
  /** Where blobs are told; default nowhere. */
  readonly progress?: Progress
}

export interface PushResult {
  readonly digest: OciDigest
  /** Blobs that were sent. */
  readonly uploaded: readonly OciDigest[]
  /** Nothing had to be written at all. */
  readonly unchanged: boolean
}

interface Target {
  readonly registry: string
  readonly repository: string
}

/**
 * Pushes an image. Where the registry has all of it already, nothing is written. Throws PUSH_REFUSED when a write is not accepted,
 * READ_BACK_MISMATCH when the manifest read back is another one, and the faults of reading.
 */
export async function pushImage(
  requests: RepositoryRequests,
  image: ImageSource,
  target: Target,
  options: PushOptions,
): Promise<PushResult> {
  const push = new Push(requests, target)
  const uploaded: OciDigest[] = []
  const blobs = new Map([image.manifest.config, ...image.manifest.layers].map(blob => [blob.digest, blob]))
  const progress = (options.progress ?? noProgress).plan(
    'blob',
    [...blobs.values()].map(({ size }) => size),
  )
  try {
    for (const blob of blobs.values()) {
      const item = progress.start(blob.digest, blob.size)
      const there = await thereAlready(push, blob, target, options)
      if (there === undefined) {
        await push.upload(blob, image, item)
        uploaded.push(blob.digest)
      }
      item.end(there)
    }
  } finally {
    progress.end()
  }
  const present = same(await push.readManifest(image.digest), image.manifestBytes)
  if (!present) await push.putManifest(image.digest, image)
  const readBack = present ? image.manifestBytes : await push.readManifest(image.digest)
  if (!same(readBack, image.manifestBytes))
    throw push.mismatch(image.digest, readBack === undefined ? 'no manifest' : sha256Digest(readBack))
  const { tag } = options
  const tagged = tag === undefined || same(await push.readManifest(tag), image.manifestBytes)
  if (!tagged) await push.putManifest(tag, image)
  return { digest: image.digest, uploaded, unchanged: uploaded.length === 0 && present && tagged }
}

/** How the target repository has the blob without an upload. */
async function thereAlready(
  push: Push,
  blob: Descriptor,
  { repository }: Target,
  { mountFrom }: PushOptions,
): Promise<string | undefined> {
  if (await push.hasBlob(blob)) return 'there already'
  if (mountFrom === undefined || mountFrom === repository) return undefined
  return (await push.mount(blob, mountFrom)) ? `taken over from ${mountFrom}` : undefined
}

function same(one: Uint8Array | undefined, other: Uint8Array): boolean {
  return one !== undefined && Buffer.compare(one, other) === 0
}

class Push {
  readonly #requests: RepositoryRequests
  readonly #repository: string
  readonly #source: string

  constructor(requests: RepositoryRequests, target: Target) {
    this.#requests = requests
    this.#repository = target.repository
    this.#source = `${target.registry}/${target.repository}`
  }

  async hasBlob(blob: Descriptor): Promise<boolean> {
    const answer = await this.#send({ method: 'HEAD', path: `blobs/${blob.digest}` })
    await answer.drop()
    if (answer.status !== 200 && answer.status !== 404) throw this.#requests.error(answer, this.#source)
    const size = answer.headers.get('content-length')
    return answer.status === 200 && (size === null || size === `${blob.size}`)
  }

  /** Asks for a blob of a neighbour repository; false when the registry would rather have an upload. */
  async mount(blob: Descriptor, from: string): Promise<boolean> {
    const query = new URLSearchParams({ mount: blob.digest, from })
    const answer = await this.#send({ method: 'POST', path: `blobs/uploads/?${query}` })
    await answer.drop()
    if (answer.status === 201) return true
    if (answer.status === 202) {
      // the registry opened an upload instead; it is given up, upload() opens its own
      await (await this.#send({ method: 'DELETE', url: locationOf(answer, this.#source) })).drop()
    }
    return false
  }

  async upload(blob: Descriptor, image: ImageSource, item: ProgressItem): Promise<void> {
    const target = {
      limits: this.#requests.limits,
      source: this.#source,
      send: (request: RepositoryRequest) => this.#send(request),
      hasBlob: (one: Descriptor) => this.hasBlob(one),
    }
    await uploadBlob(target, blob, image, item)
  }

  async putManifest(name: string, image: ImageSource): Promise<void> {
    const bytes = image.manifestBytes
    const answer = await this.#send({
      method: 'PUT',
      path: `manifests/${name}`,
      headers: { 'content-type': image.manifest.mediaType },
      body: { size: bytes.length, open: () => ReadableStream.from([bytes]) },
      repeat: true,
    })
    if (answer.status !== 201) throw (await refusalOf(answer, this.#source, `manifests/${name}`)).error
    await answer.drop()
    const told = answer.headers.get('docker-content-digest')
    if (told !== null && told !== image.digest) throw this.mismatch(image.digest, told)
  }

  async readManifest(name: string): Promise<Uint8Array | undefined> {
    const answer = await this.#send({
      method: 'GET',
      path: `manifests/${name}`,
      headers: { accept: acceptedManifests.join(', ') },
    })
    if (answer.status === 200) return await collect(answer.chunks(), documentCeiling, this.#source)
    await answer.drop()
    if (answer.status === 404) return undefined
    throw this.#requests.error(answer, this.#source)
  }

  mismatch(wanted: string, found: string): ToolError {
    return new ToolError('READ_BACK_MISMATCH', 'the registry does not hold the manifest that was pushed', {
      found,
      wanted,
      where: { source: this.#source },
    })
  }

  /** Every request of a push asks for the right to push, so that missing rights show at the first one. */
  async #send(request: RepositoryRequest): Promise<HttpAnswer> {
    try {
      return await this.#requests.send(this.#repository, 'pull,push', request)
    } catch (error) {
      if (!(error instanceof ToolError) || error.code !== 'REGISTRY_DENIED') throw error
      throw new ToolError('PUSH_REFUSED', 'the registry refuses the push', {
        ...(error.found === undefined ? {} : { found: error.found }),
        where: { source: this.#source },
        cause: error,
      })
    }
  }
}
