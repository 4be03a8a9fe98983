// Signing keys and X.509 certificates (RFC 5280) for tests: RSA 2048 from a seed, so that equal seeds give equal bytes.

import {
  checkPrimeSync,
  createECDH,
  createHash,
  createPrivateKey,
  createPublicKey,
  type KeyObject,
  sign,
} from 'node:crypto'
import type { Bank } from '../../src/formats/bytes/digest.ts'
import { formatHex } from '../../src/formats/bytes/hex.ts'
import {
  bitString,
  context,
  derNull,
  derTrue,
  newYear,
  objectIdentifier,
  octetString,
  sequence,
  setOf,
  unsignedInteger,
  utf8String,
} from './der.ts'

export interface SigningKey {
  readonly commonName: string
  readonly privateKey: KeyObject
  /** The certificate, DER. */
  readonly certificate: Uint8Array
  /** Issuer name and serial number of the certificate, DER, as a SignerInfo names them. */
  readonly issuerName: Uint8Array
  readonly serialNumber: Uint8Array
  /** Name of the subject, DER. */
  readonly subjectName: Uint8Array
}

export interface SigningKeyOptions {
  readonly commonName?: string
  /** The certificate is signed by this key; without it, by itself. */
  readonly issuer?: SigningKey
  /** Elliptic curve P-256 instead of RSA; signatures with it are not the same every time. */
  readonly curve?: 'P-256'
  /** What the issuer's signature is made over; sha256 when left out. */
  readonly digest?: Bank
  /** False: the certificate says that it is none of an authority. */
  readonly authority?: false
  /** Extended key usages beside code signing. */
  readonly usages?: readonly string[]
  /** pathLenConstraint of basicConstraints. */
  readonly pathLength?: number
  /** More extensions. */
  readonly extensions?: readonly ExtensionToMake[]
  /** 1: no extensions. */
  readonly version?: 1
  /** The year in whose first second it ends to be valid; 2060 when left out. */
  readonly until?: number
}

export interface ExtensionToMake {
  readonly id: string
  readonly critical?: true
  /** DER. */
  readonly value: Uint8Array
}

const made = new Map<string, SigningKey>()

const signatureAlgorithms: Readonly<Record<Bank, { readonly rsa: string; readonly ec: string }>> = {
  sha1: { rsa: '1.2.840.113549.1.1.5', ec: '1.2.840.10045.4.1' },
  sha256: { rsa: '1.2.840.113549.1.1.11', ec: '1.2.840.10045.4.3.2' },
  sha384: { rsa: '1.2.840.113549.1.1.12', ec: '1.2.840.10045.4.3.3' },
  sha512: { rsa: '1.2.840.113549.1.1.13', ec: '1.2.840.10045.4.3.4' },
}

/** AlgorithmIdentifier of signatures by that key. */
export function signatureAlgorithm(bank: Bank, key: KeyObject): Uint8Array {
  return key.asymmetricKeyType === 'ec'
    ? sequence(objectIdentifier(signatureAlgorithms[bank].ec))
    : sequence(objectIdentifier(signatureAlgorithms[bank].rsa), derNull())
}

