// Reasons for differences in PCR 14: the variables of shim (docs/pcrs.md, PCR 14).

import { ToolError } from '../../errors.ts'
import { digestIn } from '../../formats/bytes/digest.ts'
import { formatHex } from '../../formats/bytes/hex.ts'
import { formatSignatureLists, parseSignatureLists } from '../../formats/efi/signature-list.ts'
import { otherChainReason } from './boot-chain.ts'
import { type Candidate, roleNames, roleOf } from './candidates.ts'
import { digestOf, type ExpectedEvent } from './difference.ts'
import { textOfEvent } from './event.ts'
import {
  comesLater,
  type Evidence,
  type FirstDifference,
  happensLater,
  plainReason,
  separatorReason,
} from './evidence.ts'
import { type Reason, reason } from './reasons.ts'

/** The reason for a difference in PCR 14. */
export function mokReason(difference: FirstDifference, evidence: Evidence): Reason {
  const { expected, seen } = difference
  const expectedName = expected?.part.replace(/^Pcr14/, '')
  const seenName = seen === null ? undefined : (textOfEvent(seen) ?? undefined)
  if (evidence.log.problems.length > 0 && seen === null) return plainReason(difference, evidence)
  return (
    separatorReason(difference) ??
    (seen === null && difference.before.length === 0 ? otherChainReason(evidence) : undefined) ??
    (seenName === expectedName
      ? contentReason(seenName, difference, evidence)
      : stateReason(seenName, expectedName, difference)) ??
    plainReason(difference, evidence)
  )
}

/** The same variable with other contents. */
function contentReason(name: string | undefined, difference: FirstDifference, evidence: Evidence): Reason | undefined {
  switch (name) {
    case 'MokList':
      return otherShimReason(difference, evidence) ?? enrolledReason(difference, evidence)
    case 'MokListX':
      return reason('MOK_LIST_X_OTHER', {})
    default:
      return variableReason(name, 'has other contents')
  }
}

/** A variable too much or too few; shim measures each of these only in one state. */
function stateReason(
  seenName: string | undefined,
  expectedName: string | undefined,
  difference: FirstDifference,
): Reason | undefined {
  const missing = difference.seen === null || comesLater(difference)
  if (missing) return variableReason(expectedName, expectedName === 'MokListTrusted' ? 'is set' : 'is not set')
  const extra = difference.expected === null || happensLater(difference)
  return extra ? variableReason(seenName, seenName === 'MokListTrusted' ? 'is not set' : 'is set') : undefined
}

function variableReason(name: string | undefined, state: string): Reason | undefined {
  switch (name) {
    case 'MokSBState':
      return reason('MOK_SB_STATE', { state, consequence: 'it tells shim whether to check files' })
    case 'MokListTrusted':
      return reason('MOK_LIST_TRUSTED', { state })
    case 'MokPolicy':
      return reason('MOK_POLICY', { state })
    default:
      return undefined
  }
}

/** Every shim brings its own vendor certificate: the list of another image goes with the shim of that image. */
function otherShimReason({ seen, bank }: FirstDifference, { candidates, baseline, log }: Evidence): Reason | undefined {
  const digest = seen === null ? undefined : digestOf(seen, bank)
  const other = candidates.find(candidate => {
    const shim = shimOf(candidate)?.digests[bank]
    const ran = log.events.some(event => event.pcr === 4 && digestOf(event, bank) === shim)
    return (
      candidate.mix === undefined &&
      candidate.label !== baseline.label &&
      shim !== shimOf(baseline)?.digests[bank] &&
      ran &&
      mokListOf(candidate)?.digests[bank] === digest
    )
  })
  if (other === undefined) return undefined
  const older = candidates.indexOf(other) < candidates.indexOf(baseline)
  return reason('BOOT_LOADER_OF_OTHER_IMAGE', {
    verb: older ? 'still boots' : 'boots',
    role: roleNames.shim,
    image: other.label,
    file: '',
    consequence: 'MokList begins with the vendor certificate of that shim',
  })
}

function enrolledReason(difference: FirstDifference, evidence: Evidence): Reason {
  const { expected, seen, bank } = difference
  if (!ownShimRan(difference, evidence) || expected === null || seen === null) return reason('MOK_LIST_OTHER', {})
  const { baseline, platform } = evidence
  const digest = digestOf(seen, bank)
  const vendor = vendorDigest(difference, evidence)
  const predicted = vendor === undefined ? noKeysAssumed(evidence) : expected.digests[bank] === vendor
  if (predicted && digest !== vendor) return reason('MOK_ENROLLED', {})
  const list = platform !== undefined && platform.name === baseline.prediction.platform ? platform.mok.list : undefined
  if (!predicted && (digest === vendor || (list !== undefined && beginnings(list, bank).includes(digest))))
    return reason('MOK_MISSING', {})
  return reason('MOK_LIST_OTHER', {})
}

/** The list that this shim makes without any key; undefined when neither the shim nor a prediction for no platform is at hand. */
function vendorDigest({ bank }: FirstDifference, { candidates, baseline }: Evidence): string | undefined {
  const shim = shimOf(baseline)?.digests[bank]
  const bare = candidates.find(
    ({ prediction, vendorMokList }) =>
      vendorMokList === undefined &&
      prediction.platform === null &&
      prediction.events.some(event => roleOf(event) === 'shim' && event.digests[bank] === shim),
  )
  return baseline.vendorMokList?.[bank] ?? (bare === undefined ? undefined : mokListOf(bare)?.digests[bank])
}

/** Predictions for no platform, and for profiles without MokListRT, are for machines without enrolled keys. */
function noKeysAssumed({ baseline, platform }: Evidence): boolean {
  if (baseline.prediction.platform === null) return true
  return platform !== undefined && platform.mok.list === undefined
}

/** Digests of the first signature lists together, without the last, without the last two…: one of them is the vendor's part. */
function beginnings(list: Uint8Array, bank: FirstDifference['bank']): readonly string[] {
  try {
    const lists = parseSignatureLists(list, 'MokListRT').slice(0, mostLists)
    return lists.slice(1).map((_, index) => formatHex(digestIn(bank, formatSignatureLists(lists.slice(0, index + 1)))))
  } catch (error) {
    if (error instanceof ToolError) return []
    throw error
  }
}

const mostLists = 100

function ownShimRan({ bank }: FirstDifference, { baseline, log }: Evidence): boolean {
  const shim = shimOf(baseline)?.digests[bank]
  return shim === undefined || log.events.some(event => event.pcr === 4 && digestOf(event, bank) === shim)
}

function shimOf({ prediction }: Candidate): ExpectedEvent | undefined {
  return prediction.events.find(event => roleOf(event) === 'shim')
}

function mokListOf({ prediction }: Candidate): ExpectedEvent | undefined {
  return prediction.events.find(event => event.part === 'Pcr14MokList')
}
