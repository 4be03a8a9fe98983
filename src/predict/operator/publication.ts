// The reference values that the operator publishes for all approved images together, and those of ours that it leaves
// out (operator, operator/src/trustee.rs).

import { checkedPcrs } from '../coverage.ts'
import type { Mix, MixOrigin } from '../mixes/values.ts'
import { combineAsOperator } from './combine.ts'
import type { OperatorEvent } from './events.ts'

/** An approved image as the operator keeps it: the events of its label, else those that its job computes. */
export interface OperatorImage {
  /** Digest, or a name. */
  readonly image: string
  readonly events: readonly OperatorEvent[]
}

export interface OperatorPublication {
  /** Name of the reference value, `tpm_pcr4` → lower-case hex, sorted. A PCR beside 4 and 14 is published but not checked. */
  readonly values: Readonly<Record<string, readonly string[]>>
  /** Combinations that the operator gives up, as it warns of them. */
  readonly warnings: readonly string[]
}

/** A value that a node needs to be let in. */
export interface NeededValue {
  readonly pcr: number
  /** Lower-case hex. */
  readonly sha256: string
  /** Which boot has it. */
  readonly because: string
}

/** What the operator publishes for these images. The order of the images does not matter. */
export function operatorPublication(images: readonly OperatorImage[]): OperatorPublication {
  const { sets, dropped } = combineAsOperator(images.map(({ events }) => events))
  const pcrs = sets.flat()
  const ids = [...new Set(pcrs.map(({ id }) => id))].sort((a, b) => a - b)
  const valuesOf = (wanted: number) => new Set(pcrs.filter(({ id }) => id === wanted).map(({ value }) => value))
  const lost = dropped.map(({ event, images: [first, second] }) => {
    const names = [first, second].map(index => images[index]?.image ?? '').sort()
    return `${names.join(' and ')} differ in ${event}, which belongs to parts taken from both: no value is published`
  })
  return {
    values: Object.fromEntries(ids.map(id => [`tpm_pcr${id}`, [...valuesOf(id)].sort()])),
    warnings: [...new Set(lost)].sort(),
  }
}

/** Needed values that are not published, of the PCRs that the operator's policy checks. */
export function valuesNotPublished(
  { values }: OperatorPublication,
  needed: readonly NeededValue[],
): readonly NeededValue[] {
  return needed.filter(({ pcr, sha256 }) => {
    const published = values[`tpm_pcr${pcr}`] ?? []
    return checkedPcrs.includes(pcr) && !published.includes(sha256)
  })
}

/** Every value of the mixes, once, with the first boot that has it. Without the bank SHA-256 there are none. */
export function neededValues(mixes: readonly Mix[]): readonly NeededValue[] {
  const needed = mixes.flatMap(({ pcr, values }) =>
    values.flatMap(({ sha256, from: [first] }) =>
      sha256 === undefined || first === undefined ? [] : [{ pcr, sha256, because: bootInWords(first) }],
    ),
  )
  return [...new Map([...needed].reverse().map(value => [`${value.pcr} ${value.sha256}`, value])).values()].reverse()
}

function bootInWords({ bootLoader, kernel, because }: MixOrigin): string {
  return `boot loader of ${bootLoader}, kernel of ${kernel}: ${because}`
}
