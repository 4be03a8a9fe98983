// What a prediction is: the JSON of interface §2, `predict --json` and the records hold it unchanged.

import type { Bank, HexDigests } from '../formats/bytes/digest.ts'

export const bootChains = [
  'shim-grub-linux',
  'grub-linux',
  'uki',
  'shim-uki',
  'systemd-boot-uki',
  'systemd-boot-linux',
  'shim-systemd-boot-uki',
] as const
export type BootChainName = (typeof bootChains)[number]

export const bootParts = ['shim', 'boot-loader', 'kernel', 'initramfs', 'command-line', 'root-file-system'] as const
export type BootPart = (typeof bootParts)[number]

/** One event that the firmware or a boot loader will measure. `type` is the TCG's spelling, `part` the operator's TPMEventID where there is one. */
export interface MeasuredEvent {
  readonly pcr: number
  readonly type: string
  readonly digests: HexDigests
  readonly part: string
  /** One phrase for people: which file, loaded by whom. */
  readonly because: string
}

/** The PCR that covers a part of the boot under the policy of the target, or null and the reason. */
export interface PartCoverage {
  readonly pcr: number | null
  readonly because?: string
}

export type Calibration = 'matched' | 'uncalibrated'

export interface Prediction {
  readonly platform: string | null
  readonly secureBoot: boolean
  readonly bootChain: BootChainName
  readonly calibration: Calibration
  /** PCR index → bank → value, lower-case hex. */
  readonly pcrs: Readonly<Record<string, Readonly<Partial<Record<Bank, string>>>>>
  /** In log order over all PCRs. */
  readonly events: readonly MeasuredEvent[]
  readonly coverage: Readonly<Record<BootPart, PartCoverage>>
  readonly notPredicted: readonly { readonly pcr: number; readonly because: string }[]
  readonly notes: readonly string[]
}

/** What is told of a boot file beside its prediction. */
export interface BootFileFacts {
  readonly role: string
  readonly path: string
  readonly layer: string | null
  readonly size: number
  readonly sha256: string
  readonly authenticode?: Readonly<Partial<Record<Bank, string>>>
  readonly signedBy?: readonly string[]
}

/** How the bytes of the boot files were proven to be those of the image. */
export type Proof = 'all-layers' | 'ostree-commit' | 'cache' | 'toc' | 'local'

export interface PredictedImage {
  readonly source: string
  readonly digest: string | null
  readonly proof: Proof
  readonly os: { readonly id: string | null; readonly versionId: string | null }
  readonly kernelRelease: string | null
}

/** The document that `predict --json` prints. `One` is another form of prediction where a recorded log was filled in. */
export interface PredictionDocument<One = Prediction> {
  readonly schemaVersion: 1
  readonly image: PredictedImage | null
  readonly bootFiles: readonly BootFileFacts[]
  readonly predictions: readonly One[]
}
