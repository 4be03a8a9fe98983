// SignerInfo of PKCS#7 (RFC 2315 §9.2): reading it, and verifying its signature as OpenSSL's PKCS7_verify does.

import { verify, X509Certificate } from 'node:crypto'
import { type Bank, digestIn } from '../bytes/digest.ts'
import { type Certificate, sameElement } from './certificate.ts'
import { childAt, type DerElement, derError, isUniversal, objectIdentifier, tags, universalAt } from './element.ts'

export interface SignerInfo {
  readonly issuerName: Uint8Array
  readonly serialNumber: Uint8Array
  /** Object identifier. */
  readonly digestAlgorithm: string
  /** `[0] IMPLICIT SET OF Attribute`, or undefined when the content itself is signed. */
  readonly signedAttributes: DerElement | undefined
  readonly signature: Uint8Array
}

const contentTypeAttribute = '1.2.840.113549.1.9.3'
const messageDigestAttribute = '1.2.840.113549.1.9.4'

const digestAlgorithms: ReadonlyMap<string, Bank> = new Map([
  ['1.3.14.3.2.26', 'sha1'],
  ['2.16.840.1.101.3.4.2.1', 'sha256'],
  ['2.16.840.1.101.3.4.2.2', 'sha384'],
  ['2.16.840.1.101.3.4.2.3', 'sha512'],
])

/** The digest algorithm of that object identifier; undefined for one that is none of our banks. */
export function digestAlgorithmOf(identifier: string): Bank | undefined {
  return digestAlgorithms.get(identifier)
}

/** The algorithm named in an AlgorithmIdentifier. */
export function algorithmIdentifier(parent: DerElement, index: number, name: string): string {
  return objectIdentifier(childAt(universalAt(parent, index, tags.sequence, name), 0, 'algorithm'))
}

/** Throws the code of the element's origin. */
function parseSignerInfo(info: DerElement): SignerInfo {
  if (!isUniversal(info, tags.sequence)) throw derError(info.origin, 'another element', 'SignerInfo')
  universalAt(info, 0, tags.integer, 'version')
  const issuerAndSerial = universalAt(info, 1, tags.sequence, 'issuerAndSerialNumber')
  const fourth = childAt(info, 3, 'authenticatedAttributes')
  const signedAttributes = fourth.tagClass === 'context' && fourth.tagNumber === 0 ? fourth : undefined
  const next = signedAttributes === undefined ? 3 : 4
  algorithmIdentifier(info, next, 'digestEncryptionAlgorithm')
  return {
    issuerName: childAt(issuerAndSerial, 0, 'issuer').bytes,
    serialNumber: childAt(issuerAndSerial, 1, 'serialNumber').bytes,
    digestAlgorithm: algorithmIdentifier(info, 2, 'digestAlgorithm'),
    signedAttributes,
    signature: universalAt(info, next + 1, tags.octetString, 'encryptedDigest').content,
  }
}

/** The certificates that the signer names by issuer and serial number. */
export function namedBySigner(signer: SignerInfo, certificates: readonly Certificate[]): Certificate[] {
  return certificates.filter(
    ({ issuerName, serialNumber }) =>
      sameElement(signer.issuerName, issuerName) && sameElement(signer.serialNumber, serialNumber),
  )
}

/** What is wrong, and what would be right. */
export interface SignerFault {
  readonly found: string
  readonly wanted: string
}

/**
 * Why the signature of `certificate`'s key over the content does not verify; undefined when it does.
 * `content` is what the message digest covers. The kind of key decides the scheme, never the name in the signature:
 * PKCS#1 v1.5 for RSA, ECDSA for elliptic curves. OpenSSL does so too, and so a PSS signature is none for firmware.
 */
export function signerFault(
  signer: SignerInfo,
  certificate: Certificate,
  contentType: string,
  content: Uint8Array,
): SignerFault | undefined {
  const algorithm = digestAlgorithmOf(signer.digestAlgorithm)
  if (algorithm === undefined) return { found: `digest algorithm ${signer.digestAlgorithm}`, wanted: 'SHA-1 or SHA-2' }
  const { signedAttributes } = signer
  const fault = signedAttributes && attributesFault(signedAttributes, contentType, digestIn(algorithm, content))
  if (fault !== undefined) return fault
  const signed = signedAttributes === undefined ? content : asSet(signedAttributes)
  if (verifies(algorithm, signed, certificate, signer.signature)) return undefined
  return {
    found: 'a signature value of another key or of other attributes',
    wanted: `one by the key of ${certificate.subject}`,
  }
}

function attributesFault(attributes: DerElement, contentType: string, digest: Uint8Array): SignerFault | undefined {
  const type = attributeValue(attributes, contentTypeAttribute)
  if (type === undefined || objectIdentifier(type) !== contentType)
    return { found: 'another signed contentType, or none', wanted: `one attribute contentType ${contentType}` }
  const messageDigest = attributeValue(attributes, messageDigestAttribute)
  if (messageDigest === undefined || !isUniversal(messageDigest, tags.octetString))
    return { found: 'no signed messageDigest', wanted: 'one attribute messageDigest' }
  if (sameElement(messageDigest.content, digest)) return undefined
  return { found: 'a messageDigest of other content', wanted: 'the digest of the signed content' }
}

/** The only value of the only attribute of that type. */
function attributeValue(attributes: DerElement, type: string): DerElement | undefined {
  const found = attributes.children.filter(attribute => objectIdentifier(childAt(attribute, 0, 'attrType')) === type)
  const values = found.length === 1 ? found[0]?.children[1] : undefined
  return values !== undefined && isUniversal(values, tags.set) && values.children.length === 1
    ? values.children[0]
    : undefined
}

/** What is signed: the attributes under the tag SET OF, not under `[0]`. */
function asSet({ bytes }: DerElement): Uint8Array {
  const set = new Uint8Array(bytes)
  set[0] = 0x31
  return set
}

function verifies(algorithm: Bank, signed: Uint8Array, certificate: Certificate, signature: Uint8Array): boolean {
  try {
    return verify(algorithm, signed, new X509Certificate(certificate.bytes).publicKey, signature)
  } catch {
    // a key of a kind that signs nothing
    return false
  }
}

/** Reads all of `signerInfos`. Throws the code of the element's origin. */
export function parseSignerInfos(infos: DerElement | undefined, parent: DerElement): SignerInfo[] {
  if (infos === undefined || !isUniversal(infos, tags.set)) throw derError(parent.origin, 'no SET', 'signerInfos')
  return infos.children.map(parseSignerInfo)
}
