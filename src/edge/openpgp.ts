// Opens OpenPGP signatures with OpenPGP.js, which is loaded only when there is one to open. What counts is decided in kernel/signer.ts.

import { createPublicKey, verify } from 'node:crypto'
import type { Config, Key, PublicKey, Subkey } from 'openpgp'
import { ToolError } from '../errors.ts'
import type { OpenPgpSignature } from '../formats/openpgp/signature.ts'
import type { CheckedSignature, PinnedKey, SignatureToCheck, SigningKey } from '../kernel/signer.ts'

type Library = typeof import('openpgp')

export interface CheckedSignatures {
  readonly checked: readonly CheckedSignature[]
  /** Seconds since 1970. */
  readonly now: number
}

/**
 * Checks every signature with each pinned key that it names, and tells what is known of that key. Throws RPM_KEY_FILE_INVALID for a
 * pinned key that cannot be read; a signature that cannot be read does not fit.
 */
export async function checkSignatures(
  signed: Uint8Array,
  signatures: readonly SignatureToCheck[],
  keys: readonly PinnedKey[],
): Promise<CheckedSignatures> {
  const now = Math.floor(Date.now() / 1000)
  const checked: CheckedSignature[] = []
  if (signatures.length === 0 || keys.length === 0)
    return { checked: signatures.map(one => ({ ...one, by: null, fits: false })), now }
  const library = await import('openpgp')
  for (const one of signatures) {
    const matching: CheckedSignature[] = []
    for (const pinned of keys) {
      const key = await openKey(library, pinned)
      const member = key.getKeys().find(candidate => isNamed(candidate, one.signature.issuers))
      if (member === undefined) continue
      const fits = await fitsKey(library, one.signature, member, signed)
      matching.push({ ...one, by: await signingKey(library, pinned, member, one.signature.created), fits })
    }
    checked.push(...(matching.length > 0 ? matching : [{ ...one, by: null, fits: false }]))
  }
  return { checked, now }
}

/** Reads a pinned key anew: OpenPGP.js keeps what it found at one time in the object. Throws RPM_KEY_FILE_INVALID. */
async function openKey(library: Library, pinned: PinnedKey): Promise<PublicKey> {
  const { certificate, fingerprint, source } = pinned
  const refuse = (found: string, cause?: unknown) =>
    new ToolError('RPM_KEY_FILE_INVALID', 'a pinned key cannot be read', {
      found,
      wanted: `a public key with fingerprint ${fingerprint}`,
      where: { source },
      cause,
    })
  const key = await library.readKey({ binaryKey: certificate }).catch((cause: unknown) => {
    throw refuse(messageOf(cause), cause)
  })
  if (fingerprintOf(key) !== fingerprint) throw refuse(fingerprintOf(key))
  return key
}

type Member = Key | Subkey

function isNamed(key: Member, issuers: readonly string[]): boolean {
  const names = [fingerprintOf(key), key.getKeyID().toHex().toUpperCase()]
  return issuers.some(issuer => names.includes(issuer))
}

function fingerprintOf(key: Member): string {
  return key.getFingerprint().toUpperCase()
}

/** Whether hash and numbers are right; what hash it is, and when it was made, is not asked here. */
async function fitsKey(
  library: Library,
  signature: OpenPgpSignature,
  { keyPacket }: Member,
  signed: Uint8Array,
): Promise<boolean> {
  try {
    if (signature.version3 !== null) return fitsVersion3(signature, keyPacket.publicParams, signed)
    const { packets } = await library.readSignature({ binarySignature: signature.bytes })
    const packet = packets[0]
    const message = await library.createMessage({ binary: signed })
    const data = message.packets[0]
    if (packet === undefined || data === undefined || packet.created === null) return false
    await packet.verify(keyPacket, library.enums.signature.binary, data, packet.created, true, anyHash(library))
    return true
  } catch {
    return false
  }
}

function anyHash(library: Library): Config {
  return { ...library.config, rejectHashAlgorithms: new Set(), rejectMessageHashAlgorithms: new Set() }
}

