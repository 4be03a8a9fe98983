// A synthetic file as one that firmware or shim loads, and signature lists of the keys that are to vouch for it.

import type { Bank } from '../../src/formats/bytes/digest.ts'
import { digestIn } from '../../src/formats/bytes/digest.ts'
import { parseCertificate } from '../../src/formats/der/certificate.ts'
import { type Guid, guids } from '../../src/formats/efi/guid.ts'
import {
  certificateHashTypes,
  certificateList,
  imageHashTypes,
  type SignatureList,
} from '../../src/formats/efi/signature-list.ts'
import { authenticodeDigests } from '../../src/formats/pe/authenticode.ts'
import { parsePe } from '../../src/formats/pe/pe.ts'
import { parseSignatures } from '../../src/formats/pe/signature.ts'
import type { BootFileRole } from '../../src/image/boot-file.ts'
import type { LoadedFile } from '../../src/predict/loaded-file.ts'
import type { SigningKey } from './certificate.ts'

/** Who put the entries there, in all lists of this file. */
export const owner: Guid = '77fa9abd-0359-4d32-bd60-28f4e78f784b'

/** As the predictor loads it, but a wrong digest in a signature stays there to be judged. */
export function loadFile(bytes: Uint8Array, role: BootFileRole = 'grub'): LoadedFile {
  const path = `${role}.efi`
  const pe = parsePe(bytes, path)
  const digests = authenticodeDigests(pe)
  const signatures = parseSignatures(pe, digests)
  const file = { role, path, layer: null, bytes }
  return { file, pe, digests, signatures, signedBy: [], signed: signatures.length > 0, uki: undefined }
}

/** Every certificate in a list of its own. */
export const listsOf = (...keys: readonly SigningKey[]): SignatureList[] =>
  keys.map(({ certificate }) => certificateList(owner, certificate))

/** All entries in one list; firmware wants them of one size, which is not looked at here. */
export function listOf(type: Guid, ...entries: readonly Uint8Array[]): SignatureList {
  return { type, header: new Uint8Array(0), signatures: entries.map(data => ({ owner, data })) }
}

/** The hash of a whole file. */
export const imageHashList = (bytes: Uint8Array, bank: Bank = 'sha256') =>
  listOf(imageHashTypes[bank], loadFile(bytes).digests[bank])

/** The hash of a certificate's signed part, and when it was revoked; zero: always. */
export function certificateHashList(
  { certificate }: SigningKey,
  bank: keyof typeof certificateHashTypes = 'sha256',
  time = new Uint8Array(16),
): SignatureList {
  const { toBeSigned } = parseCertificate(certificate, { source: '', path: '', code: 'INPUT_INVALID' })
  const data = new Uint8Array([...digestIn(bank, toBeSigned), ...time])
  return listOf(certificateHashTypes[bank], data)
}

/** A list of a type that nobody knows. */
export const unknownList = () => listOf('00000000-0000-0000-0000-000000000001', new Uint8Array(5))
/** A list of RSA keys, which neither firmware nor shim compares with files. */
export const rsaKeyList = () => listOf(guids.certRsa2048, new Uint8Array(256))
