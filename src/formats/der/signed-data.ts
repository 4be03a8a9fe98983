// PKCS#7 SignedData (RFC 2315 §9.1): content, certificates and who signed. Signatures are verified with signer-info.ts.

import { type Certificate, parseCertificate } from './certificate.ts'
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
import { namedBySigner, parseSignerInfos, type SignerInfo } from './signer-info.ts'

const signedDataType = '1.2.840.113549.1.7.2'

export interface SignedData {
  /** Object identifiers. */
  readonly digestAlgorithms: readonly string[]
  readonly contentType: string
  /** What is signed, one element. */
  readonly content: DerElement
  /** Those of the signers first, in the order of the signers, then the others as they came. */
  readonly certificates: readonly Certificate[]
  readonly signers: readonly SignerInfo[]
}

/** Reads a ContentInfo that holds SignedData. Throws the code of `origin`. */
export function parseSignedData(bytes: Uint8Array, origin: DerOrigin): SignedData {
  const contentInfo = parseDer(bytes, origin)
  const type = objectIdentifier(childAt(contentInfo, 0, 'contentType'))
  if (type !== signedDataType) throw derError(origin, `content type ${type}`, 'SignedData')
  const signedData = childAt(context(contentInfo, 0) ?? contentInfo, 0, 'SignedData')
  const algorithms = universalAt(signedData, 1, tags.set, 'digestAlgorithms')
  const encapsulated = universalAt(signedData, 2, tags.sequence, 'contentInfo')
  const content = context(encapsulated, 0)
  if (content === undefined) throw derError(origin, 'a detached signature', 'content inside of the signature')
  const certificates = (context(signedData, 0)?.children ?? [])
    .filter(child => isUniversal(child, tags.sequence))
    .map(child => parseCertificate(child.bytes, origin))
  const signers = parseSignerInfos(signedData.children.at(-1), signedData)
  const signing = signers.flatMap(signer => namedBySigner(signer, certificates))
  return {
    digestAlgorithms: algorithms.children.map(child => objectIdentifier(childAt(child, 0, 'algorithm'))),
    contentType: objectIdentifier(childAt(encapsulated, 0, 'contentType')),
    content: childAt(content, 0, 'content'),
    certificates: [...new Set([...signing, ...certificates])],
    signers,
  }
}

function context(parent: DerElement, number: number): DerElement | undefined {
  return parent.children.find(child => child.tagClass === 'context' && child.tagNumber === number)
}
