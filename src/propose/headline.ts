// The one line that stands over everything: computed from predictions and change, never a template that could be wrong.

import type { Settings } from '../settings/settings.ts'
import { comparePredictions, type PcrComparison } from './comparison.ts'
import { baseDigestOf, digestOf } from './record.ts'
import type { ImageRecord } from './record-schema.ts'
import type { RepositoryChange } from './repository-change.ts'

/** What the pull request says in short; every field follows from records. */
export interface Summary {
  /** Kernels until now: several when the pools differ, none when none is known. */
  readonly kernelsFrom: readonly string[]
  readonly kernelTo: string
  /** The base image is known to be another one than that of every image until now. */
  readonly newBase: boolean
  /** Records of the images that the pools' MachineConfigs name until now; the base image where there is none. */
  readonly previous: readonly ImageRecord[]
  /** Pools whose present image is not known: the comparison is with the base image instead. */
  readonly unknownPools: readonly string[]
  readonly comparisons: readonly (readonly PcrComparison[])[]
  readonly changedPcrs: readonly number[]
  /** PCRs that cover the kernel; empty when any prediction leaves it uncovered. */
  readonly kernelPcrs: readonly number[]
  /** Only Trustee gets values: what its policy compares is not ours to say. */
  readonly policyUnknown: boolean
  readonly secureBootAssumed: boolean
  readonly uncalibrated: boolean
}

/** Compares the new image with what the pools have now. */
export function summarise(settings: Settings, change: RepositoryChange, record: ImageRecord): Summary {
  const { previous, unknownPools } = previousRecords(change, record)
  const comparisons = previous.map(one => comparePredictions(one.predictions, record.predictions))
  const changed = comparisons.flat().filter(({ from, to }) => from !== to)
  const kernel = record.predictions.map(({ coverage }) => coverage.kernel.pcr)
  const covered = kernel.length > 0 && kernel.every(pcr => pcr !== null)
  return {
    kernelsFrom: [...new Set(previous.flatMap(one => one.kernel.release ?? []))],
    newBase: previous.every(one => isOtherBase(one, record)),
    kernelTo: record.kernel.release ?? 'unknown',
    previous,
    unknownPools,
    comparisons,
    changedPcrs: numbers(changed.map(({ pcr }) => pcr)),
    kernelPcrs: covered ? numbers(kernel.flatMap(pcr => pcr ?? [])) : [],
    policyUnknown: !settings.target.includes('trusted-execution-clusters'),
    secureBootAssumed: settings.secureBoot === undefined,
    uncalibrated: record.predictions.some(({ calibration }) => calibration === 'uncalibrated'),
  }
}

function previousRecords(change: RepositoryChange, record: ImageRecord): Pick<Summary, 'previous' | 'unknownPools'> {
  const records: ImageRecord[] = []
  const unknownPools: string[] = []
  for (const { pool, from } of change.machineConfigs) {
    const known = recordOf(change, from)
    if (known === undefined) unknownPools.push(pool)
    const compared = known ?? recordOf(change, record.base?.image)
    if (compared !== undefined) records.push(compared)
  }
  const previous = [...new Set(records)].filter(one => digestOf(one) !== digestOf(record))
  return { previous, unknownPools }
}

/** By digest: the text may name another repository for the same image, a tag, or an index. */
function recordOf({ records, resolved }: RepositoryChange, image: string | undefined): ImageRecord | undefined {
  if (image === undefined) return undefined
  const digest = resolved.get(image) ?? image.split('@').at(-1)
  return records.findLast(one => digestOf(one.record) === digest)?.record
}

/** Title of the pull request and subject of the commit. Only letters that cannot be markup are taken over. */
export function title(summary: Summary, pools: readonly string[]): string {
  const kernel = kernelChange(summary)
  const attested =
    summary.kernelPcrs.length === 0
      ? 'kernel NOT attested'
      : summary.policyUnknown
        ? `kernel in PCR ${summary.kernelPcrs.join(', ')}`
        : 'kernel attested'
  const uncalibrated = summary.uncalibrated ? ', uncalibrated' : ''
  return `Kernel ${kernel} (${pools.map(word).join(', ').slice(0, 60)}): ${changes(summary)}, ${attested}${uncalibrated}`
}

function kernelChange({ kernelsFrom, kernelTo, newBase }: Summary): string {
  const [from, ...others] = kernelsFrom
  const to = word(kernelTo)
  if (from === undefined) return to
  if (others.length > 0) return `${kernelsFrom.length} different ones → ${to}`
  if (from !== kernelTo) return `${word(from)} → ${to}`
  return `${to} as before, ${newBase ? 'new base' : 'new image'}`
}

/** Of an image that others built no base is known. */
function isOtherBase(old: ImageRecord, next: ImageRecord): boolean {
  const [before, after] = [baseDigestOf(old), baseDigestOf(next)]
  return before !== undefined && after !== undefined && before !== after
}

function changes({ previous, changedPcrs }: Summary): string {
  if (previous.length === 0) return 'first PCR values'
  return changedPcrs.length === 0
    ? 'no PCR value changes'
    : `PCR ${changedPcrs.join(', ')} ${changedPcrs.length === 1 ? 'changes' : 'change'}`
}

const word = (text: string) => text.replace(/[^A-Za-z0-9._+~^:-]/g, '_').slice(0, 80)

const numbers = (values: readonly number[]) => [...new Set(values)].sort((a, b) => a - b)
