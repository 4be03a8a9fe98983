// The boots that a node may have done: whole images and mixes of two; which of them a log is compared with.

import type { Bank } from '../../formats/bytes/digest.ts'
import type { EventLog } from '../../formats/tcg/event-log.ts'
import type { PcrValues } from '../replay.ts'
import { compareWithLog, digestOf, type ExpectedBoot, type ExpectedEvent, type LogDifference } from './difference.ts'
import { secureBootOf } from './event.ts'

/** A boot file as predictions and records tell of it. */
export interface CandidateFile {
  readonly role: string
  readonly path: string
  readonly size: number
  /** Of the file as it is, the digest that GRUB measures when it reads the file. */
  readonly sha256?: string
}

/** A program that shim may start beside the boot chain, by its Authenticode digests. */
export interface SideProgram {
  readonly role: 'fallback' | 'mok-manager'
  readonly path: string
  readonly digests: Readonly<Partial<Record<Bank, string>>>
}

/** One boot that the node may have done. */
export interface Candidate {
  /** What people call the image: its reference; for a mix something like `boot loader of A, kernel of B`. */
  readonly label: string
  /** The pinned reference or the source of the image; null for files of the command line. */
  readonly image: string | null
  /** Of a mix: the labels of the images that boot loader and kernel come from. */
  readonly mix?: { readonly bootLoader: string; readonly kernel: string }
  /** Its values do not count any more: it is there to recognise files, never to be compared with. */
  readonly retired?: boolean
  /** Predicted without Secure Boot though nobody said that it is off: compared with only when there is nothing else. */
  readonly unasked?: boolean
  readonly bootFiles: readonly CandidateFile[]
  /** Where the files are at hand. */
  readonly programs?: readonly SideProgram[]
  /** Digest of the MokList that its shim makes when no key is enrolled, where the shim itself is at hand. */
  readonly vendorMokList?: Readonly<Partial<Record<Bank, string>>>
  readonly prediction: ExpectedBoot
}

export type FileRole = 'shim' | 'grub' | 'systemd-boot' | 'kernel' | 'uki'

const roleOfPart: readonly (readonly [RegExp, FileRole])[] = [
  [/^Pcr4Shim/, 'shim'],
  [/^Pcr4Grub/, 'grub'],
  [/^Pcr4SystemdBoot/, 'systemd-boot'],
  [/^Pcr4Vmlinuz/, 'kernel'],
  [/^Pcr4Uki/, 'uki'],
]

/** Which boot file an event of PCR 4 is about; undefined for actions and separators. */
export function roleOf(event: ExpectedEvent | null | undefined): FileRole | undefined {
  return event ? roleOfPart.find(([part]) => part.test(event.part))?.[1] : undefined
}

/** What people call the files of a role. */
export const roleNames: Readonly<Record<FileRole, string>> = {
  shim: 'shim',
  grub: 'GRUB',
  'systemd-boot': 'systemd-boot',
  kernel: 'kernel',
  uki: 'unified kernel image',
}

/** True for the files that change with every kernel update. */
export function isKernelRole(role: FileRole | undefined): boolean {
  return role === 'kernel' || role === 'uki'
}

/** The candidate that a log fits best, and how it differs from it. */
export interface BestCandidate {
  readonly candidate: Candidate
  readonly differences: readonly LogDifference[]
}

/**
 * Of the same Secure Boot state as the log, then most equal PCRs, then longest equal beginnings; of equals the first. A log that fits a whole image in everything is explained by that
 * image. Otherwise it is compared with the image whose kernel ran, since a node takes a new kernel at once and a new boot loader
 * later: so a mix is told as "the kernel of this image, still with the boot loader of that one".
 */
