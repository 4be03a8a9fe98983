// From a node's variables and event log to a platform profile, and what they do not tell (interface §2, `capture`).

import { dump } from 'js-yaml'
import { digestInBanks } from '../../formats/bytes/digest.ts'
import { guids } from '../../formats/efi/guid.ts'
import type { MeasuredVariable } from '../../formats/efi/variable-event.ts'
import { type EventLog, parseEventLog } from '../../formats/tcg/event-log.ts'
import { comparePcrs } from '../compare-pcrs.ts'
import type { PcrValues } from '../replay.ts'
import { kernelMeasurements, measuredEvents, mokDigests, sameDigests, variablesOf } from './capture-log.ts'
import { isSet, type Platform, parsePlatform, platformName } from './platform.ts'
import {
  efivarfsName,
  joinDirectories,
  type ProfileContent,
  type ProfileDirectory,
  type ProfileFile,
  type ProfileVariable,
  profileFile,
  sameBytes,
} from './profile-files.ts'

/** What was read on the node. */
export interface Capture {
  /** Directory that the profile will be written to; its last part names the platform. */
  readonly output: { readonly name: string; readonly absolute: string }
  readonly log: { readonly bytes: Uint8Array; readonly source: string }
  readonly efivars: ProfileDirectory
  readonly mokVariables: ProfileDirectory | undefined
  /** Values of the TPM, where they lie beside the log. */
  readonly pcrs: PcrValues | undefined
}

export interface CapturedProfile {
  /** Files to write, by name. */
  readonly files: readonly { readonly name: string; readonly bytes: Uint8Array }[]
  /** The profile as it will be read again. */
  readonly platform: Platform
  /** What platform.yaml says. */
  readonly learned: Readonly<Record<string, unknown>>
  /** Sentences on what is missing, assumed or contradicting. */
  readonly notLearned: readonly string[]
}

const firmwareVariables = ['PK', 'KEK', 'db', 'dbx', 'dbt', 'SecureBoot', 'SetupMode'] as const

const keyNames = ['PK', 'KEK', 'db', 'dbx', 'dbt'] as const

/** Attributes of dbt, which counts with a GUID only: non-volatile, boot and runtime access, time-based authenticated write. */
const keyAttributes = Uint8Array.of(0x27, 0, 0, 0)

/**
 * Makes the profile. Throws EVENT_LOG_INVALID for a log whose first record cannot be read, and PLATFORM_INVALID as
 * `parsePlatform`, so also for a MokListRT in pieces without the file of mok-variables.
 */
export function captureProfile(capture: Capture): CapturedProfile {
  const notes: string[] = []
  const log = readLog(capture, notes)
  const variables = new Map([...firmwareFiles(capture, log, notes), ...mokFiles(capture, log, notes)])
  const learned = learn(log, variables, notes)
  // the name goes into platform.yaml, so that the profile keeps it wherever it is moved
  const yaml = { name: platformName(undefined, [capture.output]), ...learned }
  const files = [
    ...[...variables].map(([, { fileName, bytes }]) => ({ name: fileName, bytes })),
    ...(log === undefined ? [] : [{ name: 'eventlog.bin', bytes: capture.log.bytes }]),
    { name: 'platform.yaml', bytes: new Uint8Array(Buffer.from(dump(yaml, { lineWidth: -1, noRefs: true }), 'utf8')) },
  ].sort((left, right) => (left.name < right.name ? -1 : 1))
  const platform = parsePlatform([{ ...capture.output, files: new Map(files.map(({ name, bytes }) => [name, bytes])) }])
  return { files, platform, learned: yaml, notLearned: [...notes, ...platform.notes] }
}

