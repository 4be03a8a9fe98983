// The values of mixed boots as JSON (interface §2, `mixes`): per platform, Secure Boot state and PCR each value once, with
// all boots that have it.

import { type Bank, banks } from '../../formats/bytes/digest.ts'
import { anyState, unknownLevel } from './states.ts'

/** A boot that has a value. `bootLoader` and `kernel` are digests of images. */
export interface MixOrigin {
  readonly bootLoader: string
  readonly kernel: string
  /** Name of the MOK state; `any` where several were computed and make no difference. */
  readonly mok: string
  /** The SBAT level that shim measures, text with its last line end; `any` for PCRs that it does not reach. */
  readonly sbatLevel: string
  readonly because: string
}

/** One value in the banks that were asked for, lower-case hex. */
export type MixValue = Readonly<Partial<Record<Bank, string>>> & { readonly from: readonly MixOrigin[] }

export interface Mix {
  readonly platform: string | null
  readonly secureBoot: boolean
  readonly pcr: number
  readonly values: readonly MixValue[]
}

/** A value that one boot in one state of the machine has. */
export interface MixResult {
  readonly platform: string | null
  readonly secureBoot: boolean
  readonly pcr: number
  readonly value: Readonly<Partial<Record<Bank, string>>>
  readonly bootLoader: string
  readonly kernel: string
  readonly mok: string
  readonly sbatLevel: string | undefined
  /** How the pair comes to be. */
  readonly because: string
  readonly levelBecause: string | undefined
}

/** shim measures the level here and nowhere else. */
const sbatLevelPcr = 7

/** Merges and sorts; the order of the results does not matter. */
export function mixesOf(results: readonly MixResult[]): readonly Mix[] {
  const groups = grouped(results, ({ platform, secureBoot, pcr }) => JSON.stringify([platform, secureBoot, pcr]))
  const mixes = groups.map(group => {
    const reachesMok = mokMatters(group)
    const values = grouped(group, ({ value }) => valueKey(value)).map(same => ({
      ...inBankOrder(same[0].value),
      from: originsOf(same.map(result => originOf(result, reachesMok))),
    }))
    const { platform, secureBoot, pcr } = group[0]
    return { platform, secureBoot, pcr, values: sortedBy(values, valueKey) }
  })
  return sortedBy(mixes, mix => [
    mix.platform === null ? '' : `=${mix.platform}`,
    mix.secureBoot ? '0' : '1',
    `${mix.pcr}`.padStart(2, '0'),
  ])
}

/** A boot as far as it decides a value; a part that does not is left out. */
export type DecidingParts = Pick<MixOrigin, 'bootLoader' | 'kernel'> & Partial<Pick<MixOrigin, 'mok' | 'sbatLevel'>>

/** Parts that decide, of a boot that has a value: two values with agreeing parts are values of one boot. */
export function decidingParts({ bootLoader, kernel, mok, sbatLevel }: MixOrigin): DecidingParts {
  return {
    bootLoader,
    kernel,
    ...(mok === anyState ? {} : { mok }),
    ...(sbatLevel === anyState ? {} : { sbatLevel }),
  }
}

function originOf(result: MixResult, reachesMok: (result: MixResult) => boolean): MixOrigin {
  const { bootLoader, kernel, pcr, levelBecause } = result
  const mok = reachesMok(result) ? result.mok : anyState
  if (pcr !== sbatLevelPcr) return { bootLoader, kernel, mok, sbatLevel: anyState, because: result.because }
  const because = levelBecause === undefined ? result.because : `${result.because}; ${levelBecause}`
  return { bootLoader, kernel, mok, sbatLevel: result.sbatLevel ?? unknownLevel, because }
}

/** Sorted, and each boot in each state once. */
function originsOf(origins: readonly MixOrigin[]): readonly MixOrigin[] {
  const keyOf = ({ bootLoader, kernel, mok, sbatLevel }: MixOrigin) => [bootLoader, kernel, mok, sbatLevel]
  return sortedBy(
    grouped(origins, origin => keyOf(origin).join('\0')).map(([first]) => first),
    keyOf,
  )
}

/** False for a boot that was computed in several MOK states, all with one value. */
function mokMatters(results: readonly MixResult[]): (result: MixResult) => boolean {
  const bootOf = ({ bootLoader, kernel, pcr, sbatLevel }: MixResult) =>
    JSON.stringify([bootLoader, kernel, pcr === sbatLevelPcr ? sbatLevel : null])
  const boots = new Map(
    grouped(results, bootOf).map(group => {
      const states = new Set(group.map(({ mok }) => mok))
      return [bootOf(group[0]), states.size === 1 || new Set(group.map(({ value }) => valueKey(value))).size > 1]
    }),
  )
  return result => boots.get(bootOf(result)) ?? true
}

function inBankOrder(value: MixResult['value']): MixResult['value'] {
  return Object.fromEntries(banks.flatMap(bank => (value[bank] === undefined ? [] : [[bank, value[bank]]])))
}

function valueKey(value: MixResult['value']): string {
  return banks.map(bank => value[bank] ?? '').join(' ')
}

type NonEmpty<T> = readonly [T, ...T[]]

function grouped<T>(items: readonly T[], keyOf: (item: T) => string): readonly NonEmpty<T>[] {
  const groups = new Map<string, [T, ...T[]]>()
  for (const item of items) {
    const group = groups.get(keyOf(item))
    if (group === undefined) groups.set(keyOf(item), [item])
    else group.push(item)
  }
  return [...groups.values()]
}

/** By code units, so that the order is the same everywhere. */
function sortedBy<T>(items: readonly T[], keyOf: (item: T) => string | readonly string[]): readonly T[] {
  const keyed = items.map(item => ({ item, key: [keyOf(item)].flat().join('\0') }))
  return keyed.sort((a, b) => (a.key < b.key ? -1 : a.key > b.key ? 1 : 0)).map(({ item }) => item)
}
