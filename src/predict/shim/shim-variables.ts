// What shim measures of its variables when it starts, in order: rhboot/shim mok.c, mok_state_variables of tags 15.3 to 16.1.

import { ToolError } from '../../errors.ts'
import { mokListContents, mokListXContents } from '../../formats/shim/mok-list.ts'
import type { VendorCert } from '../../formats/shim/vendor-cert.ts'
import { compareShimVersions, formatShimVersion, type ShimVersion } from '../../formats/shim/version.ts'
import { type MeasuredSbatLevel, sbatVariableName } from './sbat-level.ts'

/** One event. PCR 7: EV_EFI_VARIABLE_AUTHORITY with GUID SHIM_LOCK. PCR 14: EV_IPL over the bare data. */
export interface ShimVariable {
  readonly pcr: 7 | 14
  readonly name: 'MokList' | 'MokListX' | 'MokSBState' | 'SBAT' | 'SbatLevel' | 'MokListTrusted' | 'MokPolicy'
  readonly data: Uint8Array
  readonly because: string
}

/** All that decides them. The MOK variables as the profile has them, the enrolled lists without the vendor's part. */
export interface ShimStart {
  readonly version: ShimVersion
  readonly vendor: VendorCert
  readonly enrolled: { readonly list: Uint8Array; readonly listX: Uint8Array }
  /** From the profile's MokVariables; undefined for what is not set or not known. */
  readonly sbState?: Uint8Array | undefined
  readonly trusted?: Uint8Array | undefined
  readonly policy?: Uint8Array | undefined
  /** undefined: PCR 7 is not predicted. */
  readonly sbatLevel?: MeasuredSbatLevel | undefined
}

/** How a version treats the variable MokListTrusted; before 15.5 it did not know it. */
interface TrustedRule {
  /** An absent variable is measured as 01 and a present one is not (MOK_VARIABLE_INVERSE). */
  readonly inverse: boolean
  readonly intoPcr7: boolean
}

const trustedRules: readonly { readonly since: ShimVersion; readonly rule: TrustedRule }[] = [
  { since: { major: 15, minor: 7 }, rule: { inverse: true, intoPcr7: false } },
  { since: { major: 15, minor: 6 }, rule: { inverse: true, intoPcr7: true } },
  { since: { major: 15, minor: 5 }, rule: { inverse: false, intoPcr7: true } },
]
const policySince = { major: 15, minor: 6 }

/**
 * The events in log order. A variable that goes into both PCRs goes into PCR 7 first.
 * Throws PLATFORM_INSUFFICIENT for shim 15.5 where MokListTrusted is set, since no profile holds its contents.
 */
export function shimVariables(start: ShimStart): ShimVariable[] {
  const { version, vendor, enrolled, sbState, policy, sbatLevel } = start
  const has = (list: Uint8Array) => (list.length > 0 ? 'and enrolled by the user' : 'nothing enrolled')
  const events: ShimVariable[] = [
    {
      pcr: 14,
      name: 'MokList',
      data: mokListContents(vendor, enrolled.list),
      because: `vendor certificates of shim ${formatShimVersion(version)}, ${has(enrolled.list)}`,
    },
    {
      pcr: 14,
      name: 'MokListX',
      data: mokListXContents(vendor, enrolled.listX),
      because: `denied by the vendor of shim ${formatShimVersion(version)}, ${has(enrolled.listX)}`,
    },
  ]
  if (sbState !== undefined && sbState.length > 0)
    for (const pcr of [7, 14] as const)
      events.push({ pcr, name: 'MokSBState', data: sbState, because: 'MokSBState of the profile is set' })
  if (sbatLevel !== undefined)
    events.push({
      pcr: 7,
      name: sbatVariableName(version),
      data: new Uint8Array(Buffer.from(sbatLevel.level, 'latin1')),
      because: sbatLevel.because,
    })
  events.push(...trustedEvents(start))
  if (policy !== undefined && policy.length > 0 && compareShimVersions(version, policySince) >= 0)
    events.push({ pcr: 14, name: 'MokPolicy', data: policy, because: 'MokPolicy of the profile is set' })
  return events
}

function trustedEvents({ version, trusted, sbatLevel }: ShimStart): ShimVariable[] {
  const rule = trustedRules.find(({ since }) => compareShimVersions(version, since) >= 0)?.rule
  if (rule === undefined) return []
  const set = isTrustedSet(trusted)
  if (!rule.inverse && set)
    throw new ToolError('PLATFORM_INSUFFICIENT', 'it is not known what MokListTrusted holds', {
      found: 'shim 15.5, which measures its contents',
      wanted: 'a newer shim, or a machine without MokListTrusted',
    })
  if (set || !rule.inverse) return []
  const because = 'MokListTrusted is not set, so shim measures 01'
  return [...(rule.intoPcr7 && sbatLevel !== undefined ? ([7] as const) : []), 14 as const].map(pcr => ({
    pcr,
    name: 'MokListTrusted',
    data: Uint8Array.of(1),
    because,
  }))
}

/**
 * MokListTrustedRT is the inverse of the variable: 01 is there when MokListTrusted is not. A profile without it says
 * nothing, which counts as not set; only other contents than 01 say that it is set.
 */
export function isTrustedSet(trusted: Uint8Array | undefined): boolean {
  return trusted !== undefined && !(trusted.length === 1 && trusted[0] === 1)
}

/** What a profile leaves open about these variables, for people. */
export function trustedNote(platform: {
  readonly name: string
  readonly mok: { readonly trusted: Uint8Array | undefined }
}): string[] {
  return platform.mok.trusted === undefined
    ? [`profile ${platform.name} has no MokListTrustedRT: MokListTrusted is taken as not set`]
    : []
}
