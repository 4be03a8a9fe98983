// OCI content digests: image-spec descriptor.md, "Digests". Only sha256 is used here.

import { ToolError } from '../../errors.ts'

export type OciDigest = `sha256:${string}`

const pattern = /^sha256:[0-9a-f]{64}$/

export function isOciDigest(text: string): text is OciDigest {
  return pattern.test(text)
}

/** A checked digest. Throws REFERENCE_INVALID for every other algorithm, length or letter case. */
export function parseOciDigest(text: string, source: string): OciDigest {
  if (isOciDigest(text)) return text
  throw new ToolError('REFERENCE_INVALID', 'not a digest', {
    found: text,
    wanted: 'sha256: and 64 lower-case hex digits',
    where: { source },
  })
}

/** The 64 hex digits of a digest. */
export function digestHex(digest: OciDigest): string {
  return digest.slice('sha256:'.length)
}
