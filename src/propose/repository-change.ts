// One change of the GitOps repository: records, lock, reference values and MachineConfigs together. Interface §3.

import { ToolError } from '../errors.ts'
import type { OciDigest } from '../formats/oci/digest.ts'
import {
  formatPinnedReference,
  type ImageReference,
  type PinnedReference,
  parseImageReference,
  parsePinnedReference,
} from '../formats/oci/reference.ts'
import type { Settings } from '../settings/settings.ts'
import { approvedImagePath, checkApprovedImage, renderApprovedImage } from './approved-image.ts'
import { checkKustomizations } from './kustomize.ts'
import { checkLayout } from './layout.ts'
import { emptyLock, formatLock, type Lock, lockPath, readLock } from './lock.ts'
import { changeMachineConfig, followers, type MachineConfigChange, namedImages } from './machine-config.ts'
import { checkPools } from './pools.ts'
import { digestOf, formatRecord, notRetired, placeOfRecord, readRecords, type StoredRecord } from './record.ts'
import type { ImageRecord } from './record-schema.ts'
import { isKustomization, parseTree } from './tree-files.ts'
import {
  checkConfigMap,
  configMapPath,
  expiration,
  type ReferenceValues,
  referenceValues,
  renderConfigMap,
} from './trustee-config-map.ts'
import { parseYamlFile, type Resource, resourcesOf, type YamlFile } from './yaml-file.ts'

/** A file to write, or to remove when `content` is null. Paths from the top of the repository. */
export interface FileChange {
  readonly path: string
  readonly content: string | null
}

export interface RepositoryChange {
  /** Only files whose content differs, by path. Empty: nothing to propose. */
  readonly files: readonly FileChange[]
  readonly machineConfigs: readonly MachineConfigChange[]
  /** Custom pools that were not asked for and get the image of `worker` all the same. */
  readonly followers: readonly string[]
  /** All records as they stand after the change. */
  readonly records: readonly StoredRecord[]
  readonly resolved: ResolvedNames
  /** Where the record of the new image stands. */
  readonly recordPath: string
  /** What target trustee gets; empty for other targets. */
  readonly values: ReferenceValues
  /** Day on which the values for Trustee expire, YYYY-MM-DD; undefined for other targets. */
  readonly valuesExpire: string | undefined
  /** kustomization.yaml files in the directory: they may not list what is new. */
  readonly kustomizations: readonly string[]
  /** Files that cannot be read as YAML and hold nothing that we look for. */
  readonly skipped: readonly string[]
}

/** An image that has no record yet but whose values must be there from the first pull request on. */
export interface UnrecordedImage {
  readonly reference: ImageReference
  readonly kind: 'base' | 'foreign'
  /** The first MachineConfig that names it; undefined for the base image. */
  readonly path: string | undefined
  /** The osImageURL texts that mean it; none for a base image that no MachineConfig names. */
  readonly named: readonly string[]
}

/** osImageURL text → digest of the manifest that it was resolved to: what a tag or the digest of an index does not tell. */
export type ResolvedNames = ReadonlyMap<string, OciDigest>

type Files = ReadonlyMap<string, string>

/**
 * Base image and every image that a MachineConfig of the directory names now, whatever its role, as far as no record that counts has
 * their digest. A reference with a tag only is given as it is: the caller must resolve it. Throws YAML_INVALID, RECORD_INVALID, REFERENCE_INVALID.
 */
export function unrecordedImages(
  settings: Pick<Settings, 'directory'>,
  files: Files,
  base: PinnedReference,
): UnrecordedImage[] {
  const known = new Set(notRetired(readRecords(settings.directory, files)).flatMap(({ record }) => digestsOf(record)))
  const wanted = new Map<string, UnrecordedImage>()
  const add = (image: UnrecordedImage) => {
    const { digest } = image.reference
    if (digest !== undefined && known.has(digest)) return
    const key = digest ?? image.named.join()
    const same = wanted.get(key)
    wanted.set(key, same === undefined ? image : { ...same, named: [...new Set([...same.named, ...image.named])] })
  }
  add({ reference: { ...base, tag: undefined }, kind: 'base', path: undefined, named: [] })
  for (const { text, resource } of namedImages(parseTree(settings.directory, files).parsed))
    add({ reference: parseImageReference(text), kind: 'foreign', path: resource.file.path, named: [text] })
  return [...wanted.values()]
}

/** The image of a record, and the base image whose labelled copy it is: both boot with the same values. */
function digestsOf(record: ImageRecord): OciDigest[] {
  const copied = record.kind === 'base' && record.base !== null ? [parsePinnedReference(record.base.image).digest] : []
  return [digestOf(record), ...copied]
}

/**
 * The whole change for one new image. Applying it and asking again gives no files.
 * @param others records made in this run for `unrecordedImages`
 * @param resolved what each `named` text of theirs was resolved to
 * @throws ToolError of the layout, YAML, record, ApprovedImage, ConfigMap and MachineConfig checks; nothing is half done
 */
