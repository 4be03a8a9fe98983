// Authenticode signatures inside of a PE file: "Windows Authenticode Portable Executable Signature Format", SpcIndirectDataContent.

import { ToolError } from '../../errors.ts'
import { type Bank, type Digests, digestLength } from '../bytes/digest.ts'
import { formatHex } from '../bytes/hex.ts'
import { type Certificate, sameElement } from '../der/certificate.ts'
import { certificatePath } from '../der/certificate-path.ts'
import { type DerOrigin, derError, isUniversal, tags, universalAt } from '../der/element.ts'
import { parseSignedData, type SignedData } from '../der/signed-data.ts'
import { algorithmIdentifier, digestAlgorithmOf, namedBySigner, signerFault } from '../der/signer-info.ts'
import { authenticodeDigests } from './authenticode.ts'
import { pkcsSignedData } from './certificate-table.ts'
import type { PeFile } from './pe.ts'

const spcIndirectData = '1.3.6.1.4.1.311.2.1.4'

/** What one signature says of the file, who signed, and whether it verifies. */
export interface AuthenticodeSignature {
  readonly algorithm: Bank
  /** The digest that was signed: a claim, to be compared with the digest of the file. */
  readonly digest: Uint8Array
  /** Signer first. */
  readonly certificates: readonly Certificate[]
  /**
   * The signer, then each issuer among the certificates whose key really verifies the one before. Empty when the
   * signer's certificate is missing. It says nothing while there is a fault.
   */
  readonly path: readonly Certificate[]
  /** SIGNATURE_INVALID or SIGNATURE_DIGEST_MISMATCH: why the signature does not verify; undefined when it does. */
  readonly fault: ToolError | undefined
}

/**
 * The PKCS#7 entries of the certificate table, in order. Throws PE_INVALID for what cannot be read; a signature that
 * can be read and does not verify is kept with its fault, since such a file boots where Secure Boot is off.
 * `digests` are those of the file (`authenticodeDigests`), given by those who have them already.
 */
export function parseSignatures(pe: PeFile, digests?: Digests): AuthenticodeSignature[] {
  const entries = pe.signatures.filter(entry => entry.type === pkcsSignedData)
  if (entries.length === 0) return []
  const computed = digests ?? authenticodeDigests(pe)
  return entries.map((entry, index) =>
    parseSignature(entry.data, { source: pe.source, path: `signature ${index}`, code: 'PE_INVALID' }, computed),
  )
}

function parseSignature(bytes: Uint8Array, origin: DerOrigin, digests: Digests): AuthenticodeSignature {
  const signedData = parseSignedData(bytes, origin)
  const { contentType, content, certificates, signers } = signedData
  if (contentType !== spcIndirectData) throw derError(origin, `content ${contentType}`, 'SpcIndirectDataContent')
  if (!isUniversal(content, tags.sequence)) throw derError(origin, 'another element', 'SpcIndirectDataContent')
  const digestInfo = universalAt(content, 1, tags.sequence, 'messageDigest')
  const identifier = algorithmIdentifier(digestInfo, 0, 'digestAlgorithm')
  const algorithm = digestAlgorithmOf(identifier)
  if (algorithm === undefined) throw derError(origin, `digest algorithm ${identifier}`, 'SHA-1 or SHA-2')
  const digest = universalAt(digestInfo, 1, tags.octetString, 'digest').content
  if (digest.length !== digestLength[algorithm])
    throw derError(origin, `${digest.length} bytes`, `${digestLength[algorithm]} bytes of ${algorithm}`)
  const [signer] = signers.length === 1 ? signers.flatMap(one => namedBySigner(one, certificates)) : []
  return {
    algorithm,
    digest,
    certificates,
    path: signer === undefined ? [] : certificatePath(signer, certificates),
    fault:
      structureFault(signedData, identifier, digest, signer, origin) ??
      (sameElement(digest, digests[algorithm]) ? undefined : digestMismatch(algorithm, digest, digests, origin)),
  }
}

/** The rules of Authenticode ("SignedData", "SpcIndirectDataContent"), then the signature itself. */
function structureFault(
  { signers, digestAlgorithms, contentType, content }: SignedData,
  identifier: string,
  digest: Uint8Array,
  certificate: Certificate | undefined,
  origin: DerOrigin,
): ToolError | undefined {
  const fault = (found: string, wanted: string) =>
    new ToolError('SIGNATURE_INVALID', 'the signature does not verify', {
      found,
      wanted,
      where: { source: origin.source, path: origin.path },
    })
  const [signer] = signers
  if (signer === undefined || signers.length > 1) return fault(`${signers.length} signers`, 'one signer')
  if (certificate === undefined) return fault('no certificate of the signer', 'the certificate that the signer names')
  const named = [...digestAlgorithms, signer.digestAlgorithm]
  // firmware takes the algorithm from the beginning, shim assumes SHA-256; only where all agree do all read the same
  if (digestAlgorithms.length !== 1 || named.some(name => name !== identifier))
    return fault(`digest algorithms ${named.join(', ')}`, `${identifier} everywhere, as the signed digest has it`)
  // firmware and shim compare the last bytes of the content
  if (!sameElement(content.content.subarray(-digest.length), digest))
    return fault('something behind the digest', 'the digest at the end of the signed content')
  const wrong = signerFault(signer, certificate, contentType, content.content)
  return wrong && fault(wrong.found, wrong.wanted)
}

function digestMismatch(algorithm: Bank, digest: Uint8Array, digests: Digests, origin: DerOrigin): ToolError {
  return new ToolError('SIGNATURE_DIGEST_MISMATCH', 'the signature belongs to other contents', {
    found: `${algorithm}:${formatHex(digests[algorithm])}`,
    wanted: `${algorithm}:${formatHex(digest)} as signed`,
    where: { source: origin.source, path: origin.path },
  })
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
    if (sameElement(digest, computed)) continue
    throw digestMismatch(algorithm, digest, digests, {
      source: pe.source,
      path: `signature ${index}`,
      code: 'PE_INVALID',
    })
  }
}

/** Subjects of the certificates of all signatures, signers first, each once. */
export function signerSubjects(signatures: readonly AuthenticodeSignature[]): string[] {
  return [...new Set(signatures.flatMap(signature => signature.certificates.map(certificate => certificate.subject)))]
}
