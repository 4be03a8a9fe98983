// Boot files of which only digests are known, and the PCR values that follow from them: enough to ask for mixes.

import { ToolError } from '../../src/errors.ts'
import { digestIn } from '../../src/formats/bytes/digest.ts'
import { formatHex, parseHex } from '../../src/formats/bytes/hex.ts'
import type { BootFileRole } from '../../src/image/boot-file.ts'
import { extendAll, startValue } from '../../src/predict/extend.ts'
import { type MixImage, mixImage } from '../../src/predict/mixes/mixes.ts'
import type { Platform } from '../../src/predict/platform/platform.ts'
import type { Prediction } from '../../src/predict/prediction.ts'

export interface KnownFile {
  readonly role: BootFileRole
  /** SHA-256 as hex: what PCR 4 gets. */
  readonly digest: string
  /** Of a shim: the digests that it measures into PCR 14. */
  readonly mok?: readonly string[]
  /** Of a shim: the SBAT level that it writes. */
  readonly level?: string | undefined
  /** Of a shim: whom it trusts. Of a kernel: who signed it. Left out: everybody trusts it. */
  readonly key?: string
}

export const text = (words: string) => new Uint8Array(Buffer.from(words, 'latin1'))
export const sha256 = (bytes: Uint8Array) => formatHex(digestIn('sha256', bytes))
export const calling = sha256(text('Calling EFI Application from Boot Option'))
export const separator = sha256(new Uint8Array(4))

export function pcrAfter(pcr: number, digests: readonly string[]): string {
  const bytes = digests.map(digest => parseHex(digest) ?? new Uint8Array(0))
  return formatHex(extendAll('sha256', startValue('sha256', pcr), bytes))
}

export function knownImage(digest: string, files: readonly KnownFile[]): MixImage<KnownFile> {
  return mixImage(digest, files, file => file.digest)
}

/** The higher of the level that shim sets and the one in NVRAM; the date decides. */
export function knownLevel(files: readonly KnownFile[], platform: Platform): string | undefined {
  const own = files.find(({ role }) => role === 'shim')?.level
  const left = platform.sbatLevel
  if (own === undefined) return undefined
  const date = (level: string) => level.split(/[,\n]/)[2] ?? ''
  return left !== undefined && date(left) > date(own) ? left : own
}

/** Values of shim, GRUB and Linux with Secure Boot on; `pcr7` gives the digests of PCR 7 where a platform is known. */
export function predictKnown(
  files: readonly KnownFile[],
  platform: Platform | null,
  pcr7?: (files: readonly KnownFile[], platform: Platform) => readonly string[],
): readonly Prediction[] {
  const [shim, grub, kernel] = (['shim', 'grub', 'kernel'] as const).map(role => files.find(file => file.role === role))
  if (shim === undefined || grub === undefined || kernel === undefined)
    throw new ToolError('BOOT_CHAIN_UNKNOWN', 'the boot files do not make a boot chain', {
      found: files.map(({ role }) => role).join(', '),
    })
  if (kernel.key !== undefined && kernel.key !== shim.key)
    throw new ToolError('KERNEL_UNSIGNED', 'shim does not trust the kernel', { found: kernel.key })
  const value = (pcr: number, digests: readonly string[]) => ({ [`${pcr}`]: { sha256: pcrAfter(pcr, digests) } })
  return [
    {
      platform: platform?.name ?? null,
      secureBoot: true,
      bootChain: 'shim-grub-linux',
      calibration: 'uncalibrated',
      pcrs: {
        ...value(4, [calling, separator, shim.digest, grub.digest, kernel.digest]),
        ...(platform === null || pcr7 === undefined ? {} : value(7, pcr7(files, platform))),
        ...(shim.mok === undefined ? {} : value(14, [...shim.mok, ...mokStateOf(platform)])),
      },
      events: [],
      coverage: {
        shim: { pcr: 4 },
        'boot-loader': { pcr: 4 },
        kernel: { pcr: 4 },
        initramfs: { pcr: null },
        'command-line': { pcr: null },
        'root-file-system': { pcr: null },
      },
      notPredicted: [],
      notes: [],
    },
  ]
}

function mokStateOf(platform: Platform | null): string[] {
  const state = platform?.mok.sbState
  return state === undefined ? [] : [sha256(state)]
}

/** A profile without anything in it. */
export function blankPlatform(name: string, known: Partial<Platform> = {}): Platform {
  const none = new Uint8Array(0)
  return {
    name,
    architecture: undefined,
    secureBoot: true,
    keys: { PK: none, KEK: none, db: none, dbx: none, dbt: undefined },
    mok: {
      list: undefined,
      listX: undefined,
      trusted: undefined,
      sbState: undefined,
      policy: undefined,
      ignoreDb: false,
    },
    sbatLevel: undefined,
    grubMeasuresKernel: undefined,
    measurement: 'tpm',
    banks: undefined,
    quirks: [],
    eventLog: undefined,
    profileSha256: sha256(text(name)),
    notes: [],
    ...known,
  }
}
