import { describe, expect, it } from 'vitest'
import { type CheckedSignature, type SignerRules, type SigningKey, signerOf } from '../../src/kernel/signer.ts'
import { faultOf } from '../build/damage.ts'

const [pinned, other, subkey] = ['A', 'B', 'C'].map(digit => digit.repeat(40)) as [string, string, string]
const [signedAt, now, day] = [1_790_000_000, 1_795_000_000, 86_400]
const sha256 = 8

const good: SigningKey = {
  fingerprint: pinned,
  keyFingerprint: pinned,
  algorithm: 'rsaSign',
  bits: 2048,
  created: signedAt - day,
  expires: null,
  revoked: false,
  unusable: null,
}

interface Change {
  readonly key?: Partial<SigningKey> | null
  readonly signature?: Partial<CheckedSignature['signature']>
  readonly fits?: boolean
}

function signature({ key, signature: own, fits = true }: Change = {}): CheckedSignature {
  return {
    tag: 'RSAHEADER (268)',
    signature: {
      bytes: new Uint8Array(),
      version: 4,
      type: 0,
      publicKeyAlgorithm: 1,
      hashAlgorithm: sha256,
      created: signedAt,
      expiresAfter: null,
      issuers: [other.slice(-16)],
      version3: null,
      ...own,
    },
    by: key === null ? null : { ...good, ...key },
    fits: key !== null && fits,
  }
}

const strict: SignerRules = { allowUnsigned: false, now }
const lenient: SignerRules = { allowUnsigned: true, now }
const file = { source: 'https://mirror.example.org/k.rpm', ofHeaderAndPayload: [] }
const codeOf = (checked: readonly CheckedSignature[], rules = strict) =>
  faultOf(() => signerOf(checked, file, rules)).code

const accepted: readonly (readonly [string, Change])[] = [
  ['a primary key', {}],
  ['a subkey', { key: { keyFingerprint: subkey, algorithm: 'ed25519', bits: null } }],
  ['a key that will expire', { key: { expires: now + 1 } }],
  ['a signature that will expire', { signature: { expiresAfter: now - signedAt + 1 } }],
  ['a clock that is a little ahead', { signature: { created: now + 299 } }],
  ['a key made in the second of its signature', { key: { created: signedAt } }],
]

const refused: readonly (readonly [string, string, Change])[] = [
  ['RPM_SIGNATURE_INVALID', 'other bytes', { fits: false }],
  ['RPM_SIGNATURE_INVALID', 'a signature over text', { signature: { type: 1 } }],
  ['RPM_SIGNATURE_INVALID', 'a certification', { signature: { type: 0x10 } }],
  ['RPM_SIGNATURE_INVALID', 'the future', { signature: { created: now + 301 } }],
  ['RPM_SIGNATURE_WEAK', 'MD5', { signature: { hashAlgorithm: 1 } }],
  ['RPM_SIGNATURE_WEAK', 'SHA-1', { signature: { hashAlgorithm: 2 } }],
  ['RPM_SIGNATURE_WEAK', 'RIPEMD-160', { signature: { hashAlgorithm: 3 } }],
  ['RPM_SIGNATURE_WEAK', 'SHA-224', { signature: { hashAlgorithm: 11 } }],
  ['RPM_SIGNATURE_WEAK', 'a hash that nobody knows', { signature: { hashAlgorithm: 99 } }],
  ['RPM_SIGNATURE_WEAK', 'RSA with 2047 bits', { key: { bits: 2047 } }],
  ['RPM_SIGNATURE_WEAK', 'RSA of unknown size', { key: { bits: null, algorithm: 'rsaEncryptSign' } }],
  ['RPM_SIGNATURE_WEAK', 'DSA', { key: { algorithm: 'dsa', bits: 3072 }, signature: { publicKeyAlgorithm: 17 } }],
  ['RPM_SIGNATURE_EXPIRED', 'an expired signature', { signature: { expiresAfter: now - signedAt } }],
  ['RPM_KEY_EXPIRED', 'an expired key', { key: { expires: now } }],
  ['RPM_KEY_EXPIRED', 'a key that is younger than its signature', { key: { created: signedAt + 1 } }],
  ['RPM_KEY_REVOKED', 'a revoked key', { key: { revoked: true, unusable: 'Primary key is revoked' } }],
  ['RPM_KEY_UNUSABLE', 'a key for encryption', { key: { unusable: 'not for signing' } }],
]

describe('signerOf', () => {
  it.each(accepted)('accepts %s', (_, change) => {
    expect(signerOf([signature(change)], file, strict)).toBe(pinned)
    expect(signerOf([signature({ key: null }), signature(change)], file, strict)).toBe(pinned)
  })

  it.each(refused)('%s: %s, also where unsigned packages are allowed', (code, _, change) => {
    expect(codeOf([signature(change)])).toBe(code)
    expect(codeOf([signature(change)], lenient)).toBe(code)
    expect(codeOf([signature({ key: null }), signature(change)], lenient)).toBe(code)
  })

  it('accepts a package with a weak signature beside a good one, never with one that does not fit', () => {
    for (const [code, , change] of refused) {
      const both = [signature(change), signature({ key: { fingerprint: other, keyFingerprint: other } })]
      if (code === 'RPM_SIGNATURE_INVALID') expect(codeOf(both)).toBe(code)
      else expect(signerOf(both, file, strict)).toBe(other)
    }
  })

  it('no signature by a pinned key: only where that is allowed', () => {
    expect(codeOf([])).toBe('RPM_SIGNATURE_MISSING')
    expect(codeOf([signature({ key: null })])).toBe('RPM_KEY_UNKNOWN')
    expect(signerOf([], file, lenient)).toBeNull()
    expect(signerOf([signature({ key: null })], file, lenient)).toBeNull()
  })

  it('says which keys and tags it found', () => {
    const legacy = { ...file, ofHeaderAndPayload: ['SIGPGP (1002)'] }
    expect(faultOf(() => signerOf([], legacy, strict)).found).toBe(
      'only SIGPGP (1002), over header and payload together',
    )
    const unknown = faultOf(() => signerOf([signature({ key: null })], file, strict))
    expect(unknown.found).toBe(`a signature by ${other.slice(-16)}`)
    const expired = signature({ key: { keyFingerprint: subkey, expires: now - day } })
    expect(faultOf(() => signerOf([expired], file, strict)).found).toBe(
      `key ${subkey} of ${pinned}, 2026-11-17T11:06:40Z`,
    )
  })
})
