// Calibration (design D19): no future value is promised for a machine whose present value we cannot reproduce.

import { type Bank, banks } from '../formats/bytes/digest.ts'
import type { EventLog } from '../formats/tcg/event-log.ts'
import { compareWithLog, type ExpectedBoot } from './explain/difference.ts'
import { describeExpected, describeSeen } from './explain/event.ts'
import { firstDifferenceOf } from './explain/evidence.ts'
import type { Calibration } from './prediction.ts'

export interface CalibrationDifference {
  readonly pcr: number
  /** undefined: the PCR could be compared in no bank. */
  readonly bank: Bank | undefined
  /** One phrase for people: what differs first. */
  readonly because: string
}

export interface CalibrationResult {
  readonly calibration: Calibration
  /** Empty when matched; one for each PCR and bank that differs. */
  readonly differences: readonly CalibrationDifference[]
}

/**
 * Whether the log of a machine that booted these files replays to this prediction: every predicted PCR, in all banks that the log has.
 * Phases of systemd come after the log has ended and are not asked of it.
 */
export function calibrate(prediction: ExpectedBoot, log: EventLog): CalibrationResult {
  const compared = compareWithLog(prediction, log, banks)
  const differing = compared.filter(one => !one.equal)
  const differences = differing.map((difference): CalibrationDifference => {
    const { pcr, bank } = difference
    const { expected, seen } = firstDifferenceOf(difference)
    const here = seen === null ? 'the log has no more events' : describeSeen(seen)
    const there = expected === null ? 'no more events' : describeExpected(expected)
    return { pcr, bank, because: `${here}; predicted: ${there}` }
  })
  const without = withoutComparison(
    prediction,
    new Set(compared.map(one => one.pcr)),
    `the log has the banks ${log.banks.join(', ')}`,
  )
  return resultOf([...differences, ...without])
}

function withoutComparison(
  prediction: ExpectedBoot,
  compared: ReadonlySet<number>,
  because: string,
): CalibrationDifference[] {
  return Object.keys(prediction.pcrs)
    .map(Number)
    .filter(pcr => !compared.has(pcr))
    .map(pcr => ({ pcr, bank: undefined, because: `not compared: ${because}` }))
}

function resultOf(differences: readonly CalibrationDifference[]): CalibrationResult {
  return { calibration: differences.length === 0 ? 'matched' : 'uncalibrated', differences }
}
