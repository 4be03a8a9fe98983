// Who signed a package, by the rules of this tool (D8). The signatures were opened elsewhere: here stands what counts.

import { type ErrorCode, ToolError } from '../errors.ts'
import type { OpenPgpSignature } from '../formats/openpgp/signature.ts'

/** A key that the user trusts to sign packages. */
export interface PinnedKey {
  /** Of the primary key, 40 or 64 upper-case hex digits. */
  readonly fingerprint: string
  /** The primary key with all that belongs to it, as packets. */
  readonly certificate: Uint8Array
  /** The file that it is from. */
  readonly source: string
}

/** A signature over the header of a package, before it was checked. */
export interface SignatureToCheck {
  /** Name and number of its tag in the signature header. */
  readonly tag: string
  readonly signature: OpenPgpSignature
}

/** What is known of the key that a signature says it is by. Times are seconds since 1970. */
export interface SigningKey {
  /** Of the pinned primary key. */
  readonly fingerprint: string
  /** Of the key that signed: the same, or that of a subkey. */
  readonly keyFingerprint: string
  /** As OpenPGP.js names it: rsaSign, dsa, ed25519, … */
  readonly algorithm: string
  /** null: no RSA or DSA key. */
  readonly bits: number | null
  readonly created: number
  /** The earlier one of primary key and subkey, by their newest signatures of their own; null: never. */
  readonly expires: number | null
  /** Primary key or subkey: for good, or before the package was signed. */
  readonly revoked: boolean
  /** Why the key may not sign at all; null: it may. */
  readonly unusable: string | null
}

/** One signature and one pinned key that it says it is by. */
export interface CheckedSignature extends SignatureToCheck {
  /** null: it is by no pinned key. */
  readonly by: SigningKey | null
  /** The signature fits header and key; false where there is no key. */
  readonly fits: boolean
}

export interface SignedFile {
  readonly source: string
  /** Tags of signatures that do not count: what they are over was never checked on its own. */
  readonly ofHeaderAndPayload: readonly string[]
}

export interface SignerRules {
  /** Accept packages that no pinned key signed. */
  readonly allowUnsigned: boolean
  /** Seconds since 1970. */
  readonly now: number
}

/** Clocks of build machines are not exact; rpm gives as much. */
const clockSkew = 5 * 60
const minimumRsaBits = 2048
/** RFC 9580 sections 9.5 and 9.1. */
const hashNames = new Map([
  [1, 'MD5'],
  [2, 'SHA-1'],
  [3, 'RIPEMD-160'],
  [11, 'SHA-224'],
])
/** SHA-256, SHA-384, SHA-512, SHA3-256, SHA3-512. */
const strongHashes: readonly number[] = [8, 9, 10, 12, 14]
const dsaAlgorithm = 17
const overBytes = 0

/**
 * Fingerprint of the pinned key whose signature over the header holds; null where nobody's does and that is allowed. A signature of a
 * pinned key that does not fit is never accepted, whatever else is there. Throws RPM_SIGNATURE_MISSING, RPM_KEY_UNKNOWN (both only
 * without `allowUnsigned`), RPM_SIGNATURE_INVALID, RPM_SIGNATURE_WEAK, RPM_SIGNATURE_EXPIRED, RPM_KEY_EXPIRED, RPM_KEY_REVOKED,
 * RPM_KEY_UNUSABLE.
 */
export function signerOf(checked: readonly CheckedSignature[], file: SignedFile, rules: SignerRules): string | null {
  const faults = checked.map(one => faultOf(one, file.source, rules))
  const broken = faults.find(fault => fault?.code === 'RPM_SIGNATURE_INVALID')
  if (broken !== undefined) throw broken
  const good = faults.indexOf(undefined)
  if (good >= 0) return checked[good]?.by?.fingerprint ?? null
  const known = faults.find(fault => fault?.code !== 'RPM_KEY_UNKNOWN')
  if (known !== undefined) throw known
  if (rules.allowUnsigned) return null
  const [first] = faults
  if (first !== undefined) throw first
  throw new ToolError('RPM_SIGNATURE_MISSING', 'an RPM file has no OpenPGP signature over its header', {
    found:
      file.ofHeaderAndPayload.length === 0
        ? 'no signature'
        : `only ${file.ofHeaderAndPayload.join(', ')}, over header and payload together`,
    wanted: 'a signature by a key of rpm-keys',
    where: { source: file.source },
  })
}

