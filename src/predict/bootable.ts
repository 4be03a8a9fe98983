// Refuses boots that would not happen, or whose measuring nobody has seen or read (design D14).

import { ToolError } from '../errors.ts'
import { machineArm64, machineX64 } from '../formats/pe/pe.ts'
import type { Boot } from './boot.ts'
import type { Conditions } from './conditions.ts'
import type { LoadedFile } from './loaded-file.ts'
import type { Platform } from './platform/platform.ts'

/**
 * Throws BOOT_LOADER_UNSIGNED, KERNEL_UNSIGNED, SIGNATURE_INVALID and SIGNATURE_DIGEST_MISMATCH for files that Secure Boot refuses whoever
 * trusts whom, BOOT_CHAIN_REFUSED for a chain that does not work under Secure Boot, and PLATFORM_INVALID for one of another architecture.
 */
export function checkBootable(boot: Boot, { platform, state }: Conditions): void {
  checkArchitecture(boot, platform)
  if (state.firmwareVerifies) {
    // with a platform its keys decide: they may allow an unsigned file by its hash
    if (platform === null) for (const file of boot.loads) checkSigned(file)
    if (boot.chain === 'grub-linux')
      throw new ToolError('BOOT_CHAIN_REFUSED', 'GRUB starts no kernel under Secure Boot without shim', {
        found: boot.chain,
        wanted: 'shim-grub-linux, or Secure Boot off',
        where: { source: boot.loads[0]?.file.path ?? '' },
      })
  }
}

function checkArchitecture({ loads }: Boot, platform: Platform | null): void {
  const [first] = loads
  const wanted = architectures[platform?.architecture ?? '']
  if (first === undefined || platform === null || wanted === undefined || wanted === first.pe.machine) return
  throw new ToolError('PLATFORM_INVALID', 'the platform is of another architecture than the boot files', {
    found: `platform ${platform.name} for ${platform.architecture}`,
    wanted: `a platform for machine 0x${first.pe.machine.toString(16)}`,
    where: { source: first.file.path },
  })
}

const architectures: Readonly<Record<string, number>> = { amd64: machineX64, arm64: machineArm64 }

function checkSigned({ file, signed, signatures }: LoadedFile): void {
  const where = { source: file.path }
  const hint = 'for machines without Secure Boot set secure-boot: off'
  if (!signed)
    throw new ToolError(
      file.role === 'kernel' || file.role === 'uki' ? 'KERNEL_UNSIGNED' : 'BOOT_LOADER_UNSIGNED',
      `${names[file.role] ?? file.role} has no Authenticode signature`,
      { wanted: 'a signed file', where, hint: `sign it; ${hint}` },
    )
  if (signatures.some(({ fault }) => fault === undefined)) return
  const [first] = signatures
  if (first?.fault !== undefined) throw first.fault
}

const names: Readonly<Record<string, string>> = {
  grub: 'GRUB',
  kernel: 'the kernel',
  uki: 'the unified kernel image',
}