export function bestCandidate(
  candidates: readonly Candidate[],
  log: EventLog,
  banks: readonly Bank[],
  live: PcrValues | undefined,
): BestCandidate | undefined {
  const valid = candidates.filter(one => one.retired !== true)
  const asked = valid.filter(one => one.unasked !== true)
  const comparable = [asked, valid, candidates].find(list => list.length > 0) ?? []
  const state = secureBootOf(log)
  const ofState = ({ candidate }: BestCandidate) => (candidate.prediction.secureBoot === state ? 1 : 0)
  const ranked = comparable
    .map((candidate): BestCandidate => {
      return { candidate, differences: compareWithLog(candidate.prediction, log, banks, live) }
    })
    .filter(({ differences }) => differences.length > 0)
    .sort((a, b) => ofState(b) - ofState(a) || equalPcrs(b) - equalPcrs(a) || equalEvents(b) - equalEvents(a))
  const [best] = ranked
  if (best === undefined) return undefined
  const whole = ranked.filter(({ candidate }) => candidate.mix === undefined)
  const exact = whole.find(({ differences }) => differences.every(one => one.equal))
  if (exact !== undefined) return exact
  const kernelOfMix = best.candidate.mix?.kernel
  const ofMix = whole.find(
    ({ candidate }) => candidate.label === kernelOfMix && sameConditions(candidate, best.candidate),
  )
  return ofMix ?? whole.find(({ candidate }) => kernelRan(candidate, log)) ?? whole[0] ?? best
}

function sameConditions({ prediction: a }: Candidate, { prediction: b }: Candidate): boolean {
  return a.platform === b.platform && a.secureBoot === b.secureBoot
}

function equalPcrs({ differences }: BestCandidate): number {
  return differences.filter(one => one.equal).length
}

function equalEvents({ differences }: BestCandidate): number {
  return differences.reduce((sum, one) => sum + one.position, 0)
}

/** True when the log holds the kernel, or unified kernel image, of this candidate. */
function kernelRan({ prediction }: Candidate, log: EventLog): boolean {
  const kernels = prediction.events.filter(event => isKernelRole(roleOf(event)))
  return log.events.some(
    seen =>
      seen.pcr === 4 &&
      log.banks.some(bank =>
        kernels.some(event => event.digests[bank] !== undefined && event.digests[bank] === digestOf(seen, bank)),
      ),
  )
}

/** A file of a whole image that was seen in a log. */
export interface KnownFile {
  readonly candidate: Candidate
  readonly role: FileRole
  /** Its path in the image; undefined when the image does not tell. */
  readonly path: string | undefined
  /** Whether the image comes before the one that the log is compared with. */
  readonly older: boolean
}

/**
 * Looks a digest of PCR 4 up in the other whole images; candidates stand oldest first, and the nearest older image wins, then the
 * nearest newer one.
 */
export function findFile(
  digest: string,
  bank: Bank,
  candidates: readonly Candidate[],
  baseline: Candidate,
): KnownFile | undefined {
  const labels = [...new Set(candidates.filter(one => one.mix === undefined).map(one => one.label))]
  const place = labels.indexOf(baseline.mix?.kernel ?? baseline.label)
  const found = candidates.flatMap((candidate): { readonly distance: number; readonly file: KnownFile }[] => {
    const at = labels.indexOf(candidate.label)
    if (candidate.mix !== undefined || at === place) return []
    const event = candidate.prediction.events.find(one => one.pcr === 4 && one.digests[bank] === digest)
    const role = roleOf(event)
    if (role === undefined) return []
    const older = at < place
    const path = pathOf(candidate, role)
    return [{ distance: older ? place - at : labels.length + at, file: { candidate, role, path, older } }]
  })
  return found.sort((a, b) => a.distance - b.distance)[0]?.file
}

/** Path of the file of a role, when the candidate has exactly one. */
export function pathOf(candidate: Candidate, role: FileRole): string | undefined {
  return fileOf(candidate, role)?.path
}

export function fileOf({ bootFiles }: Candidate, role: FileRole): CandidateFile | undefined {
  const [file, ...others] = bootFiles.filter(one => one.role === role)
  return others.length === 0 ? file : undefined
}
