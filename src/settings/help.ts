// What --help prints, from the tables of commands, settings and options.

import { commandsOf, type Input, inputs } from './inputs.ts'
import { commandOptions, replayLog, runOptions } from './options.ts'
import { type CommandName, commandWords } from './words.ts'

const summaries: Readonly<Record<CommandName, string>> = {
  update: 'build and check a new image, predict its PCR values, push it, and open the pull request',
  check: 'say whether a newer kernel or base image exists; changes nothing',
  predict: 'predict PCR values of an image or of single boot files',
  'boot-files': 'list or extract the boot files of an image',
  replay: 'work out the PCR values of a recorded event log',
  explain: 'say why the event log of a node differs from the prediction',
  capture: 'make a platform profile from a node’s event log and EFI variables',
}

const usages: Readonly<Record<CommandName, string>> = {
  update: 'update [options]',
  check: 'check [options]',
  predict: 'predict (--image SOURCE… | --boot-file ROLE=PATH…) [options]',
  'boot-files': 'boot-files --image SOURCE [options]',
  replay: `replay ${replayLog.name} [options]`,
  explain: 'explain --log LOG (--image SOURCE… | --boot-file ROLE=PATH… | --lock DIR) [options]',
  capture: 'capture --log LOG --efivars DIR [--mok-variables DIR] --output DIR',
}

/** Help for one command, or the list of commands. Ends without a line end. */
export function renderHelp(command?: CommandName): string {
  return command === undefined ? overview() : commandHelp(command)
}

function overview(): string {
  const width = Math.max(...commandWords.now.map(name => name.length))
  return [
    'attested-os-update <command> [options]',
    '',
    ...commandWords.now.map(name => `  ${name.padEnd(width)}  ${summaries[name]}`),
    '',
    'attested-os-update help <command> lists the options of a command. Every option is also an input of the Action and,',
    'secrets aside, a key of the settings file .github/attested-os-update.yaml.',
    '',
    'Exit codes: 0 fine, 1 error, 2 wrong usage or settings, 3 a comparison found a difference, 70 a bug.',
  ].join('\n')
}

function commandHelp(command: CommandName): string {
  const options = [...commandOptions.values(), ...inputs.values()].filter(
    input => input.name !== 'command' && commandsOf(input).includes(command),
  )
  return [
    `attested-os-update ${usages[command]}`,
    '',
    `${summaries[command]}.`,
    '',
    ...options.flatMap(optionHelp),
    ...Object.entries(runOptions).flatMap(([name, help]) => [`  --${name}`, `      ${help}`]),
  ].join('\n')
}

function optionHelp(input: Input): readonly string[] {
  const secret = input.secret === true
  const name = secret
    ? `--${input.name}-file PATH`
    : `--${input.name}${input.type === 'bool' ? '' : ` ${placeholder(input)}`}`
  const standing = input.default ?? input.defaultNote
  const environment = input.environment === undefined ? '' : ` Or set ${input.environment}.`
  return [
    `  ${name}`,
    `      ${input.help}${environment}${standing === undefined ? '' : ` [${standing.replaceAll('`', '')}]`}`,
  ]
}

function placeholder(input: Input): string {
  if (input.words === undefined) return { path: 'PATH', number: 'NUMBER', list: 'LIST' }[input.type as string] ?? 'TEXT'
  return input.type === 'list' ? `${input.words.now.join(',')}` : input.words.now.join('|')
}
