// Puts together what options or inputs, environment and files say, for both entries. Faults of all of them come out together.

import { faultsOf } from '../edge/annotations.ts'
import { readSettingsFile, readSmallFile } from '../edge/settings-files.ts'
import { type ToolError, throwAll } from '../errors.ts'
import type { Given } from '../settings/given.ts'
import { type Parsed, parseCommandName, parseSettings } from '../settings/parse-settings.ts'
import { parseSettingsFile } from '../settings/settings-file.ts'

export interface Wishes {
  /** The word for the command. */
  readonly command: string | undefined
  readonly givens: readonly Given[]
  readonly secrets: ReadonlyMap<string, string>
  /** Name of the secret → path of the file that holds it. */
  readonly secretFiles: ReadonlyMap<string, string>
  readonly problems: readonly ToolError[]
  readonly environment: Readonly<Record<string, string | undefined>>
  /** Paths are relative to it. */
  readonly directory: string
}

/** Throws ToolError or ToolErrors. */
export function gatherSettings(wishes: Wishes): Parsed {
  const problems = [...wishes.problems]
  const attempt = <T>(work: () => T): T | undefined => {
    try {
      return work()
    } catch (error) {
      const faults = faultsOf(error)
      if (faults.length === 0) throw error
      problems.push(...faults)
      return undefined
    }
  }
  const command = attempt(() => parseCommandName(wishes.command))
  const path = wishes.givens.find(given => given.name === 'settings-file')?.texts.at(-1)
  const file = attempt(() => readSettingsFile(wishes.directory, path?.trim()))
  const secrets = new Map(wishes.secrets)
  for (const [name, secretPath] of wishes.secretFiles) {
    const text =
      secretPath === '' ? undefined : attempt(() => readSmallFile(wishes.directory, secretPath, `${name}-file`))
    if (text !== undefined) secrets.set(name, text)
  }
  const settingsFile = file === undefined ? undefined : parseSettingsFile(file.text, file.source)
  if (command === undefined) {
    throwAll([...problems, ...(settingsFile?.problems ?? [])])
    throw new Error('a command that is not known must have left a problem')
  }
  return parseSettings({
    command,
    givens: wishes.givens,
    settingsFile,
    workflowRepository: wishes.environment.GITHUB_REPOSITORY,
    secrets: { given: secrets, environment: wishes.environment },
    problems,
  })
}
