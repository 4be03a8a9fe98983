// Why a node's boot is not the predicted one: the first event that differs in each PCR, and the reason in words (interface §2).

import { ToolError } from '../../errors.ts'
import type { Bank } from '../../formats/bytes/digest.ts'
import type { EventLog, LoggedEvent } from '../../formats/tcg/event-log.ts'
import { noAction } from '../../formats/tcg/event-type.ts'
import { comparePcrs } from '../compare-pcrs.ts'
import type { Platform } from '../platform/platform.ts'
import type { PcrValues } from '../replay.ts'
import { bootCodeReason } from './boot-code.ts'
import { bestCandidate, type Candidate } from './candidates.ts'
import { digestOf, type ExpectedEvent, type LogDifference, phasePcr, phasesBetween } from './difference.ts'
import { textOfEvent } from './event.ts'
import { type Evidence, type FirstDifference, firstDifferenceOf, plainReason, separatorReason } from './evidence.ts'
import { mokReason } from './mok.ts'
import { policyReason } from './policy.ts'
import { type Reason, reason } from './reasons.ts'
import { livePhaseReason, ukiReason } from './uki.ts'
import { type UncoveredKernel, uncoveredKernel } from './uncovered-kernel.ts'

export interface FirstDifferenceFacts {
  /** The event's index in the log, as `replay --json` counts; null where the events of the log ended. */
  readonly index: number | null
  readonly expected: {
    readonly type: string
    readonly digest: string
    readonly part: string
    readonly because: string
  } | null
  /** `text`: the path, text or variable name in the event's data, null for none. */
  readonly seen: { readonly type: string; readonly digest: string; readonly text: string | null } | null
  readonly reason: Reason
}

export interface ExplainedPcr {
  readonly pcr: number
  readonly bank: Bank
  readonly equal: boolean
  /** Values of the TPM were given, and none of this PCR: only the log was compared. */
  readonly notRead?: true
  readonly firstDifference?: FirstDifferenceFacts
}

/** The document of `explain --json`. */
export interface ExplainDocument {
  readonly schemaVersion: 1
  readonly platform: string | null
  /** The image that the log was compared with; null for files of the command line. */
  readonly image: string | null
  readonly pcrs: readonly ExplainedPcr[]
}

export interface LogToExplain {
  readonly log: EventLog
  /** What the node may have booted, oldest image first. */
  readonly candidates: readonly Candidate[]
  /** Profiles of the platforms that predictions name, where they are at hand. */
  readonly platforms?: readonly Platform[]
  /** Texts of SBAT levels that a prediction may have; the published ones are known. */
  readonly sbatLevels?: readonly string[]
  readonly banks: readonly Bank[]
  /** Values that the TPM held when the log was taken. */
  readonly live?: PcrValues
}

export interface Explanation {
  readonly document: ExplainDocument
  readonly candidate: Candidate
  /** What could not be read of the log. */
  readonly problems: EventLog['problems']
  /** Set where the values compared hold no kernel, and the log does not show another one. */
  readonly kernel: 'as-predicted' | 'not-told' | undefined
}

/**
 * Compares a log with what may have been booted. Throws EVENT_LOG_INVALID for a log without events, and INPUT_INVALID when log and
 * predictions have no bank, or no PCR, in common.
 */
export function explain(request: LogToExplain): Explanation {
  const { log, candidates, platforms = [], sbatLevels = [], banks, live } = request
  if (log.events.every(event => event.typeNumber === noAction))
    throw new ToolError('EVENT_LOG_INVALID', 'the event log holds no event that was measured', {
      found: `${log.events.length} records`,
      where: { source: log.source },
      hint: 'some boot loaders hand the kernel no log, GRUB 2.06 with Secure Boot off for one; its PCR values cannot be explained',
    })
  const best = bestCandidate(candidates, log, banks, live)
  if (best === undefined)
    throw new ToolError('INPUT_INVALID', 'log and predictions have nothing in common', {
      found: `a log with the banks ${log.banks.join(', ')}, ${candidates.length} predictions`,
      wanted: `predictions with values for ${banks.join(', ')}`,
      where: { source: log.source },
    })
  const baseline = best.candidate
  const platform = platforms.find(({ name }) => name === baseline.prediction.platform)
  const evidence: Evidence = { log, candidates, baseline, platform, sbatLevels }
  const kernel = uncoveredKernel(evidence)
  const pcrs = [
    ...best.differences.map(difference => explainPcr(difference, evidence, live !== undefined)),
    ...(typeof kernel === 'object' ? [otherKernel(kernel)] : []),
  ]
  pcrs.push(...contradictions(request, new Set(pcrs.map(({ pcr }) => pcr))))
  const document = { schemaVersion: 1, platform: baseline.prediction.platform, image: baseline.image, pcrs } as const
  return {
    ...{ document, candidate: baseline, problems: log.problems },
    kernel: typeof kernel === 'object' ? undefined : kernel,
  }
}

