// Signing keys and X.509 certificates (RFC 5280) for tests: RSA 2048 from a seed, so that equal seeds give equal bytes.

import { checkPrimeSync, createHash, createPrivateKey, createPublicKey, type KeyObject, sign } from 'node:crypto'
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
}

const made = new Map<string, SigningKey>()

export const sha256WithRsa = () => sequence(objectIdentifier('1.2.840.113549.1.1.11'), derNull())

/** A key and its certificate, the same for the same seed and options; kept for the life of the process. */
export function makeSigningKey(seed: string | number = 'test', options: SigningKeyOptions = {}): SigningKey {
  const commonName = options.commonName ?? `Test signing key ${seed}`
  const name = JSON.stringify([String(seed), commonName, options.issuer?.commonName ?? null])
  const known = made.get(name)
  if (known !== undefined) return known
  const privateKey = rsaKey(String(seed))
  const subjectName = sequence(setOf(sequence(objectIdentifier('2.5.4.3'), utf8String(commonName))))
  const issuerName = options.issuer?.subjectName ?? subjectName
  const serialNumber = unsignedInteger(createHash('sha256').update(name).digest().subarray(0, 15))
  const publicKey = new Uint8Array(createPublicKey(privateKey).export({ type: 'spki', format: 'der' }))
  const extensions = sequence(
    sequence(objectIdentifier('2.5.29.19'), derTrue(), octetString(sequence(derTrue()))),
    sequence(objectIdentifier('2.5.29.37'), octetString(sequence(objectIdentifier('1.3.6.1.5.5.7.3.3')))),
  )
  const toBeSigned = sequence(
    context(0, unsignedInteger(Uint8Array.of(2))),
    serialNumber,
    sha256WithRsa(),
    issuerName,
    sequence(newYear(2020), newYear(2060)),
    subjectName,
    publicKey,
    context(3, extensions),
  )
  const signature = sign('sha256', toBeSigned, options.issuer?.privateKey ?? privateKey)
  const certificate = sequence(toBeSigned, sha256WithRsa(), bitString(signature))
  const key = { commonName, privateKey, certificate, issuerName, serialNumber, subjectName }
  made.set(name, key)
  return key
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
