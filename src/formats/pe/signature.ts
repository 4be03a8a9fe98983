// Authenticode signatures inside of a PE file: "Windows Authenticode Portable Executable Signature Format", SpcIndirectDataContent.

import { ToolError } from '../../errors.ts'
import { type Bank, type Digests, digestLength } from '../bytes/digest.ts'
import { formatHex } from '../bytes/hex.ts'
import type { Certificate } from '../der/certificate.ts'
import { childAt, type DerOrigin, derError, objectIdentifier, tags, universalAt } from '../der/element.ts'
import { parseSignedData } from '../der/signed-data.ts'
import { pkcsSignedData } from './certificate-table.ts'
import type { PeFile } from './pe.ts'

const spcIndirectData = '1.3.6.1.4.1.311.2.1.4'

const digestAlgorithms: Readonly<Record<string, Bank>> = {
  '1.3.14.3.2.26': 'sha1',
  '2.16.840.1.101.3.4.2.1': 'sha256',
  '2.16.840.1.101.3.4.2.2': 'sha384',
  '2.16.840.1.101.3.4.2.3': 'sha512',
}

/** What one signature says of the file, and who signed. */
export interface AuthenticodeSignature {
  readonly algorithm: Bank
  /** The digest that was signed: a claim, to be compared with the digest of the file. */
  readonly digest: Uint8Array
  /** Signer first. */
  readonly certificates: readonly Certificate[]
}

/** The PKCS#7 entries of the certificate table, in order. Throws PE_INVALID. */
export function parseSignatures(pe: PeFile): AuthenticodeSignature[] {
  return pe.signatures
    .filter(entry => entry.type === pkcsSignedData)
    .map((entry, index) =>
      parseSignature(entry.data, { source: pe.source, path: `signature ${index}`, code: 'PE_INVALID' }),
    )
}

function parseSignature(bytes: Uint8Array, origin: DerOrigin): AuthenticodeSignature {
  const { contentType, content, certificates } = parseSignedData(bytes, origin)
  if (contentType !== spcIndirectData) throw derError(origin, `content ${contentType}`, 'SpcIndirectDataContent')
  const digestInfo = universalAt(content, 1, tags.sequence, 'messageDigest')
  const identifier = objectIdentifier(
    childAt(universalAt(digestInfo, 0, tags.sequence, 'digestAlgorithm'), 0, 'algorithm'),
  )
  const algorithm = digestAlgorithms[identifier]
  if (algorithm === undefined) throw derError(origin, `digest algorithm ${identifier}`, 'SHA-1 or SHA-2')
  const digest = universalAt(digestInfo, 1, tags.octetString, 'digest').content
  if (digest.length !== digestLength[algorithm])
    throw derError(origin, `${digest.length} bytes`, `${digestLength[algorithm]} bytes of ${algorithm}`)
  return { algorithm, digest, certificates }
}

/**
 * Compares the digest in every signature with that of the file. Throws SIGNATURE_DIGEST_MISMATCH.
 * Signers pad a file to a multiple of 8 before the table, so a signed file has only one digest.
 */
export function checkSignatureDigests(
  pe: PeFile,
  signatures: readonly AuthenticodeSignature[],
  digests: Digests,
): void {
  for (const [index, { algorithm, digest }] of signatures.entries()) {
    const computed = digests[algorithm]
    if (Buffer.compare(digest, computed) === 0) continue
    throw new ToolError('SIGNATURE_DIGEST_MISMATCH', 'the signature belongs to other contents', {
      found: `${algorithm}:${formatHex(computed)}`,
      wanted: `${algorithm}:${formatHex(digest)} as signed`,
      where: { source: pe.source, path: `signature ${index}` },
    })
  }
}

/** Subjects of the certificates of all signatures, signers first, each once. */
export function signerSubjects(signatures: readonly AuthenticodeSignature[]): string[] {
  return [...new Set(signatures.flatMap(signature => signature.certificates.map(certificate => certificate.subject)))]
}
