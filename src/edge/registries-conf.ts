// Which registries.conf counts: containers-registries.conf(5), "FILES", and containers-registries.conf.d(5).

import { readdir, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { ToolError } from '../errors.ts'
import { parseRegistriesConf, type RegistryRow } from '../formats/oci/registries-conf.ts'

export interface RegistriesConfPlaces {
  /** XDG_CONFIG_HOME, HOME and CONTAINERS_REGISTRIES_CONF are read from here. */
  readonly environment: Readonly<Record<string, string | undefined>>
  /** The setting registries-conf. */
  readonly path?: string | undefined
  /** In place of `/`, for tests. */
  readonly root?: string
}

const ceiling = 1024 * 1024

/**
 * The rows of the file that is named, and of it alone; else those of the user's or the system's file and of the files beside them, where a later
 * row stands in for an earlier one with the same prefix. Throws FILE_NOT_FOUND for a file that is named, INPUT_INVALID for one that is not understood.
 */
export async function readRegistriesConf({
  environment,
  path,
  root = '/',
}: RegistriesConfPlaces): Promise<readonly RegistryRow[]> {
  const named = path ?? (environment.CONTAINERS_REGISTRIES_CONF || undefined)
  if (named !== undefined) {
    const text = await readIfThere(named)
    if (text === undefined)
      throw new ToolError('FILE_NOT_FOUND', 'the registries.conf is not there', { where: { source: named } })
    return parseRegistriesConf(text, named)
  }
  const home = environment.XDG_CONFIG_HOME || (environment.HOME && join(environment.HOME, '.config'))
  const own = home ? [join(home, 'containers')] : []
  const shared = join(root, 'etc/containers')
  const rows: RegistryRow[] = []
  for (const directory of [...own, shared, join(root, 'usr/share/containers')]) {
    const file = join(directory, 'registries.conf')
    const text = await readIfThere(file)
    if (text === undefined) continue
    rows.push(...parseRegistriesConf(text, file))
    break
  }
  for (const directory of [shared, ...own].map(one => join(one, 'registries.conf.d')))
    for (const name of await confNames(directory)) {
      const file = join(directory, name)
      const text = await readIfThere(file)
      if (text !== undefined) rows.push(...parseRegistriesConf(text, file))
    }
  return rows
}

async function confNames(directory: string): Promise<string[]> {
  const names = await readdir(directory).catch(cause => {
    if (isMissing(cause)) return []
    throw unreadable(directory, cause)
  })
  return names.filter(name => name.endsWith('.conf')).sort()
}

async function readIfThere(path: string): Promise<string | undefined> {
  let text: string
  try {
    text = await readFile(path, 'utf8')
  } catch (cause) {
    if (isMissing(cause)) return undefined
    throw unreadable(path, cause)
  }
  if (text.length <= ceiling) return text
  throw new ToolError('CEILING_REACHED', 'a registries.conf is too large', {
    found: `${text.length} characters`,
    wanted: `at most ${ceiling}`,
    where: { source: path },
  })
}

function isMissing(cause: unknown): boolean {
  return ['ENOENT', 'ENOTDIR'].includes((cause as NodeJS.ErrnoException).code ?? '')
}

function unreadable(path: string, cause: unknown): ToolError {
  return new ToolError('INPUT_INVALID', 'a registries.conf cannot be read', {
    found: (cause as NodeJS.ErrnoException).code ?? 'an error',
    where: { source: path },
    cause,
  })
}
