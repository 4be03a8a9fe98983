// Where the events of a log leave those of a prediction, for each PCR and bank.

import { type Bank, digestIn } from '../../formats/bytes/digest.ts'
import { formatHex, parseHex } from '../../formats/bytes/hex.ts'
import type { EventLog, LoggedEvent } from '../../formats/tcg/event-log.ts'
import { noAction } from '../../formats/tcg/event-type.ts'
import { extendAll, startValue } from '../extend.ts'
import { type PcrValues, startupLocality } from '../replay.ts'

/** An event of a prediction, with the banks that are known: a record keeps sha256 only. */
export interface ExpectedEvent {
  readonly pcr: number
  readonly type: string
  readonly digests: Readonly<Partial<Record<Bank, string>>>
  readonly part: string
  readonly because: string
}

/** What of a prediction is compared with a log. `Prediction` and the prediction of a record are such. */
export interface ExpectedBoot {
  readonly platform: string | null
  readonly secureBoot: boolean
  readonly pcrs: PcrValues
  readonly events: readonly ExpectedEvent[]
}

/** One PCR in one bank. */
export interface LogDifference {
  readonly pcr: number
  readonly bank: Bank
  readonly equal: boolean
  /** Events of the prediction in this PCR; those of systemd's phases are left out when no log can hold them. */
  readonly expectedEvents: readonly ExpectedEvent[]
  readonly seenEvents: readonly LoggedEvent[]
  /** How many events are the same from the start; the first difference is there. */
  readonly position: number
  /** How the value of the TPM stands to the log; undefined when none was given. */
  readonly live?: 'as-log' | 'as-predicted' | 'not-the-log' | { readonly phases: readonly string[] }
}

/** Words that systemd measures into PCR 11 one after another, long after the log of the firmware has ended. */
export const phaseWords = ['enter-initrd', 'leave-initrd', 'sysinit', 'ready', 'shutdown', 'final'] as const
export const phasePcr = 11

/**
 * Compares every PCR that the prediction has, in the banks asked for that log and prediction have. With `live` values it is those
 * that have to be as predicted, since they are what is attested.
 */
export function compareWithLog(
  prediction: ExpectedBoot,
  log: EventLog,
  banks: readonly Bank[],
  live: PcrValues = {},
): readonly LogDifference[] {
  return Object.keys(prediction.pcrs).flatMap(index =>
    banks
      .filter(bank => log.banks.includes(bank))
      .flatMap(bank => comparePcr({ prediction, log, pcr: Number(index), bank, live: live[index]?.[bank] }) ?? []),
  )
}

interface PcrToCompare {
  readonly prediction: ExpectedBoot
  readonly log: EventLog
  readonly pcr: number
  readonly bank: Bank
  readonly live: string | undefined
}

function comparePcr({ prediction, log, pcr, bank, live }: PcrToCompare): LogDifference | undefined {
  const own = prediction.events.filter(event => event.pcr === pcr)
  const start = startValue(bank, pcr, startupLocality(log))
  const predicted = prediction.pcrs[`${pcr}`]?.[bank] ?? valueAfter(bank, start, own)
  if (predicted === undefined) return undefined
  const seenEvents = log.events.filter(
    event => event.pcr === pcr && event.typeNumber !== noAction && event.digests[bank] !== undefined,
  )
  const seen = seenEvents.map(event => digestOf(event, bank))
  const expectedEvents = seen.some(digest => phaseOf(digest, bank, pcr) !== undefined) ? own : withoutPhases(own, bank)
  const expected = expectedEvents.map(event => event.digests[bank])
  const differing = seen.findIndex((digest, index) => digest !== expected[index])
  const position = differing < 0 ? seen.length : differing
  const sameEvents = position === expected.length && position === seen.length
  const replayed = extendHex(bank, start, seen)
  const consistent = expectedEvents.length < own.length || replayed === predicted
  const lists = { pcr, bank, expectedEvents, seenEvents, position }
  if (live === undefined) return { ...lists, equal: sameEvents && consistent }
  if (live === predicted) return { ...lists, equal: true, live: 'as-predicted' }
  if (live === replayed) return { ...lists, equal: false, live: 'as-log' }
  const phases = pcr === phasePcr ? phasesBetween(bank, replayed, live) : undefined
  return { ...lists, equal: false, live: phases === undefined ? 'not-the-log' : { phases } }
}

/** The phases after which the value is `live`; undefined when no number of them leads there. */
export function phasesBetween(bank: Bank, replayed: string, live: string): readonly string[] | undefined {
  for (let count = 1; count <= phaseWords.length; count++) {
    const phases = phaseWords.slice(0, count)
    if (extendHex(bank, bytesOf(replayed), phases.map(wordDigest(bank))) === live) return phases
  }
  return undefined
}

/** The phase that this digest stands for. */
export function phaseOf(digest: string | undefined, bank: Bank, pcr: number): string | undefined {
  return pcr === phasePcr ? phaseWords.find(word => wordDigest(bank)(word) === digest) : undefined
}

function withoutPhases(events: readonly ExpectedEvent[], bank: Bank): readonly ExpectedEvent[] {
  return events.filter(event => phaseOf(event.digests[bank], bank, event.pcr) === undefined)
}

const wordDigest = (bank: Bank) => (word: string) => formatHex(digestIn(bank, new Uint8Array(Buffer.from(word))))

/** The digest of an event in a bank, as hex; empty for an event without. */
export function digestOf(event: LoggedEvent, bank: Bank): string {
  const digest = event.digests[bank]
  return digest === undefined ? '' : formatHex(digest)
}

function valueAfter(bank: Bank, start: Uint8Array, events: readonly ExpectedEvent[]): string | undefined {
  const digests = events.flatMap(event => event.digests[bank] ?? [])
  return digests.length === events.length ? extendHex(bank, start, digests) : undefined
}

function extendHex(bank: Bank, start: Uint8Array, digests: readonly string[]): string {
  return formatHex(extendAll(bank, start, digests.map(bytesOf)))
}

function bytesOf(hex: string): Uint8Array {
  return parseHex(hex) ?? new Uint8Array(0)
}
