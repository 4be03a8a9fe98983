// The advisories that a change brings, as a section of the pull request. Their words come from metadata that nobody signed.

import type { Advisory } from '../formats/rpm/updateinfo.ts'
import { cell, code, table } from './markdown.ts'

const shownAdvisories = 50
const shownCves = 12

/** One row per advisory; the order of the repository. */
export function advisoriesSection(advisories: readonly Advisory[]): string {
  const rows = advisories
    .slice(0, shownAdvisories)
    .map(({ id, type, severity, title, cves }) => [cell(id), cell(severity ?? type), cell(title), numbers(cves)])
  const left = advisories.length - rows.length
  return [
    'From the updateinfo.xml of the kernel repositories, which has no signature of its own.',
    table(['advisory', 'severity', 'title', 'CVE ids'], rows),
    ...(left > 0 ? [`${left} more are left out.`] : []),
  ].join('\n\n')
}

function numbers(cves: readonly string[]): string {
  if (cves.length === 0) return 'none'
  const more = cves.length > shownCves ? ` and ${cves.length - shownCves} more` : ''
  return `${cves
    .slice(0, shownCves)
    .map(cve => code(cve))
    .join(', ')}${more}`
}
