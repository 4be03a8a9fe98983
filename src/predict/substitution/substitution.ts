// PCR 0 to 9 by substitution: what only the machine knows comes from a recorded log of it (interface §2, `--substitute`).

import { ToolError } from '../../errors.ts'
import { type Bank, digestLength } from '../../formats/bytes/digest.ts'
import { formatHex, parseHex } from '../../formats/bytes/hex.ts'
import { isTdxLog } from '../../formats/tcg/cc-log.ts'
import { extendAll, startValue } from '../extend.ts'
import type { Prediction } from '../prediction.ts'
import { startupLocality } from '../replay.ts'
import { type SubstitutedEvent, type SubstitutedLog, substituteEvents, type ToSubstitute } from './substituted-log.ts'

/** An event that is taken from the log as it is. */
export interface AssumedEvent {
  /** Its place in the log, from 0. */
  readonly index: number
  readonly pcr: number
  readonly type: string
  /** What has to be the same on the machine for this to hold. */
  readonly because: string
}

export interface Substitution {
  /** Those of the prediction, and PCR 0 to 9 as far as the log and the prediction tell them. */
  readonly pcrs: Prediction['pcrs']
  /** In log order over all PCRs that have a value. Digests of kept events are those of the log's banks. */
  readonly events: readonly Omit<SubstitutedEvent, 'logged' | 'assumed'>[]
  readonly assumed: readonly AssumedEvent[]
  readonly notPredicted: Prediction['notPredicted']
  readonly notes: readonly string[]
}

/** What an assumed event rests on, by PCR. */
const basis: Readonly<Record<number, string>> = {
  0: 'the same firmware and the same kind of variable store',
  1: 'the same firmware settings, boot entries and hardware tables',
  2: 'the same option ROMs',
  3: 'the same settings of option ROMs',
  4: 'the same way to the first boot file',
  5: 'the same disk with the same partitions, and the same settings of the boot loader',
  6: 'the same maker’s events',
  7: 'the same firmware keys and drivers',
  8: 'the same commands of GRUB',
  9: 'the same files read by GRUB, or the same input of the kernel',
}
const lastPcr = 9

/**
 * Values of PCR 0 to 9 in the banks asked for, as far as each event has a digest there; other PCRs stay as predicted.
 * Throws LOG_UNSUITABLE when the log is damaged, of another Secure Boot state, or at odds with the prediction.
 */
export function substitute(
  given: ToSubstitute & { readonly prediction: Pick<Prediction, 'pcrs' | 'notPredicted' | 'notes'> },
  banks: readonly Bank[],
): Substitution {
  const { log, prediction } = given
  if (isTdxLog(log))
    throw new ToolError('LOG_UNSUITABLE', 'this log tells RTMR values, not PCR values', {
      found: 'the log of a TDX machine',
      wanted: 'a log of PCRs, or measurement: tdx in the platform profile',
      where: { source: log.source },
    })
  const substituted = substituteEvents(given, false)
  const pcrs: Record<string, Readonly<Partial<Record<Bank, string>>>> = { ...prediction.pcrs }
  const told: number[] = []
  for (let pcr = 0; pcr <= lastPcr; pcr++) {
    const events = substituted.events.filter(event => event.pcr === pcr)
    if (events.length === 0 || substituted.blocked.has(pcr)) continue
    const values = valuesOf(events, banks, bank => startValue(bank, pcr, startupLocality(log)))
    if (Object.keys(values).length === 0) continue
    pcrs[`${pcr}`] = values
    told.push(pcr)
  }
  const events = substituted.events.filter(({ pcr }) => told.includes(pcr) || (pcr > lastPcr && `${pcr}` in pcrs))
  return {
    pcrs,
    events: events.map(({ logged: _, assumed: __, ...event }) => event),
    assumed: assumedOf(events),
    notPredicted: stillMissing(substituted, prediction.notPredicted, told),
    notes: [...prediction.notes, ...notesOf(log.source, told)],
  }
}

/** The value after the events, in each bank in which all of them have a digest. */
export function valuesOf(
  events: readonly SubstitutedEvent[],
  banks: readonly Bank[],
  start: (bank: Bank) => Uint8Array,
): Partial<Record<Bank, string>> {
  const values: Partial<Record<Bank, string>> = {}
  for (const bank of banks) {
    const digests = events.flatMap(({ digests }) => parseHex(digests[bank] ?? '') ?? [])
    if (digests.every(digest => digest.length === digestLength[bank]))
      values[bank] = formatHex(extendAll(bank, start(bank), digests))
  }
  return values
}

function assumedOf(events: readonly SubstitutedEvent[]): AssumedEvent[] {
  return events.flatMap(({ logged, assumed, pcr, type }) =>
    assumed && logged !== undefined ? [{ index: logged.index, pcr, type, because: basis[pcr] ?? '' }] : [],
  )
}

function stillMissing(
  { blocked }: SubstitutedLog,
  before: Prediction['notPredicted'],
  told: readonly number[],
): Prediction['notPredicted'] {
  const missing = before.filter(({ pcr }) => !told.includes(pcr))
  const because = (pcr: number, reason: string) => (told.includes(pcr) ? reason : (blocked.get(pcr) ?? reason))
  const added = [...blocked].filter(([pcr]) => !told.includes(pcr) && !missing.some(other => other.pcr === pcr))
  return [
    ...missing.map(({ pcr, because: reason }) => ({ pcr, because: because(pcr, reason) })),
    ...added.map(([pcr, reason]) => ({ pcr, because: reason })),
  ].sort((one, other) => one.pcr - other.pcr)
}

function notesOf(source: string, told: readonly number[]): string[] {
  if (told.length === 0) return []
  return [
    `PCR ${told.join(', ')} by substitution in ${source}: they hold where all that is listed as assumed is the same`,
  ]
}
