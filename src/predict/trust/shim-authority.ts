// Which entries make shim start a file under Secure Boot: rhboot/shim verify.c (shim.c before 16.1).

import { type ErrorCode, ToolError } from '../../errors.ts'
import type { Digests } from '../../formats/bytes/digest.ts'
import { type Certificate, hasRsaKey, sameElement } from '../../formats/der/certificate.ts'
import { guids } from '../../formats/efi/guid.ts'
import { findImageHash, formatSignatureData, type SignatureData } from '../../formats/efi/signature-list.ts'
import type { AuthenticodeSignature } from '../../formats/pe/signature.ts'
import type { LoadedFile } from '../loaded-file.ts'
import { shimDigests } from '../shim/image-hash.ts'
import type { Authority } from './authority.ts'
import { allowingStores, denyingStores, type ShimKeys, type Store, usableAnchors } from './shim-stores.ts'
import { certificateOf, describeAnchors, describePath, doubtOf, faultOfAll, vouchesFor } from './trust-anchor.ts'

/**
 * What shim measures when it verifies a file, in this order and before it leaves out what it measured before
 * (`sameVariable`). First the hash of the file: denied lists, then db, vendor_db, MokListRT; a hit there ends it. Then
 * for every signature, without stopping at a success, the first certificate of db, vendor_db, MokListRT that is on its
 * path or signed a certificate on it, else the vendor's certificate itself. A signature that a denied certificate
 * vouches for gives an event named after that list, and the file still starts when another signature is trusted.
 *
 * shim looks at the first certificate of each list only, at signatures over SHA-256 only, and at RSA keys only. SBAT
 * is not looked at here.
 *
 * Throws BOOT_LOADER_UNSIGNED or KERNEL_UNSIGNED, SIGNATURE_INVALID or SIGNATURE_DIGEST_MISMATCH when no signature
 * verifies, NOT_TRUSTED_BY_SHIM (also for chains of which it is not certain: `chainDoubt`), DENIED_BY_SHIM, and SHIM_UNSUPPORTED for unreadable vendor lists.
 */
export function shimAuthorities(file: LoadedFile, keys: ShimKeys): readonly Authority[] {
  const [denying, allowing] = [denyingStores(keys), allowingStores(keys)]
  refuseDeniedHash(file, keys)
  const allowedHash = byHash(shimDigests(file, keys.version), allowing)
  if (allowedHash !== undefined) return [allowedHash]
  const verdicts = file.signatures.map(signature => {
    refuseDoubtful(file, keys, signature, [...denying, ...allowing])
    const denial = byCertificate(signature, denying)
    if (denial !== undefined) return { allowed: false, authority: denial }
    return { allowed: true, authority: byCertificate(signature, allowing) ?? byVendor(signature, keys) }
  })
  const authorities = verdicts.flatMap(({ authority }) => authority ?? [])
  if (verdicts.some(({ allowed, authority }) => allowed && authority !== undefined)) return authorities
  throw notTrusted(file, keys, allowing, authorities[0])
}

/** Throws DENIED_BY_SHIM for a file whose hash is in a denied list: all that shim asks of a part of a file that it verified before (16.1). */
export function refuseDeniedHash(file: LoadedFile, keys: ShimKeys): void {
  const denied = byHash(shimDigests(file, keys.version), denyingStores(keys))
  if (denied === undefined) return
  throw refusal(file, 'DENIED_BY_SHIM', 'shim denies the file', {
    found: denied.because,
    wanted: 'a file that no list denies',
  })
}

/** True for variables that shim, or the firmware, would measure only once. */
export function sameVariable(a: Authority, b: Authority): boolean {
  const [one, other] = [a.variable, b.variable]
  return one.name === other.name && one.vendorGuid === other.vendorGuid && sameElement(one.data, other.data)
}

function byHash(digests: Digests, stores: readonly Store[]): Authority | undefined {
  for (const store of stores)
    for (const bank of store.hashes) {
      const entry = findImageHash(store.lists, bank, digests[bank])
      if (entry !== undefined) return authorityOf(store, entry, `${store.name} holds the ${bank} hash of the file`)
    }
  return undefined
}

/** A chain that shim may take or not, by rules that are not computed here, decides nothing and so cannot be predicted. */
function refuseDoubtful(
  file: LoadedFile,
  { vendor, source }: ShimKeys,
  signature: AuthenticodeSignature,
  stores: readonly Store[],
): void {
  const held = stores.flatMap(store => usableAnchors(store).map(anchor => anchor.certificate))
  const own = vendor.allowed.kind === 'certificate' ? certificateOf(vendor.allowed.certificate, source) : undefined
  for (const certificate of own === undefined ? held : [...held, own]) {
    const doubt = vouches(certificate, signature) ? doubtOf(certificate, signature) : undefined
    if (doubt !== undefined)
      throw refusal(file, 'NOT_TRUSTED_BY_SHIM', 'it is not predicted whether shim trusts the signer', {
        found: `${describePath(signature)}; ${doubt}`,
        wanted: 'RSA keys, no critical extension that OpenSSL 1.0.2 does not know, no name constraints',
      })
  }
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

/** shim's OpenSSL has no elliptic curves: a signature by such a key never verifies, and such a certificate is no issuer. */
function vouches(certificate: Certificate, signature: AuthenticodeSignature): boolean {
  const [signer] = signature.path
  return (
    signature.algorithm === 'sha256' &&
    signer !== undefined &&
    hasRsaKey(signer) &&
    hasRsaKey(certificate) &&
    vouchesFor(certificate, signature)
  )
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
