// The part of TOML 1.0 that registries.conf needs: tables, arrays of tables, strings, booleans, numbers, arrays of strings. All else is refused.

import { ToolError } from '../../errors.ts'

export type TomlValue = string | boolean | number | readonly string[]

export interface TomlEntry {
  readonly value: TomlValue
  readonly line: number
}

/** One header and the keys below it; the keys before the first header stand in a table with an empty path. */
export interface TomlTable {
  /** Keys of the header: `[[registry.mirror]]` is registry, mirror. */
  readonly path: readonly string[]
  readonly isArray: boolean
  readonly line: number
  readonly entries: ReadonlyMap<string, TomlEntry>
}

const escapes: Readonly<Record<string, string>> = {
  b: '\b',
  t: '\t',
  n: '\n',
  f: '\f',
  r: '\r',
  '"': '"',
  '\\': '\\',
}

/** Tables in the order of the file. Throws INPUT_INVALID with the line, also for a key that is there twice. */
export function parseTomlSubset(text: string, source: string): readonly TomlTable[] {
  return new Reader(text, source).tables()
}

interface OpenTable extends TomlTable {
  readonly entries: Map<string, TomlEntry>
}

class Reader {
  readonly #text: string
  readonly #source: string
  #at = 0
  #line = 1

  constructor(text: string, source: string) {
    this.#text = text.replace(/^\uFEFF/, '')
    this.#source = source
  }

  tables(): readonly TomlTable[] {
    let open: OpenTable = { path: [], isArray: false, line: 1, entries: new Map() }
    const tables: OpenTable[] = [open]
    for (;;) {
      this.#skip(true)
      if (this.#at >= this.#text.length) return tables
      if (this.#take('[')) {
        open = this.#header()
        const name = open.path.join('\0')
        if (!open.isArray && tables.some(({ path }) => path.length > 0 && path.join('\0') === name))
          this.#refuse('a table that is there twice')
        tables.push(open)
      } else this.#keyAndValue(open)
      this.#endOfLine()
    }
  }

  #header(): OpenTable {
    const isArray = this.#take('[')
    const line = this.#line
    const path = this.#keys()
    if (!this.#take(isArray ? ']]' : ']')) this.#refuse('a header without its end')
    return { path, isArray, line, entries: new Map() }
  }

  #keyAndValue(table: OpenTable): void {
    const line = this.#line
    const [key = '', ...more] = this.#keys()
    if (more.length > 0) this.#refuse('a key with dots')
    if (!this.#take('=')) this.#refuse('a key without =')
    this.#skip(false)
    const value = this.#value()
    if (table.entries.has(key)) this.#refuse(`the key ${key} a second time`)
    table.entries.set(key, { value, line })
  }

  #keys(): string[] {
    const keys: string[] = []
    do {
      this.#skip(false)
      keys.push(this.#match(/[A-Za-z0-9_-]+/y) ?? this.#string() ?? this.#refuse('no key'))
      this.#skip(false)
    } while (this.#take('.'))
    return keys
  }

  #value(): TomlValue {
    const text = this.#string()
    if (text !== undefined) return text
    if (this.#take('[')) return this.#strings()
    const word = this.#match(/[^\s#,\]]+/y) ?? ''
    if (word === 'true' || word === 'false') return word === 'true'
    if (/^[+-]?\d{1,15}$/.test(word)) return Number(word)
    return this.#refuse('a value that is no string, boolean, number or list of strings')
  }

  #strings(): string[] {
    const strings: string[] = []
    for (;;) {
      this.#skip(true)
      if (this.#take(']')) return strings
      strings.push(this.#string() ?? this.#refuse('a list of other things than strings'))
      this.#skip(true)
      if (!this.#take(',') && this.#text[this.#at] !== ']') this.#refuse('a list without its end')
    }
  }

  /** A string on one line, in single or double quotes. */
  #string(): string | undefined {
    const literal = this.#match(/'[^'\n\r]*'/y)
    const basic = literal ?? this.#match(/"(?:[^"\\\n\r]|\\.)*"/y)
    if (basic === undefined) return undefined
    if (/['"]/.test(this.#text[this.#at] ?? '')) this.#refuse('a string of several lines')
    const inside = basic.slice(1, -1)
    if (literal !== undefined) return inside
    return inside.replace(/\\(u[0-9A-Fa-f]{4}|.)/g, (_, code: string) =>
      code.length === 5
        ? String.fromCharCode(Number.parseInt(code.slice(1), 16))
        : (escapes[code] ?? this.#refuse(`the escape \\${code}`)),
    )
  }

  #match(pattern: RegExp): string | undefined {
    pattern.lastIndex = this.#at
    const found = pattern.exec(this.#text)?.[0]
    if (found !== undefined) this.#at += found.length
    return found
  }

  #take(word: string): boolean {
    if (!this.#text.startsWith(word, this.#at)) return false
    this.#at += word.length
    return true
  }

  /** Passes over blanks; with `lines` over comments and line ends too. */
  #skip(lines: boolean): void {
    const passed = this.#match(lines ? /(?:[ \t\r\n]|#[^\n]*)*/y : /[ \t]*/y) ?? ''
    this.#line += passed.split('\n').length - 1
  }

  #endOfLine(): void {
    this.#match(/[ \t]*(?:#[^\n]*)?\r?/y)
    if (this.#at < this.#text.length && this.#text[this.#at] !== '\n') this.#refuse('more than one thing on a line')
  }

  #refuse(found: string): never {
    throw new ToolError('INPUT_INVALID', 'not the TOML that registries.conf needs', {
      found,
      where: { source: this.#source, line: this.#line },
    })
  }
}
