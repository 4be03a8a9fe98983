// Which entries make shim start a file under Secure Boot: rhboot/shim verify.c (shim.c before 16.1).

import { type ErrorCode, ToolError } from '../../errors.ts'
import type { Bank } from '../../formats/bytes/digest.ts'
import { extendedKeyUsage, sameElement } from '../../formats/der/certificate.ts'
import { type Guid, guids } from '../../formats/efi/guid.ts'
import {
  findImageHash,
  formatSignatureData,
  formatSignatureLists,
  parseSignatureLists,
  type SignatureData,
  type SignatureList,
} from '../../formats/efi/signature-list.ts'
import type { AuthenticodeSignature } from '../../formats/pe/signature.ts'
import { vendorMokList } from '../../formats/shim/mok-list.ts'
import type { VendorCert } from '../../formats/shim/vendor-cert.ts'
import { compareShimVersions, type ShimVersion } from '../../formats/shim/version.ts'
import type { LoadedFile } from '../loaded-file.ts'
import type { Authority } from './authority.ts'
import type { FirmwareKeys } from './firmware-authority.ts'
import {
  certificateOf,
  describeAnchors,
  describePath,
  faultOfAll,
  type TrustAnchor,
  trustAnchors,
  vouchesFor,
} from './trust-anchor.ts'

export interface ShimKeys extends FirmwareKeys {
  readonly version: ShimVersion
  readonly vendor: VendorCert
  /** Content of MokListRT: the vendor's part, then the enrolled keys. */
  readonly mokList: readonly SignatureList[]
  /** Content of MokListXRT. */
  readonly mokListX: readonly SignatureList[]
  /** shim does not look into db (MokIgnoreDB). */
  readonly ignoreDb: boolean
}

/** One place that shim looks in, under the name that it measures. */
interface Store {
  readonly name: string
  readonly vendorGuid: Guid
  readonly lists: readonly SignatureList[]
  /** The hashes of whole files that shim compares there, in this order. */
  readonly hashes: readonly Bank[]
}

/** Since then shim reads MokListRT, which holds the vendor's certificate; before, MokList with the enrolled keys alone. */
const readsMokListRt = { major: 15, minor: 7 }
/** Certificates for kernel modules only, which shim skips. */
const moduleSigning = '1.3.6.1.4.1.2312.16.1.2'

/**
 * What shim measures when it verifies a file, in this order and before it leaves out what it measured before
 * (`sameVariable`). First the hash of the file: denied lists, then db, vendor_db, MokListRT; a hit there ends it. Then
 * for every signature, without stopping at a success, the first certificate of db, vendor_db, MokListRT that is on its
 * path or signed a certificate on it, else the vendor's certificate itself. A signature that a denied certificate
 * vouches for gives an event named after that list, and the file still starts when another signature is trusted.
 *
 * shim looks at the first certificate of each list only, and at signatures over SHA-256 only. SBAT is not looked at
 * here.
 *
 * Throws BOOT_LOADER_UNSIGNED or KERNEL_UNSIGNED, SIGNATURE_INVALID or SIGNATURE_DIGEST_MISMATCH when no signature
 * verifies, NOT_TRUSTED_BY_SHIM, DENIED_BY_SHIM, and SHIM_UNSUPPORTED for unreadable vendor lists.
 */
export function shimAuthorities(file: LoadedFile, keys: ShimKeys): readonly Authority[] {
  const [denying, allowing] = [denyingStores(keys), allowingStores(keys)]
  const deniedHash = byHash(file, denying)
  if (deniedHash !== undefined)
    throw refusal(file, 'DENIED_BY_SHIM', 'shim denies the file', {
      found: deniedHash.because,
      wanted: 'a file that no list denies',
    })
  const allowedHash = byHash(file, allowing)
  if (allowedHash !== undefined) return [allowedHash]
  const verdicts = file.signatures.map(signature => {
    const denial = byCertificate(signature, denying)
    if (denial !== undefined) return { allowed: false, authority: denial }
    return { allowed: true, authority: byCertificate(signature, allowing) ?? byVendor(signature, keys) }
  })
  const authorities = verdicts.flatMap(({ authority }) => authority ?? [])
  if (verdicts.some(({ allowed, authority }) => allowed && authority !== undefined)) return authorities
  throw notTrusted(file, keys, allowing, authorities[0])
}

/** True for variables that shim, or the firmware, would measure only once. */
export function sameVariable(a: Authority, b: Authority): boolean {
  const [one, other] = [a.variable, b.variable]
  return one.name === other.name && one.vendorGuid === other.vendorGuid && sameElement(one.data, other.data)
}

function denyingStores({ vendor, dbx, mokListX, source }: ShimKeys): Store[] {
  const vendorDbx = parseSignatureLists(vendor.denied, source, 'SHIM_UNSUPPORTED')
  const [firmware, shim] = [guids.imageSecurityDatabase, guids.shimLock]
  return [
    // shim measures its own denied list under the name of the firmware's
    { name: 'dbx', vendorGuid: firmware, lists: vendorDbx, hashes: ['sha256', 'sha1'] },
    { name: 'dbx', vendorGuid: firmware, lists: dbx, hashes: ['sha256', 'sha1'] },
    { name: 'MokListX', vendorGuid: shim, lists: mokListX, hashes: ['sha256'] },
  ]
}

