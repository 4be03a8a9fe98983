// A replayed log for people: what `replay` prints without --json.

import type { ReplayDocument } from './replay.ts'
import { fold, valueLines } from './table.ts'

/** `compared`: whether values of a TPM were given; the last line says then how that went. Ends with a newline. */
export function replayTable(document: ReplayDocument, compared: boolean): string {
  const differences = document.problems.filter(problem => problem.code === 'LOG_DIFFERS').length
  const verdict = differences === 0 ? 'The log replays to the values given.' : `${differences} values differ.`
  const lines = [
    `${document.events.length} events`,
    ...valueLines(document.pcrs),
    ...document.problems.flatMap(({ offset, code, message }) =>
      fold('', `${code}: ${offset === null ? '' : `offset ${offset}: `}${message}`),
    ),
    ...(compared ? [verdict] : []),
  ]
  return `${lines.join('\n')}\n`
}
