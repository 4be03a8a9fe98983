// Before a build: can everything still be pulled that nodes and the operator need? Registries are asked for manifests; no layer is read.

import type { Log } from '../edge/log.ts'
import type { RegistryClient } from '../edge/registry.ts'
import type { Environment } from '../edge/surroundings.ts'
import { ToolError, throwAll } from '../errors.ts'
import {
  formatImageReference,
  formatPinnedReference,
  type ImageReference,
  parseImageReference,
} from '../formats/oci/reference.ts'
import type { Unreadable } from '../propose/caveats.ts'
import { namedImages } from '../propose/machine-config.ts'
import { notRetired } from '../propose/record.ts'
import { parseTree } from '../propose/tree-files.ts'
import type { Credentials } from '../settings/credentials.ts'
import type { Settings } from '../settings/settings.ts'
import type { Base } from './base-kernel.ts'
import type { GitOpsTree } from './gitops.ts'
import { anonymousRegistryOf, nodesRegistryOf } from './open-image.ts'

export interface PreflightParts {
  readonly settings: Settings
  readonly environment: Environment
  readonly credentials: Credentials
  readonly log: Log
  readonly registry: RegistryClient
  readonly gitops: Pick<GitOpsTree, 'records' | 'files'>
  readonly base: Pick<Base, 'pinned'>
}

/** What the pull request has to say. */
export interface PreflightFindings {
  /** Approved images that their registries do not have any more. */
  readonly gone: readonly string[]
  readonly unreadable: readonly Unreadable[]
}

/** An image whose values are approved, or that a MachineConfig names. */
interface Wanted {
  readonly reference: ImageReference
  /** The file of the MachineConfig that names it now. */
  readonly namedIn: string | undefined
}

/** Questions at the same time. */
const inFlight = 4

/**
 * Asks for every approved image by its digest, and for one image of each repository as the nodes (with `pull-secret`) and the operator (without
 * credentials) would. Warns in the log of what is missing. Throws APPROVED_IMAGE_GONE for images that MachineConfigs name now, all together, and as
 * `registryOf`.
 */
export async function preflight(parts: PreflightParts): Promise<PreflightFindings> {
  const { log, registry } = parts
  const wanted = wantedImages(parts)
  const answers = await askAll(registry, wanted)
  const images = wanted.map((one, index) => ({ ...one, answer: answers[index] }))
  const gone = images.filter(({ answer }) => answer === 'gone')
  throwAll(gone.flatMap(one => (one.namedIn === undefined ? [] : [goneInUse(one, one.namedIn)])))
  for (const { reference } of gone)
    log.warning(
      `approved image ${formatImageReference(reference)} can no longer be pulled: a node that needs it cannot go back to it`,
    )
  for (const { reference, answer } of images)
    if (answer instanceof ToolError)
      log.warning(`whether ${formatImageReference(reference)} can still be pulled is not known: ${answer.message}`)
  const there = images.filter(({ answer }) => answer === 'there')
  const unreadable = await asOthers(parts, [
    { ...parts.base.pinned, tag: undefined },
    ...there.map(({ reference }) => reference),
  ])
  for (const { image, by } of unreadable) log.warning(`${sentences[by]}: ${image}`)
  return { gone: gone.map(({ reference }) => formatImageReference(reference)), unreadable }
}

const sentences: Readonly<Record<Unreadable['by'], string>> = {
  nodes: 'the pull secret that was given may not read an image, so nodes with this secret cannot pull it',
  operator:
    'an image cannot be read without credentials, as the operator reads it; its own job must be able to pull it',
}

function wantedImages({ settings, gitops }: PreflightParts): readonly Wanted[] {
  const wanted = new Map<string, Wanted>()
  for (const { text, resource } of namedImages(parseTree(settings.directory, gitops.files).parsed))
    wanted.set(text, { reference: parseImageReference(text), namedIn: resource.file.path })
  for (const { record } of notRetired(gitops.records))
    if (!wanted.has(record.image))
      wanted.set(record.image, { reference: parseImageReference(record.image), namedIn: undefined })
  return [...wanted.values()]
}

type Answer = 'there' | 'gone' | ToolError

async function askAll(registry: RegistryClient, wanted: readonly Wanted[]): Promise<readonly (Answer | undefined)[]> {
  const answers: (Answer | undefined)[] = []
  const silent = new Map<string, ToolError>()
  const queue = wanted.entries()
  const worker = async () => {
    for (const [index, { reference }] of queue) {
      const answer = silent.get(reference.registry) ?? (await ask(registry, reference))
      // no second wait for a registry that does not answer
      if (answer instanceof ToolError && answer.code === 'REGISTRY_UNREACHABLE') silent.set(reference.registry, answer)
      answers[index] = answer
    }
  }
  await Promise.all(Array.from({ length: inFlight }, worker))
  return answers
}

async function ask(registry: RegistryClient, reference: ImageReference): Promise<Answer> {
  try {
    await registry.resolveDigest(reference)
    return 'there'
  } catch (error) {
    if (!(error instanceof ToolError)) throw error
    return error.code === 'IMAGE_NOT_FOUND' ? 'gone' : error
  }
}

function goneInUse({ reference }: Wanted, path: string): ToolError {
  return new ToolError(
    'APPROVED_IMAGE_GONE',
    'the image that a MachineConfig names now is not in its registry any more',
    {
      found: formatImageReference(reference),
      wanted: 'an image that new nodes can pull',
      where: { source: path },
    },
  )
}

/** Asks for one image of each repository: rights are given per repository. A denial counts, other faults say nothing. */
async function asOthers(
  { settings, environment, credentials }: PreflightParts,
  images: readonly ImageReference[],
): Promise<readonly Unreadable[]> {
  const onePerRepository = new Map(images.map(one => [`${one.registry}/${one.repository}`, one]))
  const { pullSecret } = credentials
  const clients: readonly (readonly [Unreadable['by'], RegistryClient])[] = [
    ...(pullSecret === undefined ? [] : [['nodes', await nodesRegistryOf(environment, settings, pullSecret)] as const]),
    ...(settings.target.includes('trusted-execution-clusters')
      ? [['operator', await anonymousRegistryOf(environment, settings)] as const]
      : []),
  ]
  const unreadable: Unreadable[] = []
  for (const reference of onePerRepository.values())
    for (const [by, client] of clients) {
      const answer = await ask(client, reference)
      const denied = answer === 'gone' || (answer instanceof ToolError && answer.code === 'REGISTRY_DENIED')
      if (denied) unreadable.push({ image: shown(reference), by })
    }
  return unreadable
}

function shown(reference: ImageReference): string {
  const { digest } = reference
  return digest === undefined ? formatImageReference(reference) : formatPinnedReference({ ...reference, digest })
}
