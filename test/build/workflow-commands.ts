// Reads a log as GitHub's runner does (actions/runner, ActionCommand.cs and ActionCommandManager.cs) and says which commands it obeys.

export interface WorkflowCommand {
  readonly name: string
  readonly properties: string
  readonly message: string
  readonly line: string
}

/**
 * All commands that the runner obeys, in order: `::name properties::message` at the start of a line and `##[name properties]message`
 * anywhere in it, but nothing between `::stop-commands::token` and `::token::`.
 */
export function obeyedCommands(log: string): WorkflowCommand[] {
  const obeyed: WorkflowCommand[] = []
  let stopToken: string | undefined
  for (const line of log.split(/\r\n|\r|\n/)) {
    const command = parseCommand(line)
    if (command === undefined) continue
    if (stopToken !== undefined) {
      if (command.name === stopToken) stopToken = undefined
    } else if (command.name === 'stop-commands') stopToken = command.message
    else obeyed.push(command)
  }
  return obeyed
}

function parseCommand(line: string): WorkflowCommand | undefined {
  const match = /^\s*::([^\s:]+)(?: (.*?))?::(.*)$/.exec(line) ?? /##\[([^\s\]]+)(?: ([^\]]*))?\](.*)$/.exec(line)
  if (match === null) return undefined
  return { name: match[1] ?? '', properties: match[2] ?? '', message: match[3] ?? '', line }
}
