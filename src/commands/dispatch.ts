// Which function does which command. Each is loaded when it is asked for, so that --help and small commands start fast.

import type { Log } from '../edge/log.ts'
import { ToolError } from '../errors.ts'
import type { Parsed } from '../settings/parse-settings.ts'
import type { CommandName } from '../settings/words.ts'
import type { Command, CommandResult } from './command.ts'

/** Commands of the contract that are not here yet are refused by name. */
export const commands: { readonly [Name in CommandName]?: () => Promise<Command<Name>> } = {
  update: async () => (await import('./update.ts')).updateCommand,
  check: async () => (await import('./check.ts')).checkCommand,
  'boot-files': async () => (await import('./boot-files.ts')).bootFilesCommand,
  predict: async () => (await import('./predict.ts')).predictCommand,
  capture: async () => (await import('./capture.ts')).captureCommand,
  replay: async () => (await import('./replay.ts')).replayCommand,
  explain: async () => (await import('./explain.ts')).explainCommand,
}

/** Runs the command that was parsed. Throws SETTING_NOT_SUPPORTED, and whatever the command throws. */
export async function dispatch<Name extends CommandName>(parsed: Parsed<Name>, log: Log): Promise<CommandResult> {
  const load: (() => Promise<Command<Name>>) | undefined = commands[parsed.command]
  if (load === undefined)
    throw new ToolError('SETTING_NOT_SUPPORTED', `the command ${parsed.command} is not supported yet`, {
      found: parsed.command,
    })
  const command = await load()
  return command(parsed.request, parsed.credentials, log)
}
