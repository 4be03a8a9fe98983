// A commit object of ostree: libostree ostree-core.h, OSTREE_COMMIT_GVARIANT_FORMAT (a{sv}aya(say)sstayay).

import { stringOf, tupleEnds, wrong } from './framing.ts'
import { checksumOf, type OstreeChecksum } from './object-name.ts'

export interface OstreeCommit {
  /** Directory tree of the root. */
  readonly tree: OstreeChecksum
  /** Owner, mode and attributes of the root. */
  readonly meta: OstreeChecksum
}

/** Metadata, parent, related objects, subject and body; the root's tree. The time stands between them. */
const offsets = 6

/** Throws INPUT_INVALID. That the bytes are those that a checksum names is for the caller to check. */
export function parseCommit(bytes: Uint8Array, source: string): OstreeCommit {
  const [metadata = 0, parent = 0, related = 0, subject = 0, body = 0, tree = 0, meta = 0] = tupleEnds(
    { bytes, source },
    offsets,
  )
  const time = Math.ceil(body / 8) * 8
  if (time + 8 > tree) throw wrong(source, `a commit without a time at ${time}`, `at most ${tree}`)
  if (bytes.subarray(body, time).some(byte => byte !== 0)) throw wrong(source, 'padding of a commit', 'zeros')
  if (parent - metadata !== 0 && parent - metadata !== 32)
    throw wrong(source, `a parent of ${parent - metadata} bytes`, '32 bytes or none')
  for (const [start, end] of [
    [related, subject],
    [subject, body],
  ] as const)
    stringOf({ bytes: bytes.subarray(start, end), source })
  return {
    tree: checksumOf(bytes.subarray(time + 8, tree), source),
    meta: checksumOf(bytes.subarray(tree, meta), source),
  }
}