/** A key and its certificate, the same for the same seed and options; kept for the life of the process. */
export function makeSigningKey(seed: string | number = 'test', options: SigningKeyOptions = {}): SigningKey {
  const commonName = options.commonName ?? `Test signing key ${seed}`
  const name = JSON.stringify([String(seed), commonName, options.issuer?.commonName ?? null])
  const { issuer, curve, digest = 'sha256', authority, usages = [], version, pathLength, until = 2060 } = options
  const more = (options.extensions ?? []).map(one => extension(one))
  const form = JSON.stringify([name, curve, digest, authority, usages, version, pathLength, until, more.map(formatHex)])
  const kept = createHash('sha256')
    .update(issuer?.certificate ?? '')
    .update(form)
    .digest('hex')
  const known = made.get(kept)
  if (known !== undefined) return known
  const privateKey = curve === undefined ? rsaKey(String(seed)) : curveKey(String(seed))
  const subjectName = sequence(setOf(sequence(objectIdentifier('2.5.4.3'), utf8String(commonName))))
  const issuerName = issuer?.subjectName ?? subjectName
  const serialNumber = unsignedInteger(createHash('sha256').update(name).digest().subarray(0, 15))
  const publicKey = new Uint8Array(createPublicKey(privateKey).export({ type: 'spki', format: 'der' }))
  const extensions = sequence(
    sequence(
      objectIdentifier('2.5.29.19'),
      derTrue(),
      octetString(authority === false ? sequence() : sequence(derTrue(), ...lengthOf(pathLength))),
    ),
    sequence(
      objectIdentifier('2.5.29.37'),
      octetString(sequence(...['1.3.6.1.5.5.7.3.3', ...usages].map(objectIdentifier))),
    ),
    ...more,
  )
  const signingKey = issuer?.privateKey ?? privateKey
  const toBeSigned = sequence(
    ...(version === 1 ? [] : [context(0, unsignedInteger(Uint8Array.of(2)))]),
    serialNumber,
    signatureAlgorithm(digest, signingKey),
    issuerName,
    sequence(newYear(2020), newYear(until)),
    subjectName,
    publicKey,
    ...(version === 1 ? [] : [context(3, extensions)]),
  )
  const signature = sign(digest, toBeSigned, signingKey)
  const certificate = sequence(toBeSigned, signatureAlgorithm(digest, signingKey), bitString(signature))
  const key = { commonName, privateKey, certificate, issuerName, serialNumber, subjectName }
  made.set(kept, key)
  return key
}

function extension({ id, critical, value }: ExtensionToMake): Uint8Array {
  return sequence(objectIdentifier(id), ...(critical ? [derTrue()] : []), octetString(value))
}

function lengthOf(pathLength: number | undefined): Uint8Array[] {
  return pathLength === undefined ? [] : [unsignedInteger(Uint8Array.of(pathLength))]
}

function curveKey(seed: string): KeyObject {
  const secret = createHash('sha256').update(seed).digest()
  const pair = createECDH('prime256v1')
  pair.setPrivateKey(secret)
  const point = pair.getPublicKey()
  const jwk = { kty: 'EC', crv: 'P-256', d: secret.toString('base64url') }
  const [x, y] = [point.subarray(1, 33), point.subarray(33)].map(half => half.toString('base64url'))
  return createPrivateKey({ key: { ...jwk, x: x ?? '', y: y ?? '' }, format: 'jwk' })
}

function rsaKey(seed: string): KeyObject {
  const e = 65537n
  const p = primeOf(`${seed}/p`, e)
  const q = primeOf(`${seed}/q`, e)
  const d = inverse(e, (p - 1n) * (q - 1n))
  const [n, dp, dq, qi] = [p * q, d % (p - 1n), d % (q - 1n), inverse(q, p)]
  const jwk = { kty: 'RSA', n: word(n), e: word(e), d: word(d), p: word(p), q: word(q) }
  return createPrivateKey({ key: { ...jwk, dp: word(dp), dq: word(dq), qi: word(qi) }, format: 'jwk' })
}

/** The first prime of 1024 bits in a hash chain, with p-1 prime to e and the two top bits set. */
function primeOf(seed: string, e: bigint): bigint {
  for (let attempt = 0; ; attempt++) {
    const blocks = [0, 1, 2, 3].map(block => createHash('sha256').update(`${seed}/${attempt}/${block}`).digest('hex'))
    const candidate = BigInt(`0x${blocks.join('')}`) | (3n << 1022n) | 1n
    if ((candidate - 1n) % e !== 0n && checkPrimeSync(candidate)) return candidate
  }
}

function inverse(value: bigint, modulus: bigint): bigint {
  let [r, nextR, t, nextT] = [modulus, value % modulus, 0n, 1n]
  while (nextR !== 0n) {
    const quotient = r / nextR
    ;[r, nextR] = [nextR, r - quotient * nextR]
    ;[t, nextT] = [nextT, t - quotient * nextT]
  }
  return t < 0n ? t + modulus : t
}

function word(value: bigint): string {
  const hex = value.toString(16)
  return Buffer.from(hex.length % 2 === 0 ? hex : `0${hex}`, 'hex').toString('base64url')
}
