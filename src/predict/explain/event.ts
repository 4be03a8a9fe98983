// Events of a log and of a prediction in words: what each is, which variable or certificate it holds.

import { ToolError } from '../../errors.ts'
import { formatHex } from '../../formats/bytes/hex.ts'
import { parseCertificate } from '../../formats/der/certificate.ts'
import { guids } from '../../formats/efi/guid.ts'
import { type MeasuredVariable, parseVariableEvent } from '../../formats/efi/variable-event.ts'
import type { EventLog, LoggedEvent } from '../../formats/tcg/event-log.ts'
import type { ExpectedEvent } from './difference.ts'

const longest = 200

/** Text of a log is somebody else's: no control characters, and never long. */
export function plainText(text: string): string {
  const plain = text.replace(/[\p{C}\s]+/gu, ' ').trim()
  return plain.length > longest ? `${plain.slice(0, longest)}…` : plain
}

/** The readable part of an event's data: the path of a file, a text, the name of a variable; null where there is none. */
export function textOfEvent({ decoded }: LoggedEvent): string | null {
  switch (decoded?.kind) {
    case 'image':
      return decoded.filePath === null ? null : plainText(decoded.filePath)
    case 'text':
      return plainText(decoded.text)
    case 'variable':
      return plainText(decoded.name)
    case 'separator':
      return decoded.value
    case 'startup-locality':
      return `locality ${decoded.locality}`
    case 'version':
      return 'text' in decoded ? plainText(decoded.text) : decoded.guid
    default:
      return null
  }
}

/** One phrase: index, type and text of an event of a log. */
export function describeSeen(event: LoggedEvent): string {
  const text = textOfEvent(event)
  return `event ${event.index}, ${event.type}${text === null ? '' : `, ${text}`}`
}

/** One phrase: part and reason of an event of a prediction. */
export function describeExpected({ part, because }: ExpectedEvent): string {
  return `${part} (${because})`
}

/** The path that the firmware or a boot loader logged for a file that it loaded. */
export function filePathOf({ decoded }: LoggedEvent): string | null {
  return decoded?.kind === 'image' ? decoded.filePath : null
}

/** The variable in the data of an event; undefined when it holds none that can be read. */
export function variableOf(event: LoggedEvent): MeasuredVariable | undefined {
  if (event.decoded?.kind !== 'variable') return undefined
  try {
    return parseVariableEvent(event.data, 'event', 'EVENT_LOG_INVALID')
  } catch (error) {
    if (error instanceof ToolError) return undefined
    throw error
  }
}

/** The state that the firmware measured into PCR 7; undefined when the log does not say. */
export function secureBootOf(log: EventLog): boolean | undefined {
  const event = log.events.find(one => one.pcr === 7 && variableOf(one)?.name === 'SecureBoot')
  const data = event === undefined ? undefined : variableOf(event)?.data
  return data?.length === 1 ? data[0] === 1 : undefined
}

/** True when shim measured MokSBState with the value that turns its checks off. */
export function checksOffByMok(log: EventLog): boolean {
  return log.events.some(event => {
    const variable = event.pcr === 7 ? variableOf(event) : undefined
    return variable?.name === 'MokSBState' && variable.data[0] === 1
  })
}

const ownerLength = 16
const hashLength = 32

/** What an authority event names: the subject of a certificate, or a hash, and the variable that holds it. */
export function describeAuthority({ name, data }: MeasuredVariable): string {
  const entry = [data, data.subarray(ownerLength)].map(subjectOf).find(subject => subject !== undefined)
  if (entry !== undefined) return `${plainText(entry)} (${plainText(name)})`
  const hash = data.length === ownerLength + hashLength ? `hash ${formatHex(data.subarray(ownerLength))}` : undefined
  return `${hash ?? `${data.length} bytes that are no certificate`} (${plainText(name)})`
}

/** The subject of a DER certificate, undefined for other bytes. */
export function subjectOf(bytes: Uint8Array): string | undefined {
  if (bytes[0] !== 0x30) return undefined
  try {
    return parseCertificate(bytes, { source: 'event', path: 'certificate', code: 'EVENT_LOG_INVALID' }).subject
  } catch (error) {
    if (error instanceof ToolError) return undefined
    throw error
  }
}

/** The variable of the SBAT level; shim 15.3 still called it SBAT. */
export const sbatNames: readonly string[] = ['SbatLevel', 'SBAT']

/** True for an event that says why a file was trusted. */
export function isTrustEvent(event: LoggedEvent): boolean {
  const variable = event.type === 'EV_EFI_VARIABLE_AUTHORITY' ? variableOf(event) : undefined
  if (variable === undefined) return false
  const states: readonly string[] = ['MokSBState', 'MokListTrusted', 'MokPolicy', ...sbatNames]
  return !(variable.vendorGuid === guids.shimLock && states.includes(variable.name))
}
