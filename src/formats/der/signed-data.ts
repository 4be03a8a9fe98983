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
import { algorithmIdentifier, namedBySigner, parseSignerInfos, type SignerInfo } from './signer-info.ts'

const signedDataType = '1.2.840.113549.1.7.2'

/** Real signatures carry two to five. */
const mostCertificates = 64

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
  if (!isUniversal(contentInfo, tags.sequence)) throw derError(origin, 'another element', 'ContentInfo')
  const type = objectIdentifier(childAt(contentInfo, 0, 'contentType'))
  if (type !== signedDataType) throw derError(origin, `content type ${type}`, 'SignedData')
  const signedData = universalAt(context(contentInfo, 0) ?? contentInfo, 0, tags.sequence, 'SignedData')
  universalAt(signedData, 0, tags.integer, 'version')
  const algorithms = universalAt(signedData, 1, tags.set, 'digestAlgorithms')
  const encapsulated = universalAt(signedData, 2, tags.sequence, 'contentInfo')
  const content = context(encapsulated, 0)
  if (content === undefined) throw derError(origin, 'a detached signature', 'content inside of the signature')
  const embedded = (context(signedData, 0)?.children ?? []).filter(child => isUniversal(child, tags.sequence))
  if (embedded.length > mostCertificates)
    throw derError(origin, `${embedded.length} certificates`, `at most ${mostCertificates}`)
  const certificates = embedded.map(child => parseCertificate(child.bytes, origin))
  const signers = parseSignerInfos(signedData.children.at(-1), signedData)
  const signing = signers.flatMap(signer => namedBySigner(signer, certificates))
  return {
    digestAlgorithms: algorithms.children.map((_, index) => algorithmIdentifier(algorithms, index, 'digestAlgorithm')),
    contentType: objectIdentifier(childAt(encapsulated, 0, 'contentType')),
    content: childAt(content, 0, 'content'),
    certificates: [...new Set([...signing, ...certificates])],
    signers,
  }
}

function context(parent: DerElement, number: number): DerElement | undefined {
  return parent.children.find(child => child.tagClass === 'context' && child.tagNumber === number)
}
