// Which layers of an image hold an ostree commit, and which stand above it (bootc: ostree-ext/src/container/store.rs, parse_manifest_layout).

import type { Descriptor } from '../formats/oci/descriptor.ts'
import type { OciDigest } from '../formats/oci/digest.ts'
import { isChecksum, type OstreeChecksum } from '../formats/ostree/object-name.ts'
import type { ImageSource } from './image-source.ts'

export interface LayerAt {
  readonly descriptor: Descriptor
  readonly diffId: OciDigest | undefined
}

export interface OstreeLayout {
  /** As the label says; undefined where it does not. Importers do not read it. */
  readonly commit: OstreeChecksum | undefined
  /** The first one holds the commit and its directories; files are in all. */
  readonly base: readonly [LayerAt, ...LayerAt[]]
  /** Lowest first; merged over the commit as in any image. */
  readonly derived: readonly LayerAt[]
}

/** undefined for an image whose labels name no commit, or that importers would refuse for its order of layers. */
export function ostreeLayout({ manifest, config }: ImageSource): OstreeLayout | undefined {
  const { 'ostree.commit': commit, 'ostree.final-diffid': last } = config.imageLabels
  if (last === undefined || (commit !== undefined && !isChecksum(commit))) return undefined
  const layers = manifest.layers.map((descriptor, index) => ({ descriptor, diffId: config.diffIds[index] }))
  const at = layers.findIndex(({ diffId }) => diffId === last)
  const [first, ...chunks] = layers.slice(0, at + 1)
  const digests = new Set(manifest.layers.map(({ digest }) => digest))
  if (first === undefined || digests.size !== layers.length || config.diffIds.lastIndexOf(last as OciDigest) !== at)
    return undefined
  return { commit, base: [first, ...chunks], derived: layers.slice(at + 1) }
}
