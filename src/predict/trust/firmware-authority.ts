// Which entry of db makes the firmware start a file: edk2 SecurityPkg/Library/DxeImageVerificationLib.

import { type ErrorCode, ToolError } from '../../errors.ts'
import { type Bank, banks, digestIn } from '../../formats/bytes/digest.ts'
import { type Certificate, sameElement } from '../../formats/der/certificate.ts'
import { guids } from '../../formats/efi/guid.ts'
import {
  certificateHashTypes,
  findImageHash,
  formatSignatureData,
  type SignatureData,
  type SignatureList,
} from '../../formats/efi/signature-list.ts'
import { pkcsSignedData } from '../../formats/pe/certificate-table.ts'
import type { AuthenticodeSignature } from '../../formats/pe/signature.ts'
import type { LoadedFile } from '../loaded-file.ts'
import type { Authority } from './authority.ts'
import {
  describeAnchors,
  describePath,
  doubtOf,
  faultOfAll,
  type TrustAnchor,
  trustAnchors,
  vouchesFor,
} from './trust-anchor.ts'

export interface FirmwareKeys {
  readonly db: readonly SignatureList[]
  readonly dbx: readonly SignatureList[]
  /** Where the keys are from, for people: the platform. */
  readonly source: string
}

/**
 * The one authority that the firmware measures for a file that it starts under Secure Boot.
 *
 * For each signature in the order of the certificate table: dbx (certificates, then hashes of certificates); then the
 * first certificate of db, in db's order, that is on the signature's path or signed a certificate on it; then, only if
 * no certificate did, the file's hash in db. Once verified, later signatures are looked up in dbx only, and whatever
 * dbx denies makes the file refused as a whole. The hash looked up is of the signature's own algorithm. An unsigned
 * file is looked up by hash in every algorithm. (edk2 DxeImageVerificationHandler, IsForbiddenByDbx, IsAllowedByDb.)
 *
 * edk2 compares hashes of certificates with the signer's and that of db only, other firmware with the whole path; here
 * each denies. With any dbx a signature without its signer's certificate denies the file too. A time of revocation does not weaken a denial, since no timestamps are read.
 *
 * Throws BOOT_LOADER_UNSIGNED or KERNEL_UNSIGNED, SIGNATURE_INVALID or SIGNATURE_DIGEST_MISMATCH when no signature
 * verifies, NOT_TRUSTED_BY_FIRMWARE (also for what builds of the firmware see differently: `chainDoubt`), DENIED_BY_FIRMWARE.
 */
export function firmwareAuthority(file: LoadedFile, keys: FirmwareKeys): Authority {
  const { signatures, digests } = file
  if (file.pe.certificateTable.size === 0) return unsignedAuthority(file, keys)
  checkTable(file)
  const anchors = trustAnchors(keys.db, keys.source, { firstOnly: false })
  let authority: Authority | undefined
  for (const signature of signatures) {
    const { algorithm } = signature
    refuseDenied(file, keys, signature)
    authority ??= byCertificate(file, keys, signature, anchors)
    refuseDeniedHash(file, keys, algorithm)
    authority ??= byHash(findImageHash(keys.db, algorithm, digests[algorithm]), algorithm, keys)
  }
  if (authority !== undefined) return authority
  throw faultOfAll(signatures) ?? notTrusted(file, keys, anchors)
}

function unsignedAuthority(file: LoadedFile, keys: FirmwareKeys): Authority {
  for (const bank of banks) refuseDeniedHash(file, keys, bank)
  const found = banks.flatMap(bank => byHash(findImageHash(keys.db, bank, file.digests[bank]), bank, keys) ?? [])
  const [authority, second] = found
  if (second !== undefined)
    throw refusal(file, 'NOT_TRUSTED_BY_FIRMWARE', 'it is not predicted which hash the firmware measures', {
      found: `db of ${keys.source} holds the hash of an unsigned file in several algorithms`,
      wanted: 'one of them',
    })
  if (authority !== undefined) return authority
  const kernel = file.file.role === 'kernel' || file.file.role === 'uki'
  throw refusal(file, kernel ? 'KERNEL_UNSIGNED' : 'BOOT_LOADER_UNSIGNED', 'the firmware starts no unsigned file', {
    found: 'no Authenticode signature',
    wanted: `a signed file, or its hash in db of ${keys.source}`,
  })
}

/** What edk2 reads otherwise than we do is refused, since then other certificates would count. */
function checkTable(file: LoadedFile): void {
  const { certificateTable, signatures } = file.pe
  const refuse = (found: string, wanted: string) =>
    refusal(file, 'NOT_TRUSTED_BY_FIRMWARE', 'it is not predicted how the firmware reads the certificate table', {
      found,
      wanted,
    })
  if (certificateTable.size % 8 !== 0) throw refuse(`${certificateTable.size} bytes`, 'a multiple of 8 bytes')
  for (const [index, { type, data }] of signatures.entries()) {
    if (type !== pkcsSignedData) throw refuse(`an entry of type 0x${type.toString(16)}`, 'PKCS#7 entries (type 2) only')
    const algorithm = file.signatures[index]?.algorithm
    if (algorithm === undefined || !namesAlgorithm(data, algorithm))
      throw refuse(
        `signature ${index}, ${data.length} bytes`,
        'a SignedData of 256 to 65535 bytes, which names the algorithm of its digest at offset 32',
      )
  }
}

