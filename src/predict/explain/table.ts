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

function verdictOf({ document, candidate, kernel }: Explanation): string {
  const reasons = document.pcrs.flatMap(({ firstDifference }) => firstDifference?.reason ?? [])
  const [main] = byWeight(reasons)
  if (main === undefined)
    return [sameWords(document.pcrs, candidate.label, kernel), ...notReadWords(document.pcrs)].join(' ')
  const differing = [...new Set(document.pcrs.filter(one => !one.equal).map(one => `${one.pcr}`))]
  return `PCR ${differing.join(', ')}: ${main.text}.`
}

function sameWords(pcrs: readonly ExplainedPcr[], label: string, kernel: Explanation['kernel']): string {
  if (kernel === undefined) return `This node booted ${label} as predicted.`
  const seen =
    kernel === 'as-predicted'
      ? 'the log has the kernel of this image in PCR 9, which no policy checks'
      : 'the log does not tell which kernel ran'
  return `PCR ${numbersOf(pcrs)} are as predicted for ${label}, but they hold no kernel: ${seen}.`
}

function notReadWords(pcrs: readonly ExplainedPcr[]): string[] {
  const notRead = pcrs.filter(one => one.notRead)
  return notRead.length === 0 ? [] : [`Not read from the TPM, so only the log was compared: PCR ${numbersOf(notRead)}.`]
}

const numbersOf = (pcrs: readonly ExplainedPcr[]) => [...new Set(pcrs.map(({ pcr }) => pcr))].join(', ')

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
    const key = JSON.stringify([one.pcr, one.equal, one.notRead, index, reason])
    const group = groups.get(key)
    if (group === undefined) groups.set(key, { first: one, banks: [one.bank] })
    else group.banks.push(one.bank)
  }
  return [...groups.values()].sort((a, b) => a.first.pcr - b.first.pcr)
}

function groupLines({ first, banks }: Group): string[] {
  const head = `PCR ${`${first.pcr}`.padStart(2)} ${banks.join(', ')}:`
  if (first.firstDifference === undefined)
    return [`${head} as predicted${first.notRead ? ' by the log; not read from the TPM' : ''}`]
  const { index, expected, seen, reason } = first.firstDifference
  const reasonLines = fold('  reason    ', `${reason.code}: ${reason.text}`)
  if (expected === null && seen === null) return [`${head} differs in its value only`, ...reasonLines]
  const bank = banks.length > 1 ? `${first.bank} ` : ''
  return [
    index === null ? `${head} differs where the log has no more events` : `${head} differs at event ${index}`,
    ...fold('  expected  ', expected === null ? 'no more events' : `${expected.part}: ${expected.because}`),
    ...digestLines(bank, expected?.digest),
    ...fold('  seen      ', seenText(seen)),
    ...digestLines(bank, seen?.digest),
    ...reasonLines,
  ]
}

function seenText(seen: FirstDifferenceFacts['seen']): string {
  if (seen === null) return 'no more events'
  return seen.text === null ? seen.type : `${seen.type}: ${seen.text}`
}

function digestLines(bank: string, digest: string | undefined): string[] {
  return digest === undefined ? [] : fold('            ', `${bank}${digest}`)
}
