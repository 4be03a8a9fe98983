// Whether a downloaded package may be used (D8): its signature, then its payload, then that it is the package that was chosen.

import { fileCeilings, readLocalFile } from '../edge/files.ts'
import { checkSignatures } from '../edge/openpgp.ts'
import { ToolError } from '../errors.ts'
import { readKeyFile } from '../formats/openpgp/armor.ts'
import { certificatesOf } from '../formats/openpgp/certificates.ts'
import { parseSignature } from '../formats/openpgp/signature.ts'
import { headerSignatures } from '../formats/rpm/header-signatures.ts'
import { checkHeaderDigests, checkPayloadDigests } from '../formats/rpm/rpm-digests.ts'
import { openRpm, type RpmFile, readRpm, type UnreadRpm } from '../formats/rpm/rpm-file.ts'
import type { RepositoryPackage } from '../kernel/kernel-packages.ts'
import { checkIdentity } from '../kernel/package-identity.ts'
import { type PinnedKey, signerOf } from '../kernel/signer.ts'
import type { Settings } from '../settings/settings.ts'
import type { RpmKey } from '../settings/values.ts'

/** What the user trusts. */
export interface PackageTrust {
  readonly keys: readonly PinnedKey[]
  readonly allowUnsigned: boolean
}

/** Reads the pinned keys. Throws FILE_NOT_FOUND, CEILING_REACHED, RPM_KEY_FILE_INVALID. */
export async function readPackageTrust(
  settings: Pick<Settings, 'rpmKeys' | 'allowUnsignedPackages'>,
): Promise<PackageTrust> {
  const keys = await Promise.all(settings.rpmKeys.map(readPinnedKey))
  return { keys, allowUnsigned: settings.allowUnsignedPackages }
}

async function readPinnedKey({ fingerprint, key }: RpmKey): Promise<PinnedKey> {
  const source = 'path' in key ? key.path : 'a key in rpm-keys'
  const bytes = 'path' in key ? await readLocalFile(key.path, fileCeilings.text) : Buffer.from(key.armored, 'utf8')
  const all = certificatesOf(readKeyFile(bytes, source), source)
  const parts = all.filter(one => one.fingerprint === fingerprint).map(one => one.bytes)
  if (parts.length === 1 && parts[0] !== undefined) return { fingerprint, certificate: parts[0], source }
  throw new ToolError('RPM_KEY_FILE_INVALID', 'a key file does not hold the key that is pinned', {
    found:
      parts.length > 1
        ? `the key ${parts.length} times`
        : all.map(one => one.fingerprint ?? 'a key of another version').join(', '),
    wanted: `the key ${fingerprint}, once`,
    where: { source },
  })
}

export interface TrustedPackage {
  readonly file: RpmFile
  /** Fingerprint of the pinned key that signed the package; null: none did, and that is allowed. */
  readonly signer: string | null
}

/**
 * The package, once all of it is known to be what was chosen. Before the signature over the header holds, only its bounds are read, and
 * nothing of the payload. Throws as `signerOf`, and RPM_INVALID, RPM_DIGEST_MISMATCH, RPM_IDENTITY_MISMATCH.
 */
export async function trustPackage(
  bytes: Uint8Array,
  wanted: RepositoryPackage,
  trust: PackageTrust,
): Promise<TrustedPackage> {
  const unread = openRpm(bytes, wanted.location)
  checkHeaderDigests(unread)
  const signer = await headerSigner(unread, trust)
  const file = readRpm(unread)
  const digests = checkPayloadDigests(file)
  if (signer !== null && digests === 0)
    throw new ToolError('RPM_DIGEST_MISMATCH', 'the signed header of an RPM file says nothing of its payload', {
      found: 'no digest of the payload',
      wanted: 'one by SHA-256 or better',
      where: { source: file.source, path: 'header' },
      hint: 'the package was built with rpm before 4.14: anything could be its payload; have it built again',
    })
  checkIdentity(file.header, wanted)
  return { file, signer }
}

async function headerSigner(file: UnreadRpm, { keys, allowUnsigned }: PackageTrust): Promise<string | null> {
  const { ofHeader, ofHeaderAndPayload } = headerSignatures(file)
  const { source } = file
  const signatures = ofHeader.map(({ tag, packets }) => ({ tag, signature: parseSignature(packets, source) }))
  const { checked, now } = await checkSignatures(file.headerBytes, signatures, keys)
  return signerOf(checked, { source, ofHeaderAndPayload }, { allowUnsigned, now })
}
