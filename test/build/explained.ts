// Logs and predictions to explain, made from recorded boots: the events as they were, or with some of them changed.

import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { banks, type Digests, digestInBanks } from '../../src/formats/bytes/digest.ts'
import { formatHex } from '../../src/formats/bytes/hex.ts'
import { formatVariableEvent, type MeasuredVariable } from '../../src/formats/efi/variable-event.ts'
import { type EventLog, type LoggedEvent, parseEventLog } from '../../src/formats/tcg/event-log.ts'
import type { Candidate, CandidateFile } from '../../src/predict/explain/candidates.ts'
import type { ExpectedBoot, ExpectedEvent } from '../../src/predict/explain/difference.ts'
import { replay } from '../../src/predict/replay.ts'
import { type EventToLog, makeEventLog } from './event-log.ts'

const boots = join(import.meta.dirname, '../../fixtures/boots')

export type RecordedBoot = 'grub-sb' | 'grub-nosb' | 'sdboot257-uki-sb'

export function recordedBytes(boot: RecordedBoot): Uint8Array {
  return new Uint8Array(readFileSync(join(boots, boot, 'eventlog.bin')))
}

export function recordedLog(boot: RecordedBoot): EventLog {
  return parseEventLog(recordedBytes(boot), boot)
}

/** The log again with other events; `change` gets every event after the Spec ID event. */
export function changedLog(log: EventLog, change: (events: readonly LoggedEvent[]) => readonly EventToLog[]): EventLog {
  return parseEventLog(makeEventLog(log.banks, change(log.events.slice(1))), `${log.source}, changed`)
}

/** An event as it was. */
export function again({ pcr, typeNumber, data, digests }: LoggedEvent): EventToLog {
  return { pcr, type: typeNumber, data, digests }
}

/** The log with one event replaced by others; none takes it away. */
export function replaced(log: EventLog, index: number, ...others: readonly EventToLog[]): EventLog {
  return changedLog(log, events => events.flatMap(event => (event.index === index ? others : [again(event)])))
}

/** The log with events before one of its own. */
export function inserted(log: EventLog, index: number, ...others: readonly EventToLog[]): EventLog {
  return changedLog(log, events =>
    events.flatMap(event => (event.index === index ? [...others, again(event)] : [again(event)])),
  )
}

/** The index of the n-th event of a PCR for which `test` holds. */
export function indexOf(log: EventLog, pcr: number, test: (event: LoggedEvent) => boolean): number {
  const event = log.events.find(one => one.pcr === pcr && test(one))
  if (event === undefined) throw new Error(`no such event in ${log.source}`)
  return event.index
}

export function hasName(name: string): (event: LoggedEvent) => boolean {
  return ({ decoded }) =>
    (decoded?.kind === 'variable' && decoded.name === name) || (decoded?.kind === 'text' && decoded.text === name)
}

export const eventTypes = {
  separator: 4,
  ipl: 0xd,
  variable: 0x80000001,
  application: 0x80000003,
  action: 0x80000007,
  authority: 0x800000e0,
} as const

export function variableToLog(type: 'variable' | 'authority', variable: MeasuredVariable): EventToLog {
  return { pcr: 7, type: eventTypes[type], data: formatVariableEvent(variable) }
}

export function textToLog(pcr: number, type: 'action' | 'ipl', text: string, digestOf = text): EventToLog {
  const data = new Uint8Array(Buffer.from(text, 'latin1'))
  return { pcr, type: eventTypes[type], data, digests: digestsOfText(digestOf) }
}

/** EFI_IMAGE_LOAD_EVENT with a file path; the digest is that of `contents`. */
export function imageToLog(filePath: string | null, contents: string, size = 4711): EventToLog {
  const name = filePath === null ? Buffer.alloc(0) : Buffer.from(`${filePath}\0`, 'utf16le')
  const node = filePath === null ? Buffer.alloc(0) : Buffer.concat([Buffer.from([4, 4, 0, 0]), name])
  if (filePath !== null) node.writeUInt16LE(node.length, 2)
  const path = Buffer.concat([node, Buffer.from([0x7f, 0xff, 4, 0])])
  const header = Buffer.alloc(32)
  header.writeBigUInt64LE(BigInt(size), 8)
  header.writeBigUInt64LE(BigInt(path.length), 24)
  const data = new Uint8Array(Buffer.concat([header, path]))
  return { pcr: 4, type: eventTypes.application, data, digests: digestsOfText(contents) }
}

