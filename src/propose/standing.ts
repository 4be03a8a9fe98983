// What may follow what is in use: never an older kernel by accident, never one that a rollback put on hold (design D6); and when a base image alone is news (D17).

import type { OciDigest } from '../formats/oci/digest.ts'
import { compareEvr, type Evr, formatEvr, parseEvr } from '../formats/rpm/version.ts'
import type { Lock } from './lock.ts'
import { baseDigestOf, notRetired, type StoredRecord } from './record.ts'
import type { ImageRecord } from './record-schema.ts'

export interface Standing {
  /** Newest kernel among the images that the lock names for the pools; undefined where no record says one. */
  readonly inUse: Evr | undefined
  readonly held: { readonly upTo: Evr | undefined; readonly since: string; readonly reason: string } | undefined
}

/** Throws INPUT_INVALID when the lock holds a kernel that is no version. */
export function standingOf(
  { lock, records }: { readonly lock: Lock | undefined; readonly records: readonly StoredRecord[] },
  pools: readonly string[],
): Standing {
  const kernelOf = (image: string | undefined): Evr | undefined => {
    const record = recordOf(records, image)
    return record?.kernel.packages.find(({ name }) => name === 'kernel-core') ?? ownKernelOf(record)
  }
  const kernels = pools.flatMap(pool => kernelOf(lock?.pools[pool]?.image) ?? [])
  const [inUse] = kernels.sort((a, b) => compareEvr(b, a))
  const held = lock?.held
  if (held === undefined) return { inUse, held: undefined }
  const upTo = held.kernel === undefined ? kernelOf(held.image) : parseEvr(held.kernel, 'os-image.lock.yaml')
  return { inUse, held: { upTo, since: held.since, reason: held.reason } }
}

function recordOf(records: readonly StoredRecord[], image: string | undefined): ImageRecord | undefined {
  return notRetired(records).findLast(({ record }) => record.image === image)?.record
}

/** A base image brings its kernel with it: `uname -r` says it all but the epoch, which kernels do not have. */
function ownKernelOf(record: ImageRecord | undefined): Evr | undefined {
  if (record?.kind !== 'base') return undefined
  const [, version, release] = /^([^-]+)-(.+)\.[^.]+$/.exec(record.kernel.release ?? '') ?? []
  return version === undefined || release === undefined ? undefined : { epoch: 0, version, release }
}

/** True when all pools have images of ours, and one of them is not built on this base: then overridden pools miss its updates (design D17). */
export function missesBase(
  { lock, records }: { readonly lock: Lock | undefined; readonly records: readonly StoredRecord[] },
  pools: readonly string[],
  base: OciDigest,
): boolean {
  const bases = pools.map(pool => {
    const record = recordOf(records, lock?.pools[pool]?.image)
    return record === undefined ? undefined : baseDigestOf(record)
  })
  return bases.length > 0 && bases.every(one => one !== undefined) && bases.some(one => one !== base)
}

/** Why a kernel stays out, as a sentence; undefined: it may be proposed. A hold whose kernel is not known holds everything. */
export function heldBack(chosen: Evr, { held }: Standing): string | undefined {
  if (held === undefined || (held.upTo !== undefined && compareEvr(chosen, held.upTo) > 0)) return undefined
  const upTo = held.upTo === undefined ? 'everything' : `kernels up to ${formatEvr(held.upTo)}`
  return `the lock holds back ${upTo} since ${held.since}: ${held.reason}`
}

/** True when the pools would go back behind what they have. */
export function isOlder(chosen: Evr, { inUse }: Standing): boolean {
  return inUse !== undefined && compareEvr(chosen, inUse) < 0
}
