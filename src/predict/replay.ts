// Replays an event log to PCR values; the document of `replay --json` (interface §2).

import { type Bank, banks } from '../formats/bytes/digest.ts'
import { formatHex } from '../formats/bytes/hex.ts'
import type { EventData } from '../formats/tcg/event-data.ts'
import { type EventLog, type LoggedEvent, type LogProblem, pcrCount } from '../formats/tcg/event-log.ts'
import { noAction } from '../formats/tcg/event-type.ts'
import { extendAll, startValue } from './extend.ts'

/** PCR index → bank → value, lower-case hex. */
export type PcrValues = Readonly<Record<string, Readonly<Partial<Record<Bank, string>>>>>

/** A value that a TPM holds and that a log does not replay to. */
export interface PcrDifference {
  readonly pcr: number
  readonly bank: Bank
  readonly replayed: string
  readonly seen: string
}

/** The document of `replay --json`. */
export interface ReplayDocument {
  readonly schemaVersion: 1
  readonly pcrs: PcrValues
  readonly events: readonly {
    readonly index: number
    readonly pcr: number
    readonly type: string
    readonly digests: Readonly<Partial<Record<Bank, string>>>
    readonly data?: EventData
    readonly error?: { readonly code: string; readonly message: string }
  }[]
  /** `offset` is null for a fault that has no place in the log. */
  readonly problems: readonly { readonly offset: number | null; readonly code: string; readonly message: string }[]
}

/** Values of every PCR that has an event which extends it, in every bank of the log that is asked for. */
export function replay(log: EventLog, wanted: readonly Bank[] = banks): PcrValues {
  const locality = startupLocality(log)
  const values: Record<string, Partial<Record<Bank, string>>> = {}
  for (let pcr = 0; pcr < pcrCount; pcr++) {
    const events = log.events.filter(event => event.pcr === pcr && event.typeNumber !== noAction)
    if (events.length === 0) continue
    const inBanks: Partial<Record<Bank, string>> = {}
    for (const bank of log.banks.filter(name => wanted.includes(name))) {
      const digests = events.flatMap(event => event.digests[bank] ?? [])
      inBanks[bank] = formatHex(extendAll(bank, startValue(bank, pcr, locality), digests))
    }
    values[`${pcr}`] = inBanks
  }
  return values
}

/** Locality of TPM2_Startup as the log tells it, 0 when it does not. */
export function startupLocality(log: EventLog): number {
  const event = log.events.find(({ decoded }) => decoded?.kind === 'startup-locality')
  return event?.decoded?.kind === 'startup-locality' ? event.decoded.locality : 0
}

/** The document of `replay --json`, in the banks asked for. */
export function replayDocument(
  log: EventLog,
  wanted: readonly Bank[],
  differences: readonly PcrDifference[] = [],
): ReplayDocument {
  return {
    schemaVersion: 1,
    pcrs: replay(log, wanted),
    events: log.events.map(event => describeEvent(event, wanted)),
    problems: [...log.problems.map(describeProblem), ...differences.map(describeDifference)],
  }
}

function describeEvent(event: LoggedEvent, wanted: readonly Bank[]): ReplayDocument['events'][number] {
  const digests: Partial<Record<Bank, string>> = {}
  for (const bank of banks) {
    const digest = event.digests[bank]
    if (digest !== undefined && wanted.includes(bank)) digests[bank] = formatHex(digest)
  }
  return {
    index: event.index,
    pcr: event.pcr,
    type: event.type,
    digests,
    ...(event.decoded === undefined ? {} : { data: event.decoded }),
    ...(event.error === undefined
      ? {}
      : { error: { code: event.error.code, message: `${event.error.message}: ${event.error.found ?? ''}` } }),
  }
}

function describeProblem({ offset, code, message }: LogProblem): ReplayDocument['problems'][number] {
  return { offset, code, message }
}

function describeDifference({ pcr, bank, replayed, seen }: PcrDifference): ReplayDocument['problems'][number] {
  const message = `PCR ${pcr} (${bank}) replays to ${replayed}, the TPM holds ${seen}`
  return { offset: null, code: 'LOG_DIFFERS', message }
}
