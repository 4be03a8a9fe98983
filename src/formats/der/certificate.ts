// X.509 certificates (RFC 5280): the fields that name one, and who really issued it. Bytes are kept as they came.

import { X509Certificate } from 'node:crypto'
import {
  childAt,
  type DerElement,
  type DerOrigin,
  derError,
  isUniversal,
  parseDer,
  tags,
  universalAt,
} from './element.ts'
import { certificateExtensions, extensionIds } from './extensions.ts'

export interface Certificate {
  readonly bytes: Uint8Array
  /** One line, most specific part first: `CN=…, O=…, C=…`. */
  readonly subject: string
  /** Issuer name and serial number as DER, to find the certificate that a signer names. */
  readonly issuerName: Uint8Array
  readonly serialNumber: Uint8Array
  /** TBSCertificate as DER, what the issuer signed and what hashes of certificates in dbx cover. */
  readonly toBeSigned: Uint8Array
}

/** Throws the code of `origin`. */
export function parseCertificate(bytes: Uint8Array, origin: DerOrigin): Certificate {
  const certificate = parseDer(bytes, origin)
  const toBeSigned = universalAt(certificate, 0, tags.sequence, 'TBSCertificate')
  const serial = hasVersion(toBeSigned) ? 1 : 0
  return {
    bytes: certificate.bytes,
    serialNumber: universalAt(toBeSigned, serial, tags.integer, 'serialNumber').bytes,
    issuerName: universalAt(toBeSigned, serial + 2, tags.sequence, 'issuer').bytes,
    subject: subjectOf(bytes, origin),
    toBeSigned: toBeSigned.bytes,
  }
}

/** False for version 1, whose certificates have no extensions. */
function hasVersion(toBeSigned: DerElement): boolean {
  return !isUniversal(childAt(toBeSigned, 0, 'serialNumber'), tags.integer)
}

function subjectOf(bytes: Uint8Array, origin: DerOrigin): string {
  let subject: string
  try {
    subject = new X509Certificate(bytes).subject ?? ''
  } catch (error) {
    throw derError(origin, error instanceof Error ? error.message : String(error), 'an X.509 certificate')
  }
  return subject.split('\n').reverse().join(', ')
}

/**
 * True when `issuer` issued the certificate: its key verifies it, the names and key identifiers fit, and it may issue
 * certificates. This is what OpenSSL demands with partial chains and without dates (X509_check_issued, X509_check_ca),
 * and firmware (edk2 BaseCryptLib) and shim (Cryptlib) check with OpenSSL. Dates are not looked at, as there.
 */
export function isIssuedBy(certificate: Certificate, issuer: Certificate): boolean {
  try {
    const [child, parent] = [new X509Certificate(certificate.bytes), new X509Certificate(issuer.bytes)]
    return (
      child.checkIssued(parent) && (parent.ca || mayIssueWithoutFlag(parent, issuer)) && child.verify(parent.publicKey)
    )
  } catch {
    // a key of an unknown kind verifies nothing
    return false
  }
}

/** OpenSSL's exceptions: version 1 and self-issued, or a key usage (which checkIssued read) instead of basic constraints. */
function mayIssueWithoutFlag(parent: X509Certificate, { toBeSigned, bytes }: Certificate): boolean {
  const fields = parseDer(toBeSigned, { source: '', path: 'TBSCertificate', code: 'INPUT_INVALID' })
  if (!hasVersion(fields)) return parent.checkIssued(new X509Certificate(bytes))
  const ids = certificateExtensions(toBeSigned).map(({ id }) => id)
  return ids.includes(extensionIds.keyUsage) && !ids.includes(extensionIds.basicConstraints)
}

/** Object identifiers of the extended key usage; empty without that extension or when it cannot be read. */
export function extendedKeyUsage(certificate: Certificate): readonly string[] {
  return new X509Certificate(certificate.bytes).keyUsage ?? []
}

/** True for an RSA key by its plain name, rsaEncryption. */
export function hasRsaKey({ bytes }: Certificate): boolean {
  try {
    return new X509Certificate(bytes).publicKey.asymmetricKeyType === 'rsa'
  } catch {
    // a key of an unknown kind
    return false
  }
}

/** True when the bytes are one DER SEQUENCE that ends exactly where they end. */
export function isOneSequence(bytes: Uint8Array): boolean {
  const [tag = 0, first = 0] = bytes
  if (tag !== 0x30) return false
  if (first < 0x80) return bytes.length === 2 + first
  const digits = first - 0x80
  if (digits === 0 || digits > 4 || bytes.length < 2 + digits) return false
  const length = bytes.subarray(2, 2 + digits).reduce((sum, digit) => sum * 256 + digit, 0)
  return bytes.length === 2 + digits + length
}

/** True when both hold the same bytes. */
export function sameElement(a: DerElement | Uint8Array, b: Uint8Array): boolean {
  return Buffer.compare('content' in a ? a.bytes : a, b) === 0
}
