// OCI content digests: image-spec descriptor.md, "Digests". Only sha256 is used here.

export type OciDigest = `sha256:${string}`

const pattern = /^sha256:[0-9a-f]{64}$/

export function isOciDigest(text: string): text is OciDigest {
  return pattern.test(text)
}

/** The 64 hex digits of a digest. */
export function digestHex(digest: OciDigest): string {
  return digest.slice('sha256:'.length)
}
