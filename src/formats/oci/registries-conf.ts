// Where images really are: containers-registries.conf(5), version 2: [[registry]] and [[registry.mirror]].

import { ToolError } from '../../errors.ts'
import { parseTomlSubset, type TomlTable, type TomlValue } from './toml-subset.ts'

export type MirrorUse = 'all' | 'digest-only' | 'tag-only'

export interface MirrorRow {
  /** host[:port][/path] */
  readonly location: string
  readonly insecure: boolean
  readonly use: MirrorUse
}

export interface RegistryRow {
  /** host[:port][/path[:tag]], or `*.` and a domain. */
  readonly prefix: string
  /** What stands in place of the prefix; undefined: the prefix. */
  readonly location: string | undefined
  readonly insecure: boolean
  readonly blocked: boolean
  readonly mirrors: readonly MirrorRow[]
  /** The file, for messages. */
  readonly source: string
}

/** Tables and keys that say nothing about where an image with a whole name is. */
const meaningless = new Set(['unqualified-search-registries', 'short-name-mode', 'additional-layer-store-auth-helper'])
/** As in a reference, a host is known by a dot, a port, or being localhost. */
const placePattern =
  /^(?:\[[0-9a-fA-F:]+\](?::\d{1,5})?|localhost|[A-Za-z0-9][A-Za-z0-9-]*:\d{1,5}|[A-Za-z0-9][A-Za-z0-9-]*\.[A-Za-z0-9.-]+(?::\d{1,5})?)(?:\/[a-z0-9._/-]+)?$/
const prefixPattern = /^(?:\*\.[A-Za-z0-9.-]+|[^*\s]+)$/

/**
 * Reads one file. A key that is not known is refused, since it may be one that keeps images away from a registry.
 * Throws INPUT_INVALID with the line.
 */
export function parseRegistriesConf(text: string, source: string): readonly RegistryRow[] {
  const rows: (Omit<RegistryRow, 'mirrors'> & { mirrors: MirrorRow[]; byDigestOnly: boolean })[] = []
  for (const table of parseTomlSubset(text, source)) {
    const name = table.path.join('.')
    if (table.path.length === 0) checkTop(table, source)
    else if (name === 'registry' && table.isArray) rows.push(readRegistry(table, source))
    else if (name === 'registry.mirror' && table.isArray) {
      const row = rows.at(-1)
      if (row === undefined) throw refuse(source, table.line, 'a mirror before any registry', '[[registry]] first')
      row.mirrors.push(readMirror(table, source, row.byDigestOnly))
    } else if (name !== 'aliases' || table.isArray) {
      const old = ['registries.search', 'registries.insecure', 'registries.block'].includes(name)
      throw refuse(
        source,
        table.line,
        old ? `the table ${name} of version 1` : `the table ${name}`,
        '[[registry]] and [[registry.mirror]] of version 2',
      )
    }
  }
  return rows.map(({ byDigestOnly: _, ...row }) => row)
}

function checkTop({ entries }: TomlTable, source: string): void {
  for (const [key, { value, line }] of entries) {
    if (meaningless.has(key)) continue
    // the default, written out
    if (key === 'credential-helpers' && Array.isArray(value) && value.every(one => one === 'containers-auth.json'))
      continue
    throw refuse(source, line, `the key ${key}`, '[[registry]] and [[registry.mirror]]')
  }
}

function readRegistry(table: TomlTable, source: string) {
  const read = fieldsOf(table, source, ['prefix', 'location', 'insecure', 'blocked', 'mirror-by-digest-only'])
  const location = read.text('location')
  const prefix = read.text('prefix') ?? location
  if (prefix === undefined) throw refuse(source, table.line, 'a registry without prefix and location', 'one of them')
  if (!prefixPattern.test(prefix)) throw refuse(source, table.line, prefix, 'host[:port][/path], or *.domain')
  if (location !== undefined) checkPlace(location, source, table.line)
  return {
    prefix,
    location,
    insecure: read.flag('insecure'),
    blocked: read.flag('blocked'),
    byDigestOnly: read.flag('mirror-by-digest-only'),
    mirrors: [] as MirrorRow[],
    source,
  }
}

function readMirror(table: TomlTable, source: string, byDigestOnly: boolean): MirrorRow {
  const read = fieldsOf(table, source, ['location', 'insecure', 'pull-from-mirror'])
  const location = read.text('location')
  if (location === undefined) throw refuse(source, table.line, 'a mirror without location', 'location')
  checkPlace(location, source, table.line)
  const use = read.text('pull-from-mirror')
  if (use !== undefined && use !== 'all' && use !== 'digest-only' && use !== 'tag-only')
    throw refuse(source, table.line, `pull-from-mirror ${use}`, 'all, digest-only or tag-only')
  if (use !== undefined && byDigestOnly)
    throw refuse(source, table.line, 'mirror-by-digest-only and pull-from-mirror', 'one of them')
  return { location, insecure: read.flag('insecure'), use: use ?? (byDigestOnly ? 'digest-only' : 'all') }
}

function checkPlace(location: string, source: string, line: number): void {
  if (!placePattern.test(location)) throw refuse(source, line, `location ${location}`, 'host[:port][/path]')
}

function fieldsOf({ entries, line }: TomlTable, source: string, known: readonly string[]) {
  for (const [key, entry] of entries)
    if (!known.includes(key)) throw refuse(source, entry.line, `the key ${key}`, known.join(', '))
  const get = (key: string): TomlValue | undefined => entries.get(key)?.value
  const wrong = (key: string, wanted: string) =>
    refuse(source, entries.get(key)?.line ?? line, `${key} = ${JSON.stringify(get(key))}`, wanted)
  return {
    /** undefined when it is absent or empty. */
    text(key: string): string | undefined {
      const value = get(key)
      if (value !== undefined && typeof value !== 'string') throw wrong(key, 'a string')
      return value === undefined || value === '' ? undefined : value.replace(/\/+$/, '')
    },
    flag(key: string): boolean {
      const value = get(key) ?? false
      if (typeof value !== 'boolean') throw wrong(key, 'true or false')
      return value
    },
  }
}

function refuse(source: string, line: number, found: string, wanted: string): ToolError {
  return new ToolError('INPUT_INVALID', 'a registries.conf says something that is not understood', {
    found,
    wanted,
    where: { source, line },
  })
}
