// The settings file: YAML 1.2 with schemaVersion 1, settings at the top, and blocks per cluster whose keys win (interface §1).

import { isAlias, isMap, isScalar, isSeq, LineCounter, type Node, type Pair, parseDocument, type YAMLMap } from 'yaml'
import { ToolError, type Where } from '../errors.ts'
import { type Given, type Origin, shown, unknownSetting } from './given.ts'
import { type Input, inputs } from './inputs.ts'

/** What a settings file gives, and all that is wrong with its form. */
export interface SettingsFile {
  readonly source: string
  readonly top: readonly Given[]
  readonly clusters: ReadonlyMap<string, readonly Given[]>
  readonly problems: readonly ToolError[]
}

/** Settings files are small; a ceiling keeps the YAML reader's own limits far away. */
export const settingsFileCeiling = 256 * 1024
/** Deepest nesting of brackets and braces; the YAML reader works by recursion. */
const deepest = 50

/** Keys beside the settings. */
const ownKeys = ['schemaVersion', 'clusters']

/**
 * Reads the text of a settings file; `source` is its path as the user knows it.
 * Values stay text. Throws nothing: every fault is in `problems`, with line and column.
 */
export function parseSettingsFile(text: string, source: string): SettingsFile {
  const lines = new LineCounter()
  const problems: ToolError[] = []
  const at = (offset: number): Where => {
    const { line, col } = lines.linePos(offset)
    return { source, line, column: col }
  }
  const invalid = (message: string, where: Where, details: { found?: string; wanted?: string } = {}) =>
    problems.push(new ToolError('SETTINGS_FILE_INVALID', message, { ...details, where }))
  const nothing = { source, top: [], clusters: new Map(), problems }

  if (text.length > settingsFileCeiling) {
    invalid('the settings file is too large', { source }, { wanted: `at most ${settingsFileCeiling} characters` })
    return nothing
  }
  if (tooDeep(text)) {
    invalid('the settings file is nested too deeply', { source }, { wanted: `at most ${deepest} levels` })
    return nothing
  }
  const document = parseDocument(text, { lineCounter: lines, prettyErrors: false, strict: true, uniqueKeys: true })
  for (const fault of document.errors) invalid(`not valid YAML: ${fault.message}`, at(fault.pos[0]))
  if (problems.length > 0) return nothing
  if (!isMap(document.contents)) {
    invalid('the settings file is not a mapping', { source, line: 1 }, { wanted: 'schemaVersion: 1 and settings' })
    return nothing
  }

  const place = (node: unknown): Where => at((node as Node | null)?.range?.[0] ?? 0)
  const givens = (map: YAMLMap, origin: Origin, besides: readonly string[]): Given[] => {
    const known = [...[...inputs.values()].filter(allowedInFile).map(input => input.name), ...besides]
    return map.items.flatMap(pair => {
      const name = keyOf(pair)
      const where = place(pair.key)
      if (name === undefined) invalid('a key is not plain text', where)
      else if (!besides.includes(name)) {
        const input = inputs.get(name)
        if (input === undefined) problems.push(unknownSetting(name, where, known))
        else if (!allowedInFile(input)) problems.push(misplaced(input, where))
        else return [{ name, origin, ...textsOf(pair.value), where: pair.value === null ? where : place(pair.value) }]
      }
      return []
    })
  }

  const contents = document.contents
  const top = givens(contents, 'settings-file', ownKeys)
  const version = contents.items.find(pair => keyOf(pair) === 'schemaVersion')
  if (!isScalar(version?.value) || version.value.value !== 1)
    invalid(
      'the settings file has no schemaVersion that is known',
      version === undefined ? { source, line: 1 } : place(version.value),
      {
        wanted: 'schemaVersion: 1',
        ...(isScalar(version?.value) ? { found: shown(String(version.value.value)) } : {}),
      },
    )

  const clusters = new Map<string, readonly Given[]>()
  const blocks = contents.items.find(pair => keyOf(pair) === 'clusters')
  if (blocks !== undefined && !isMap(blocks.value)) invalid('clusters is not a mapping', place(blocks.key))
  if (isMap(blocks?.value))
    for (const pair of blocks.value.items) {
      const name = keyOf(pair)
      if (name === undefined) invalid('the name of a cluster is not plain text', place(pair.key))
      else if (!isMap(pair.value)) invalid(`the cluster block ${shown(name)} is not a mapping`, place(pair.key))
      else clusters.set(name, givens(pair.value, 'cluster-block', []))
    }
  return { source, top, clusters, problems }
}

export function allowedInFile(input: Input): boolean {
  return input.secret !== true && input.only !== 'command-line' && input.only !== 'outside-settings-file'
}

function misplaced(input: Input, where: Where): ToolError {
  if (input.secret === true)
    return new ToolError('SETTING_INVALID', `${input.name} is a secret and may not stand in the settings file`, {
      where,
      hint: 'remove it, replace the secret by a new one if this file was ever committed, and give it as input or in the environment',
    })
  return new ToolError('SETTING_INVALID', `${input.name} cannot be set in the settings file`, {
    where,
    hint: `give it as ${input.only === 'command-line' ? 'option' : 'option or input'}`,
  })
}

function keyOf(pair: Pair): string | undefined {
  if (typeof pair.key === 'string') return pair.key
  if (!isScalar(pair.key)) return undefined
  return typeof pair.key.value === 'string' ? pair.key.value : pair.key.source
}

/** Plain scalars are taken as they are spelt: 6.10 is a version, not the number 6.1. */
function textsOf(value: unknown): Pick<Given, 'texts' | 'items' | 'notText'> {
  const not = (what: string) => ({ texts: [], items: false, notText: what })
  if (isSeq(value)) {
    const texts = value.items.map(scalarText)
    const whole = texts.filter(text => text !== undefined)
    return whole.length === texts.length
      ? { texts: whole, items: true }
      : not('a list of something else than plain values')
  }
  if (isMap(value)) return not('a mapping')
  if (isAlias(value)) return not('an alias, which is not supported here')
  const text = scalarText(value)
  return text === undefined ? not('nothing') : { texts: [text], items: false }
}

function scalarText(node: unknown): string | undefined {
  if (!isScalar(node) || node.value === null || node.value === undefined) return undefined
  return typeof node.value === 'string' ? node.value : node.source
}

/** Whether brackets nest too deeply, or some line is indented for more levels than that (two columns or `- ` each). */
function tooDeep(text: string): boolean {
  let depth = 0
  for (const character of text) {
    if (character === '[' || character === '{') depth += 1
    else if (character === ']' || character === '}') depth = Math.max(0, depth - 1)
    if (depth > deepest) return true
  }
  return new RegExp(`^(?:[ \\t]|[-?] ){${2 * deepest + 1}}`, 'm').test(text)
}
