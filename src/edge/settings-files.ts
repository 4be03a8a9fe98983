// The files that settings come from: the settings file itself, and secrets in files.

import { readFileSync, statSync } from 'node:fs'
import { resolve } from 'node:path'
import { ToolError } from '../errors.ts'

export const defaultSettingsFile = '.github/attested-os-update.yaml'

/** Secrets and settings are small; a device or a log given by mistake is not read. */
const ceiling = 1024 * 1024

/**
 * The text of the settings file, and its path as the user knows it. Without a path the default one is read if it is there, else undefined.
 * Throws SETTING_INVALID.
 */
export function readSettingsFile(
  directory: string,
  path: string | undefined,
): { readonly source: string; readonly text: string } | undefined {
  const source = path ?? defaultSettingsFile
  if (path === undefined && isMissing(resolve(directory, source))) return undefined
  return { source, text: readSmallFile(directory, source, 'settings-file') }
}

/** The text of a small file that a setting names. Throws SETTING_INVALID. */
export function readSmallFile(directory: string, path: string, setting: string): string {
  const refuse = (message: string, cause?: unknown): never => {
    throw new ToolError('SETTING_INVALID', `${setting}: ${message}`, { found: path, cause })
  }
  const whole = resolve(directory, path)
  let text: string
  try {
    const stat = statSync(whole, { throwIfNoEntry: false })
    if (stat === undefined) return refuse('the file does not exist')
    if (!stat.isFile() && !stat.isFIFO()) return refuse('this is not a file')
    if (stat.size > ceiling) return refuse(`the file is larger than ${ceiling} bytes`)
    text = readFileSync(whole, 'utf8')
  } catch (error) {
    if (error instanceof ToolError) throw error
    return refuse('the file cannot be read', error)
  }
  return text
}

/** Only what is surely not there is missing; a file that may not be looked at is reported when it is read. */
function isMissing(path: string): boolean {
  try {
    return statSync(path, { throwIfNoEntry: false }) === undefined
  } catch {
    return false
  }
}
