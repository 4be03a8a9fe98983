// What a reason is looked for in: one difference, and all that is known of node and images.

import type { Bank } from '../../formats/bytes/digest.ts'
import type { EventLog, LoggedEvent } from '../../formats/tcg/event-log.ts'
import type { Platform } from '../platform/platform.ts'
import type { Candidate } from './candidates.ts'
import { digestOf, type ExpectedEvent, type LogDifference } from './difference.ts'
import { describeExpected, describeSeen, textOfEvent } from './event.ts'
import { type Reason, reason } from './reasons.ts'

export interface Evidence {
  readonly log: EventLog
  /** All of them, oldest first. */
  readonly candidates: readonly Candidate[]
  /** The one that the log is compared with. */
  readonly baseline: Candidate
  /** Its platform, when the profile is at hand. */
  readonly platform: Platform | undefined
  /** Texts of SBAT levels that a prediction may have. */
  readonly sbatLevels: readonly string[]
}

/** The first event that differs, and its neighbours. */
export interface FirstDifference {
  readonly pcr: number
  readonly bank: Bank
  /** null: the events of the prediction ended. */
  readonly expected: ExpectedEvent | null
  /** null: the events of the log ended. */
  readonly seen: LoggedEvent | null
  readonly expectedLater: readonly ExpectedEvent[]
  readonly seenLater: readonly LoggedEvent[]
  readonly before: readonly LoggedEvent[]
}

export function firstDifferenceOf(difference: LogDifference): FirstDifference {
  const { pcr, bank, expectedEvents, seenEvents } = difference
  const position = pcr === mokPcr ? samePlaces(difference) : difference.position
  return {
    pcr,
    bank,
    expected: expectedEvents[position] ?? null,
    seen: seenEvents[position] ?? null,
    expectedLater: expectedEvents.slice(position + 1),
    seenLater: seenEvents.slice(position + 1),
    before: seenEvents.slice(0, position),
  }
}

const mokPcr = 14

/** MokSBState and MokListTrusted are both the one byte 01, so equal digests of PCR 14 may stand for different variables. */
function samePlaces({ position, expectedEvents, seenEvents }: LogDifference): number {
  const other = seenEvents.slice(0, position).findIndex((event, index) => {
    const name = textOfEvent(event)
    return name !== null && `Pcr${mokPcr}${name}` !== expectedEvents[index]?.part
  })
  return other < 0 ? position : other
}

/** True when the event seen stands later in the prediction. */
export function comesLater({ seen, bank, expectedLater }: FirstDifference): boolean {
  return seen !== null && expectedLater.some(event => event.digests[bank] === digestOf(seen, bank))
}

/** True when the event expected stands later in the log. */
export function happensLater({ expected, bank, seenLater }: FirstDifference): boolean {
  return expected !== null && seenLater.some(event => digestOf(event, bank) === expected.digests[bank])
}

/** A separator that the prediction does not have. */
export function separatorReason({ seen }: FirstDifference): Reason | undefined {
  if (seen?.decoded?.kind !== 'separator') return undefined
  const { value } = seen.decoded
  if (value === '00000000') return undefined
  return reason(value === 'ffffffff' ? 'SEPARATOR_OTHER' : 'SEPARATOR_ERROR', { value })
}

/** What can be said of any PCR: an event too much, too few, or another one. */
export function plainReason(difference: FirstDifference, { log }: Evidence): Reason {
  const { expected, seen } = difference
  if (seen === null) {
    if (expected === null)
      return reason('UNKNOWN', { event: 'the value of the prediction does not follow from its events' })
    const event = describeExpected(expected)
    return reason(log.problems.length > 0 ? 'LOG_INCOMPLETE' : 'EVENT_MISSING', { event })
  }
  if (expected === null || happensLater(difference)) return reason('EVENT_EXTRA', { event: describeSeen(seen) })
  if (comesLater(difference)) return reason('EVENT_MISSING', { event: describeExpected(expected) })
  return reason('UNKNOWN', {
    event: `${describeSeen(seen)} stands where the prediction has ${describeExpected(expected)}`,
  })
}
