// What the runner gives and takes beside the log: outputs, masks, the job summary, files in its temporary directory.

import { appendFileSync, existsSync, mkdirSync, statSync, writeFileSync } from 'node:fs'
import { isAbsolute, join, resolve, sep } from 'node:path'
import { setOutput, setSecret } from '@actions/core'

/** The runner drops a larger summary as a whole (actions/runner, FileCommandManager.cs). */
const summaryCeiling = 1024 * 1024

/** Has the runner put stars in place of every secret, from here on; each line of a longer one too. */
export function maskSecrets(secrets: Iterable<string>): void {
  const parts = [...secrets].flatMap(secret => [secret, ...secret.split('\n')]).map(part => part.trim())
  // A star for every "a" of the log would hide more than it protects.
  for (const part of new Set(parts)) if (part.length > 3) setSecret(part)
}

/** Sets each output of the step. */
export function setOutputs(outputs: ReadonlyMap<string, string>): void {
  for (const [name, value] of outputs) setOutput(name, value)
}

/** Adds Markdown to the job summary, if the runner has one; text that would not fit is cut at a line end. */
export function addSummary(path: string | undefined, markdown: string): void {
  if (path === undefined || path === '' || !existsSync(path)) return
  const room = summaryCeiling - statSync(path).size - 100
  const bytes = Buffer.from(`${markdown.trimEnd()}\n`)
  if (bytes.length <= room) appendFileSync(path, bytes)
  else if (room > 0) {
    const cut = bytes.subarray(0, room)
    appendFileSync(path, cut.subarray(0, cut.lastIndexOf('\n') + 1))
    appendFileSync(path, '\n…cut here; the rest is in the log.\n')
  }
}

/** Writes a document as JSON into the runner's temporary directory and returns its path. */
export function writeDocument(directory: string, name: string, document: unknown): string {
  const folder = join(directory, 'attested-os-update')
  mkdirSync(folder, { recursive: true })
  const path = join(folder, name)
  writeFileSync(path, `${JSON.stringify(document, null, 2)}\n`)
  return path
}

/** Whether a source is a file below the workspace, so that an annotation can point at it. */
export function workspaceFiles(workspace: string): (source: string) => boolean {
  return source => {
    if (isAbsolute(source) || source.includes('://') || source.length > 4096 || source.includes('\0')) return false
    const path = resolve(workspace, source)
    return path.startsWith(resolve(workspace) + sep) && statSync(path, { throwIfNoEntry: false })?.isFile() === true
  }
}
