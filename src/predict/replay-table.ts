// A replayed log for people: what `replay` prints without --json.

import type { ReplayDocument } from './replay.ts'
import { fold, valueLines } from './table.ts'

/** `compared`: how many values of a TPM were compared, undefined when none were given; the last line says how that went. Ends with a newline. */
export function replayTable(document: ReplayDocument, compared: number | undefined): string {
  const differences = document.problems.filter(problem => problem.code === 'LOG_DIFFERS').length
  const verdict =
    differences === 0
      ? `The log replays to the ${compared} values that were compared.`
      : `${differences} of ${compared} values differ.`
  const lines = [
    `${document.events.length} events`,
    ...valueLines(document.pcrs),
    ...document.problems.flatMap(({ offset, code, message }) =>
      fold('', `${code}: ${offset === null ? '' : `offset ${offset}: `}${message}`),
    ),
    ...(compared === undefined ? [] : [verdict]),
  ]
  return `${lines.join('\n')}\n`
}
