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
    commands: 'pe',
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
    commands: 'le',
    support: 'now',
    help: 'File with PCR values to compare with; a difference is exit code 3.',
    example: 'pcrs.json',
  },
  {
    ...cli,
    name: 'mixes',
    type: 'bool',
    commands: 'p',
    support: 'now',
    help: 'Add the values of mixed boot chains; needs several images, oldest first.',
    example: 'true',
  },
  {
    ...cli,
    name: 'as-operator',
    type: 'bool',
    commands: 'p',
    support: 'now',
    help: 'Give what the trusted-execution-clusters operator will publish for the images.',
    example: 'true',
  },
  {
    ...cli,
    name: 'substitute',
    type: 'path',
    commands: 'p',
    support: 'now',
    help: 'A recorded event log of the platform; events that the boot files cause are replaced in it.',
    example: 'eventlog.bin',
  },
  {
    ...cli,
    name: 'log',
    type: 'path',
    commands: 'et',
    support: 'now',
    help: 'The event log of the node.',
    example: 'eventlog.bin',
  },
  {
    ...cli,
    name: 'lock',
    type: 'path',
    commands: 'e',
    support: 'now',
    help: 'A directory with os-images/ and the lock: its records say what nodes may boot.',
    example: 'clusters/north',
  },
  {
    ...cli,
    name: 'efivars',
    type: 'path',
    commands: 't',
    support: 'now',
    help: 'Directory with EFI variables, as efivarfs shows them.',
    example: '/sys/firmware/efi/efivars',
  },
  {
    ...cli,
    name: 'mok-variables',
    type: 'path',
    commands: 't',
    support: 'now',
    help: 'Directory with MOK variables.',
    example: '/sys/firmware/efi/mok-variables',
  },
  {
    ...cli,
    name: 'output',
    type: 'path',
    commands: 'tx',
    support: 't',
    help: 'Directory to write to.',
    example: 'profiles/vm',
  },
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
