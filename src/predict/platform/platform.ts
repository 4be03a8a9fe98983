// What is known of a machine type before it boots our files: firmware keys, MOK state, SBAT level (interface §2, "platform profile").

import { ToolError } from '../../errors.ts'
import { type Bank, sha256Hex } from '../../formats/bytes/digest.ts'
import { parseSignatureLists } from '../../formats/efi/signature-list.ts'
import { parseSbatLevel } from '../../formats/shim/sbat-level.ts'
import { isPlatformName, type PlatformYaml, parsePlatformYaml } from './platform-yaml.ts'
import { joinDirectories, type ProfileContent, type ProfileDirectory, type ProfileFile } from './profile-files.ts'

/** The firmware's key variables as they are measured, without attribute bytes; empty for one that is not set. */
export interface FirmwareKeyVariables {
  readonly PK: Uint8Array
  readonly KEK: Uint8Array
  readonly db: Uint8Array
  readonly dbx: Uint8Array
  /** undefined: not there, and then not measured. */
  readonly dbt: Uint8Array | undefined
}

/** What shim mirrors to the running system; undefined for a variable that is not there. */
export interface MokVariables {
  /** MokListRT whole: the vendor's part of the shim that ran there, then the enrolled keys. */
  readonly list: Uint8Array | undefined
  /** MokListXRT whole. */
  readonly listX: Uint8Array | undefined
  readonly trusted: Uint8Array | undefined
  readonly sbState: Uint8Array | undefined
  readonly policy: Uint8Array | undefined
  /** shim does not look into db (MokIgnoreDB). */
  readonly ignoreDb: boolean
}

export interface Platform {
  readonly name: string
  /** OCI architecture, where platform.yaml names one. */
  readonly architecture: string | undefined
  /** platform.yaml, else the variable SecureBoot; undefined: nothing says. */
  readonly secureBoot: boolean | undefined
  readonly keys: FirmwareKeyVariables
  readonly mok: MokVariables
  /** The level in NVRAM: platform.yaml, else SbatLevelRT. The text with its last line end. */
  readonly sbatLevel: string | undefined
  readonly grubMeasuresKernel: number | undefined
  readonly measurement: 'tpm' | 'tdx'
  readonly banks: readonly Bank[] | undefined
  readonly quirks: readonly string[]
  /** eventlog.bin of a node of this type. */
  readonly eventLog: Uint8Array | undefined
  /** SHA-256 over names and contents of all files that count, as hex. */
  readonly profileSha256: string
  readonly notes: readonly string[]
}

type Files = ReadonlyMap<ProfileFile, ProfileContent>

const nothing = new Uint8Array(0)
const signatureLists = ['PK', 'KEK', 'db', 'dbx', 'dbt', 'MokListRT', 'MokListXRT'] as const

/**
 * Reads the directories of a platform profile as one. `name` (of `--platform name=DIR`) goes before that of platform.yaml.
 * Throws PLATFORM_INVALID: contradicting or unreadable files, keys that are no signature lists, no usable name.
 */
export function parsePlatform(directories: readonly ProfileDirectory[], name?: string): Platform {
  const files = joinDirectories(directories)
  const yamlFile = files.get('platform.yaml')
  const yaml = yamlFile === undefined ? {} : parsePlatformYaml(yamlFile.data, yamlFile.source)
  for (const file of signatureLists) checkLists(files.get(file))
  const byVariable = oneBit('SecureBoot', files.get('SecureBoot'))
  const secureBoot = yaml.secureBoot ?? byVariable
  const setupMode = oneBit('SetupMode', files.get('SetupMode'))
  const keys = keysOf(files)
  const logged = files.get('eventlog.bin')?.data
  return {
    name: platformName(name ?? yaml.name, directories),
    architecture: yaml.arch,
    secureBoot,
    keys,
    mok: mokOf(files),
    sbatLevel: levelOf(yaml, files.get('SbatLevelRT')),
    grubMeasuresKernel: yaml.grubMeasuresKernel,
    measurement: yaml.measurement ?? 'tpm',
    banks: yaml.banks,
    quirks: yaml.quirks ?? [],
    eventLog: logged?.length === 0 ? undefined : logged,
    profileSha256: profileSha256(files),
    notes: [
      ...(logged?.length === 0 ? ['eventlog.bin is empty, as the kernel leaves it behind some boot loaders'] : []),
      ...(yaml.secureBoot !== undefined && byVariable !== undefined && yaml.secureBoot !== byVariable
        ? [`platform.yaml says Secure Boot ${word(yaml.secureBoot)}, the variable SecureBoot says ${word(byVariable)}`]
        : []),
      ...(setupMode !== undefined && setupMode !== (keys.PK.length === 0)
        ? [`the variable SetupMode is ${setupMode ? 1 : 0}, but PK is ${keys.PK.length === 0 ? 'not set' : 'set'}`]
        : []),
    ],
  }
}

