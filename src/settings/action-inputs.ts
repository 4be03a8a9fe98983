// The inputs of the Action as the runner hands them over: INPUT_<NAME>, upper case, dashes kept (actions/runner, ActionManifest and @actions/core).

import { ToolError } from '../errors.ts'
import { type Given, unknownSetting } from './given.ts'
import { inputs } from './inputs.ts'

export interface ActionInputs {
  readonly command: string | undefined
  readonly givens: readonly Given[]
  /** Name of the secret → its text. */
  readonly secrets: ReadonlyMap<string, string>
  readonly problems: readonly ToolError[]
}

const prefix = 'INPUT_'

/** Sorts the inputs; an empty input is one that was not given. Throws nothing: every fault is in `problems`. */
export function parseActionInputs(environment: Readonly<Record<string, string | undefined>>): ActionInputs {
  const problems: ToolError[] = []
  const secrets = new Map<string, string>()
  const givens: Given[] = []
  let command: string | undefined
  for (const [key, value] of Object.entries(environment)) {
    const text = value?.trim() ?? ''
    if (!key.startsWith(prefix) || text === '') continue
    const name = key.slice(prefix.length).toLowerCase()
    const where = { source: `input ${name}` }
    const input = inputs.get(name)
    if (input === undefined) problems.push(unknownSetting(name, where, inputNames()))
    else if (input.only === 'settings-file' || input.only === 'command-line')
      problems.push(new ToolError('SETTING_INVALID', `${name} is not an input of the Action`, { where }))
    else if (name === 'command') command = text
    else {
      if (input.secret === true) secrets.set(name, text)
      // github-token has a default in action.yml, so its being there says nothing about the user's wish.
      if (name !== 'github-token')
        givens.push({ name, origin: 'input', texts: input.secret === true ? [] : [text], items: false, where })
    }
  }
  return { command: command ?? inputs.get('command')?.default, givens, secrets, problems }
}

function inputNames(): readonly string[] {
  return [...inputs.values()]
    .filter(input => input.only === undefined || input.only === 'outside-settings-file')
    .map(input => input.name)
}
