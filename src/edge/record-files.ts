// The records of a GitOps directory on this machine: os-images/, read within ceilings.

import { opendir } from 'node:fs/promises'
import { join } from 'node:path'
import { ToolError } from '../errors.ts'
import { readLocalText } from './files.ts'

const mostNames = 10_000
const folder = 'os-images'

/**
 * Path below `directory` → text of the YAML files in os-images/. Throws FILE_NOT_FOUND for a directory or file that cannot be read,
 * CEILING_REACHED above 10000 names or 4 MiB a file.
 */
export async function readRecordFiles(directory: string): Promise<ReadonlyMap<string, string>> {
  const files = new Map<string, string>()
  for (const name of await namesOf(join(directory, folder)))
    files.set(`${folder}/${name}`, await readLocalText(join(directory, folder, name)))
  return files
}

async function namesOf(path: string): Promise<string[]> {
  const names: string[] = []
  let seen = 0
  try {
    for await (const { name } of await opendir(path)) {
      seen++
      if (seen > mostNames)
        throw new ToolError('CEILING_REACHED', 'the directory has too many files', {
          found: `${seen} or more`,
          wanted: `at most ${mostNames}`,
          where: { source: path },
        })
      if (name.endsWith('.yaml')) names.push(name)
    }
  } catch (cause) {
    if (cause instanceof ToolError) throw cause
    const found = cause instanceof Error && 'code' in cause ? String(cause.code) : String(cause)
    throw new ToolError('FILE_NOT_FOUND', `cannot read ${path}`, {
      found,
      wanted: 'a directory with records of images',
      where: { source: path },
      cause,
    })
  }
  return names.sort()
}