/** undefined, with a note, for a log without events: GRUB 2.06 hands Linux such a one with Secure Boot off. */
function readLog({ log: { bytes, source }, pcrs }: Capture, notes: string[]): EventLog | undefined {
  const log = bytes.length === 0 ? undefined : parseEventLog(bytes, source)
  if (log === undefined || measuredEvents(log).length === 0) {
    notes.push('the event log is empty: it is not in the profile, and nothing can be compared with a prediction')
    return undefined
  }
  for (const { offset, message } of log.problems)
    notes.push(`the event log has a fault at offset ${offset}: ${message}`)
  if (pcrs === undefined) {
    notes.push('no PCR values lie beside the event log: whether it replays to them is not known')
    return log
  }
  const { compared, differences } = comparePcrs(log, pcrs)
  if (compared === 0) notes.push('the PCR values beside the event log are of other banks: nothing was compared')
  const pcrsOff = [...new Set(differences.map(({ pcr }) => pcr))]
  if (pcrsOff.length > 0)
    notes.push(`the event log does not replay to the values of PCR ${pcrsOff.join(', ')} beside it: it is not complete`)
  return log
}

interface CapturedFile extends ProfileContent {
  readonly fileName: string
  /** As they are written, with attribute bytes where the file name has a GUID. */
  readonly bytes: Uint8Array
}
type CapturedFiles = Map<ProfileFile, CapturedFile>

/** The firmware's own: as efivarfs has them now, since the next boot measures these; else as shim or the log saw them. */
function firmwareFiles({ efivars, mokVariables }: Capture, log: EventLog | undefined, notes: string[]): CapturedFiles {
  const found: CapturedFiles = new Map()
  const logged = log === undefined ? [] : variablesOf(log, 'EV_EFI_VARIABLE_DRIVER_CONFIG')
  for (const name of firmwareVariables) {
    const measured = logged.find(variable => isVariable(variable, name))
    const file = fileOf(efivars, name) ?? (mokVariables === undefined ? undefined : fileOf(mokVariables, name))
    if (file !== undefined) {
      found.set(name, file)
      if (measured !== undefined && !sameBytes(measured.data, file.data))
        notes.push(`${name} is not what this boot measured: it was changed since, and the profile has the new contents`)
    } else if (measured !== undefined && measured.data.length > 0) {
      found.set(name, fromLog(name, measured.data, log?.source ?? ''))
      notes.push(`${name} is not among the variables; its contents are taken from the event log`)
    } else if (log === undefined || name === 'SecureBoot')
      notes.push(`${name} is not there${keyNames.some(key => key === name) ? ': taken as not set' : ''}`)
  }
  return found
}

function isVariable({ vendorGuid, name }: MeasuredVariable, wanted: ProfileVariable): boolean {
  return name === wanted && efivarfsName(wanted) === `${name}-${vendorGuid}`
}

function fromLog(name: ProfileVariable, data: Uint8Array, source: string): CapturedFile {
  if (name !== 'dbt') return { fileName: name, bytes: data, data, source }
  return { fileName: efivarfsName(name), bytes: new Uint8Array(Buffer.concat([keyAttributes, data])), data, source }
}

/** The file of one variable, with its GUID first. */
function fileOf(directory: ProfileDirectory, variable: ProfileVariable): CapturedFile | undefined {
  const names = [...directory.files.keys()].filter(fileName => profileFile(fileName)?.file === variable).sort()
  const fileName = names.at(-1)
  const bytes = fileName === undefined ? undefined : directory.files.get(fileName)
  if (fileName === undefined || bytes === undefined) return undefined
  const only = { ...directory, files: new Map([[fileName, bytes]]) }
  const content = joinDirectories([only]).get(variable)
  return content === undefined ? undefined : { ...content, fileName, bytes }
}

const mokNames = {
  MokListRT: 'MokList',
  MokListXRT: 'MokListX',
  MokSBStateRT: 'MokSBState',
  MokListTrustedRT: 'MokListTrusted',
  MokPolicyRT: 'MokPolicy',
} as const
const shimVariableFiles = [...Object.keys(mokNames), 'MokIgnoreDB', 'SbatLevelRT', 'MokListRT1', 'MokListXRT1']

