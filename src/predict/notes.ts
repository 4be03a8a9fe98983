// What a prediction rests on without having checked it, in words for people.

import { loaderInfo } from '../formats/pe/loader-info.ts'
import { compareShimVersions, formatShimVersion } from '../formats/shim/version.ts'
import type { Boot } from './boot.ts'
import type { Conditions } from './conditions.ts'
import { grubBuild, grubKernelLoads } from './grub-build.ts'
import { newestRead } from './shim/shim-build.ts'

/** Notes of the chain; those of keys, shim's variables and stubs come from where they are judged. */
export function notesOf(boot: Boot, conditions: Conditions): string[] {
  const { platform, state } = conditions
  const first = boot.loads[0]?.file.path ?? 'the boot loader'
  return [
    ...(platform === null && state.secureBoot ? withoutPlatform(boot) : []),
    ...(platform?.measurement === 'tdx'
      ? [
          `platform ${platform.name} measures into RTMRs: these PCR values hold for a TPM only; RTMR values need --substitute`,
        ]
      : []),
    ...bankNotes(conditions),
    ...(boot.grub !== undefined && grubKernelLoads(boot.grub, conditions).length === 0
      ? ['without Secure Boot the kernel is not measured into PCR 4: no value attests it']
      : []),
    ...(platform === null && boot.shim !== undefined
      ? [
          'PCR 14 holds for machines without an enrolled machine owner key (MOK), and without the variables MokSBState, MokPolicy and MokListTrusted',
        ]
      : []),
    `PCR 4 holds when the first boot option starts ${boot.shim === undefined ? first : 'shim'} and nothing else was tried before it`,
    ...grubNotes(boot, conditions),
    ...shimNotes(boot),
    ...chainNotes(boot),
    ...mismatches(boot, state.firmwareVerifies),
  ]
}

function withoutPlatform({ shim, loads }: Boot): string[] {
  const rest = loads.slice(1).map(({ file }) => file.path)
  return [
    `not checked, since no platform gives its db and dbx: that the firmware trusts ${shim === undefined ? (loads[0]?.file.path ?? '') : 'shim'}`,
    ...(rest.length === 0
      ? []
      : [`not checked, since no platform gives its keys: that ${rest.join(' and ')} are trusted`]),
  ]
}

function bankNotes({ platform, banks }: Conditions): string[] {
  const without = platform?.banks === undefined ? [] : banks.filter(bank => platform.banks?.includes(bank) === false)
  return without.length === 0
    ? []
    : [`platform ${platform?.name} has no bank ${without.join(', ')}: no node of it shows these values`]
}

function grubNotes({ grub }: Boot, { platform }: Conditions): string[] {
  if (grub === undefined) return []
  const { name, knownBy, kernelEvents } = grubBuild(grub.pe, platform?.grubMeasuresKernel)
  if (knownBy === 'profile')
    return [`that this GRUB measures the kernel ${kernelEvents} times is known from profile ${platform?.name} only`]
  return knownBy === 'source'
    ? [`that ${name} measures the kernel once is known from its source, not from a boot of ours`]
    : []
}

function shimNotes({ shim }: Boot): string[] {
  if (shim === undefined || compareShimVersions(shim.build.version, newestRead) <= 0) return []
  return [
    `shim ${formatShimVersion(shim.build.version)} is newer than ${formatShimVersion(newestRead)}, the newest that we know`,
  ]
}

/** The chain of three loaders was booted with one version of each only. */
function chainNotes({ chain, shim, systemdBoot }: Boot): string[] {
  if (chain !== 'shim-systemd-boot-uki' || shim === undefined || systemdBoot === undefined) return []
  const { version } = shim.build
  const loader = loaderInfo(systemdBoot.pe)
  if (compareShimVersions(version, newestRead) === 0 && loader?.major === 257) return []
  return [
    `shim before systemd-boot was booted with shim ${formatShimVersion(newestRead)} and systemd-boot 257 only, not with shim ${formatShimVersion(version)} and systemd-boot ${loader?.text ?? 'of unknown version'}`,
  ]
}

function mismatches({ loads }: Boot, verified: boolean): string[] {
  if (verified) return []
  return loads.flatMap(({ file, signatures }) =>
    signatures.some(({ fault }) => fault !== undefined)
      ? [`a signature of ${file.path} does not verify: the file does not boot under Secure Boot`]
      : [],
  )
}
