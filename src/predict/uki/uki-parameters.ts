// What a UKI's boot leaves in PCR 12 and 13: systemd, src/boot/stub.c (settle_command_line, generate_sidecar_initrds), boot.c (image_start).

import type { LoaderInfo } from '../../formats/pe/loader-info.ts'

export interface ParameterPcrs {
  /** PCRs that nothing extends under the conditions in `notes`: they keep their start value. */
  readonly untouched: readonly number[]
  readonly notPredicted: readonly { readonly pcr: number; readonly because: string }[]
  readonly notes: readonly string[]
}

/** From this version on systemd-boot passes a UKI no command line that the UKI has itself. */
const passesNothing = 255

/** PCR 12 and 13 without add-ons, credentials, extensions and command lines from outside. `systemdBoot`: the boot loader that starts the UKI, if one does. */
export function parameterPcrs(secureBoot: boolean, hasCommandLine: boolean, systemdBoot?: LoaderInfo): ParameterPcrs {
  const fixed = secureBoot && hasCommandLine
  const elsewhere = 'credentials, extensions or add-ons beside the UKI or below /loader on the EFI system partition'
  const notes = [
    `PCR 12 and 13 hold when there are no ${elsewhere}, and no kernel-cmdline-extra in the SMBIOS strings`,
    ...(fixed ? [] : ['PCR 12 holds when the boot option gives the UKI no command line']),
  ]
  if (systemdBoot === undefined || systemdBoot.major >= passesNothing)
    return { untouched: [12, 13], notPredicted: [], notes }
  const because = `systemd-boot ${systemdBoot.text} measures the command line that it passes to the UKI`
  return { untouched: [13], notPredicted: [{ pcr: 12, because }], notes }
}
