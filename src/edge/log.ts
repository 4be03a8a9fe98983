// Progress for people: stderr of the CLI, groups in the log of the Action. Text of others cannot give orders to the runner.

import { randomBytes } from 'node:crypto'
import { escapeMessage } from './annotations.ts'
import { noProgress, type Progress, progressInLog, progressOnScreen } from './progress.ts'

export interface Log {
  info(message: string): void
  /** Something that the user should know and that does not end the run. */
  warning(message: string): void
  /** Runs one step under a title. */
  group<T>(title: string, work: () => Promise<T>): Promise<T>
  /** Runs a child program; what it prints goes to `write` and is shown as it is, but never obeyed. Calls do not nest. */
  childOutput<T>(work: (write: (text: string) => void) => Promise<T>): Promise<T>
  /** How far reading, downloads and pushes are. */
  readonly progress: Progress
}

/** Where text goes: a stream of the process, or a list in tests. */
export type Write = (text: string) => void

export interface TerminalOptions {
  /** Characters in a line, where stderr is a terminal that can redraw one; undefined: a file or a pipe. */
  readonly width?: (() => number) | undefined
  /** Warnings only. */
  readonly quiet?: boolean
}

/** Log of the CLI, for stderr. */
export function terminalLog(write: Write, { width, quiet = false }: TerminalOptions = {}): Log {
  const screen = quiet || width === undefined ? undefined : progressOnScreen({ write, width })
  const show: Write = text => {
    screen?.clear()
    write(text)
  }
  const line = (text: string) => show(`${text}\n`)
  const warning = (message: string) => line(`warning: ${message}`)
  if (quiet)
    return {
      info: () => undefined,
      warning,
      group: (_, work) => work(),
      childOutput: work => work(() => undefined),
      progress: noProgress,
    }
  return {
    info: line,
    warning,
    async group(title, work) {
      line(title)
      return work()
    },
    childOutput: work => work(show),
    progress: screen ?? progressInLog(line),
  }
}

/** Log of the Action, for stdout, where the runner reads workflow commands. */
export function actionLog(write: Write): Log {
  const line = (text: string) => write(`${harmless(text)}\n`)
  return {
    info: line,
    warning: message => write(`::warning::${escapeMessage(message)}\n`),
    async group(title, work) {
      write(`::group::${escapeMessage(title)}\n`)
      try {
        return await work()
      } finally {
        write('::endgroup::\n')
      }
    },
    childOutput: work => withoutCommands(write, work),
    progress: progressInLog(line),
  }
}

/**
 * Lets a child program print while the runner obeys no workflow command: everything stands between
 * `::stop-commands::<token>` and `::<token>::`. The token is random and not told to the child.
 */
export async function withoutCommands<T>(write: Write, work: (write: Write) => Promise<T>): Promise<T> {
  const token = randomBytes(32).toString('hex')
  let atLineStart = true
  write(`::stop-commands::${token}\n`)
  try {
    return await work(text => {
      if (text === '') return
      atLineStart = text.endsWith('\n')
      write(text)
    })
  } finally {
    // The runner reads commands at the start of a line only.
    write(`${atLineStart ? '' : '\n'}::${token}::\n`)
  }
}

/**
 * The same text, but no line of it is a workflow command: neither `::name::` at its start nor `##[name]` anywhere
 * (actions/runner, ActionCommand.cs). The runner trims what .NET calls white space, which holds U+0085.
 */
export function harmless(text: string): string {
  return text
    .split(/\r\n|\r|\n/)
    .map(line => line.replace(/^([\s\u0085\p{Z}]*):(?=:)/u, '$1\u200b:').replaceAll('##[', '## ['))
    .join('\n')
}
