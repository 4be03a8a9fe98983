// `replay`: event log in, PCR values out; with --pcrs a comparison.

import { fileCeilings, readLocalFile, readLocalText } from '../edge/files.ts'
import { ToolError } from '../errors.ts'
import type { Bank } from '../formats/bytes/digest.ts'
import { parseEventLog } from '../formats/tcg/event-log.ts'
import { comparePcrs, parsePcrs } from '../predict/compare-pcrs.ts'
import { type ReplayDocument, replayDocument } from '../predict/replay.ts'
import { replayTable } from '../predict/replay-table.ts'
import type { Command } from './command.ts'

/** Throws as `replayLog`. Exit code 3 when --pcrs was given and a value differs. */
export const replayCommand: Command<'replay'> = async ({ log, banks, pcrs }) => {
  const replayed = await replayLog({ log, banks, ...(pcrs === undefined ? {} : { pcrs }) })
  return { outputs: {}, document: replayed.document, text: replayed.text, exitCode: replayed.differs ? 3 : 0 }
}

export interface LogToReplay {
  readonly log: string
  readonly banks: readonly Bank[]
  /** A file `{bank: {index: hex}}` to compare with. */
  readonly pcrs?: string
}

export interface ReplayResult {
  readonly document: ReplayDocument
  readonly text: string
  /** True when --pcrs was given and a value differs: exit code 3. */
  readonly differs: boolean
}

/** Throws FILE_NOT_FOUND, CEILING_REACHED, EVENT_LOG_INVALID and, for --pcrs, INPUT_INVALID. */
export async function replayLog(options: LogToReplay): Promise<ReplayResult> {
  const { log: path, banks, pcrs } = options
  const log = parseEventLog(await readLocalFile(path, fileCeilings.eventLog), path)
  const seen = pcrs === undefined ? undefined : parsePcrs(await readLocalText(pcrs), pcrs)
  const comparison = seen === undefined ? undefined : comparePcrs(log, seen, banks)
  if (comparison?.compared === 0)
    throw new ToolError('INPUT_INVALID', 'no value could be compared', {
      found: `a log with the banks ${log.banks.join(', ')}`,
      wanted: `values for ${banks.join(', ')} of PCRs that the log has`,
      ...(pcrs === undefined ? {} : { where: { source: pcrs } }),
    })
  const differences = comparison?.differences ?? []
  const document = replayDocument(log, banks, differences)
  return { document, text: replayTable(document, comparison?.compared), differs: differences.length > 0 }
}