/** edk2 (HashPeImageByType) finds the digest algorithm by its place behind two lengths of two bytes each, and passes over other signatures. */
function namesAlgorithm(signedData: Uint8Array, algorithm: Bank): boolean {
  const identifier = Buffer.from(algorithmBytes[algorithm], 'hex')
  const place = signedData.subarray(algorithmOffset, algorithmOffset + identifier.length)
  return signedData[1] === 0x82 && sameElement(identifier, place)
}

const algorithmOffset = 32
/** Object identifiers, DER without tag and length. */
const algorithmBytes: Readonly<Record<Bank, string>> = {
  sha1: '2b0e03021a',
  sha256: '608648016503040201',
  sha384: '608648016503040202',
  sha512: '608648016503040203',
}

function byCertificate(
  file: LoadedFile,
  keys: FirmwareKeys,
  signature: AuthenticodeSignature,
  anchors: readonly TrustAnchor[],
): Authority | undefined {
  const anchor = anchors.find(({ certificate }) => vouchesFor(certificate, signature))
  if (anchor === undefined) return undefined
  const { entry, certificate } = anchor
  refuseDeniedCertificate(file, keys, certificate)
  const doubt = doubtOf(certificate, signature)
  if (doubt !== undefined)
    throw refusal(file, 'NOT_TRUSTED_BY_FIRMWARE', 'it is not predicted whether the firmware trusts the signer', {
      found: `${describePath(signature)}; ${doubt}`,
      wanted:
        'a chain that every build of the firmware takes: RSA keys, no other critical extension, no name constraints',
    })
  return inDb(entry, `db of ${keys.source} holds ${certificate.subject}, which vouches for ${describePath(signature)}`)
}

function byHash(entry: SignatureData | undefined, bank: Bank, keys: FirmwareKeys): Authority | undefined {
  return entry && inDb(entry, `db of ${keys.source} holds the ${bank} hash of the file`)
}

function inDb(entry: SignatureData, because: string): Authority {
  const data = formatSignatureData(entry)
  return { variable: { vendorGuid: guids.imageSecurityDatabase, name: 'db', data }, because }
}

function refuseDenied(file: LoadedFile, keys: FirmwareKeys, signature: AuthenticodeSignature): void {
  if (keys.dbx.length > 0 && signature.path.length === 0)
    throw denied(file, keys, 'a signature without the certificate of its one signer, which nobody can compare')
  const denying = trustAnchors(keys.dbx, keys.source, { firstOnly: false }).find(({ certificate }) =>
    vouchesFor(certificate, signature),
  )
  if (denying !== undefined)
    throw denied(file, keys, `${describePath(signature)}, which dbx denies by ${denying.certificate.subject}`)
  for (const certificate of signature.path) refuseDeniedCertificate(file, keys, certificate)
}

function refuseDeniedCertificate(file: LoadedFile, keys: FirmwareKeys, certificate: Certificate): void {
  for (const bank of ['sha256', 'sha384', 'sha512'] as const) {
    const hash = digestIn(bank, certificate.toBeSigned)
    const denying = keys.dbx
      .filter(list => list.type === certificateHashTypes[bank])
      .flatMap(list => list.signatures)
      .some(({ data }) => sameElement(data.subarray(0, hash.length), hash))
    if (denying) throw denied(file, keys, `${certificate.subject}, which dbx denies by its hash`)
  }
}

function refuseDeniedHash(file: LoadedFile, keys: FirmwareKeys, bank: Bank): void {
  if (findImageHash(keys.dbx, bank, file.digests[bank]) === undefined) return
  throw denied(file, keys, `the ${bank} hash of the file`)
}

function denied(file: LoadedFile, { source }: FirmwareKeys, found: string): ToolError {
  return refusal(file, 'DENIED_BY_FIRMWARE', `dbx of ${source} denies the file`, {
    found,
    wanted: 'a file that dbx does not name',
  })
}

function notTrusted(file: LoadedFile, keys: FirmwareKeys, anchors: readonly TrustAnchor[]): ToolError {
  return refusal(file, 'NOT_TRUSTED_BY_FIRMWARE', 'the firmware does not trust the signer of the file', {
    found: file.signatures.map(signature => `signed by ${describePath(signature)}`).join('; '),
    wanted: `a signer in db of ${keys.source}, or issued by one: ${describeAnchors(anchors)}`,
  })
}

function refusal(
  { file }: LoadedFile,
  code: ErrorCode,
  message: string,
  said: { readonly found: string; readonly wanted: string },
): ToolError {
  return new ToolError(code, message, { ...said, where: { source: file.path } })
}
