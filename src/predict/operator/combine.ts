// How the operator combines the events of approved images to PCR values (compute-pcrs, lib/src/tpmevents/combine.rs).

import { digestLength } from '../../formats/bytes/digest.ts'
import { formatHex, parseHex } from '../../formats/bytes/hex.ts'
import { extendAll } from '../extend.ts'
import {
  type OperatorEvent,
  type OperatorEventId,
  type OperatorGroup,
  operatorEventIds,
  operatorGroups,
  sameOperatorEvent,
} from './events.ts'

/** One PCR of one combination, events in the order in which the operator extends them. */
export interface OperatorPcr {
  readonly id: number
  /** SHA-256 bank, lower-case hex. */
  readonly value: string
  readonly events: readonly OperatorEvent[]
}

export interface OperatorCombinations {
  /** Each combination: the PCRs of one boot. */
  readonly sets: readonly (readonly OperatorPcr[])[]
  /** For every path that the operator gives up with a warning: the event that fits neither side. */
  readonly dropped: readonly DroppedPath[]
}

export interface DroppedPath {
  readonly event: OperatorEventId
  /** Index of the two images among those given. */
  readonly images: readonly [number, number]
}

type Side = 'this' | 'that'
/** The side that a group of events is taken from, once the two images differed in an event of the group. */
type Claims = ReadonlyMap<OperatorGroup, Side>

/**
 * Every combination that the operator makes of the images: one image as it is, in its own order; of more images all
 * *pairs*, so three images never mix. An image is the list of all its events; of two with one identifier the last counts.
 */
export function combineAsOperator(images: readonly (readonly OperatorEvent[])[]): OperatorCombinations {
  const [only, second] = images
  if (only === undefined) return { sets: [], dropped: [] }
  if (second === undefined) return { sets: [pcrsOf(only)], dropped: [] }
  const sets = new Map<string, readonly OperatorPcr[]>()
  const dropped: DroppedPath[] = []
  for (const [first, a] of images.entries())
    for (const [offset, b] of images.slice(first + 1).entries()) {
      const pair = combinePair(a, b)
      for (const set of pair.paths.map(pcrsOf)) sets.set(JSON.stringify(set), set)
      dropped.push(...pair.conflicts.map(event => ({ event, images: [first, first + 1 + offset] as const })))
    }
  return { sets: [...sets.values()], dropped }
}

interface PairPaths {
  readonly paths: readonly (readonly OperatorEvent[])[]
  readonly conflicts: readonly OperatorEventId[]
}

function combinePair(a: readonly OperatorEvent[], b: readonly OperatorEvent[]): PairPaths {
  const events = { this: byId(a), that: byId(b) }
  const paths: OperatorEvent[][] = []
  const conflicts: OperatorEventId[] = []
  // A path that met a conflict is walked to its end all the same: the operator warns of the later ones too.
  const walk = (position: number, path: readonly OperatorEvent[], claims: Claims, lost: boolean): void => {
    const id = operatorEventIds[position]
    if (id === undefined) {
      if (!lost && path.length > 0) paths.push([...path])
      return
    }
    const choices = choicesFor(id, events.this.get(id), events.that.get(id), claims)
    if (choices === 'conflict') conflicts.push(id)
    if (choices === 'conflict' || choices.length === 0) walk(position + 1, path, claims, lost || choices === 'conflict')
    else for (const choice of choices) walk(position + 1, [...path, choice.event], choice.claims, lost)
  }
  walk(0, [], new Map(), false)
  return { paths, conflicts }
}

function byId(events: readonly OperatorEvent[]): ReadonlyMap<OperatorEventId, OperatorEvent> {
  return new Map(events.map(event => [event.id, event]))
}

interface Choice {
  readonly event: OperatorEvent
  readonly claims: Claims
}

/**
 * How a path goes on at one identifier. No choice: the event is left out, which the operator allows when only one image
 * has it. An event of one image only is taken whenever its groups are free; the path without it is then never made.
 */
function choicesFor(
  id: OperatorEventId,
  a: OperatorEvent | undefined,
  b: OperatorEvent | undefined,
  claims: Claims,
): readonly Choice[] | 'conflict' {
  if (a !== undefined && b !== undefined && sameOperatorEvent(a, b)) return [{ event: a, claims }]
  const groups = operatorGroups(id)
  const take = (event: OperatorEvent | undefined, side: Side): Choice[] => {
    if (event === undefined) return []
    if (groups.some(group => (claims.get(group) ?? side) !== side)) return []
    return [{ event, claims: new Map([...claims, ...groups.map(group => [group, side] as const)]) }]
  }
  const choices = [...take(a, 'this'), ...take(b, 'that')]
  return choices.length === 0 && a !== undefined && b !== undefined ? 'conflict' : choices
}

/** PCRs in the order in which the events name them first. */
function pcrsOf(events: readonly OperatorEvent[]): readonly OperatorPcr[] {
  return [...new Set(events.map(event => event.pcr))].map(id => {
    const own = events.filter(event => event.pcr === id)
    const digests = own.map(event => parseHex(event.hash) ?? new Uint8Array(0))
    // The operator starts every PCR at zero, those of a dynamic launch too.
    return { id, value: formatHex(extendAll('sha256', new Uint8Array(digestLength.sha256), digests)), events: own }
  })
}
