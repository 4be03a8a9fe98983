// What only the command line knows beside the settings: options of single commands (interface §2) and options about the run itself.

import { type Input, inputs } from './inputs.ts'
import { bootFileWords } from './words.ts'

const cli = { only: 'command-line' } as const
const later = { only: 'command-line', support: 'not-yet' } as const

const table: readonly Input[] = [
  {
    ...cli,
    name: 'boot-file',
    type: 'list',
    commands: 'p',
    support: 'now',
    help: `A boot file as ROLE=PATH; roles: ${bootFileWords.now.join(', ')}. Once per file.`,
    example: 'shim=shimx64.efi',
  },
  {
    ...cli,
    name: 'extract',
    type: 'path',
    commands: 'f',
    support: 'now',
    help: 'Directory to write the boot files to.',
    example: 'boot',
  },
  {
    ...cli,
    name: 'pcrs',
    type: 'path',
    commands: 'l',
    support: 'now',
    help: 'File with PCR values to compare with; a difference is exit code 3.',
    example: 'pcrs.json',
  },
  { ...later, name: 'mixes', type: 'bool', commands: 'p', help: 'Add the values of mixed boot chains.' },
  { ...later, name: 'as-operator', type: 'bool', commands: 'p', help: 'Give what the operator will publish.' },
  { ...later, name: 'substitute', type: 'path', commands: 'p', help: 'Start from a recorded event log.' },
  { ...later, name: 'log', type: 'path', commands: 'et', help: 'The event log of the node.' },
  { ...later, name: 'lock', type: 'path', commands: 'e', help: 'Directory with the lock.' },
  { ...later, name: 'efivars', type: 'path', commands: 't', help: 'Directory with EFI variables.' },
  { ...later, name: 'mok-variables', type: 'path', commands: 't', help: 'Directory with MOK variables.' },
  { ...later, name: 'output', type: 'path', commands: 'tx', help: 'Where to write.' },
  { ...later, name: 'prediction', type: 'path', commands: 'x', help: 'A prediction to report on.' },
  { ...later, name: 'record', type: 'path', commands: 'x', help: 'A record to report on.' },
]

/** Options that are not settings. */
export const commandOptions: ReadonlyMap<string, Input> = new Map(table.map(option => [option.name, option]))

/** Name of the positional argument of `replay` in lists of what was given. */
export const replayLog: Input = {
  ...cli,
  name: 'LOG',
  type: 'path',
  commands: 'l',
  support: 'now',
  help: 'The event log to replay.',
  example: '/sys/kernel/security/tpm0/binary_bios_measurements',
}

/** Options about the run itself; they take no value. */
export const runOptions = {
  json: 'Print one JSON document on stdout and nothing else.',
  help: 'Print this help.',
  version: 'Print the version.',
} as const

/** A setting, an option or the positional argument by name. */
export function findInput(name: string): Input | undefined {
  return inputs.get(name) ?? commandOptions.get(name) ?? (name === replayLog.name ? replayLog : undefined)
}
