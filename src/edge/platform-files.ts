// Directories of platform profiles, read within ceilings; a copied efivarfs has many files that do not count.

import { lstat, opendir, realpath } from 'node:fs/promises'
import { dirname, join, resolve } from 'node:path'
import { ToolError } from '../errors.ts'
import { fileCeilings, readLocalFile, readLocalText } from './files.ts'

const ceilings = { names: 10_000, variable: 1024 * 1024 } as const

/** One directory: its path as given and in full, and the files in it that count. */
export interface PlatformDirectory {
  readonly name: string
  readonly absolute: string
  readonly files: ReadonlyMap<string, Uint8Array>
}

/** The directory with its files. Throws as `readPlatformFiles`. */
export async function readPlatformDirectory(
  directory: string,
  counts: (fileName: string) => boolean,
): Promise<PlatformDirectory> {
  return { name: directory, absolute: resolve(directory), files: await readPlatformFiles(directory, counts) }
}

/**
 * Reads the files of a directory whose names count. Throws FILE_NOT_FOUND for a directory or file that cannot be read,
 * INPUT_INVALID for a link that leads out of the directory, CEILING_REACHED above 10000 names, 1 MiB a file, 16 MiB a log.
 */
export async function readPlatformFiles(
  directory: string,
  counts: (fileName: string) => boolean,
): Promise<ReadonlyMap<string, Uint8Array>> {
  const files = new Map<string, Uint8Array>()
  for (const fileName of await namesOf(directory, counts)) {
    const path = join(directory, fileName)
    await checkInside(directory, path)
    const ceiling = fileName === 'eventlog.bin' ? fileCeilings.eventLog : ceilings.variable
    files.set(fileName, await readLocalFile(path, ceiling))
  }
  return files
}

async function namesOf(directory: string, counts: (fileName: string) => boolean): Promise<string[]> {
  const names: string[] = []
  let seen = 0
  try {
    for await (const { name } of await opendir(directory)) {
      seen++
      if (seen > ceilings.names)
        throw new ToolError('CEILING_REACHED', 'the directory has too many files for a platform profile', {
          found: `${seen} or more`,
          wanted: `at most ${ceilings.names}`,
          where: { source: directory },
        })
      if (counts(name)) names.push(name)
    }
  } catch (cause) {
    if (cause instanceof ToolError) throw cause
    const found = (cause as NodeJS.ErrnoException).code ?? String(cause)
    throw new ToolError('FILE_NOT_FOUND', `cannot read ${directory}`, {
      found,
      wanted: 'a directory',
      where: { source: directory },
      cause,
    })
  }
  return names.sort()
}

/** Mounted ConfigMaps link to files inside; a link that leads elsewhere would read what nobody reviewed. */
async function checkInside(directory: string, path: string): Promise<void> {
  const stat = await lstat(path).catch(() => undefined)
  if (stat?.isSymbolicLink() !== true) return
  const target = await realpath(path).catch(() => undefined)
  const inside = await realpath(directory)
  if (target === undefined || target.startsWith(`${inside}/`)) return
  throw new ToolError('INPUT_INVALID', 'a file of a platform profile is a link out of its directory', {
    found: target,
    wanted: `a file in ${directory}`,
    where: { source: path },
  })
}

/** Throws OUTPUT_NOT_WRITABLE unless the directory is empty or not there. */
export async function checkEmptyDirectory(directory: string): Promise<{ readonly absolute: string }> {
  const refuse = (found: string, cause?: unknown) =>
    new ToolError('OUTPUT_NOT_WRITABLE', 'the profile is not written', {
      found,
      wanted: 'an empty directory, or none of that name',
      where: { source: directory },
      cause,
    })
  const entries = await opendir(directory).catch((cause: NodeJS.ErrnoException) => {
    if (cause.code === 'ENOENT') return undefined
    throw refuse(cause.code ?? String(cause), cause)
  })
  const first = await entries?.read()
  await entries?.close()
  if (first !== null && first !== undefined) throw refuse(`a directory that holds ${first.name}`)
  return { absolute: resolve(directory) }
}

const bankNames = ['sha1', 'sha256', 'sha384', 'sha512']
const pcrIndexes = Array.from({ length: 24 }, (_, index) => `${index}`)

/**
 * PCR values that lie beside an event log: `pcrs.json`, or directories like those of /sys/class/tpm/tpm0 (pcr-sha256/4).
 * Gives JSON text `{bank: {index: hex}}`, undefined when there is nothing. For the log of a running system itself, the
 * values of its TPM.
 */
export async function readPcrsBeside(
  log: string,
): Promise<{ readonly text: string; readonly source: string } | undefined> {
  const directory = dirname(resolve(log))
  const source = join(directory, 'pcrs.json')
  const text = await readLocalText(source).catch(() => undefined)
  if (text !== undefined) return { text, source }
  const tpm = directory.match(/^\/sys\/kernel\/security\/(tpm[0-9]+)$/)?.[1]
  const place = tpm === undefined ? directory : `/sys/class/tpm/${tpm}`
  const values: Record<string, Record<string, string>> = {}
  for (const bank of bankNames)
    for (const index of pcrIndexes) {
      const value = await readLocalText(join(place, `pcr-${bank}`, index), 1024).catch(() => undefined)
      if (value !== undefined) values[bank] = { ...values[bank], [index]: value.trim().toLowerCase() }
    }
  return Object.keys(values).length === 0 ? undefined : { text: JSON.stringify(values), source: place }
}