/** Why this one signature does not make the package acceptable. */
function faultOf(one: CheckedSignature, source: string, { now }: SignerRules): ToolError | undefined {
  const { signature, by, tag } = one
  const refuse = (code: ErrorCode, message: string, found: string, wanted: string) =>
    new ToolError(code, message, { found, wanted, where: { source, path: tag } })
  if (by === null)
    return refuse(
      'RPM_KEY_UNKNOWN',
      'an RPM file is signed, but by none of the keys of rpm-keys',
      `a signature by ${[...new Set(signature.issuers)].join(', ') || 'a key that it does not name'}`,
      'a signature by a key of rpm-keys',
    )
  const key = by.keyFingerprint === by.fingerprint ? by.fingerprint : `${by.keyFingerprint} of ${by.fingerprint}`
  const weak = weakness(signature, by)
  if (weak !== undefined)
    return refuse(
      'RPM_SIGNATURE_WEAK',
      'the signature of an RPM file is too weak',
      `${weak}, key ${key}`,
      'SHA-256 or better',
    )
  if (!one.fits || signature.type !== overBytes)
    return refuse(
      'RPM_SIGNATURE_INVALID',
      'the signature of an RPM file does not fit its header',
      `type ${signature.type}, made ${when(signature.created)}, key ${key}`,
      'a signature over these bytes',
    )
  if (signature.created > now + clockSkew)
    return refuse(
      'RPM_SIGNATURE_INVALID',
      'the signature of an RPM file is from the future',
      when(signature.created),
      `before ${when(now)}`,
    )
  if (by.revoked)
    return refuse(
      'RPM_KEY_REVOKED',
      'the key that signed an RPM file was revoked',
      `key ${key}`,
      'a key that is not revoked',
    )
  if (signature.expiresAfter !== null && signature.created + signature.expiresAfter <= now)
    return refuse(
      'RPM_SIGNATURE_EXPIRED',
      'the signature of an RPM file has expired',
      when(signature.created + signature.expiresAfter),
      `after ${when(now)}`,
    )
  if (by.expires !== null && by.expires <= now)
    return refuse(
      'RPM_KEY_EXPIRED',
      'the key that signed an RPM file has expired',
      `key ${key}, ${when(by.expires)}`,
      `after ${when(now)}`,
    )
  if (by.created > signature.created)
    return refuse(
      'RPM_KEY_EXPIRED',
      'the key that signed an RPM file was not valid yet',
      `key ${key} made ${when(by.created)}, signature ${when(signature.created)}`,
      'a key that is older than its signature',
    )
  if (by.unusable !== null)
    return refuse(
      'RPM_KEY_UNUSABLE',
      'the key that signed an RPM file may not sign',
      `key ${key}: ${by.unusable}`,
      'a key that may sign',
    )
  return undefined
}

function weakness(
  { hashAlgorithm, publicKeyAlgorithm }: OpenPgpSignature,
  { algorithm, bits }: SigningKey,
): string | undefined {
  if (!strongHashes.includes(hashAlgorithm)) return hashNames.get(hashAlgorithm) ?? `hash algorithm ${hashAlgorithm}`
  if (publicKeyAlgorithm === dsaAlgorithm || algorithm === 'dsa') return `DSA with ${bits ?? 'unknown'} bits`
  return algorithm.startsWith('rsa') && (bits ?? 0) < minimumRsaBits ? `RSA with ${bits ?? 'unknown'} bits` : undefined
}

/** 2026-11-21T02:00:00Z */
function when(seconds: number): string {
  return `${new Date(seconds * 1000).toISOString().slice(0, 19)}Z`
}