/** PCRs that firmware and boot loaders alone extend; the running system extends others, and PCR 11 with its phases. */
const bootPcrs: readonly number[] = [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 11, 12, 13, 14]

/** PCRs that are not predicted, and where the log does not lead to the value of the TPM: it is not the log of this boot, or not all of it. */
function contradictions({ log, live, banks }: LogToExplain, compared: ReadonlySet<number>): ExplainedPcr[] {
  if (live === undefined) return []
  return comparePcrs(log, live, banks)
    .differences.filter(({ pcr }) => bootPcrs.includes(pcr) && !compared.has(pcr))
    .filter(({ pcr, bank, replayed, seen }) => pcr !== phasePcr || phasesBetween(bank, replayed, seen) === undefined)
    .map(({ pcr, bank }) => {
      const nothing = { index: null, expected: null, seen: null }
      return { pcr, bank, equal: false, firstDifference: { ...nothing, reason: reason('LOG_DOES_NOT_REPLAY', {}) } }
    })
}

/** The kernel stands in PCR 9 only, which is not predicted: one more difference. */
function otherKernel({ seen, sha256, path, reason }: Exclude<UncoveredKernel, string>): ExplainedPcr {
  const bank = 'sha256'
  const expected = { type: 'EV_IPL', digest: sha256, part: 'Pcr9Kernel', because: `kernel (${path}), read by GRUB` }
  const firstDifference = { index: seen.index, expected, seen: seenFacts(seen, bank), reason }
  return { pcr: seen.pcr, bank, equal: false, firstDifference }
}

function explainPcr(difference: LogDifference, evidence: Evidence, withLive: boolean): ExplainedPcr {
  const { pcr, bank, equal } = difference
  const read = withLive && difference.live === undefined ? ({ notRead: true } as const) : {}
  if (equal) return { pcr, bank, equal, ...read }
  const first = firstDifferenceOf(difference)
  const firstDifference = {
    index: first.seen?.index ?? null,
    expected: first.expected === null ? null : expectedFacts(first.expected, bank),
    seen: first.seen === null ? null : seenFacts(first.seen, bank),
    reason: liveReason(difference, first, evidence) ?? reasonOf(first, evidence),
  }
  return { pcr, bank, equal, ...read, firstDifference }
}

/** A value of the TPM that the log does not lead to says that the log cannot explain it. */
function liveReason(difference: LogDifference, first: FirstDifference, evidence: Evidence): Reason | undefined {
  const sameEvents = first.expected === null && first.seen === null
  const phase = sameEvents ? livePhaseReason(difference, evidence) : undefined
  return phase ?? (difference.live === 'not-the-log' ? reason('LOG_DOES_NOT_REPLAY', {}) : undefined)
}

function reasonOf(first: FirstDifference, evidence: Evidence): Reason {
  switch (first.pcr) {
    case 4:
      return bootCodeReason(first, evidence)
    case 7:
      return policyReason(first, evidence)
    case 11:
      return ukiReason(first, evidence)
    case 14:
      return mokReason(first, evidence)
    default:
      return separatorReason(first) ?? plainReason(first, evidence)
  }
}

function expectedFacts({ type, digests, part, because }: ExpectedEvent, bank: Bank): FirstDifferenceFacts['expected'] {
  return { type, digest: digests[bank] ?? '', part, because }
}

function seenFacts(event: LoggedEvent, bank: Bank): FirstDifferenceFacts['seen'] {
  return { type: event.type, digest: digestOf(event, bank), text: textOfEvent(event) }
}
