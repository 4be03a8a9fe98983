// What is new in the kernel, as a section of the pull request. Every word of the changelog is text from outside.

import { formatEvr } from '../formats/rpm/version.ts'
import type { KernelChanges } from '../kernel/changelog.ts'
import { code, fence, folded, shorten } from './markdown.ts'

const shownCves = 150
/** The whole text of a pull request has 58,000 characters; the values are more important. */
const shownCharacters = 15_000

/** Changelog and CVE ids of the step. */
export function kernelChangesSection({ current, chosen, entries, count, cves, complete }: KernelChanges): string {
  const words = [
    `${count} ${count === 1 ? 'entry' : 'entries'} in the changelog of kernel-core from ${code(formatEvr(current))} to ${code(formatEvr(chosen))}.`,
  ]
  if (!complete)
    words.push(
      '**The changelog does not reach back to the older kernel**: what came before its oldest entry is not here.',
    )
  const named = cves.slice(0, shownCves).map(cve => code(cve))
  const more = cves.length > named.length ? ` and ${cves.length - named.length} more` : ''
  words.push(
    cves.length === 0
      ? 'They name no CVE id.'
      : `They name ${cves.length} CVE ${cves.length === 1 ? 'id' : 'ids'}: ${named.join(', ')}${more}.`,
  )
  const lines = entries.flatMap(({ time, title, text }) => [
    `* ${new Date(time * 1000).toISOString().slice(0, 10)} ${title}`,
    ...text.split('\n').map(line => `  ${line}`),
  ])
  const shown = upTo(
    lines.map(line => shorten(line, 300)),
    shownCharacters,
  )
  const cut = shown.length < lines.length || entries.length < count
  const paragraphs = [words.join(' ')]
  if (shown.length > 0) paragraphs.push(folded(cut ? 'The newest entries' : 'The changelog', fence(shown)))
  return paragraphs.join('\n\n')
}

function upTo(lines: readonly string[], most: number): string[] {
  let left = most
  const end = lines.findIndex(line => {
    left -= line.length + 1
    return left < 0
  })
  return end < 0 ? [...lines] : lines.slice(0, end)
}
