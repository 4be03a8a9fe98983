// The SBAT level that shim measures, compared by its date: rhboot/shim SBAT.md and SbatLevel_Variable.txt.

import { digestIn } from '../../formats/bytes/digest.ts'
import { formatHex } from '../../formats/bytes/hex.ts'
import { guids } from '../../formats/efi/guid.ts'
import { formatVariableEvent, type MeasuredVariable } from '../../formats/efi/variable-event.ts'
import { plainText, sbatNames } from './event.ts'
import type { Evidence, FirstDifference } from './evidence.ts'
import { type Reason, reason } from './reasons.ts'

/**
 * Levels that shim's authors published. A prediction holds only the digest of a level; with these texts, those of the profile and
 * those of the shims at hand its date is found again. No prediction is made from them.
 */
export const publishedSbatLevels: readonly string[] = [
  'sbat,1,2021030218\n',
  'sbat,1,2022052400\ngrub,2\n',
  'sbat,1,2022111500\nshim,2\ngrub,3\n',
  'sbat,1,2023012900\nshim,2\ngrub,3\ngrub.debian,4\n',
  'sbat,1,2024010900\nshim,4\ngrub,3\ngrub.debian,4\n',
  'sbat,1,2024040900\nshim,4\ngrub,4\ngrub.peimage,2\n',
  'sbat,1,2025021800\nshim,4\ngrub,5\n',
  'sbat,1,2025051000\nshim,4\ngrub,5\ngrub.proxmox,2\n',
]

/** The reason when shim measured another SBAT level than predicted. */
export function sbatLevelReason(
  variable: MeasuredVariable,
  { expected, bank }: FirstDifference,
  evidence: Evidence,
): Reason {
  const seen = Buffer.from(variable.data).toString('latin1')
  const { sbatLevel } = evidence.platform ?? {}
  const texts = [...(sbatLevel === undefined ? [] : [sbatLevel]), ...evidence.sbatLevels, ...publishedSbatLevels]
  const level = texts.find(text => levelDigests(text, bank).includes(expected?.digests[bank] ?? ''))
  const [dateSeen, dateExpected] = [dateOf(seen), level === undefined ? undefined : dateOf(level)]
  if (dateSeen === undefined || dateExpected === undefined || dateSeen === dateExpected)
    return reason('SBAT_LEVEL_OTHER', { seen: dateSeen ?? plainText(seen) })
  const code = dateSeen > dateExpected ? 'SBAT_LEVEL_HIGHER' : 'SBAT_LEVEL_LOWER'
  return reason(code, { seen: dateSeen, expected: dateExpected })
}

/** Under each name that shim has had for the variable. */
function levelDigests(text: string, bank: FirstDifference['bank']): readonly string[] {
  const data = new Uint8Array(Buffer.from(text, 'latin1'))
  return sbatNames.map(name =>
    formatHex(digestIn(bank, formatVariableEvent({ vendorGuid: guids.shimLock, name, data }))),
  )
}

/** The ten digits by which shim orders levels. */
function dateOf(text: string): string | undefined {
  return /^sbat,1,([0-9]{10})(?:\r?\n|$)/.exec(text)?.[1]
}
