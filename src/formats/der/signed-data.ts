// PKCS#7 SignedData (RFC 2315 §9.1): content, certificates and who signed. Signatures are not verified here.

import { type Certificate, parseCertificate, sameElement } from './certificate.ts'
import {
  childAt,
  type DerElement,
  type DerOrigin,
  derError,
  isUniversal,
  objectIdentifier,
  parseDer,
  tags,
  universalAt,
} from './element.ts'

const signedDataType = '1.2.840.113549.1.7.2'

export interface SignedData {
  readonly contentType: string
  /** What is signed, one element. */
  readonly content: DerElement
  /** Those of the signers first, in the order of the signers, then the others as they came. */
  readonly certificates: readonly Certificate[]
}

/** Reads a ContentInfo that holds SignedData. Throws the code of `origin`. */
export function parseSignedData(bytes: Uint8Array, origin: DerOrigin): SignedData {
  const contentInfo = parseDer(bytes, origin)
  const type = objectIdentifier(childAt(contentInfo, 0, 'contentType'))
  if (type !== signedDataType) throw derError(origin, `content type ${type}`, 'SignedData')
  const signedData = childAt(context(contentInfo, 0) ?? contentInfo, 0, 'SignedData')
  const encapsulated = universalAt(signedData, 2, tags.sequence, 'contentInfo')
  const content = context(encapsulated, 0)
  if (content === undefined) throw derError(origin, 'a detached signature', 'content inside of the signature')
  const certificates = (context(signedData, 0)?.children ?? [])
    .filter(child => isUniversal(child, tags.sequence))
    .map(child => parseCertificate(child.bytes, origin))
  return {
    contentType: objectIdentifier(childAt(encapsulated, 0, 'contentType')),
    content: childAt(content, 0, 'content'),
    certificates: signersFirst(certificates, signersOf(signedData)),
  }
}

interface SignerName {
  readonly issuerName: DerElement
  readonly serialNumber: DerElement
}

function signersOf(signedData: DerElement): SignerName[] {
  const infos = signedData.children.at(-1)
  if (infos === undefined || !isUniversal(infos, tags.set)) throw derError(signedData.origin, 'no SET', 'signerInfos')
  return infos.children.map(info => {
    const issuerAndSerial = universalAt(info, 1, tags.sequence, 'issuerAndSerialNumber')
    return {
      issuerName: childAt(issuerAndSerial, 0, 'issuer'),
      serialNumber: childAt(issuerAndSerial, 1, 'serialNumber'),
    }
  })
}

function signersFirst(certificates: readonly Certificate[], signers: readonly SignerName[]): Certificate[] {
  const signing = signers.flatMap(signer =>
    certificates.filter(
      certificate =>
        sameElement(signer.issuerName, certificate.issuerName) &&
        sameElement(signer.serialNumber, certificate.serialNumber),
    ),
  )
  return [...new Set([...signing, ...certificates])]
}

function context(parent: DerElement, number: number): DerElement | undefined {
  return parent.children.find(child => child.tagClass === 'context' && child.tagNumber === number)
}
