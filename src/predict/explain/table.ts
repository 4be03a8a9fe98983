// An explanation for people: what `explain` prints without --json.

import { fold, oneLine } from '../table.ts'
import type { ExplainedPcr, Explanation, FirstDifferenceFacts } from './explain.ts'
import { byWeight } from './reasons.ts'

/** First the verdict in words, then each PCR; ends with a newline. */
export function explainTable(explanation: Explanation): string {
  const { document, candidate, problems } = explanation
  const { secureBoot } = candidate.prediction
  const lines = [
    ...fold('', withShortDigests(verdictOf(explanation))),
    '',
    ...fold('Image      ', candidate.label),
    ...fold('Platform   ', `${document.platform ?? 'any platform'}, Secure Boot ${secureBoot ? 'on' : 'off'}`),
    '',
    ...groupsOf(document.pcrs).flatMap(groupLines),
    ...problems.flatMap(({ offset, code, message }) => fold('', `${code}: offset ${offset}: ${message}`)),
  ]
  return `${lines.map(oneLine).join('\n')}\n`
}

function verdictOf({ document, candidate }: Explanation): string {
  const reasons = document.pcrs.flatMap(({ firstDifference }) => firstDifference?.reason ?? [])
  const [main] = byWeight(reasons)
  if (main === undefined) return `This node booted ${candidate.label} as predicted.`
  const differing = [...new Set(document.pcrs.filter(one => !one.equal).map(one => `${one.pcr}`))]
  return `PCR ${differing.join(', ')}: ${main.text}.`
}

/** A whole digest would fill a line of the verdict; it stands in full below. */
function withShortDigests(text: string): string {
  return text.replace(/(sha256:[0-9a-f]{12})[0-9a-f]{52}/g, '$1…')
}

interface Group {
  readonly first: ExplainedPcr
  readonly banks: readonly string[]
}

/** Banks of one PCR that say the same stand on one line. */
function groupsOf(pcrs: readonly ExplainedPcr[]): Group[] {
  const groups = new Map<string, { readonly first: ExplainedPcr; readonly banks: string[] }>()
  for (const one of pcrs) {
    const { index, reason } = one.firstDifference ?? {}
    const key = JSON.stringify([one.pcr, one.equal, index, reason])
    const group = groups.get(key)
    if (group === undefined) groups.set(key, { first: one, banks: [one.bank] })
    else group.banks.push(one.bank)
  }
  return [...groups.values()].sort((a, b) => a.first.pcr - b.first.pcr)
}

function groupLines({ first, banks }: Group): string[] {
  const head = `PCR ${`${first.pcr}`.padStart(2)} ${banks.join(', ')}:`
  if (first.firstDifference === undefined) return [`${head} as predicted`]
  const { index, expected, seen, reason } = first.firstDifference
  const bank = banks.length > 1 ? `${first.bank} ` : ''
  return [
    index === null ? `${head} differs where the log has no more events` : `${head} differs at event ${index}`,
    ...fold('  expected  ', expected === null ? 'no more events' : `${expected.part}: ${expected.because}`),
    ...digestLines(bank, expected?.digest),
    ...fold('  seen      ', seenText(seen)),
    ...digestLines(bank, seen?.digest),
    ...fold('  reason    ', `${reason.code}: ${reason.text}`),
  ]
}

function seenText(seen: FirstDifferenceFacts['seen']): string {
  if (seen === null) return 'no more events'
  return seen.text === null ? seen.type : `${seen.type}: ${seen.text}`
}

function digestLines(bank: string, digest: string | undefined): string[] {
  return digest === undefined ? [] : fold('            ', `${bank}${digest}`)
}
