// ChainID: one digest over a stack of layers. OCI image-spec, config.md, "Layer ChainID".

import { sha256Hex } from '../bytes/digest.ts'
import type { OciDigest } from './digest.ts'

/** ChainID of the diff_ids from bottom to top; undefined for no layers. */
export function chainId(diffIds: readonly OciDigest[]): OciDigest | undefined {
  const [first, ...others] = diffIds
  if (first === undefined) return undefined
  return others.reduce<OciDigest>((below, diffId) => `sha256:${sha256Hex(Buffer.from(`${below} ${diffId}`))}`, first)
}