export function digestsOfText(text: string): Digests {
  return digestInBanks(new Uint8Array(Buffer.from(text, 'latin1')))
}

const sectionWords = /^\.([a-z]+)$/
const keyParts: Readonly<Record<string, string>> = { PK: 'Pk', KEK: 'Kek', db: 'Db', dbx: 'Dbx', dbt: 'Dbt' }

/** Names of a recorded boot's events as predictions have them; `files` names the files of PCR 4 in order. */
function partsOf(log: EventLog, files: readonly string[]): ReadonlyMap<number, string> {
  const parts = new Map<number, string>()
  let file = 0
  for (const { index, pcr, type, decoded } of log.events) {
    const text = decoded?.kind === 'variable' ? decoded.name : decoded?.kind === 'text' ? decoded.text : ''
    if (type === 'EV_SEPARATOR') parts.set(index, `Pcr${pcr}Separator`)
    else if (pcr === 4 && type === 'EV_EFI_ACTION') parts.set(index, 'Pcr4EfiCall')
    else if (pcr === 4) parts.set(index, `Pcr4${files[file++] ?? 'More'}`)
    else if (pcr === 7 && type === 'EV_EFI_VARIABLE_AUTHORITY')
      parts.set(index, text === 'db' ? 'Pcr7ShimCert' : text === 'MokListRT' ? 'Pcr7GrubMokListCert' : `Pcr7${text}`)
    else if (pcr === 7) parts.set(index, `Pcr7${keyParts[text] ?? text}`)
    else if (pcr === 11) {
      const [, word = ''] = sectionWords.exec(text) ?? []
      const name = `Pcr11${word.charAt(0).toUpperCase()}${word.slice(1)}`
      parts.set(index, [...parts.values()].includes(name) ? `${name}Content` : name)
    } else parts.set(index, `Pcr${pcr}${text}`)
  }
  return parts
}

export interface CandidateToMake {
  readonly label?: string
  readonly platform?: string | null
  readonly secureBoot?: boolean
  /** PCRs that are predicted; 4, 7 and 14 when left out. */
  readonly pcrs?: readonly number[]
  /** Names of the files in PCR 4, in order. */
  readonly files?: readonly string[]
  readonly bootFiles?: readonly CandidateFile[]
  readonly mix?: Candidate['mix']
  readonly retired?: boolean
}

const grubFiles = ['Shim', 'Grub', 'Vmlinuz', 'VmlinuzAgain']

/** What would be predicted when exactly this boot is expected. */
export function candidateOf(log: EventLog, wanted: CandidateToMake = {}): Candidate {
  const { label = 'registry.example.com/os@new', platform = null, secureBoot = true, pcrs = [4, 7, 14] } = wanted
  const parts = partsOf(log, wanted.files ?? grubFiles)
  const events = log.events
    .filter(event => pcrs.includes(event.pcr) && event.typeNumber !== 3)
    .map(({ index, pcr, type, digests }): ExpectedEvent => {
      const hex = Object.fromEntries(banks.flatMap(bank => (digests[bank] ? [[bank, formatHex(digests[bank])]] : [])))
      const part = parts.get(index) ?? ''
      return { pcr, type, digests: hex, part, because: `recorded as ${part}` }
    })
  const values = replay(log)
  const own = Object.fromEntries(pcrs.map(pcr => [`${pcr}`, values[`${pcr}`] ?? {}]))
  const prediction: ExpectedBoot = { platform, secureBoot, pcrs: own, events }
  const mix = wanted.mix === undefined ? {} : { mix: wanted.mix }
  const retired = wanted.retired === undefined ? {} : { retired: wanted.retired }
  return { label, image: label, bootFiles: wanted.bootFiles ?? defaultFiles, prediction, ...mix, ...retired }
}

const defaultFiles: readonly CandidateFile[] = [
  { role: 'shim', path: 'usr/lib/bootupd/updates/EFI/debian/shimx64.efi', size: 1048504 },
  { role: 'grub', path: 'usr/lib/bootupd/updates/EFI/debian/grubx64.efi', size: 4183488 },
  { role: 'kernel', path: 'usr/lib/modules/6.1.0-50-amd64/vmlinuz', size: 8222656 },
]
