// The words of the command line: `attested-os-update <command> [options] [LOG]`. Nothing is typed here but yes-or-no options.

import { ToolError } from '../errors.ts'
import { type Given, shown, unknownSetting } from './given.ts'
import { type Input, inputs } from './inputs.ts'
import { commandOptions, replayLog, runOptions } from './options.ts'

export interface CommandLine {
  /** As written; undefined when the line has no command. */
  readonly command: string | undefined
  readonly givens: readonly Given[]
  /** `--<name>-file`: name of the secret → path. */
  readonly secretFiles: ReadonlyMap<string, string>
  readonly json: boolean
  readonly help: boolean
  readonly version: boolean
  readonly problems: readonly ToolError[]
}

/** Splits the arguments after the program's name. Throws nothing: every fault is in `problems`. */
export function parseCommandLine(words: readonly string[]): CommandLine {
  const problems: ToolError[] = []
  const values = new Map<string, string[]>()
  const secretFiles = new Map<string, string>()
  const plain: string[] = []
  const flags = new Set<string>()
  const usage = (message: string, option: string) =>
    problems.push(new ToolError('USAGE', message, { where: { source: shown(option) } }))

  for (let index = 0; index < words.length; index += 1) {
    const word = words[index] ?? ''
    if (word === '-h') flags.add('help')
    else if (word === '--') {
      plain.push(...words.slice(index + 1))
      break
    } else if (!word.startsWith('--')) {
      if (word.startsWith('-') && word !== '-') usage(`there is no option ${shown(word)}`, word)
      else plain.push(word)
    } else {
      const [, name = '', inline] = /^--([^=]*)(?:=(.*))?$/s.exec(word) ?? []
      const next = words[index + 1]
      if (Object.hasOwn(runOptions, name)) {
        if (inline !== undefined) usage(`--${name} takes no value`, `--${name}`)
        flags.add(name)
        continue
      }
      const secret = secretOf(name)
      const input = inputs.get(name) ?? commandOptions.get(name)
      const known = secret ?? input
      const yesOrNo = secret === undefined && input?.type === 'bool'
      const takesNext = inline === undefined && next !== undefined && isValue(next, yesOrNo, known !== undefined)
      const value = inline ?? (takesNext ? next : yesOrNo ? 'true' : undefined)
      if (takesNext) index += 1
      const where = { source: `--${shown(name)}` }
      if (known === undefined) problems.push(unknownSetting(name, where, optionNames()))
      else if (secret !== undefined) secretFiles.set(secret.name, value ?? '')
      else if (known.secret === true) problems.push(secretAsOption(known))
      else if (known.name === 'command') usage('the command is the first word, not an option', '--command')
      else if (known.only === 'settings-file')
        problems.push(new ToolError('SETTING_INVALID', `${name} can be set in the settings file only`, { where }))
      else if (value === undefined || value.trim() === '') usage(`--${name} needs a value`, `--${name}`)
      else values.set(name, [...(values.get(name) ?? []), value])
      if (secret !== undefined && (value ?? '') === '') usage(`--${name} needs a path`, `--${name}`)
    }
  }

  const [command, ...others] = plain
  const givens = [...values].map(
    ([name, texts]): Given => ({
      name,
      origin: 'option',
      texts,
      // paths may hold commas: one option, one item
      items: ['boot-file', 'image', 'platform'].includes(name),
      where: { source: `--${name}` },
    }),
  )
  for (const name of secretFiles.keys())
    givens.push({ name, origin: 'option', texts: [], items: false, where: { source: `--${name}-file` } })
  const [log] = others
  if (command === 'replay' && log !== undefined)
    givens.push({ name: replayLog.name, origin: 'option', texts: [log], items: false, where: { source: 'LOG' } })
  const used = command === 'replay' || command === 'help' ? 1 : 0
  for (const word of others.slice(used)) usage(`there is one word too many: ${shown(word)}`, word)

  return {
    command: command === 'help' ? log : command,
    givens,
    secretFiles,
    json: flags.has('json'),
    help: flags.has('help') || command === 'help',
    version: flags.has('version'),
    problems,
  }
}

/** Whether a word after an option is its value. */
function isValue(word: string, yesOrNo: boolean, known: boolean): boolean {
  if (yesOrNo) return word === 'true' || word === 'false'
  return !word.startsWith(known ? '--' : '-')
}

function secretOf(name: string): Input | undefined {
  const input = name.endsWith('-file') ? inputs.get(name.slice(0, -'-file'.length)) : undefined
  return input?.secret === true ? input : undefined
}

function secretAsOption(input: Input): ToolError {
  return new ToolError('SETTING_INVALID', `${input.name} is a secret and may not be an option`, {
    where: { source: `--${input.name}` },
    hint:
      'others on this machine can read command lines; ' +
      (input.environment === undefined ? '' : `set ${input.environment}, or `) +
      `give --${input.name}-file PATH`,
  })
}

/** All option names without the leading dashes. */
export function optionNames(): readonly string[] {
  const settings = [...inputs.values()].filter(input => input.name !== 'command' && input.only !== 'settings-file')
  return [
    ...settings.map(input => (input.secret === true ? `${input.name}-file` : input.name)),
    ...commandOptions.keys(),
    ...Object.keys(runOptions),
  ]
}
