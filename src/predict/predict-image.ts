// From the boot files of an image to its predictions: PCR 4 and 14 of shim, GRUB and Linux, Secure Boot on and off.

import { ToolError } from '../errors.ts'
import { type Bank, digestLength } from '../formats/bytes/digest.ts'
import { formatHex, parseHex } from '../formats/bytes/hex.ts'
import { compareShimVersions, formatShimVersion } from '../formats/shim/version.ts'
import type { BootFile } from '../image/boot-file.ts'
import type { CoveragePart } from '../settings/settings.ts'
import { shimGrubLinux } from './boot-chain.ts'
import { checkCoverage, coverageOf } from './coverage.ts'
import { type ShimGrubLinuxBoot, shimGrubLinuxEvents } from './events.ts'
import { extendAll, startValue } from './extend.ts'
import { knownGrubBuild } from './grub-build.ts'
import { factsOfFile, factsOfLoaded, type LoadedFile, loadedFile } from './loaded-file.ts'
import type { BootFileFacts, MeasuredEvent, Prediction } from './prediction.ts'
import { newestRead, parseShimBuild } from './shim-build.ts'

export interface ImageToPredict {
  readonly files: readonly BootFile[]
  /** undefined: both are predicted, on first. */
  readonly secureBoot: boolean | undefined
  /** Banks of the PCR values and of the facts; events carry all banks. */
  readonly banks: readonly Bank[]
  /** Parts that every prediction has to cover. */
  readonly requireCoverage?: readonly CoveragePart[]
}

export interface ImagePrediction {
  readonly bootFiles: readonly BootFileFacts[]
  readonly predictions: readonly Prediction[]
}

/**
 * Predicts without a platform profile. Throws PE_INVALID, SIGNATURE_DIGEST_MISMATCH, ARCHITECTURE_NOT_SUPPORTED,
 * BOOT_CHAIN_UNKNOWN, SETTING_NOT_SUPPORTED, SHIM_UNSUPPORTED, GRUB_UNKNOWN, BOOT_LOADER_UNSIGNED, KERNEL_UNSIGNED and,
 * with `requireCoverage`, KERNEL_NOT_COVERED.
 */
export function predictImage(image: ImageToPredict): ImagePrediction {
  const chain = shimGrubLinux(image.files)
  const [shim, grub, kernel] = [loadedFile(chain.shim), loadedFile(chain.grub), loadedFile(chain.kernel)]
  const boot = { shim, grub, kernel, shimBuild: parseShimBuild(shim.pe), grubBuild: knownGrubBuild(grub.pe) }
  const states = image.secureBoot === undefined ? [true, false] : [image.secureBoot]
  if (states.includes(true)) checkSigned(boot)
  const predictions = states.map(secureBoot => predictBoot(boot, secureBoot, image.banks))
  for (const prediction of predictions) checkCoverage(prediction, image.requireCoverage ?? [])
  const loaded = [shim, grub, kernel]
  const bootFiles = image.files.map(file => {
    const measured = loaded.find(candidate => candidate.file === file)
    return measured === undefined ? factsOfFile(file) : factsOfLoaded(measured, image.banks)
  })
  return { bootFiles, predictions }
}

function checkSigned({ shim, grub, kernel }: ShimGrubLinuxBoot): void {
  const hint = 'sign it; for machines without Secure Boot set secure-boot: off'
  const refuse = (code: 'BOOT_LOADER_UNSIGNED' | 'KERNEL_UNSIGNED', what: string, { file }: LoadedFile) => {
    const where = { source: file.path }
    return new ToolError(code, `${what} has no Authenticode signature`, { wanted: 'a signed file', where, hint })
  }
  if (!shim.signed) throw refuse('BOOT_LOADER_UNSIGNED', 'shim', shim)
  if (!grub.signed) throw refuse('BOOT_LOADER_UNSIGNED', 'GRUB', grub)
  if (!kernel.signed) throw refuse('KERNEL_UNSIGNED', 'the kernel', kernel)
}

function predictBoot(boot: ShimGrubLinuxBoot, secureBoot: boolean, banks: readonly Bank[]): Prediction {
  const events = shimGrubLinuxEvents(boot, secureBoot)
  return {
    platform: null,
    secureBoot,
    bootChain: 'shim-grub-linux',
    calibration: 'uncalibrated',
    pcrs: { '4': pcrValue(events, 4, banks), '14': pcrValue(events, 14, banks) },
    events,
    coverage: coverageOf(events, secureBoot),
    notPredicted,
    notes: notesOf(boot, secureBoot),
  }
}

/** The value that a PCR has after the events, in the banks asked for. */
export function pcrValue(
  events: readonly MeasuredEvent[],
  pcr: number,
  banks: readonly Bank[],
): Partial<Record<Bank, string>> {
  const own = events.filter(event => event.pcr === pcr)
  const values: Partial<Record<Bank, string>> = {}
  for (const bank of banks) {
    const digests = own.map(({ digests }) => parseHex(digests[bank]) ?? new Uint8Array(digestLength[bank]))
    values[bank] = formatHex(extendAll(bank, startValue(bank, pcr), digests))
  }
  return values
}

const notPredicted: Prediction['notPredicted'] = [
  { pcr: 0, because: 'firmware code; belongs to the machine' },
  { pcr: 1, because: 'firmware settings and boot variables; belong to the machine' },
  { pcr: 2, because: 'option ROMs; belong to the machine' },
  { pcr: 3, because: 'option ROM settings; belong to the machine' },
  { pcr: 5, because: 'partition table; its identifiers differ on every disk' },
  { pcr: 6, because: 'the maker of the machine decides what goes there' },
  { pcr: 7, because: 'needs a platform profile; not predicted in this version' },
  { pcr: 8, because: 'every command that GRUB runs; differs between machines and boots' },
  { pcr: 9, because: 'every file that GRUB reads; differs between machines and boots' },
  { pcr: 10, because: 'extended by the kernel’s IMA while it runs' },
  { pcr: 11, because: 'not used by this boot chain' },
  { pcr: 12, because: 'not used by this boot chain' },
  { pcr: 13, because: 'not used by this boot chain' },
  { pcr: 15, because: 'extended by system software after boot' },
]

function notesOf({ shimBuild, grubBuild }: ShimGrubLinuxBoot, secureBoot: boolean): string[] {
  const { version } = shimBuild
  return [
    ...(secureBoot
      ? [
          'not checked, since no platform gives its db and dbx: that the firmware trusts shim',
          'not checked, since no platform gives its keys: that shim trusts GRUB and the kernel',
        ]
      : ['with Secure Boot off the kernel is not measured into PCR 4: no value attests it']),
    'PCR 14 holds for machines without an enrolled machine owner key (MOK), and without the variables MokSBState, MokPolicy and MokListTrusted',
    'PCR 4 holds when the first boot option starts shim and nothing else was tried before it',
    ...(grubBuild.knownBy === 'source'
      ? [`that ${grubBuild.name} measures the kernel once is known from its source, not from a boot of ours`]
      : []),
    ...(compareShimVersions(version, newestRead) > 0
      ? [`shim ${formatShimVersion(version)} is newer than ${formatShimVersion(newestRead)}, the newest that we know`]
      : []),
  ]
}