/** What shim mirrored at this boot. Both directories tell the same; of a list in pieces only mok-variables has the whole. */
function mokFiles({ efivars, mokVariables }: Capture, log: EventLog | undefined, notes: string[]): CapturedFiles {
  const directories = [efivars, ...(mokVariables === undefined ? [] : [mokVariables])].map(directory => ({
    ...directory,
    files: new Map(
      [...directory.files].filter(([fileName]) => shimVariableFiles.includes(profileFile(fileName)?.file ?? '')),
    ),
  }))
  const found: CapturedFiles = new Map()
  for (const [name, content] of joinDirectories(directories))
    found.set(name, { ...content, fileName: name, bytes: content.data })
  const hasShim = log !== undefined && mokDigests(log, 'MokList') !== undefined
  if (!hasShim && found.size === 0) {
    notes.push('there is no trace of shim: its variables are not in the profile')
    return found
  }
  if (log !== undefined) checkMokDigests(log, found, notes)
  addFromLog(log, found, notes)
  if (!found.has('MokListRT')) notes.push('MokListRT is not there: no machine owner key is taken as enrolled')
  if (!found.has('MokListTrustedRT'))
    notes.push(
      hasShim
        ? 'MokListTrusted was not measured: it is taken as not set by a shim before 15.6; where it is set, PCR 14 differs'
        : 'MokListTrustedRT is not there: MokListTrusted is taken as not set',
    )
  if (!found.has('SbatLevelRT')) notes.push('SbatLevelRT is not there: no SBAT level is taken to be on the machine')
  return found
}

function checkMokDigests(log: EventLog, found: CapturedFiles, notes: string[]): void {
  for (const [file, event] of Object.entries(mokNames)) {
    const content = found.get(file as ProfileFile)
    const digests = mokDigests(log, event)
    if (content !== undefined && digests !== undefined && !sameDigests(digests, digestInBanks(content.data)))
      notes.push(`${file} is not what this boot measured as ${event} into PCR 14`)
    if (content === undefined && digests !== undefined && event === 'MokPolicy')
      notes.push('MokPolicy was measured and MokPolicyRT is not there: PCR 14 cannot be predicted from this profile')
  }
}

/** PCR 7 logs the contents of two of them, and MokListTrusted is always one byte 01. */
function addFromLog(log: EventLog | undefined, found: CapturedFiles, notes: string[]): void {
  if (log === undefined) return
  const logged = variablesOf(log, 'EV_EFI_VARIABLE_AUTHORITY').filter(({ vendorGuid }) => vendorGuid === guids.shimLock)
  for (const file of ['MokSBStateRT', 'SbatLevelRT'] as const) {
    const measured = logged.find(({ name }) => `${name}RT` === file)
    const own = found.get(file)
    if (measured === undefined) continue
    if (own === undefined) {
      const { data } = measured
      found.set(file, { fileName: file, bytes: data, data, source: log.source })
      notes.push(`${file} is not among the variables; its contents are taken from the event log`)
    } else if (!sameBytes(own.data, measured.data))
      notes.push(`${file} is not what this boot measured as ${measured.name} into PCR 7`)
  }
  const trusted = mokDigests(log, 'MokListTrusted')
  const one = Uint8Array.of(1)
  if (found.has('MokListTrustedRT') || trusted === undefined || !sameDigests(trusted, digestInBanks(one))) return
  found.set('MokListTrustedRT', { fileName: 'MokListTrustedRT', bytes: one, data: one, source: log.source })
}

/** What platform.yaml says beside the name. */
function learn(log: EventLog | undefined, variables: CapturedFiles, notes: string[]): Record<string, unknown> {
  const learned: Record<string, unknown> = {}
  const byVariable = variables.get('SecureBoot')?.data
  const secureBoot = byVariable === undefined ? undefined : isSet(byVariable)
  if (secureBoot === undefined) notes.push('whether Secure Boot is on is not known: both states will be predicted')
  else learned.secureBoot = secureBoot
  const level = variables.get('SbatLevelRT')?.data
  if (level !== undefined) learned.sbatLevel = Buffer.from(level).toString('latin1')
  if (log === undefined) return learned
  learned.banks = [...log.banks]
  const kernel = kernelMeasurements(log)
  if (kernel === 'no GRUB') return learned
  if ('unknown' in kernel) notes.push(`how often GRUB measures its kernel is not known: ${kernel.unknown}`)
  else if (secureBoot !== true || isSet(variables.get('MokSBStateRT')?.data))
    notes.push('how often GRUB measures its kernel under Secure Boot is not known: nothing was verified in this boot')
  else learned.grubMeasuresKernel = kernel.count
  return learned
}
