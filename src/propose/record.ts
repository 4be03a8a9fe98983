// Records of images: os-images/osimg-<32 hex>[-<n>].yaml, append-only. Interface §3.

import type { OciDigest } from '../formats/oci/digest.ts'
import { type PinnedReference, parsePinnedReference } from '../formats/oci/reference.ts'
import { formatEvr } from '../formats/rpm/version.ts'
import type { RepositoryPackage } from '../kernel/kernel-packages.ts'
import type { BootFileFacts, Prediction } from '../predict/prediction.ts'
import { canonicalJson } from './canonical-json.ts'
import { below, imageName } from './names.ts'
import { type ImageRecord, type RecordedPackage, type RecordedPrediction, recordSchema } from './record-schema.ts'
import { checkShape, readValidated } from './validated.ts'
import { formatYaml } from './yaml-text.ts'

/** A record and the file that holds it. */
export interface StoredRecord {
  readonly path: string
  readonly record: ImageRecord
}

/** The record as text: keys in the order of the contract, so that the same record is always the same bytes. Throws RECORD_INVALID. */
export function formatRecord(record: ImageRecord): string {
  return formatYaml(checkShape(recordSchema, record, record.image))
}

/** Throws YAML_INVALID or RECORD_INVALID with file and place. */
export function parseRecord(path: string, text: string): ImageRecord {
  return readValidated(recordSchema, path, text)
}

/** All records below a cluster's directory, by path. Files in os-images/ with other names are not records. */
export function readRecords(directory: string, files: ReadonlyMap<string, string>): StoredRecord[] {
  const start = below(directory, 'os-images/')
  return [...files]
    .filter(
      ([path]) => path.startsWith(start) && /^osimg-[0-9a-f]{32}(?:-\d{1,6})?\.yaml$/.test(path.slice(start.length)),
    )
    .sort(([a], [b]) => (a < b ? -1 : 1))
    .map(([path, text]) => ({ path, record: parseRecord(path, text) }))
}

/** The digest that a record is about. */
export function digestOf(record: ImageRecord): OciDigest {
  return parsePinnedReference(record.image).digest
}

/** The base image that an image is, or was built on; undefined for an image that others built. */
export function baseReferenceOf({ kind, image, base }: ImageRecord): PinnedReference | undefined {
  if (base !== null) return parsePinnedReference(base.image)
  return kind === 'base' ? parsePinnedReference(image) : undefined
}

/** Its digest. */
export function baseDigestOf(record: ImageRecord): OciDigest | undefined {
  return baseReferenceOf(record)?.digest
}

/** Records that still count. */
export function notRetired(records: readonly StoredRecord[]): StoredRecord[] {
  return records.filter(({ record }) => record.retired === undefined)
}

/**
 * Where a new record goes: undefined when a record of this digest that is not retired predicts the same already, else the first free
 * name, `osimg-<32 hex>.yaml`, `…-2.yaml`, `…-3.yaml`.
 */
export function placeOfRecord(
  directory: string,
  stored: readonly StoredRecord[],
  record: ImageRecord,
): string | undefined {
  const digest = digestOf(record)
  const predicted = canonicalJson(record.predictions)
  const same = notRetired(stored).some(
    one => digestOf(one.record) === digest && canonicalJson(one.record.predictions) === predicted,
  )
  if (same) return undefined
  const taken = new Set(stored.map(({ path }) => path))
  const name = below(directory, `os-images/${imageName(digest)}`)
  for (let number = 1; ; number++) {
    const path = number === 1 ? `${name}.yaml` : `${name}-${number}.yaml`
    if (!taken.has(path)) return path
  }
}

/** A package as the record keeps it, with the fingerprint of the key that signed it. Credentials in its URL are left out. */
export function recordedPackage(from: RepositoryPackage, signer: string | null): RecordedPackage {
  return {
    name: from.name,
    epoch: from.evr.epoch,
    version: from.evr.version,
    release: from.evr.release,
    arch: from.arch,
    [from.checksumType]: from.checksum,
    size: from.size,
    location: from.location.replace(/^([a-z]+:\/\/)[^/@]*@/, '$1'),
    signer,
  }
}

/** `name-[epoch:]version-release.arch` */
export function packageLabel(one: RecordedPackage): string {
  return `${one.name}-${formatEvr(one)}.${one.arch}`
}

/** A prediction as the record keeps it: sha256 only. Values of other banks are not reference values of any target. */
export function recordedPrediction(from: Prediction): RecordedPrediction {
  return {
    platform: from.platform,
    secureBoot: from.secureBoot,
    bootChain: from.bootChain,
    calibration: from.calibration,
    pcrs: Object.fromEntries(
      Object.entries(from.pcrs).flatMap(([pcr, { sha256 }]) => (sha256 === undefined ? [] : [[pcr, { sha256 }]])),
    ),
    events: from.events.map(({ pcr, type, digests, part, because }) => ({
      pcr,
      type,
      digests: { sha256: digests.sha256 },
      part,
      because,
    })),
    coverage: from.coverage,
    notPredicted: [...from.notPredicted],
    notes: [...from.notes],
  }
}

/** A boot file as the record keeps it. */
export function recordedBootFile(from: BootFileFacts): ImageRecord['bootFiles'][number] {
  const authenticode = from.authenticode?.sha256
  return {
    role: from.role,
    path: from.path,
    layer: from.layer,
    size: from.size,
    sha256: from.sha256,
    ...(authenticode === undefined ? {} : { authenticode: { sha256: authenticode } }),
    ...(from.signedBy === undefined ? {} : { signedBy: [...from.signedBy] }),
  }
}
