// The kernel inside of a UKI as PCR 4 sees it: docs/pcrs.md; systemd, src/boot/linux.c; shim, loader-proto.c.

import { ByteCursor } from '../../formats/bytes/cursor.ts'
import { formatDigests } from '../../formats/bytes/digest.ts'
import { authenticodeDigests } from '../../formats/pe/authenticode.ts'
import { parsePe } from '../../formats/pe/pe.ts'
import type { Uki } from '../../formats/pe/uki.ts'
import type { ShimVersion } from '../../formats/shim/version.ts'
import type { MeasuredEvent } from '../prediction.ts'
import type { StubBuild } from './stub.ts'

export interface KernelStart {
  readonly secureBoot: boolean
  /** null: no shim in the chain. */
  readonly shim: ShimVersion | null
}

/**
 * Events that starting the kernel inside adds to PCR 4 behind the UKI's own: one or none. With Secure Boot off the firmware measures what a stub
 * before 258 gives it to load; under Secure Boot that stub answers for the kernel itself, and shim 16.0, but not 16.1, measures it once more.
 * Throws PE_INVALID when `.linux` is no PE file.
 */
export function innerKernelEvents(uki: Uki, path: string, build: StubBuild, start: KernelStart): MeasuredEvent[] {
  const kernel = parsePe(uki.linux, `${path}, .linux`)
  const byShim = start.secureBoot && start.shim !== null && isFirst16(start.shim)
  const byFirmware = !start.secureBoot && build.loadsKernelByFirmware && isLoadedAsImage(uki.linux, kernel.source)
  if (!byShim && !byFirmware) return []
  const because = byShim
    ? `kernel inside ${path}, measured by shim 16.0 when ${build.name} loads it`
    : `kernel inside ${path}, given to the firmware by ${build.name} with Secure Boot off`
  const digests = formatDigests(authenticodeDigests(kernel))
  return [{ pcr: 4, type: 'EV_EFI_BOOT_SERVICES_APPLICATION', digests, part: 'Pcr4UkiLinux', because }]
}

function isFirst16({ major, minor }: ShimVersion): boolean {
  return major === 16 && minor === 0
}

/** Kernels with a MajorImageVersion of 0 (x86: before 5.8) are entered by the EFI handover protocol, past the firmware. */
function isLoadedAsImage(linux: Uint8Array, source: string): boolean {
  const cursor = new ByteCursor(linux, source, { code: 'PE_INVALID' })
  cursor.seek('e_lfanew', 0x3c)
  const headerOffset = cursor.u32('e_lfanew')
  cursor.seek('MajorImageVersion', headerOffset + 24 + 44)
  return cursor.u16('MajorImageVersion') >= 1
}
