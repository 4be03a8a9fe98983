// The changelog in an RPM header: three lists of the same length, newest entry first. rpm, docs/manual/tags.md.

import { ToolError } from '../../errors.ts'
import { type HeaderStructure, numbersOf, stringsOf } from './header.ts'

export interface ChangelogEntry {
  /** Seconds since 1970. */
  readonly time: number
  /** Who, and in most packages the version that the entry is about. */
  readonly title: string
  readonly text: string
}

const tags = { time: 1080, name: 1081, text: 1082 } as const
/** The kernel of RHEL 9 has some 2,000. */
const maxEntries = 50_000

/** All entries, in the order of the header. None where the package has no changelog. Throws RPM_INVALID. */
export function readChangelog(header: HeaderStructure): ChangelogEntry[] {
  const times = numbersOf(header, tags.time, maxEntries)
  const titles = stringsOf(header, tags.name, maxEntries)
  const texts = stringsOf(header, tags.text, maxEntries)
  if (times.length !== titles.length || times.length !== texts.length)
    throw new ToolError('RPM_INVALID', 'the changelog of an RPM header cannot be read', {
      found: `${times.length} times, ${titles.length} names, ${texts.length} texts`,
      wanted: 'as many of each',
      where: { source: header.source, path: `CHANGELOGTIME (${tags.time})` },
    })
  return times.map((time, index) => ({ time, title: titles[index] ?? '', text: texts[index] ?? '' }))
}
