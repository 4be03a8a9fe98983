// With or without Secure Boot: what is measured as the variable, and who verifies what (interface §2, "Secure Boot state").

import { isSet, type Platform } from './platform.ts'

export interface SecureBootState {
  /** What prediction JSON says. Stays true where only shim was told not to verify (MokSBState). */
  readonly secureBoot: boolean
  /** The one byte of the variable SecureBoot as the firmware measures it. */
  readonly variable: 0 | 1
  /** The firmware checks what it starts against db and dbx, and measures which entry it trusted. */
  readonly firmwareVerifies: boolean
  /** shim checks what it starts; without it GRUB measures no kernel into PCR 4. */
  readonly shimVerifies: boolean
  readonly notes: readonly string[]
}

/**
 * The states to predict: one that `wanted` or the profile names, else both, on first.
 * A profile without PK has one state only: the firmware is in setup mode, so Secure Boot is off.
 */
export function secureBootStates(platform: Platform | null, wanted: boolean | undefined): readonly SecureBootState[] {
  const said = wanted ?? platform?.secureBoot
  if (said !== undefined) return [secureBootState(platform, said)]
  const both = [secureBootState(platform, true), secureBootState(platform, false)]
  return both[0]?.secureBoot === false ? both.slice(0, 1) : both
}

/** One state. `platform` null: nothing is known of keys and MOK variables. */
export function secureBootState(platform: Platform | null, on: boolean): SecureBootState {
  if (!on) return { ...off, notes: [] }
  if (platform !== null && platform.keys.PK.length === 0)
    return {
      ...off,
      notes: [`profile ${platform.name} has no PK: the firmware is in setup mode, so Secure Boot is predicted as off`],
    }
  const insecure = isSet(platform?.mok.sbState)
  return {
    secureBoot: true,
    variable: 1,
    firmwareVerifies: true,
    shimVerifies: !insecure,
    notes: insecure
      ? ['MokSBState is 1: shim checks nothing that it starts, and GRUB measures no kernel into PCR 4']
      : [],
  }
}

const off = { secureBoot: false, variable: 0, firmwareVerifies: false, shimVerifies: false } as const
