// Push the checked layout by digest, read the image back from the registry and compare: digest, layers, boot files (D1). Then the tag.

import type { Progress } from '../edge/progress.ts'
import type { RegistryClient } from '../edge/registry.ts'
import { ToolError } from '../errors.ts'
import { sha256Hex } from '../formats/bytes/digest.ts'
import type { ImageReference, PinnedReference } from '../formats/oci/reference.ts'
import type { ImageContents } from '../image/image-contents.ts'
import type { ImageSource } from '../image/image-source.ts'
import { isLabelled, pcrLabelName } from '../predict/operator/label.ts'
import { parseOwnPcrLabel } from '../predict/output/pcr-label.ts'
import type { LabelledImage } from './image-record.ts'
import { readImage } from './read-image.ts'

export interface PushPlace {
  readonly target: { readonly registry: string; readonly repository: string }
  readonly tag: string
  /** Its repository may hold the lower layers already. */
  readonly base: PinnedReference
  readonly architecture: string
  /** Asks registries without credentials, as the operator does. */
  readonly anonymous: RegistryClient
  /** The base image with a label, which the operator needs beside the image. */
  readonly labelledBase: ImageSource | undefined
  /** It is in the repository as it is: it is only read back. */
  readonly isThere?: boolean
  readonly progress: Progress
}

/** Throws PUSH_REFUSED, READ_BACK_MISMATCH, the faults of reading, and, for labels, as `expectLabel`. */
export async function pushAndReadBack(
  registry: RegistryClient,
  { image, contents: checked, labelChanged }: LabelledImage,
  { target, tag, base, architecture, anonymous, labelledBase, isThere = false, progress }: PushPlace,
): Promise<void> {
  const how = { progress, ...(base.registry === target.registry ? { mountFrom: base.repository } : {}) }
  if (!isThere) await registry.pushImage(image, target, how)
  const reference = { ...target, tag: undefined, digest: image.digest }
  const pushed = await registry.openImage(reference, architecture, { direct: true })
  const seen = await readImage(pushed, { bootChain: checked.bootChain, progress })
  const differing = differences(checked, seen)
  if (differing.length > 0)
    throw new ToolError(
      'READ_BACK_MISMATCH',
      'boot files read back from the registry are not those that were checked',
      {
        found: differing.join(', '),
        wanted: 'the same bytes',
        where: { source: pushed.source },
      },
    )
  const ask = { registry: anonymous, target, architecture }
  if (isLabelled(checked)) await expectLabel(image, labelChanged !== undefined, ask)
  if (labelledBase !== undefined) {
    const { digest } = await registry.pushImage(labelledBase, target, how)
    if (isLabelled({ digest, imageLabels: labelledBase.config.imageLabels })) await expectLabel(labelledBase, true, ask)
    await registry.pushImage(labelledBase, target, { tag: `base-${base.digest.slice(7, 19)}` })
  }
  if (!isThere) await registry.pushImage(image, target, { tag })
}

interface AnonymousQuestion extends Pick<PushPlace, 'target' | 'architecture'> {
  readonly registry: RegistryClient
}

/**
 * Reads the label as the operator does, without credentials; one of our own more strictly. Throws OPERATOR_WOULD_NOT_APPROVE when nobody
 * without credentials may read it, READ_BACK_MISMATCH when it is another one, PCR_LABEL_INVALID.
 */
async function expectLabel({ digest, config }: ImageSource, own: boolean, ask: AnonymousQuestion): Promise<void> {
  const seen = await openAnonymously(ask, { ...ask.target, tag: undefined, digest })
  const [found, wanted] = [seen.config.imageLabels[pcrLabelName], config.imageLabels[pcrLabelName]]
  if (found === undefined || found !== wanted)
    throw new ToolError('READ_BACK_MISMATCH', `the label ${pcrLabelName} read back is not the one that was written`, {
      found: found ?? 'none',
      wanted: wanted ?? 'none',
      where: { source: seen.source },
    })
  if (own) parseOwnPcrLabel(found, seen.source)
}

async function openAnonymously(
  { registry, architecture }: AnonymousQuestion,
  reference: ImageReference,
): Promise<ImageSource> {
  try {
    return await registry.openImage(reference, architecture)
  } catch (error) {
    if (!(error instanceof ToolError) || (error.code !== 'REGISTRY_DENIED' && error.code !== 'IMAGE_NOT_FOUND'))
      throw error
    throw new ToolError('OPERATOR_WOULD_NOT_APPROVE', 'the operator cannot read the label of the image', {
      found: error.found ?? error.message,
      wanted: 'an image that anybody may read: the operator asks without credentials',
      where: error.where,
      hint: 'let everybody pull from image-repository, or use target trustee',
      cause: error,
    })
  }
}

function differences(checked: ImageContents, seen: ImageContents): string[] {
  const digests = ({ bootFiles }: ImageContents) =>
    new Map(bootFiles.map(file => [file.path, file.known?.sha256 ?? sha256Hex(file.bytes)] as const))
  const [wanted, found] = [digests(checked), digests(seen)]
  return [...new Set([...wanted.keys(), ...found.keys()])].filter(path => wanted.get(path) !== found.get(path))
}
