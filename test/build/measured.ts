// Makers of predictions: events with digests in every bank, and the values that follow from them.

import { banks, digestInBanks, digestLength, formatDigests } from '../../src/formats/bytes/digest.ts'
import { formatHex, parseHex } from '../../src/formats/bytes/hex.ts'
import { extendAll, startValue } from '../../src/predict/extend.ts'
import type { MeasuredEvent, Prediction } from '../../src/predict/prediction.ts'

const typeOf = (part: string): string => {
  if (part.endsWith('Separator')) return 'EV_SEPARATOR'
  if (part === 'Pcr4EfiCall') return 'EV_EFI_ACTION'
  if (part.startsWith('Pcr4')) return 'EV_EFI_BOOT_SERVICES_APPLICATION'
  if (/^Pcr7(?:SecureBoot|Pk|Kek|Db|Dbx)$/.test(part)) return 'EV_EFI_VARIABLE_DRIVER_CONFIG'
  return part.startsWith('Pcr7') ? 'EV_EFI_VARIABLE_AUTHORITY' : 'EV_IPL'
}

/** The event of a part; its digests are those of `seed`. */
export function measured(part: string, seed = part): MeasuredEvent {
  const pcr = Number(/^Pcr(\d+)/.exec(part)?.[1])
  const digests = formatDigests(digestInBanks(Buffer.from(seed)))
  return { pcr, type: typeOf(part), digests, part, because: `made from ${seed}` }
}

/** Part names of a boot of shim, GRUB and Linux, in log order; `kernels` events of the kernel. */
export function grubParts(kernels = 1): string[] {
  return [
    ...['SecureBoot', 'Pk', 'Kek', 'Db', 'Dbx', 'Separator'].map(name => `Pcr7${name}`),
    ...['Pcr4EfiCall', 'Pcr4Separator', 'Pcr7ShimCert', 'Pcr4Shim', 'Pcr14MokList', 'Pcr14MokListX', 'Pcr7SbatLevel'],
    ...['Pcr14MokListTrusted', 'Pcr7GrubMokListCert', 'Pcr4Grub'],
    ...['Pcr4Vmlinuz', 'Pcr4VmlinuzAgain'].slice(0, kernels),
  ]
}

/** A prediction of these events, with the values of their PCRs in every bank. */
export function predictionOf(events: readonly MeasuredEvent[], changes: Partial<Prediction> = {}): Prediction {
  const pcrs = [...new Set(events.map(({ pcr }) => pcr))].sort((one, other) => one - other)
  const covered = { pcr: null, because: 'not looked at' }
  return {
    platform: 'machine',
    secureBoot: true,
    bootChain: 'shim-grub-linux',
    calibration: 'uncalibrated',
    pcrs: Object.fromEntries(pcrs.map(pcr => [`${pcr}`, valuesOf(events, pcr)])),
    events,
    coverage: {
      shim: covered,
      'boot-loader': covered,
      kernel: covered,
      initramfs: covered,
      'command-line': covered,
      'root-file-system': covered,
    },
    notPredicted: [],
    notes: [],
    ...changes,
  }
}

function valuesOf(events: readonly MeasuredEvent[], pcr: number) {
  const own = events.filter(event => event.pcr === pcr)
  return Object.fromEntries(
    banks.map(bank => {
      const digests = own.map(({ digests }) => parseHex(digests[bank]) ?? new Uint8Array(digestLength[bank]))
      return [bank, formatHex(extendAll(bank, startValue(bank, pcr), digests))]
    }),
  )
}

/** A prediction of parts, each with its own name as seed. */
export function predictionOfParts(parts: readonly string[], changes: Partial<Prediction> = {}): Prediction {
  return predictionOf(
    parts.map(part => measured(part)),
    changes,
  )
}
