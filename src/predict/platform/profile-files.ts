// Which files of a directory belong to a platform profile, and their contents without attribute bytes (interface §2).

import { ToolError } from '../../errors.ts'
import { guids } from '../../formats/efi/guid.ts'

/** One directory of a profile as it was read. */
export interface ProfileDirectory {
  /** As the user wrote it. */
  readonly name: string
  /** The whole path, where it is known; it names the platform when nothing else does. */
  readonly absolute?: string
  readonly files: ReadonlyMap<string, Uint8Array>
}

/** Variable → vendor GUID under which efivarfs shows it, and whether it counts without one too. */
const variables = {
  PK: { guid: guids.globalVariable, bare: true },
  KEK: { guid: guids.globalVariable, bare: true },
  db: { guid: guids.imageSecurityDatabase, bare: true },
  dbx: { guid: guids.imageSecurityDatabase, bare: true },
  dbt: { guid: guids.imageSecurityDatabase, bare: false },
  SecureBoot: { guid: guids.globalVariable, bare: true },
  SetupMode: { guid: guids.globalVariable, bare: true },
  MokListRT: { guid: guids.shimLock, bare: true },
  MokListXRT: { guid: guids.shimLock, bare: true },
  // pieces of a list that is too large for one variable
  MokListRT1: { guid: guids.shimLock, bare: true },
  MokListXRT1: { guid: guids.shimLock, bare: true },
  MokListTrustedRT: { guid: guids.shimLock, bare: true },
  MokSBStateRT: { guid: guids.shimLock, bare: true },
  MokPolicyRT: { guid: guids.shimLock, bare: true },
  MokIgnoreDB: { guid: guids.shimLock, bare: true },
  SbatLevelRT: { guid: guids.shimLock, bare: true },
} as const

export type ProfileVariable = keyof typeof variables
export type ProfileFile = ProfileVariable | 'eventlog.bin' | 'platform.yaml'

/** efivarfs puts the attributes of a variable before its contents. */
const attributesSize = 4

/** What a file name stands for; undefined for a file that is none of a profile. */
export function profileFile(fileName: string): { file: ProfileFile; attributes: boolean } | undefined {
  if (fileName === 'eventlog.bin' || fileName === 'platform.yaml') return { file: fileName, attributes: false }
  const dash = fileName.indexOf('-')
  const name = dash < 0 ? fileName : fileName.slice(0, dash)
  if (!isVariable(name)) return undefined
  const { guid, bare } = variables[name]
  if (dash < 0) return bare ? { file: name, attributes: false } : undefined
  return fileName.slice(dash + 1).toLowerCase() === guid ? { file: name, attributes: true } : undefined
}

/** True for the names of files that are part of a profile; all others are ignored unread. */
export function isProfileFile(fileName: string): boolean {
  return profileFile(fileName) !== undefined
}

function isVariable(name: string): name is ProfileVariable {
  return Object.hasOwn(variables, name)
}

/** The file name under which efivarfs shows a variable. */
export function efivarfsName(variable: ProfileVariable): string {
  return `${variable}-${variables[variable].guid}`
}

/** Contents of one file of a profile, and where they come from. */
export interface ProfileContent {
  /** Without attribute bytes. */
  readonly data: Uint8Array
  readonly source: string
}

/** In efivarfs these are pieces with list headers of their own when the next piece is there. */
const splitLists = { MokListRT: 'MokListRT1', MokListXRT: 'MokListXRT1' } as const

/**
 * The files of all directories as one set. Throws PLATFORM_INVALID for a variable shorter than its attribute bytes, for
 * two different contents of one name, and for a MokListRT or MokListXRT of which only pieces are there.
 */
export function joinDirectories(directories: readonly ProfileDirectory[]): ReadonlyMap<ProfileFile, ProfileContent> {
  const entries = directories.flatMap(directory =>
    [...directory.files].flatMap(([fileName, bytes]) => entryOf(`${directory.name}/${fileName}`, fileName, bytes)),
  )
  const split = Object.entries(splitLists).filter(([, next]) => entries.some(entry => entry.file === next))
  const joined = new Map<ProfileFile, ProfileContent>()
  for (const { file, data, source, attributes } of entries) {
    if (file === 'MokListRT1' || file === 'MokListXRT1') continue
    if (attributes && split.some(([list]) => list === file)) continue
    const other = joined.get(file)
    if (other === undefined) joined.set(file, { data, source })
    else if (!sameBytes(other.data, data))
      throw new ToolError('PLATFORM_INVALID', `a platform profile has two different contents for ${file}`, {
        found: `${other.data.length} bytes in ${other.source}, ${data.length} bytes in ${source}`,
        wanted: 'the same contents, or one file only',
        where: { source },
      })
  }
  for (const [list, next] of split) if (!joined.has(list as ProfileFile)) throw onlyPieces(list, next, entries)
  return joined
}

interface Entry extends ProfileContent {
  readonly file: ProfileFile
  readonly attributes: boolean
}

function entryOf(source: string, fileName: string, bytes: Uint8Array): Entry[] {
  const known = profileFile(fileName)
  if (known === undefined) return []
  const { file, attributes } = known
  if (!attributes) return [{ file, attributes, source, data: bytes }]
  if (bytes.length < attributesSize)
    throw new ToolError('PLATFORM_INVALID', `cannot read ${file} of a platform profile`, {
      found: `${bytes.length} bytes`,
      wanted: '4 attribute bytes and the contents, as efivarfs shows them',
      where: { source },
      hint: `a file without attribute bytes is named ${file}`,
    })
  return [{ file, attributes, source, data: bytes.subarray(attributesSize) }]
}

function onlyPieces(list: string, next: string, entries: readonly Entry[]): ToolError {
  const source = entries.find(({ file }) => file === next)?.source
  return new ToolError('PLATFORM_INVALID', `${list} of a platform profile is there in pieces only`, {
    found: `${next}, and no file named ${list} without GUID`,
    wanted: `${list} from /sys/firmware/efi/mok-variables`,
    ...(source === undefined ? {} : { where: { source } }),
    hint: 'the pieces have list headers of their own; add the directory with +, as efivars+mok-variables',
  })
}

export function sameBytes(left: Uint8Array, right: Uint8Array): boolean {
  return Buffer.compare(left, right) === 0
}
