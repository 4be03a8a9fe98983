// One setting as somebody gave it, before its type is known, and where it came from.

import { ToolError, type Where } from '../errors.ts'
import { inputs } from './inputs.ts'
import { nearest } from './suggest.ts'

/** From weak to strong where two give the same setting: default, file, cluster block, environment, then option and input. */
export type Origin = 'default' | 'settings-file' | 'cluster-block' | 'environment' | 'option' | 'input'

export interface Given {
  readonly name: string
  readonly origin: Origin
  /** One text per occurrence. */
  readonly texts: readonly string[]
  /** The texts are items already (a YAML sequence) and are not split at commas and line ends. */
  readonly items: boolean
  /** What stands there instead of text: 'a mapping', 'nothing', …; `texts` is empty then. */
  readonly notText?: string
  readonly where: Where
}

/** The fault of a name that is no setting, with the name that was probably meant. */
export function unknownSetting(name: string, where: Where, known: Iterable<string> = inputs.keys()): ToolError {
  const suggestion = nearest(name, known)
  return new ToolError('SETTING_UNKNOWN', `no setting is called ${shown(name)}`, {
    where,
    hint: suggestion === undefined ? 'see docs/inputs.md for all names' : `did you mean ${suggestion}?`,
  })
}

/** A user's text as it is printed: cut, and without control characters. */
export function shown(text: string): string {
  const clean = text.replace(/\p{Cc}/gu, '�')
  return clean.length > 200 ? `${clean.slice(0, 200)}…` : clean
}
