// Looks settings up by precedence and reads them by type, collecting every fault instead of stopping at the first.

import { ToolError } from '../errors.ts'
import { type Given, type Origin, shown } from './given.ts'
import type { Input } from './inputs.ts'
import { findInput } from './options.ts'
import type { ParseValue } from './values.ts'

/** A value to be had when it is valid; asking for one that is not is a bug of ours. */
export interface Cell<T> {
  (): T
  readonly valid: boolean
}

const filled = <T>(value: T): Cell<T> => Object.assign(() => value, { valid: true })

const strength: Readonly<Record<Origin, number>> = {
  default: 0,
  'settings-file': 1,
  'cluster-block': 2,
  environment: 3,
  option: 4,
  input: 4,
}

export class SettingsReader {
  readonly problems: ToolError[]
  readonly #given: ReadonlyMap<string, readonly Given[]>

  /** `problems` are those found already; the reader adds its own. */
  constructor(givens: readonly Given[], problems: readonly ToolError[] = []) {
    this.problems = [...problems]
    const strongest = new Map<string, Given[]>()
    for (const given of givens) {
      const others = strongest.get(given.name)
      const difference = others?.[0] === undefined ? 1 : strength[given.origin] - strength[others[0].origin]
      if (difference > 0) strongest.set(given.name, [given])
      else if (difference === 0) others?.push(given)
    }
    this.#given = strongest
  }

  has(name: string): boolean {
    return this.#given.has(name)
  }

  /** Whether it was given on the command line, or as an input. */
  isOption(name: string): boolean {
    return this.#given.get(name)?.some(({ origin }) => origin === 'option' || origin === 'input') === true
  }

  /** Whether exactly this text was given. */
  says(name: string, text: string): boolean {
    const texts = this.#given.get(name)?.flatMap(given => given.texts)
    return texts?.length === 1 && texts[0]?.trim() === text
  }

  /** The value given, else the default of the table, else undefined. */
  optional<T>(name: string, parse: ParseValue<T>): Cell<T | undefined> {
    const given = this.#oneOrDefault(name)
    if (given === undefined) return filled(undefined)
    return this.#parsed(name, given, [], ([text]) => parse(text ?? ''))
  }

  /** The value given, else the default of the table, else SETTING_MISSING with `hint`. */
  required<T>(name: string, parse: ParseValue<T>, hint?: string): Cell<T> {
    const given = this.#oneOrDefault(name)
    return given === undefined
      ? this.#missing(name, hint)
      : this.#parsed(name, given, [], ([text]) => parse(text ?? ''))
  }

  /** Every item given, each once, else the default of the table, else none. `split` takes texts apart that are no sequences. */
  list<T>(name: string, parseItem: ParseValue<T>, split: SplitText = splitAtCommas): Cell<readonly T[]> {
    const given = this.#given.get(name) ?? this.#default(name)
    if (given === undefined) return filled([])
    const items = given.flatMap(one => itemsOf(one, split))
    return this.#parsed(name, given, items, texts => {
      const twice = texts.find((text, index) => texts.indexOf(text) !== index)
      if (twice !== undefined)
        throw new ToolError('SETTING_INVALID', 'an item is given twice', { found: shown(twice), wanted: 'each once' })
      return texts.map(parseItem)
    })
  }

  /** The one item of a list setting, or none; several are refused. */
  atMostOne<T>(name: string, parseItem: ParseValue<T>): Cell<T | undefined> {
    const items = this.list(name, parseItem)
    if (!items.valid) return unset(name)
    const [first, second] = items()
    if (second === undefined) return filled(first)
    this.refuse('SETTING_INVALID', name, `${name}: more than one value is given`, {
      found: `${items().length} values`,
      wanted: 'one value',
    })
    return unset(name)
  }

  /** As `list`; an empty list is SETTING_MISSING. */
  requiredList<T>(name: string, parseItem: ParseValue<T>): Cell<readonly T[]> {
    const given = this.#given.get(name) ?? this.#default(name)
    const empty = given?.every(one => one.notText === undefined && itemsOf(one).length === 0) ?? true
    return empty ? this.#missing(name) : this.list(name, parseItem)
  }

  /** Notes a fault that lies in no single value. `name` says where to point: at the place where it was given. */
  refuse(
    code: ToolError['code'],
    name: string,
    message: string,
    details: { found?: string; wanted?: string; hint?: string } = {},
  ): void {
    this.problems.push(new ToolError(code, message, { ...details, where: this.#given.get(name)?.[0]?.where ?? {} }))
  }

  #oneOrDefault(name: string): readonly Given[] | undefined {
    return this.#given.get(name) ?? this.#default(name)
  }

  #default(name: string): readonly Given[] | undefined {
    const text = known(name).default
    return text === undefined ? undefined : [{ name, origin: 'default', texts: [text], items: false, where: {} }]
  }

  #missing(name: string, hint?: string): Cell<never> {
    const { help, example } = known(name)
    this.problems.push(
      new ToolError('SETTING_MISSING', `${name} is required`, {
        wanted: help.replace(/\.$/, ''),
        hint: hint ?? (example === undefined ? `set ${name}` : `for example ${name}: ${example}`),
      }),
    )
    return unset(name)
  }

  #parsed<T>(
    name: string,
    given: readonly Given[],
    items: readonly string[],
    parse: (texts: readonly string[]) => T,
  ): Cell<T> {
    const [first] = given
    const fault = (code: ToolError['code'], message: string, details: Partial<ToolError>): Cell<never> => {
      const { found, wanted, hint } = details
      this.problems.push(
        new ToolError(code, `${name}: ${message}`, {
          ...(found === undefined ? {} : { found }),
          ...(wanted === undefined ? {} : { wanted }),
          ...(hint === undefined ? {} : { hint }),
          where: first?.where ?? {},
        }),
      )
      return unset(name)
    }
    const notText = given.find(one => one.notText !== undefined)?.notText
    if (notText !== undefined)
      return fault('SETTING_INVALID', 'the value is not allowed', {
        found: notText,
        wanted: known(name).type === 'list' ? 'a list of plain values' : 'one plain value',
      })
    const list = known(name).type === 'list'
    const texts = list ? items : given.flatMap(one => one.texts).map(text => text.trim())
    if (!list && (texts.length !== 1 || given.some(one => one.items)))
      return fault('SETTING_INVALID', 'more than one value is given', {
        found: `${texts.length} values`,
        wanted: 'one value',
      })
    try {
      return filled(parse(texts))
    } catch (error) {
      if (!(error instanceof ToolError)) throw error
      const code = error.code === 'SETTING_NOT_SUPPORTED' ? error.code : 'SETTING_INVALID'
      return fault(code, error.message, error)
    }
  }
}

type SplitText = (text: string) => readonly string[]

const splitAtCommas: SplitText = text => text.split(/[,\n]/)

/** The items of a list setting: sequences as they are, texts taken apart. */
function itemsOf(given: Given, split: SplitText = splitAtCommas): readonly string[] {
  const parts = given.items ? given.texts : given.texts.flatMap(split)
  return parts.map(part => part.trim()).filter(part => given.items || part !== '')
}

function known(name: string): Input {
  const input = findInput(name)
  if (input === undefined) throw new Error(`${name} is not in the table of settings`)
  return input
}

function unset(name: string): Cell<never> {
  const ask = (): never => {
    throw new Error(`${name} was asked for although it is not valid`)
  }
  return Object.assign(ask, { valid: false })
}
