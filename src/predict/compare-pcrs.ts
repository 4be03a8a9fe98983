// Compares PCR values read from a TPM with those that an event log replays to.

import { ToolError } from '../errors.ts'
import { type Bank, banks, digestLength } from '../formats/bytes/digest.ts'
import { formatHex } from '../formats/bytes/hex.ts'
import type { EventLog } from '../formats/tcg/event-log.ts'
import { startValue } from './extend.ts'
import { type PcrDifference, type PcrValues, replay, startupLocality } from './replay.ts'

export interface PcrComparison {
  /** How many values were compared. */
  readonly compared: number
  readonly differences: readonly PcrDifference[]
}

/** The kernel's IMA extends PCR 10 after the log of the firmware has ended, so that log says nothing of it. */
const imaPcr = 10

/**
 * Every value of `seen` that the log does not replay to. PCRs without events have to hold their start value.
 * Not compared: banks that the log lacks, and PCR 10 when the log has no event for it.
 */
export function comparePcrs(log: EventLog, seen: PcrValues, wanted: readonly Bank[] = banks): PcrComparison {
  const replayed = replay(log, wanted)
  const pairs = Object.entries(seen).flatMap(([index, inBanks]) => {
    const pcr = Number(index)
    if (pcr === imaPcr && replayed[index] === undefined) return []
    return log.banks.flatMap(bank => {
      const value = inBanks[bank]
      if (value === undefined || !wanted.includes(bank)) return []
      const ours = replayed[index]?.[bank] ?? formatHex(startValue(bank, pcr, startupLocality(log)))
      return [{ pcr, bank, replayed: ours, seen: value }]
    })
  })
  return { compared: pairs.length, differences: pairs.filter(pair => pair.replayed !== pair.seen) }
}

/** Reads `{bank: {index: hex}}`, as recorded from /sys/class/tpm. Throws INPUT_INVALID. */
export function parsePcrs(text: string, source: string): PcrValues {
  const values: Record<string, Partial<Record<Bank, string>>> = {}
  for (const [name, inBank] of entriesOf(parseJson(text, source), source)) {
    const bank = banks.find(known => known === name)
    for (const [index, value] of entriesOf(inBank, source)) {
      if (!/^(?:[0-9]|1[0-9]|2[0-3])$/.test(index)) throw pcrsError(source, `PCR ${index}`, 'an index from 0 to 23')
      if (typeof value !== 'string') throw pcrsError(source, `${typeof value}`, 'hex text')
      if (bank === undefined) continue
      const hex = value.toLowerCase()
      if (!/^[0-9a-f]*$/.test(hex) || hex.length !== digestLength[bank] * 2)
        throw pcrsError(source, value, `${digestLength[bank] * 2} hex digits for ${bank}`)
      values[index] = { ...values[index], [bank]: hex }
    }
  }
  return values
}

function parseJson(text: string, source: string): unknown {
  try {
    return JSON.parse(text)
  } catch (error) {
    throw pcrsError(source, error instanceof Error ? error.message : String(error), 'JSON')
  }
}

function entriesOf(value: unknown, source: string): [string, unknown][] {
  if (typeof value !== 'object' || value === null || Array.isArray(value))
    throw pcrsError(source, value === null ? 'null' : typeof value, '{bank: {index: hex}}')
  return Object.entries(value)
}

function pcrsError(source: string, found: string, wanted: string): ToolError {
  return new ToolError('INPUT_INVALID', 'cannot read PCR values', { found, wanted, where: { source } })
}
