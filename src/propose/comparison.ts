// Old prediction against new: which PCR values change, and which measured file makes each change.

import type { RecordedPrediction } from './record-schema.ts'

type RecordedEvent = RecordedPrediction['events'][number]

/** One event that is new, gone or has another digest. */
export interface Cause {
  readonly part: string
  readonly because: string
  readonly from: string | undefined
  readonly to: string | undefined
}

/** One PCR on one platform. Equal values have no causes. */
export interface PcrComparison {
  readonly platform: string | null
  readonly secureBoot: boolean
  readonly pcr: number
  readonly from: string | undefined
  readonly to: string | undefined
  readonly causes: readonly Cause[]
}

/** Every PCR of the new predictions beside the old prediction of the same platform and Secure Boot state, if there is one. */
export function comparePredictions(
  old: readonly RecordedPrediction[],
  next: readonly RecordedPrediction[],
): PcrComparison[] {
  return next.flatMap(prediction => {
    const before = old.find(
      ({ platform, secureBoot }) => platform === prediction.platform && secureBoot === prediction.secureBoot,
    )
    const pcrs = new Set([...Object.keys(before?.pcrs ?? {}), ...Object.keys(prediction.pcrs)])
    return [...pcrs]
      .map(Number)
      .sort((a, b) => a - b)
      .map(pcr => comparePcr(before, prediction, pcr))
  })
}

function comparePcr(before: RecordedPrediction | undefined, next: RecordedPrediction, pcr: number): PcrComparison {
  const from = before?.pcrs[pcr]?.sha256
  const to = next.pcrs[pcr]?.sha256
  const { platform, secureBoot } = next
  const causes = before === undefined || from === to ? [] : compareEvents(eventsOf(before, pcr), eventsOf(next, pcr))
  return { platform, secureBoot, pcr, from, to, causes }
}

function compareEvents(old: ReadonlyMap<string, RecordedEvent>, next: ReadonlyMap<string, RecordedEvent>): Cause[] {
  const keys = new Set([...next.keys(), ...old.keys()])
  return [...keys].flatMap(key => {
    const [before, after] = [old.get(key), next.get(key)]
    const shown = after ?? before
    if (shown === undefined || before?.digests.sha256 === after?.digests.sha256) return []
    return [{ part: shown.part, because: shown.because, from: before?.digests.sha256, to: after?.digests.sha256 }]
  })
}

/** Events of one PCR by part and occurrence: a kernel that is measured twice is two events. */
function eventsOf(prediction: RecordedPrediction, pcr: number): Map<string, RecordedEvent> {
  const events = new Map<string, RecordedEvent>()
  const seen = new Map<string, number>()
  for (const event of prediction.events.filter(one => one.pcr === pcr)) {
    const occurrence = seen.get(event.part) ?? 0
    seen.set(event.part, occurrence + 1)
    events.set(`${event.part} ${occurrence}`, event)
  }
  return events
}