/** RFC 9580 sections 9.1 and 9.5. */
const rsaAlgorithms = [1, 3]
const hashNames = new Map([
  [1, 'md5'],
  [2, 'sha1'],
  [8, 'sha256'],
  [9, 'sha384'],
  [10, 'sha512'],
])

/** Signatures of version 3 (RFC 4880 section 5.2.2), which OpenPGP.js does not know, by RSA keys. */
function fitsVersion3(signature: OpenPgpSignature, publicParams: object, signed: Uint8Array): boolean {
  const { publicKeyAlgorithm, hashAlgorithm, version3 } = signature
  const hash = hashNames.get(hashAlgorithm)
  const [number, ...others] = version3?.numbers ?? []
  if (!rsaAlgorithms.includes(publicKeyAlgorithm) || hash === undefined || number === undefined || others.length > 0)
    return false
  if (!('n' in publicParams && 'e' in publicParams)) return false
  const { n, e } = publicParams
  if (!(n instanceof Uint8Array && e instanceof Uint8Array) || number.length > n.length) return false
  const text = (bytes: Uint8Array) => Buffer.from(bytes).toString('base64url')
  const key = createPublicKey({ format: 'jwk', key: { kty: 'RSA', n: text(n), e: text(e) } })
  const padded = Buffer.concat([Buffer.alloc(n.length - number.length), number])
  return verify(hash, Buffer.concat([signed, version3?.hashed ?? new Uint8Array()]), key, padded)
}

async function signingKey(library: Library, pinned: PinnedKey, member: Member, signedAt: number): Promise<SigningKey> {
  const at = new Date(signedAt * 1000)
  const { algorithm, bits } = member.getAlgorithmInfo()
  const expiries = await expiryTimes(library, pinned, member)
  return {
    fingerprint: pinned.fingerprint,
    keyFingerprint: fingerprintOf(member),
    algorithm,
    bits: bits ?? null,
    created: seconds(member.getCreationTime()),
    expires: expiries.length === 0 ? null : Math.min(...expiries),
    revoked: await isRevoked(library, pinned, member, at),
    unusable: await whyUnusable(library, pinned, member, at),
  }
}

/** The same key in a certificate that was read anew. */
async function again(library: Library, pinned: PinnedKey, member: Member): Promise<{ key: PublicKey; same: Member }> {
  const key = await openKey(library, pinned)
  return { key, same: key.getKeys().find(one => fingerprintOf(one) === fingerprintOf(member)) ?? key }
}

async function expiryTimes(library: Library, pinned: PinnedKey, member: Member): Promise<number[]> {
  const { key, same } = await again(library, pinned, member)
  const own = [await key.getExpirationTime(), isSubkey(same) ? await same.getExpirationTime() : null]
  return own.flatMap(time => (time instanceof Date ? [seconds(time)] : []))
}

/** A revocation counts from its time on; for good where its reason is none, or that the key was compromised. */
async function isRevoked(library: Library, pinned: PinnedKey, member: Member, at: Date): Promise<boolean> {
  const { key, same } = await again(library, pinned, member)
  if (await key.isRevoked(undefined, undefined, at)) return true
  if (!isSubkey(same)) return false
  const [binding] = same.bindingSignatures
  return binding !== undefined && (await same.isRevoked(binding, key.keyPacket, at))
}

/**
 * Self-signature, binding signature and flags must allow signing now, and for a key that was retired since at the time of the
 * signature. Not then for others: keys are often published with their newest self-signature only.
 */
async function whyUnusable(library: Library, pinned: PinnedKey, member: Member, at: Date): Promise<string | null> {
  const attempt = async (date: Date) => {
    const { key, same } = await again(library, pinned, member)
    try {
      const found = await key.getSigningKey(same.getKeyID(), date)
      return fingerprintOf(found) === fingerprintOf(member) ? null : 'another key has its key ID'
    } catch (error) {
      return messageOf(error)
    }
  }
  const now = new Date()
  return await attempt((await isRevoked(library, pinned, member, now)) ? at : now)
}

function isSubkey(key: Member): key is Subkey {
  return 'mainKey' in key
}

function seconds(time: Date): number {
  return Math.floor(time.getTime() / 1000)
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error)
}
