// Checksums in RPM repository metadata: createrepo_c, src/checksum.h. Only those that still protect are taken.

export const checksumTypes = ['sha256', 'sha384', 'sha512'] as const
export type ChecksumType = (typeof checksumTypes)[number]

export interface Checksum {
  readonly type: ChecksumType
  /** Lower-case hex. */
  readonly hex: string
}

const digits: Readonly<Record<ChecksumType, number>> = { sha256: 64, sha384: 96, sha512: 128 }

/** The checksum, or undefined for an unknown or weak type (md5, sha, sha1) or a wrong number of digits. */
export function parseChecksum(type: string, text: string): Checksum | undefined {
  const known = checksumTypes.find(one => one === type)
  const hex = text.toLowerCase()
  return known !== undefined && hex.length === digits[known] && /^[0-9a-f]+$/.test(hex)
    ? { type: known, hex }
    : undefined
}

/** A size as metadata writes it: decimal, a safe integer; otherwise undefined. */
export function parseSize(text: string): number | undefined {
  return /^[0-9]{1,15}$/.test(text) ? Number(text) : undefined
}
