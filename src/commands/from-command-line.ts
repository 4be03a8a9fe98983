// One run of the CLI: words → request → command → text or JSON → exit code.

import { errorCodeOf, errorDocument, exitCodeOf, renderText } from '../edge/annotations.ts'
import { terminalLog, type Write } from '../edge/log.ts'
import { ToolError, throwAll } from '../errors.ts'
import { parseCommandLine } from '../settings/command-line.ts'
import { renderHelp } from '../settings/help.ts'
import { outputsDocument } from '../settings/outputs.ts'
import { parseCommandName } from '../settings/parse-settings.ts'
import { dispatch } from './dispatch.ts'
import { gatherSettings } from './gather-settings.ts'

export interface CommandLineWorld {
  /** The words after the program’s name. */
  readonly words: readonly string[]
  readonly environment: Readonly<Record<string, string | undefined>>
  /** The current directory. */
  readonly directory: string
  readonly version: string
  readonly stdout: Write
  readonly stderr: Write
  /** Characters in a line of stderr, where that is a terminal. */
  readonly width?: (() => number) | undefined
}

/** `--json` prints the document; a form of another program cannot be printed beside it. */
function refuseTwoForms(json: boolean, request: object): void {
  if (!json || !('format' in request) || request.format === 'json' || request.format === 'table') return
  throw new ToolError('USAGE', `--json has no effect beside format ${String(request.format)}`, {
    hint: 'leave one of them out',
  })
}

/** Runs one command and returns the exit code. Throws nothing. */
export async function runCommandLine(world: CommandLineWorld): Promise<number> {
  const line = parseCommandLine(world.words)
  const print = (document: unknown) => world.stdout(`${JSON.stringify(document, null, 2)}\n`)
  try {
    if (line.version || line.help) {
      throwAll(line.problems)
      const command = line.command === undefined ? undefined : parseCommandName(line.command)
      world.stdout(`${line.version ? world.version : renderHelp(command)}\n`)
      return 0
    }
    const { environment, directory } = world
    const parsed = gatherSettings({ ...line, secrets: new Map(), environment, directory })
    refuseTwoForms(line.json, parsed.request)
    const result = await dispatch(parsed, terminalLog(world.stderr, { width: world.width, quiet: parsed.quiet }))
    if (line.json || ('format' in parsed.request && parsed.request.format === 'json'))
      print(result.document ?? outputsDocument(result.outputs, []))
    else if (result.text !== '') world.stdout(`${result.text}\n`)
    return result.exitCode
  } catch (error) {
    world.stderr(`${renderText(error)}\n`)
    if (line.json) print(outputsDocument({ outcome: 'failed', 'error-code': errorCodeOf(error) }, errorDocument(error)))
    return exitCodeOf(error)
  }
}
