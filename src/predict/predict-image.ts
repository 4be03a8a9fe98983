// From the boot files of an image to its predictions: one for each platform and Secure Boot state.

import { type Bank, digestLength } from '../formats/bytes/digest.ts'
import { formatHex, parseHex } from '../formats/bytes/hex.ts'
import { loaderInfo } from '../formats/pe/loader-info.ts'
import type { VendorCert } from '../formats/shim/vendor-cert.ts'
import type { BootFile } from '../image/boot-file.ts'
import type { CoveragePart } from '../settings/settings.ts'
import { type Boot, type LoadFile, makeBoot } from './boot.ts'
import { bootEvents } from './boot-events.ts'
import { checkBootable } from './bootable.ts'
import type { Conditions, Phase } from './conditions.ts'
import { checkCoverage, coverageOf } from './coverage.ts'
import { extendAll, startValue } from './extend.ts'
import { factsOfFile, factsOfLoaded } from './loaded-file.ts'
import { notPredicted } from './not-predicted.ts'
import { notesOf } from './notes.ts'
import type { Platform } from './platform/platform.ts'
import { secureBootStates } from './platform/secure-boot-state.ts'
import type { BootFileFacts, MeasuredEvent, Prediction } from './prediction.ts'
import { type ParameterPcrs, parameterPcrs } from './uki/uki-parameters.ts'

export interface ImageToPredict {
  readonly files: readonly BootFile[]
  /** Empty or left out: nothing is known of the machines. */
  readonly platforms?: readonly Platform[]
  /** undefined: as the platform says; else both are predicted, on first. */
  readonly secureBoot: boolean | undefined
  /** Banks of the PCR values and of the facts; events carry all banks. */
  readonly banks: readonly Bank[]
  /** enter-initrd when left out. */
  readonly phase?: Phase
  /** Vendor parts of other shims of this run: those of the base, of old images. */
  readonly otherShims?: readonly VendorCert[]
  /** Parts that every prediction has to cover. */
  readonly requireCoverage?: readonly CoveragePart[]
  /** For callers with many images of the same files. */
  readonly load?: LoadFile
}

export interface ImagePrediction {
  readonly bootFiles: readonly BootFileFacts[]
  readonly predictions: readonly Prediction[]
}

/**
 * Throws what keeps the files from being read (PE_INVALID, ARCHITECTURE_NOT_SUPPORTED, BOOT_CHAIN_UNKNOWN, SHIM_UNSUPPORTED …), the refusals of
 * `checkBootable` and `bootEvents`, and, with `requireCoverage`, KERNEL_NOT_COVERED.
 */
export function predictImage(image: ImageToPredict): ImagePrediction {
  const { files, secureBoot, banks, phase = 'enter-initrd', otherShims = [] } = image
  const boot = makeBoot(files, image.load)
  const platforms: readonly (Platform | null)[] = image.platforms?.length ? image.platforms : [null]
  const predictions = platforms.flatMap(platform =>
    secureBootStates(platform, secureBoot).map(state =>
      predictBoot(boot, { platform, state, phase, otherShims, banks }),
    ),
  )
  for (const prediction of predictions) checkCoverage(prediction, image.requireCoverage ?? [])
  const bootFiles = files.map(file => {
    const measured = boot.loads.find(candidate => candidate.file === file)
    return measured === undefined ? factsOfFile(file) : factsOfLoaded(measured, banks)
  })
  return { bootFiles, predictions }
}

/** One prediction. Throws as `checkBootable` and `bootEvents`. */
export function predictBoot(boot: Boot, conditions: Conditions): Prediction {
  const { platform, state, banks } = conditions
  checkBootable(boot, conditions)
  const { events, notes } = bootEvents(boot, conditions)
  const parameters = parametersOf(boot, state.secureBoot)
  const pcrs = [
    4,
    ...(platform === null ? [] : [7]),
    ...(boot.uki === undefined ? [] : [11]),
    ...(parameters?.untouched ?? []),
    ...(boot.shim === undefined ? [] : [14]),
  ]
  return {
    platform: platform?.name ?? null,
    secureBoot: state.secureBoot,
    bootChain: boot.chain,
    calibration: 'uncalibrated',
    pcrs: Object.fromEntries(pcrs.map(pcr => [`${pcr}`, pcrValue(events, pcr, banks)])),
    events,
    coverage: coverageOf(boot, events, state.secureBoot),
    notPredicted: notPredicted(boot, pcrs, parameters?.notPredicted ?? []),
    notes: [
      ...notesOf(boot, conditions),
      ...(parameters?.notes ?? []),
      ...state.notes,
      ...(platform?.notes ?? []),
      ...notes,
    ],
  }
}

/** PCR 12 and 13; undefined for a chain without UKI. */
function parametersOf({ uki, systemdBoot }: Boot, secureBoot: boolean): ParameterPcrs | undefined {
  if (uki === undefined) return undefined
  const hasCommandLine = uki.uki.sections().some(({ name }) => name === '.cmdline')
  return parameterPcrs(secureBoot, hasCommandLine, systemdBoot && loaderInfo(systemdBoot.pe))
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
