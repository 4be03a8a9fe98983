// A root file system on disk as layer entries, and the difference of two as an OCI layer has it (image-spec layer.md).

import { mkdirSync, readdirSync, readFileSync, readlinkSync, statSync, symlinkSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { directory, file, type LayerEntry, symlink, whiteout } from './layer.ts'

/** All below a directory, parents first, names in order, paths without a leading slash. */
export function readTree(root: string, below = ''): LayerEntry[] {
  const names = readdirSync(join(root, below), { withFileTypes: true }).sort((a, b) => (a.name < b.name ? -1 : 1))
  return names.flatMap((entry): LayerEntry[] => {
    const path = below === '' ? entry.name : `${below}/${entry.name}`
    const full = join(root, path)
    if (entry.isDirectory()) return [directory(`${path}/`), ...readTree(root, path)]
    if (entry.isSymbolicLink()) return [symlink(path, readlinkSync(full))]
    return [file(path, new Uint8Array(readFileSync(full)), { mode: statSync(full).mode & 0o7777 })]
  })
}

export function writeTree(root: string, entries: readonly LayerEntry[]): void {
  for (const entry of entries) {
    const path = join(root, entry.path)
    mkdirSync(entry.type === 'directory' ? path : dirname(path), { recursive: true })
    if (entry.type === 'symlink') symlinkSync(entry.target ?? '', path)
    if (entry.type === 'file') writeFileSync(path, entry.content ?? new Uint8Array(), { mode: entry.mode ?? 0o644 })
  }
}

/** What a layer on top of `before` needs to give `after`; one whiteout for a directory that went with all it held. */
export function treeDifference(before: readonly LayerEntry[], after: readonly LayerEntry[]): LayerEntry[] {
  const old = new Map(before.map(entry => [entry.path, entry]))
  const now = new Set(after.map(entry => entry.path))
  const gone = before.filter(({ path }) => !now.has(path)).map(({ path }) => path)
  const tops = gone.filter(path => !gone.some(other => other !== path && other.endsWith('/') && path.startsWith(other)))
  const changed = after.filter(entry => !equal(old.get(entry.path), entry))
  return [...tops.map(path => whiteout(path.replace(/\/$/, ''))), ...changed]
}

function equal(one: LayerEntry | undefined, other: LayerEntry): boolean {
  if (one === undefined || one.type !== other.type) return false
  if (one.target !== other.target || one.mode !== other.mode) return false
  return Buffer.compare(one.content ?? new Uint8Array(), other.content ?? new Uint8Array()) === 0
}
