// os-image.lock.yaml: which image each pool of one cluster has, a few lines. Interface §3 (pointers).

import * as v from 'valibot'
import { below } from './names.ts'
import { checkShape, readValidated } from './validated.ts'
import { formatYaml } from './yaml-text.ts'

const text = v.pipe(v.string(), v.maxLength(1024))
const pinned = v.pipe(text, v.regex(/^[^\s@]+\/[^\s@]+@sha256:[0-9a-f]{64}$/, 'expected a pinned image reference'))

const lockSchema = v.strictObject({
  schemaVersion: v.literal(1),
  cluster: v.strictObject({ name: v.nullable(text), id: v.nullable(text) }),
  pools: v.record(text, v.strictObject({ image: pinned, platforms: v.array(text), inheritedBy: v.array(text) })),
  held: v.optional(v.strictObject({ kernel: v.optional(text), image: v.optional(pinned), since: text, reason: text })),
  /** Day from which the reference values of target trustee live for value-lifetime days. */
  valuesFrom: v.pipe(v.string(), v.regex(/^\d{4}-\d\d-\d\d$/, 'expected a day like 2026-11-21')),
  bootImages: v.array(text),
  platforms: v.record(
    text,
    v.strictObject({
      profileSha256: v.pipe(v.string(), v.regex(/^[0-9a-f]{64}$/)),
      calibration: v.picklist(['matched', 'uncalibrated']),
    }),
  ),
})

export type Lock = v.InferOutput<typeof lockSchema>

export function lockPath(directory: string): string {
  return below(directory, 'os-image.lock.yaml')
}

/** The lock of a directory, or undefined when there is none yet. Throws YAML_INVALID or RECORD_INVALID. */
export function readLock(directory: string, files: ReadonlyMap<string, string>): Lock | undefined {
  const path = lockPath(directory)
  const content = files.get(path)
  return content === undefined ? undefined : readValidated(lockSchema, path, content)
}

/** The lock as text, keys in the order of the contract, pools by name. Throws RECORD_INVALID. */
export function formatLock(lock: Lock): string {
  const checked = checkShape(lockSchema, lock, 'os-image.lock.yaml')
  const pools = Object.entries(checked.pools).sort(([a], [b]) => (a < b ? -1 : 1))
  return formatYaml({ ...checked, pools: Object.fromEntries(pools) })
}

/** The lock of a cluster that has none. */
export function emptyLock(valuesFrom: string): Lock {
  return { schemaVersion: 1, cluster: { name: null, id: null }, pools: {}, valuesFrom, bootImages: [], platforms: {} }
}