export function proposeChange(
  settings: Settings,
  files: Files,
  record: ImageRecord,
  others: readonly ImageRecord[],
  resolved: ResolvedNames = new Map(),
): RepositoryChange {
  const { parsed, skipped, resources, following } = checkTree(settings, files)
  const image = parsePinnedReference(record.image)
  const writes = new Map<string, string>()

  const records = addRecords(settings.directory, files, [...others, record], writes)
  const machineConfigs = changeMachineConfigs(settings, parsed, formatPinnedReference(image), writes)
  const values = new Map(settings.target.includes('trustee') ? referenceValues(records) : [])
  const lock = nextLock(settings, readLock(settings.directory, files), following, record, writes.size > 0)
  writes.set(lockPath(settings.directory), formatLock(lock))
  if (settings.target.includes('trusted-execution-clusters')) approveImages(settings, parsed, records, writes)
  if (settings.target.includes('trustee')) {
    checkConfigMap(settings.directory, settings.namespace, resources, values)
    const trusteeShape = settings.trusteeShape ?? missingShape()
    writes.set(
      configMapPath(settings.directory),
      renderConfigMap({ ...settings, trusteeShape }, values, lock.valuesFrom),
    )
  }

  return {
    files: [...writes]
      .filter(([path, content]) => files.get(path) !== content)
      .sort(([a], [b]) => (a < b ? -1 : 1))
      .map(([path, content]) => ({ path, content })),
    machineConfigs,
    followers: following,
    records,
    resolved,
    recordPath: pathOfRecord(records, record),
    values,
    valuesExpire: settings.target.includes('trustee')
      ? expiration(lock.valuesFrom, settings.valueLifetime).slice(0, 10)
      : undefined,
    kustomizations: [...files.keys()].filter(isKustomization).sort(),
    skipped,
  }
}

/** An image that no registry has: to ask for the refusals of a change before there is an image. */
const anyImage = `registry.invalid/image@sha256:${'0'.repeat(64)}`

/**
 * What would refuse any change of this tree, before anything is built. Throws as the layout, kustomization, pool and MachineConfig checks.
 */
export function checkTree(settings: Settings, files: Files): CheckedTree {
  const { parsed, skipped } = parseTree(settings.directory, files)
  const resources = parsed.flatMap(resourcesOf)
  checkLayout(settings.layout, resources)
  checkKustomizations(settings, parsed)
  checkClusterId(settings, readLock(settings.directory, files))
  const following = settings.pools
    .flatMap(pool => followers(parsed, pool))
    .filter(pool => !settings.pools.includes(pool))
  checkPools(parsed, [...settings.pools, ...following])
  changeMachineConfigs(settings, parsed, anyImage, new Map())
  return { parsed, skipped, resources, following }
}

interface CheckedTree {
  readonly parsed: readonly YamlFile[]
  readonly skipped: readonly string[]
  readonly resources: readonly Resource[]
  /** Pools that get the image along with those asked for. */
  readonly following: readonly string[]
}

function checkClusterId({ clusterId: wanted, directory }: Settings, lock: Lock | undefined): void {
  const locked = lock?.cluster.id
  if (wanted === undefined || locked === undefined || locked === null || wanted === locked) return
  throw new ToolError('CLUSTER_DIFFERS', 'the lock is that of another cluster', {
    found: `cluster id ${locked}`,
    wanted: `cluster-id ${wanted}`,
    where: { source: lockPath(directory) },
    hint: 'check directory and cluster-id: one directory is for one cluster',
  })
}

function addRecords(
  directory: string,
  files: Files,
  added: readonly ImageRecord[],
  writes: Map<string, string>,
): StoredRecord[] {
  const records = readRecords(directory, files)
  for (const record of added) {
    const path = placeOfRecord(directory, records, record)
    if (path === undefined) continue
    records.push({ path, record })
    writes.set(path, formatRecord(record))
  }
  return records
}

function pathOfRecord(records: readonly StoredRecord[], record: ImageRecord): string {
  const same = notRetired(records).filter(one => digestOf(one.record) === digestOf(record))
  return same.at(-1)?.path ?? ''
}

/** Pools one after another: two of them may stand in one file. */
function changeMachineConfigs(
  settings: Settings,
  parsed: readonly YamlFile[],
  image: string,
  writes: Map<string, string>,
): MachineConfigChange[] {
  let current = parsed
  return settings.pools.map(pool => {
    const at = { directory: settings.directory, pool, nameTemplate: settings.machineConfigName }
    const change = changeMachineConfig(current, at, image)
    const changed = parseYamlFile(change.path, change.content)
    current = [...current.filter(({ path }) => path !== change.path), changed]
    if (change.from !== image) writes.set(change.path, change.content)
    return change
  })
}

function approveImages(
  settings: Settings,
  parsed: readonly YamlFile[],
  records: readonly StoredRecord[],
  writes: Map<string, string>,
): void {
  for (const { record } of notRetired(records)) {
    const image = parsePinnedReference(record.image)
    const path = approvedImagePath(settings.directory, image)
    const present = parsed.find(file => file.path === path)
    if (present !== undefined) checkApprovedImage(present, image, settings.namespace)
    else if (!writes.has(path)) writes.set(path, renderApprovedImage(image, settings.namespace))
  }
}

function nextLock(
  settings: Settings,
  old: Lock | undefined,
  following: readonly string[],
  record: ImageRecord,
  changed: boolean,
): Lock {
  const today = record.created.slice(0, 10)
  const lock = old ?? emptyLock(today)
  const asked = settings.pools.map(pool => [
    pool,
    { image: record.image, platforms: [], inheritedBy: pool === 'worker' ? [...following] : [] },
  ])
  return {
    ...lock,
    cluster: { ...lock.cluster, id: settings.clusterId ?? lock.cluster.id },
    pools: { ...lock.pools, ...Object.fromEntries(asked) },
    valuesFrom: changed && today > lock.valuesFrom ? today : lock.valuesFrom,
  }
}

function missingShape(): never {
  throw new ToolError('SETTING_MISSING', 'trustee-shape is required for target trustee', { wanted: 'list or map' })
}
