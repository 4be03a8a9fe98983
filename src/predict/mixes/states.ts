// The states of a machine in which one boot loader can be met: enrolled keys, and the SBAT level that is left in NVRAM
// (shim, sbat.c: the level only rises).

import type { MokVariables, Platform } from '../platform/platform.ts'

/** Another state of the MOK variables than that of the profile. */
export interface MokState {
  /** For people and for `from`. */
  readonly name: string
  readonly mok: MokVariables
}

/** Machine before a boot, as far as mixes vary it. */
export interface MixState {
  /** The profile with this state's MOK variables and SBAT level; null without a profile. */
  readonly platform: Platform | null
  readonly mok: string
  /** The level that shim measures in this state; undefined: none is known. */
  readonly sbatLevel: string | undefined
  /** Why the level is another than this boot loader finds on a machine like the profile; undefined: it is that one. */
  readonly levelBecause: string | undefined
  /** The image whose shim has left the level; undefined: none has. */
  readonly levelFrom: string | undefined
  /** The machine is exactly as the profile says. */
  readonly isProfile: boolean
}

/** A boot loader of the history, as far as it decides the level. */
export interface LevelSource {
  readonly digest: string
  /** The level that is measured when this boot loader starts on the machine; undefined without a shim. */
  readonly level: (platform: Platform) => string | undefined
}

/** Names of states in `from`. */
export const [noMok, profileMok, anyState, unknownLevel] = ['no key enrolled', 'as the profile has it', 'any', 'none']

/**
 * States of one platform for one boot loader: each MOK state with each level that can be measured then, the profile's own
 * first. `before`: boot loaders that may have run on the machine earlier and have raised the level.
 */
export function statesOf(
  platform: Platform | null,
  mokStates: readonly MokState[],
  own: LevelSource,
  before: readonly LevelSource[],
): readonly MixState[] {
  if (platform === null)
    return [
      { platform, mok: noMok, sbatLevel: undefined, levelBecause: undefined, levelFrom: undefined, isProfile: true },
    ]
  const profile = { name: profileMok, mok: platform.mok }
  return [profile, ...mokStates].flatMap(({ name, mok }) =>
    levelsOf({ ...platform, mok }, own, before).map((level, index) => ({
      ...level,
      mok: name,
      isProfile: name === profileMok && index === 0,
    })),
  )
}

type Level = Omit<MixState, 'mok' | 'isProfile'>

/**
 * The profile may come from a machine whose level a newer shim has raised, so machines that never had another level than
 * this shim sets count as well.
 */
function levelsOf(platform: Platform, own: LevelSource, before: readonly LevelSource[]): readonly Level[] {
  const blank = { ...platform, sbatLevel: undefined }
  const states: Level[] = [{ platform, sbatLevel: own.level(platform), levelBecause: undefined, levelFrom: undefined }]
  const add = (machine: Platform, levelBecause: string, levelFrom?: string) => {
    const sbatLevel = own.level(machine)
    if (sbatLevel === undefined || states.some(state => state.sbatLevel === sbatLevel)) return
    states.push({ platform: machine, sbatLevel, levelBecause, levelFrom })
  }
  add(blank, 'SbatLevel is lower than in the profile: the machine never had a higher one than this shim sets')
  for (const { digest, level } of before)
    for (const start of [platform, blank])
      add(
        { ...platform, sbatLevel: level(start) },
        `SbatLevel is higher than this shim sets: the machine once booted the shim of ${digest}`,
        digest,
      )
  return states
}
