// Push the checked layout by digest, read the image back from the registry and compare: digest, layers, boot files (D1). Then the tag.

import type { RegistryClient } from '../edge/registry.ts'
import { ToolError } from '../errors.ts'
import { sha256Hex } from '../formats/bytes/digest.ts'
import type { PinnedReference } from '../formats/oci/reference.ts'
import type { ImageContents } from '../image/image-contents.ts'
import type { ImageSource } from '../image/image-source.ts'
import { readImage } from './read-image.ts'

export interface PushPlace {
  readonly target: { readonly registry: string; readonly repository: string }
  readonly tag: string
  /** Its repository may hold the lower layers already. */
  readonly base: PinnedReference
  readonly architecture: string
}

/** Throws PUSH_REFUSED, READ_BACK_MISMATCH, and the faults of reading. */
export async function pushAndReadBack(
  registry: RegistryClient,
  image: ImageSource,
  checked: ImageContents,
  { target, tag, base, architecture }: PushPlace,
): Promise<void> {
  const mountFrom = base.registry === target.registry ? { mountFrom: base.repository } : {}
  await registry.pushImage(image, target, mountFrom)
  const reference = { ...target, tag: undefined, digest: image.digest }
  const pushed = await registry.openImage(reference, architecture, { direct: true })
  const seen = await readImage(pushed)
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
  await registry.pushImage(image, target, { tag })
}

function differences(checked: ImageContents, seen: ImageContents): string[] {
  const digests = ({ bootFiles }: ImageContents) =>
    new Map(bootFiles.map(file => [file.path, file.known?.sha256 ?? sha256Hex(file.bytes)] as const))
  const [wanted, found] = [digests(checked), digests(seen)]
  return [...new Set([...wanted.keys(), ...found.keys()])].filter(path => wanted.get(path) !== found.get(path))
}
