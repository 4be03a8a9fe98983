// The events of PCR 4 and PCR 14 for the chain shim, GRUB, Linux: docs/pcrs.md.

import { type Digests, digestInBanks, formatDigests } from '../formats/bytes/digest.ts'
import { formatShimVersion } from '../formats/shim/version.ts'
import type { GrubBuild } from './grub-build.ts'
import type { LoadedFile } from './loaded-file.ts'
import type { MeasuredEvent } from './prediction.ts'
import type { ShimBuild } from './shim-build.ts'

/** All that decides the events. */
export interface ShimGrubLinuxBoot {
  readonly shim: LoadedFile
  readonly grub: LoadedFile
  readonly kernel: LoadedFile
  readonly shimBuild: ShimBuild
  readonly grubBuild: GrubBuild
}

const ascii = (text: string) => new Uint8Array(Buffer.from(text, 'latin1'))

/** EV_EFI_ACTION hashes the text without NUL. */
const callingBootOption = ascii('Calling EFI Application from Boot Option')
const separator = Uint8Array.of(0, 0, 0, 0)

function event(pcr: number, type: string, part: string, digests: Digests, because: string): MeasuredEvent {
  return { pcr, type, digests: formatDigests(digests), part, because }
}

function imageEvent(part: string, { digests }: LoadedFile, because: string): MeasuredEvent {
  return event(4, 'EV_EFI_BOOT_SERVICES_APPLICATION', part, digests, because)
}

/** Events of PCR 4 and 14 in log order: shim writes PCR 14 between being loaded itself and loading GRUB. */
export function shimGrubLinuxEvents(boot: ShimGrubLinuxBoot, secureBoot: boolean): MeasuredEvent[] {
  return [
    event(
      4,
      'EV_EFI_ACTION',
      'Pcr4EfiCall',
      digestInBanks(callingBootOption),
      'the firmware starts the first boot option',
    ),
    event(4, 'EV_SEPARATOR', 'Pcr4Separator', digestInBanks(separator), 'the firmware ends its own part of the boot'),
    imageEvent('Pcr4Shim', boot.shim, `shim (${boot.shim.file.path}), loaded by the firmware`),
    ...mokEvents(boot),
    imageEvent('Pcr4Grub', boot.grub, `GRUB (${boot.grub.file.path}), loaded by shim`),
    ...(secureBoot ? kernelEvents(boot) : []),
  ]
}

function kernelEvents({ kernel, grubBuild }: ShimGrubLinuxBoot): MeasuredEvent[] {
  const because = `kernel (${kernel.file.path}), loaded by GRUB`
  const again = `the same kernel, measured again by ${grubBuild.name}`
  return Array.from({ length: grubBuild.kernelEvents }, (_, index) =>
    index === 0 ? imageEvent('Pcr4Vmlinuz', kernel, because) : imageEvent('Pcr4VmlinuzAgain', kernel, again),
  )
}

function mokEvents({ shim, shimBuild }: ShimGrubLinuxBoot): MeasuredEvent[] {
  const { mokList, mokListX, measuresMokListTrusted, version } = shimBuild
  const from = `${shim.file.path} (shim ${formatShimVersion(version)})`
  const ipl = (part: string, data: Uint8Array, because: string) =>
    event(14, 'EV_IPL', part, digestInBanks(data), because)
  return [
    ipl('Pcr14MokList', mokList, `MokList: vendor certificates of ${from}, no key enrolled`),
    ipl('Pcr14MokListX', mokListX, `MokListX: denied by the vendor of ${from}, nothing enrolled`),
    ...(measuresMokListTrusted
      ? [ipl('Pcr14MokListTrusted', Uint8Array.of(1), 'MokListTrusted: not set, so shim measures 01')]
      : []),
  ]
}
