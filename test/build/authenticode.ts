// Signs PE files for tests: "Windows Authenticode Portable Executable Signature Format", PKCS#7 SignedData (RFC 2315).

import { createHash, sign } from 'node:crypto'
import type { Bank } from '../../src/formats/bytes/digest.ts'
import { type SigningKey, signatureAlgorithm } from './certificate.ts'
import {
  bitString,
  context,
  der,
  derNull,
  objectIdentifier,
  octetString,
  sequence,
  setOf,
  unsignedInteger,
} from './der.ts'

const spcIndirectData = '1.3.6.1.4.1.311.2.1.4'
const digestAlgorithms: Readonly<Record<Bank, string>> = {
  sha1: '1.3.14.3.2.26',
  sha256: '2.16.840.1.101.3.4.2.1',
  sha384: '2.16.840.1.101.3.4.2.2',
  sha512: '2.16.840.1.101.3.4.2.3',
}
const digestAlgorithm = (bank: Bank) => sequence(objectIdentifier(digestAlgorithms[bank]), derNull())

export interface SignOptions {
  /** Replaces the true digest, for tests of a wrong one. */
  readonly digest?: Uint8Array
  /** Certificates to put before that of the signer. */
  readonly otherCertificates?: readonly Uint8Array[]
  /** sha256 when left out. */
  readonly algorithm?: Bank
  /** False: the content itself is signed. */
  readonly attributes?: false
  /** Replaces the true value of the signed attribute. */
  readonly messageDigest?: Uint8Array
  /** Replaces the true value of the signed attribute. */
  readonly contentType?: string
  /** Signs in place of the signer, whose certificate stays. */
  readonly signedBy?: SigningKey
  /** One more SignerInfo. */
  readonly secondSigner?: SigningKey
  /** What SignerInfo and SignedData say of the algorithm, when it is another than that of the digest. */
  readonly namedAlgorithm?: Bank
  /** Bytes behind the digest in the signed content. */
  readonly trailer?: Uint8Array
  /** False: the certificate of the signer is left out. */
  readonly signerCertificate?: false
}

/** The file with one more signature at its end. An unsigned file is padded with zero bytes to a multiple of 8 first, as signers do. */
export function signPe(file: Uint8Array, signer: SigningKey, options: SignOptions = {}): Uint8Array {
  const { checksumAt, entryAt } = fields(file)
  const before = new DataView(file.buffer, file.byteOffset, file.byteLength)
  const oldTable = before.getUint32(entryAt, true)
  const unsigned = oldTable === 0 ? padded(file, 8) : file.subarray(0, oldTable)
  const oldEntries = oldTable === 0 ? new Uint8Array(0) : file.subarray(oldTable)
  const hash = createHash(options.algorithm ?? 'sha256')
  hash.update(unsigned.subarray(0, checksumAt)).update(unsigned.subarray(checksumAt + 4, entryAt))
  hash.update(unsigned.subarray(entryAt + 8))
  const signature = signedData(options.digest ?? hash.digest(), signer, options)
  const header = Buffer.alloc(8)
  header.writeUInt32LE(8 + signature.length)
  header.writeUInt16LE(0x0200, 4)
  header.writeUInt16LE(0x0002, 6)
  const entry = padded(new Uint8Array(Buffer.concat([header, signature])), 8)
  const signed = new Uint8Array(Buffer.concat([unsigned, oldEntries, entry]))
  const view = new DataView(signed.buffer)
  view.setUint32(entryAt, unsigned.length, true)
  view.setUint32(entryAt + 4, oldEntries.length + entry.length, true)
  return signed
}

function fields(file: Uint8Array): { checksumAt: number; entryAt: number } {
  const view = new DataView(file.buffer, file.byteOffset, file.byteLength)
  const optionalAt = view.getUint32(0x3c, true) + 24
  const wide = view.getUint16(optionalAt, true) === 0x20b
  return { checksumAt: optionalAt + 64, entryAt: optionalAt + (wide ? 112 : 96) + 4 * 8 }
}

function signedData(digest: Uint8Array, signer: SigningKey, options: SignOptions): Uint8Array {
  const { algorithm = 'sha256', otherCertificates = [], secondSigner, namedAlgorithm = algorithm } = options
  const file = context(0, context(2, der(0x80, Buffer.from('<<<Obsolete>>>', 'utf16le').swap16())))
  const imageData = sequence(bitString(new Uint8Array(0)), file)
  const content = sequence(
    sequence(objectIdentifier('1.3.6.1.4.1.311.2.1.15'), imageData),
    sequence(digestAlgorithm(algorithm), octetString(digest)),
    ...(options.trailer === undefined ? [] : [options.trailer]),
  )
  const signers = [signer, ...(secondSigner === undefined ? [] : [secondSigner])]
  const certificates = options.signerCertificate === false ? [] : signers.map(({ certificate }) => certificate)
  const signedData = sequence(
    unsignedInteger(Uint8Array.of(1)),
    setOf(digestAlgorithm(namedAlgorithm)),
    sequence(objectIdentifier(spcIndirectData), context(0, content)),
    context(0, ...otherCertificates, ...certificates),
    setOf(...signers.map(one => signerInfo(insideOf(content), one, options))),
  )
  return sequence(objectIdentifier('1.2.840.113549.1.7.2'), context(0, signedData))
}

function signerInfo(content: Uint8Array, signer: SigningKey, options: SignOptions): Uint8Array {
  const algorithm = options.namedAlgorithm ?? options.algorithm ?? 'sha256'
  const messageDigest = options.messageDigest ?? createHash(algorithm).update(content).digest()
  const attributes = [
    sequence(objectIdentifier('1.2.840.113549.1.9.3'), setOf(objectIdentifier(options.contentType ?? spcIndirectData))),
    sequence(objectIdentifier('1.2.840.113549.1.9.4'), setOf(octetString(messageDigest))),
  ]
  const signed = options.attributes === false ? content : setOf(...attributes)
  const { privateKey } = options.signedBy ?? signer
  return sequence(
    unsignedInteger(Uint8Array.of(1)),
    sequence(signer.issuerName, signer.serialNumber),
    digestAlgorithm(algorithm),
    ...(options.attributes === false ? [] : [context(0, ...attributes)]),
    privateKey.asymmetricKeyType === 'ec'
      ? signatureAlgorithm(algorithm, privateKey)
      : sequence(objectIdentifier('1.2.840.113549.1.1.1'), derNull()),
    octetString(sign(algorithm, signed, privateKey)),
  )
}

/** The content of an element, without its tag and length. */
function insideOf(element: Uint8Array): Uint8Array {
  const length = element[1] ?? 0
  return element.subarray(length < 0x80 ? 2 : 2 + (length - 0x80))
}

function padded(bytes: Uint8Array, to: number): Uint8Array {
  const result = new Uint8Array(Math.ceil(bytes.length / to) * to)
  result.set(bytes)
  return result
}
