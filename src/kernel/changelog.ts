// What is new between two kernels, from the changelog in the signed header of the new one.

import type { ChangelogEntry } from '../formats/rpm/changelog.ts'
import { compareEvr, type Evr, isVersionPart } from '../formats/rpm/version.ts'

export interface KernelChanges {
  readonly current: Evr
  readonly chosen: Evr
  /** Newest first, at most `maxShown`. */
  readonly entries: readonly ChangelogEntry[]
  /** All entries of the step, also those that are not in `entries`. */
  readonly count: number
  /** Of all of them, each once, in order. */
  readonly cves: readonly string[]
  /** The changelog reaches back to `current`; otherwise older changes are missing. */
  readonly complete: boolean
}

const maxShown = 300
const maxCves = 5000

/**
 * The entries that came after `current`, by the version at the end of their titles; those without one count with their neighbours.
 * undefined where `chosen` is not newer.
 */
export function kernelChanges(
  changelog: readonly ChangelogEntry[],
  current: Evr,
  chosen: Evr,
): KernelChanges | undefined {
  if (compareEvr(chosen, current) <= 0) return undefined
  const end = changelog.findIndex(({ title }) => {
    const version = versionOf(title, chosen.epoch)
    return version !== undefined && compareEvr(version, current) <= 0
  })
  const entries = end < 0 ? changelog : changelog.slice(0, end)
  const found = entries.flatMap(({ text }) => text.match(/\bCVE-\d{4}-\d{4,7}\b/g) ?? [])
  return {
    current,
    chosen,
    entries: entries.slice(0, maxShown),
    count: entries.length,
    cves: [...new Set(found)].sort(byNumber).slice(0, maxCves),
    complete: end >= 0,
  }
}

/** `Name <mail> [5.14.0-605.el9]`, `Name <mail> - 6.10.3-200`; an epoch is written by few. */
function versionOf(title: string, epoch: number): Evr | undefined {
  const [, own, version, release] = /[\s[](?:(\d{1,9}):)?([^\s[\]:-]+)-([^\s[\]:-]+)\]?\s*$/.exec(title) ?? []
  if (version === undefined || release === undefined || !/^\d/.test(version)) return undefined
  if (!isVersionPart(version) || !isVersionPart(release)) return undefined
  return { epoch: own === undefined ? epoch : Number(own), version, release }
}

function byNumber(a: string, b: string): number {
  const [one, other] = [a, b].map(cve => cve.split('-').slice(1).map(Number))
  return (one?.[0] ?? 0) - (other?.[0] ?? 0) || (one?.[1] ?? 0) - (other?.[1] ?? 0)
}
