// X.509 certificates (RFC 5280): the fields that name one. Bytes are kept as they came.

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

export interface Certificate {
  readonly bytes: Uint8Array
  /** One line, most specific part first: `CN=…, O=…, C=…`. */
  readonly subject: string
  /** Issuer name and serial number as DER, to find the certificate that a signer names. */
  readonly issuerName: Uint8Array
  readonly serialNumber: Uint8Array
}

/** Throws the code of `origin`. */
export function parseCertificate(bytes: Uint8Array, origin: DerOrigin): Certificate {
  const toBeSigned = universalAt(parseDer(bytes, origin), 0, tags.sequence, 'TBSCertificate')
  const first = childAt(toBeSigned, 0, 'serialNumber')
  const serial = isUniversal(first, tags.integer) ? 0 : 1
  return {
    bytes,
    serialNumber: universalAt(toBeSigned, serial, tags.integer, 'serialNumber').bytes,
    issuerName: universalAt(toBeSigned, serial + 2, tags.sequence, 'issuer').bytes,
    subject: subjectOf(bytes, origin),
  }
}

function subjectOf(bytes: Uint8Array, origin: DerOrigin): string {
  let subject: string
  try {
    subject = new X509Certificate(bytes).subject
  } catch (error) {
    throw derError(origin, error instanceof Error ? error.message : String(error), 'an X.509 certificate')
  }
  return subject.split('\n').reverse().join(', ')
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