function allowingStores(keys: ShimKeys): Store[] {
  const { vendor, db, ignoreDb, mokList, version, source } = keys
  const [firmware, shim] = [guids.imageSecurityDatabase, guids.shimLock]
  const wholeList = compareShimVersions(version, readsMokListRt) >= 0
  const stores: Store[] = []
  if (!ignoreDb) stores.push({ name: 'db', vendorGuid: firmware, lists: db, hashes: ['sha256', 'sha1'] })
  if (vendor.allowed.kind === 'lists') {
    const lists = parseSignatureLists(vendor.allowed.bytes, source, 'SHIM_UNSUPPORTED')
    stores.push({ name: 'vendor_db', vendorGuid: firmware, lists, hashes: ['sha256'] })
  }
  stores.push({
    name: wholeList ? 'MokListRT' : 'MokList',
    vendorGuid: shim,
    lists: wholeList ? mokList : withoutVendor(mokList, vendor, source),
    hashes: ['sha256'],
  })
  return stores
}

/** The enrolled part of MokListRT: what follows the vendor's lists. */
function withoutVendor(
  mokList: readonly SignatureList[],
  vendor: VendorCert,
  source: string,
): readonly SignatureList[] {
  const own = parseSignatureLists(vendorMokList(vendor), source, 'SHIM_UNSUPPORTED')
  const first = mokList.slice(0, own.length)
  return sameElement(formatSignatureLists(first), formatSignatureLists(own)) ? mokList.slice(own.length) : mokList
}

function byHash({ digests }: LoadedFile, stores: readonly Store[]): Authority | undefined {
  for (const store of stores)
    for (const bank of store.hashes) {
      const entry = findImageHash(store.lists, bank, digests[bank])
      if (entry !== undefined) return authorityOf(store, entry, `${store.name} holds the ${bank} hash of the file`)
    }
  return undefined
}

function byCertificate(signature: AuthenticodeSignature, stores: readonly Store[]): Authority | undefined {
  for (const store of stores) {
    const anchor = usableAnchors(store).find(({ certificate }) => vouches(certificate, signature))
    if (anchor !== undefined)
      return authorityOf(
        store,
        anchor.entry,
        `${store.name} holds ${anchor.certificate.subject}, which vouches for ${describePath(signature)}`,
      )
  }
  return undefined
}

/** The vendor's certificate, tried directly: bare, without owner. From 15.7 on MokListRT has given it already, in most cases. */
function byVendor(signature: AuthenticodeSignature, { vendor, source }: ShimKeys): Authority | undefined {
  if (vendor.allowed.kind !== 'certificate') return undefined
  const data = vendor.allowed.certificate
  const certificate = certificateOf(data, source)
  if (certificate === undefined || !vouches(certificate, signature)) return undefined
  return {
    variable: { vendorGuid: guids.shimLock, name: 'Shim', data },
    because: `shim’s own certificate ${certificate.subject} vouches for ${describePath(signature)}`,
  }
}

function vouches(certificate: TrustAnchor['certificate'], signature: AuthenticodeSignature): boolean {
  return signature.algorithm === 'sha256' && vouchesFor(certificate, signature)
}

function usableAnchors({ lists, name }: Store): TrustAnchor[] {
  return trustAnchors(lists, name, { firstOnly: true }).filter(
    ({ entry, certificate }) => hasLongLength(entry.data) && !extendedKeyUsage(certificate).includes(moduleSigning),
  )
}

/** shim reads certificates with a length of two bytes only (256 bytes to 64 KiB) that end where the entry ends. */
function hasLongLength(der: Uint8Array): boolean {
  const [tag, form, high = 0, low = 0] = der
  return tag === 0x30 && form === 0x82 && high * 256 + low === der.length - 4
}

function authorityOf({ name, vendorGuid }: Store, entry: SignatureData, because: string): Authority {
  return { variable: { vendorGuid, name, data: formatSignatureData(entry) }, because }
}

function notTrusted(
  file: LoadedFile,
  keys: ShimKeys,
  stores: readonly Store[],
  denial: Authority | undefined,
): ToolError {
  const { signatures } = file
  const held = stores.map(store => `${store.name}: ${describeAnchors(usableAnchors(store))}`).join('; ')
  const wanted = `a signer, or issuer of one, in the keys of ${keys.source}: ${held}`
  if (signatures.length === 0) {
    const kernel = file.file.role === 'kernel' || file.file.role === 'uki'
    return refusal(file, kernel ? 'KERNEL_UNSIGNED' : 'BOOT_LOADER_UNSIGNED', 'shim starts no unsigned file', {
      found: 'no Authenticode signature',
      wanted,
    })
  }
  if (denial !== undefined)
    return refusal(file, 'DENIED_BY_SHIM', 'shim denies the signer of the file', { found: denial.because, wanted })
  const fault = faultOfAll(signatures)
  if (fault !== undefined) return fault
  return refusal(file, 'NOT_TRUSTED_BY_SHIM', 'shim does not trust the signer of the file', {
    found: signatures.map(one => `signed over ${one.algorithm} by ${describePath(one)}`).join('; '),
    wanted,
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
