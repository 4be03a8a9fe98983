// One boot file that firmware or a boot loader will load: parsed, digested, its signatures read and compared.

import { ToolError } from '../errors.ts'
import { type Bank, type Digests, sha256Hex } from '../formats/bytes/digest.ts'
import { formatHex } from '../formats/bytes/hex.ts'
import { authenticodeDigests } from '../formats/pe/authenticode.ts'
import { efiApplication, machineArm64, machineX64, type PeFile, parsePe } from '../formats/pe/pe.ts'
import { type AuthenticodeSignature, parseSignatures, signerSubjects } from '../formats/pe/signature.ts'
import { parseUki, type Uki } from '../formats/pe/uki.ts'
import type { BootFile } from '../image/boot-file.ts'
import type { BootFileFacts } from './prediction.ts'

export interface LoadedFile {
  readonly file: BootFile
  readonly pe: PeFile
  readonly digests: Digests
  /** Subjects of the certificates in its signatures, signers first; empty for an unsigned file. */
  readonly signedBy: readonly string[]
  readonly signed: boolean
  /** As the certificate table has them; empty for an unsigned file. */
  readonly signatures: readonly AuthenticodeSignature[]
  /** What is inside of a file of role uki; undefined for the other roles. */
  readonly uki: Uki | undefined
}

/**
 * Throws PE_INVALID (also for what is no EFI application), and ARCHITECTURE_NOT_SUPPORTED for another machine than x86-64 and arm64; for role
 * uki as `parseUki` too. A signature that does not verify is kept with its fault: with Secure Boot off the file boots.
 */
export function loadedFile(file: BootFile): LoadedFile {
  const pe = parsePe(file.bytes, file.path)
  if ((pe.machine !== machineX64 && pe.machine !== machineArm64) || pe.magic !== 'PE32+')
    throw new ToolError('ARCHITECTURE_NOT_SUPPORTED', 'a boot file is for another architecture', {
      found: `machine 0x${pe.machine.toString(16).padStart(4, '0')}, ${pe.magic}`,
      wanted: 'machine 0x8664 (x86-64) or 0xaa64 (arm64), PE32+',
      where: { source: file.path },
    })
  // the firmware measures drivers into PCR 2, and other programs not at all (edk2, DxeTpm2MeasureBootLib)
  if (pe.subsystem !== efiApplication)
    throw new ToolError('PE_INVALID', 'a boot file is no EFI application', {
      found: `subsystem ${pe.subsystem}`,
      wanted: `subsystem ${efiApplication}`,
      where: { source: file.path },
    })
  const digests = authenticodeDigests(pe)
  const signatures = parseSignatures(pe, digests)
  return {
    file,
    pe,
    digests,
    signatures,
    signedBy: signerSubjects(signatures),
    signed: signatures.length > 0,
    uki: file.role === 'uki' ? parseUki(pe) : undefined,
  }
}

/** What is told of a file that is measured, with its Authenticode digest in the banks asked for. */
export function factsOfLoaded(loaded: LoadedFile, banks: readonly Bank[]): BootFileFacts {
  const authenticode: Partial<Record<Bank, string>> = {}
  for (const bank of banks) authenticode[bank] = formatHex(loaded.digests[bank])
  return { ...factsOfFile(loaded.file), authenticode, signedBy: loaded.signedBy }
}

/** What is told of any boot file. */
export function factsOfFile(file: BootFile): BootFileFacts {
  const { role, path, layer } = file
  if (file.known !== undefined) return { role, path, layer, ...file.known }
  const { bytes } = file
  return { role, path, layer, size: bytes.length, sha256: sha256Hex(bytes) }
}