const word = (on: boolean) => (on ? 'on' : 'off')

function keysOf(files: Files): FirmwareKeyVariables {
  const data = (file: ProfileFile) => files.get(file)?.data ?? nothing
  return { PK: data('PK'), KEK: data('KEK'), db: data('db'), dbx: data('dbx'), dbt: files.get('dbt')?.data }
}

function mokOf(files: Files): MokVariables {
  const data = (file: ProfileFile) => files.get(file)?.data
  return {
    list: data('MokListRT'),
    listX: data('MokListXRT'),
    trusted: data('MokListTrustedRT'),
    sbState: data('MokSBStateRT'),
    policy: data('MokPolicyRT'),
    ignoreDb: isSet(data('MokIgnoreDB')),
  }
}

/** How shim reads a state variable: one byte that is not zero. Any other length is as if it were not there. */
export function isSet(variable: Uint8Array | undefined): boolean {
  return variable?.length === 1 && variable[0] !== 0
}

/** SHA-256 over name, length and contents of each file, by name: the same however the files were laid out. */
function profileSha256(files: Files): string {
  const parts = [...files]
    .sort(([left], [right]) => (left < right ? -1 : 1))
    .flatMap(([file, { data }]) => [new Uint8Array(Buffer.from(`${file}\0${data.length}\0`, 'latin1')), data])
  return sha256Hex(...parts)
}

function checkLists(content: ProfileContent | undefined): void {
  if (content === undefined) return
  parseSignatureLists(content.data, content.source, 'PLATFORM_INVALID')
}

function oneBit(file: string, content: ProfileContent | undefined): boolean | undefined {
  if (content === undefined) return undefined
  const { data, source } = content
  if (data.length === 1 && (data[0] === 0 || data[0] === 1)) return data[0] === 1
  throw new ToolError('PLATFORM_INVALID', `cannot read ${file} of a platform profile`, {
    found: data.length === 1 ? `${data[0]}` : `${data.length} bytes`,
    wanted: 'one byte, 0 or 1',
    where: { source },
  })
}

function levelOf(yaml: PlatformYaml, content: ProfileContent | undefined): string | undefined {
  if (yaml.sbatLevel !== undefined || content === undefined) return yaml.sbatLevel
  const text = Buffer.from(content.data).toString('latin1')
  if (parseSbatLevel(text) !== undefined) return text
  throw new ToolError('PLATFORM_INVALID', 'cannot read SbatLevelRT of a platform profile', {
    found: JSON.stringify(text.slice(0, 60)),
    wanted: 'sbat,version,date and lines of component,generation',
    where: { source: content.source },
  })
}

/** As given, else by the directories; `efivars` says nothing, so its parent does. Throws PLATFORM_INVALID. */
export function platformName(
  given: string | undefined,
  directories: readonly Pick<ProfileDirectory, 'name' | 'absolute'>[],
): string {
  const name = given ?? [...new Set(directories.map(directoryName))].join('+')
  if (isPlatformName(name)) return name
  const source = directories[0]?.name
  throw new ToolError('PLATFORM_INVALID', 'a platform profile has no usable name', {
    found: JSON.stringify(name.slice(0, 100)),
    wanted: 'letters, digits and . _ + -, at most 100',
    ...(source === undefined ? {} : { where: { source } }),
    hint: 'give it one: name=DIRECTORY, or name in platform.yaml',
  })
}

function directoryName({ name, absolute }: Pick<ProfileDirectory, 'name' | 'absolute'>): string {
  const parts = (absolute ?? name).split('/').filter(part => part !== '' && part !== '.')
  const last = parts.at(-1) ?? ''
  return last === 'efivars' ? (parts.at(-2) ?? last) : last
}
