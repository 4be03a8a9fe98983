// What every command gets and gives. The entries turn it into outputs, documents, text and exit codes.

import type { Log } from '../edge/log.ts'
import type { Credentials } from '../settings/credentials.ts'
import type { OutputName } from '../settings/outputs.ts'
import type { CommandRequests } from '../settings/settings.ts'
import type { CommandName } from '../settings/words.ts'

export interface CommandResult {
  /** Outputs of interface §1; those left out stay empty. */
  readonly outputs: Readonly<Partial<Record<OutputName, string>>>
  /** What `--json` prints; without one the outputs are printed. */
  readonly document?: unknown
  /** The document behind the output `predictions`: the Action writes it to a file and sets the output to its path. */
  readonly predictions?: unknown
  /** For people, on stdout of the CLI and in the log of the Action; no line end at its end. */
  readonly text: string
  /** Markdown for the job summary of the Action, instead of `text`. */
  readonly summary?: string
  /** 3: a comparison found a difference; 1: something could not be checked. */
  readonly exitCode: 0 | 1 | 3
}

/** One command. Throws ToolError or ToolErrors. */
export type Command<Name extends CommandName> = (
  request: CommandRequests[Name],
  credentials: Credentials,
  log: Log,
) => Promise<CommandResult>
