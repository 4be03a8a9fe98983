// TCG event logs: PC Client Platform Firmware Profile 1.06 §10.2 (TCG_PCR_EVENT, TCG_PCR_EVENT2), crypto-agile and SHA-1 only.

import { type ErrorCode, ToolError } from '../../errors.ts'
import { ByteCursor } from '../bytes/cursor.ts'
import { type Bank, digestLength } from '../bytes/digest.ts'
import { type EventData, parseEventData } from './event-data.ts'
import { eventTypeName, noAction } from './event-type.ts'
import { isSpecId, type LogAlgorithm, parseSpecId } from './spec-id.ts'

/** One record. `data` are the logged bytes, which need not be what was hashed. */
export interface LoggedEvent {
  /** Counts from 0, the Spec ID event included. */
  readonly index: number
  /** Offset of the record in the log. */
  readonly offset: number
  readonly pcr: number
  readonly typeNumber: number
  /** The specification's spelling, or `0x…`. */
  readonly type: string
  readonly digests: Readonly<Partial<Record<Bank, Uint8Array>>>
  readonly data: Uint8Array
  /** What the data say, where we can read them. */
  readonly decoded: EventData | undefined
  /** Why the data cannot be read although their type is known. Replaying does not need them. */
  readonly error: ToolError | undefined
}

/** A fault that does not undo what was read before it. */
export interface LogProblem {
  readonly offset: number
  readonly code: ErrorCode
  readonly message: string
}

export interface EventLog {
  readonly source: string
  /** Banks that the log has digests for, in its order. */
  readonly banks: readonly Bank[]
  readonly events: readonly LoggedEvent[]
  readonly problems: readonly LogProblem[]
}

type SeparatorData = Extract<EventData, { kind: 'separator' }>

const sha1Log: readonly LogAlgorithm[] = [{ id: 4, size: digestLength.sha1, bank: 'sha1' }]
export const pcrCount = 24

/**
 * Reads a log. A log that is cut or broken in the middle gives the events before the fault and a problem.
 * Throws EVENT_LOG_INVALID when not even the first record can be read. Nothing is allocated by a length of the log.
 */
export function parseEventLog(bytes: Uint8Array, source: string): EventLog {
  const cursor = new ByteCursor(bytes, source, { code: 'EVENT_LOG_INVALID' })
  const paddingStart = startOfPadding(bytes)
  const first = parseSha1Event(cursor, 0)
  const agile = first.typeNumber === noAction && isSpecId(first.data)
  const algorithms = agile ? parseSpecId(first.data, source, cursor.offset - first.data.length) : sha1Log
  const events = [first]
  const problems: LogProblem[] = []
  while (cursor.left > 0 && cursor.offset < paddingStart && !endsHere(cursor)) {
    const offset = cursor.offset
    try {
      const index = events.length
      const event = agile ? parseEvent2(cursor, index, algorithms) : parseSha1Event(cursor, index)
      events.push(event)
      if (event.decoded?.kind === 'separator' && event.decoded.fault !== undefined)
        problems.push({ offset, code: 'EVENT_LOG_INVALID', message: separatorProblem(event, event.decoded) })
      if (event.pcr >= pcrCount && event.typeNumber !== noAction)
        problems.push({ offset, code: 'EVENT_LOG_INVALID', message: `event ${index} names PCR ${event.pcr}` })
      const missing = algorithms.filter(({ bank }) => bank !== undefined && event.digests[bank] === undefined)
      for (const { bank } of missing)
        problems.push({ offset, code: 'EVENT_LOG_INVALID', message: `event ${index} has no ${bank} digest` })
    } catch (error) {
      if (!(error instanceof ToolError)) throw error
      problems.push({ offset, code: error.code, message: `event ${events.length} ${describe(error)}` })
      break
    }
  }
  const banks = algorithms.flatMap(algorithm => algorithm.bank ?? [])
  return { source, banks, events, problems }
}

function parseSha1Event(cursor: ByteCursor, index: number): LoggedEvent {
  const offset = cursor.offset
  const pcr = cursor.u32('pcrIndex')
  const typeNumber = cursor.u32('eventType')
  const sha1 = cursor.take('digest', digestLength.sha1)
  const data = cursor.take('event', cursor.u32('eventSize'))
  return logged({ index, offset, pcr, typeNumber, digests: { sha1 }, data }, cursor.source)
}

function parseEvent2(cursor: ByteCursor, index: number, algorithms: readonly LogAlgorithm[]): LoggedEvent {
  const offset = cursor.offset
  const pcr = cursor.u32('pcrIndex')
  const typeNumber = cursor.u32('eventType')
  const count = cursor.u32('digests.count')
  if (count > algorithms.length) throw cursor.error('digests.count', `${count}`, `at most ${algorithms.length}`)
  const digests: Partial<Record<Bank, Uint8Array>> = {}
  for (let number = 0; number < count; number++) {
    const id = cursor.u16('algorithmId')
    const algorithm = algorithms.find(candidate => candidate.id === id)
    if (algorithm === undefined)
      throw cursor.error('algorithmId', `0x${id.toString(16)}`, 'an algorithm of the Spec ID event')
    const digest = cursor.take('digest', algorithm.size)
    if (algorithm.bank !== undefined) digests[algorithm.bank] = digest
  }
  const data = cursor.take('event', cursor.u32('eventSize'))
  return logged({ index, offset, pcr, typeNumber, digests, data }, cursor.source)
}

function logged(record: Omit<LoggedEvent, 'type' | 'decoded' | 'error'>, source: string): LoggedEvent {
  const type = eventTypeName(record.typeNumber)
  try {
    return { ...record, type, decoded: parseEventData(type, record.data, source), error: undefined }
  } catch (error) {
    if (!(error instanceof ToolError)) throw error
    return { ...record, type, decoded: undefined, error }
  }
}

/** Where the zero or ff bytes begin that fill the area of a log behind its last record. */
function startOfPadding(bytes: Uint8Array): number {
  const filler = bytes.at(-1)
  if (filler !== 0 && filler !== 0xff) return bytes.length
  let start = bytes.length
  while (start > 0 && bytes[start - 1] === filler) start--
  return bytes.length - start < smallestRecord ? bytes.length : start
}

/** True where nothing but ff bytes follow, too few for a record: some logs end with the PCR index ffffffff. */
function endsHere(cursor: ByteCursor): boolean {
  if (cursor.left < 4 || cursor.left >= smallestRecord) return false
  return cursor.bytes.subarray(cursor.offset).every(byte => byte === 0xff)
}

function separatorProblem({ index, pcr }: LoggedEvent, { value, fault }: SeparatorData): string {
  const meaning = fault === 'error' ? 'an error of the firmware' : 'a value that the specification does not have'
  return `event ${index}: the separator of PCR ${pcr} is ${value}, ${meaning}`
}

/** A record of zero bytes would be one without digests and data. */
const smallestRecord = 16

function describe(error: ToolError): string {
  return `cannot be read: ${error.where.path ?? ''}: ${error.found ?? ''}, wanted ${error.wanted ?? ''}`
}
