// Reasons for differences in PCR 7: Secure Boot state, firmware keys, SBAT level, and why files were trusted (docs/pcrs.md, PCR 7).

import { ToolError } from '../../errors.ts'
import { digestIn } from '../../formats/bytes/digest.ts'
import { formatHex } from '../../formats/bytes/hex.ts'
import { guids, parseGuid } from '../../formats/efi/guid.ts'
import { parseSignatureLists, type SignatureData } from '../../formats/efi/signature-list.ts'
import { formatVariableEvent, type MeasuredVariable } from '../../formats/efi/variable-event.ts'
import type { FirmwareKeyVariables, Platform } from '../platform/platform.ts'
import {
  checksOffByMok,
  describeAuthority,
  isTrustEvent,
  plainText,
  sbatNames,
  subjectOf,
  variableOf,
} from './event.ts'
import {
  comesLater,
  type Evidence,
  type FirstDifference,
  happensLater,
  plainReason,
  separatorReason,
} from './evidence.ts'
import { type Reason, type ReasonCode, reason } from './reasons.ts'
import { sbatLevelReason } from './sbat.ts'

/** The reason for a difference in PCR 7. */
export function policyReason(difference: FirstDifference, evidence: Evidence): Reason {
  const variable = difference.seen === null ? undefined : variableOf(difference.seen)
  return (
    separatorReason(difference) ??
    (variable === undefined ? undefined : variableReason(variable, difference, evidence)) ??
    absentReason(difference, evidence) ??
    plainReason(difference, evidence)
  )
}

const keyCodes = {
  PK: 'PK_CHANGED',
  KEK: 'KEK_CHANGED',
  db: 'DB_CHANGED',
  dbx: 'DBX_CHANGED',
  dbt: 'DBT_CHANGED',
} as const satisfies Readonly<Record<keyof FirmwareKeyVariables, ReasonCode>>

type KeyName = keyof typeof keyCodes

function variableReason(
  variable: MeasuredVariable,
  difference: FirstDifference,
  evidence: Evidence,
): Reason | undefined {
  const { name, data } = variable
  const { expected, seen } = difference
  const isAuthority = seen?.type === 'EV_EFI_VARIABLE_AUTHORITY'
  if (!isAuthority && name === 'SecureBoot' && data.length === 1) {
    const here = data[0] === 1
    return reason(here ? 'SECURE_BOOT_ON_HERE' : 'SECURE_BOOT_OFF_HERE', {})
  }
  const key = isAuthority ? undefined : keyNames.find(one => one === name)
  if (key !== undefined && (key === 'dbt' || !comesLater(difference)))
    return reason(keyCodes[key], { change: changeOf(key, variable, difference, evidence.platform) })
  if (name === 'MokSBState') return mokSbState(`is set to ${formatHex(data.subarray(0, 8))}`)
  if (expected !== null && comesLater(difference)) return undefined
  if (sbatNames.includes(name) && expected?.part === 'Pcr7SbatLevel')
    return sbatLevelReason(variable, difference, evidence)
  if (seen === null || !isTrustEvent(seen)) return undefined
  return reason('SIGNED_BY_OTHER_CERTIFICATE', {
    seen: describeAuthority(variable),
    expected: expected === null || happensLater(difference) ? 'no such event' : trustOf(difference, evidence.platform),
  })
}

const keyNames: readonly KeyName[] = ['PK', 'KEK', 'db', 'dbx', 'dbt']

/** The prediction has an event that this boot does not have, at least not here. */
function absentReason(difference: FirstDifference, { log }: Evidence): Reason | undefined {
  const { expected, seen } = difference
  if (expected === null || (seen === null && log.problems.length > 0)) return undefined
  if (expected.part === 'Pcr7MokSBState') return mokSbState('is not set')
  if (expected.part === 'Pcr7Dbt') return reason('DBT_CHANGED', { change: ': it is not set here' })
  if (seen === null && checksOffByMok(log)) return mokSbState('is set')
  return undefined
}

function mokSbState(state: string): Reason {
  const consequence = state === 'is not set' ? 'shim checks files here' : 'shim checks no files here when it is 01'
  return reason('MOK_SB_STATE', { state, consequence })
}

/** What was added or taken away, when the profile holds the contents that were predicted. */
function changeOf(
  name: KeyName,
  { vendorGuid, data }: MeasuredVariable,
  { expected, bank }: FirstDifference,
  platform: Platform | undefined,
): string {
  if (data.length === 0) return ': it is not set here'
  const before = platform?.keys[name]
  if (before === undefined || expected === null) return ''
  const digest = formatHex(digestIn(bank, formatVariableEvent({ vendorGuid, name, data: before })))
  if (digest !== expected.digests[bank]) return ''
  if (before.length === 0) return ': it is not set in the profile'
  const [old, now] = [entriesOf(before), entriesOf(data)]
  if (old === undefined || now === undefined) return ''
  const added = [...now].filter(([entry]) => !old.has(entry))
  const gone = [...old].filter(([entry]) => !now.has(entry))
  const words = [...listed('more', added), ...listed('less', gone)]
  return words.length === 0 ? ': the same entries in another order' : `: ${words.join(', ')} than in the profile`
}

const mostNamed = 3

function listed(word: string, entries: readonly (readonly [string, string | undefined])[]): string[] {
  if (entries.length === 0) return []
  const subjects = entries.flatMap(([, subject]) => subject ?? []).slice(0, mostNamed)
  const named = subjects.length === 0 ? '' : ` (${subjects.join('; ')})`
  return [`${entries.length} ${entries.length === 1 ? 'entry' : 'entries'} ${word}${named}`]
}

/** Entry as hex → subject of a certificate. undefined when the lists cannot be read. */
function entriesOf(bytes: Uint8Array): Map<string, string | undefined> | undefined {
  return signaturesOf(bytes)?.reduce((entries, { owner, data }) => {
    const subject = subjectOf(data)
    return entries.set(`${owner} ${formatHex(data)}`, subject === undefined ? undefined : plainText(subject))
  }, new Map<string, string | undefined>())
}

function signaturesOf(bytes: Uint8Array): SignatureData[] | undefined {
  try {
    return parseSignatureLists(bytes, 'variable').flatMap(list => list.signatures)
  } catch (error) {
    if (error instanceof ToolError) return undefined
    throw error
  }
}

/** The certificate that the prediction has there, looked up in the profile; else the words of the prediction. */
function trustOf({ expected, bank }: FirstDifference, platform: Platform | undefined): string {
  if (expected === null) return 'no such event'
  const { imageSecurityDatabase, shimLock } = guids
  const places = [
    { name: 'db', vendorGuid: imageSecurityDatabase, lists: platform?.keys.db },
    { name: 'vendor_db', vendorGuid: imageSecurityDatabase, lists: platform?.mok.list },
    { name: 'MokListRT', vendorGuid: shimLock, lists: platform?.mok.list },
    { name: 'MokList', vendorGuid: shimLock, lists: platform?.mok.list },
  ]
  for (const { name, vendorGuid, lists } of places)
    for (const { owner, data } of signaturesOf(lists ?? new Uint8Array(0)) ?? []) {
      const variable = { name, vendorGuid, data: new Uint8Array(Buffer.concat([parseGuid(owner) ?? data, data])) }
      const digest = formatHex(digestIn(bank, formatVariableEvent(variable)))
      if (digest === expected.digests[bank]) return describeAuthority(variable)
    }
  return expected.because
}
