// The shape of a record: interface §3 (record) and §2 (predictions, of which a record keeps the sha256 bank).

import * as v from 'valibot'

const text = v.pipe(v.string(), v.maxLength(4096))
const sha256 = v.pipe(v.string(), v.regex(/^[0-9a-f]{64}$/, 'expected 64 lower-case hex digits'))
const pinned = v.pipe(
  v.string(),
  v.maxLength(512),
  v.regex(/^[^\s@]+\/[^\s@]+@sha256:[0-9a-f]{64}$/, 'expected registry/repository@sha256:<64 hex digits>'),
)
const time = v.pipe(
  v.string(),
  v.regex(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ$/, 'expected a time like 2026-11-21T02:00:00Z'),
)
const pcr = v.pipe(v.number(), v.integer(), v.minValue(0), v.maxValue(23))
const list = <S extends v.BaseSchema<unknown, unknown, v.BaseIssue<unknown>>>(item: S, most: number) =>
  v.pipe(v.array(item), v.maxLength(most))

/** One package; its checksum under the algorithm of the repository's metadata, almost always sha256. */
export const recordedPackageSchema = v.strictObject({
  name: text,
  epoch: v.pipe(v.number(), v.integer(), v.minValue(0)),
  version: text,
  release: text,
  arch: text,
  sha256: v.optional(sha256),
  sha384: v.optional(v.pipe(v.string(), v.regex(/^[0-9a-f]{96}$/))),
  sha512: v.optional(v.pipe(v.string(), v.regex(/^[0-9a-f]{128}$/))),
  size: v.pipe(v.number(), v.integer(), v.minValue(0)),
  location: text,
  signer: v.nullable(text),
})

const partCoverage = v.strictObject({ pcr: v.nullable(pcr), because: v.optional(text) })

export const recordedPredictionSchema = v.strictObject({
  platform: v.nullable(text),
  secureBoot: v.boolean(),
  bootChain: v.picklist([
    'shim-grub-linux',
    'grub-linux',
    'uki',
    'shim-uki',
    'systemd-boot-uki',
    'systemd-boot-linux',
    'shim-systemd-boot-uki',
  ]),
  calibration: v.picklist(['matched', 'uncalibrated']),
  pcrs: v.record(v.pipe(v.string(), v.regex(/^(?:\d|1\d|2[0-3])$/)), v.strictObject({ sha256 })),
  events: list(
    v.strictObject({ pcr, type: text, digests: v.strictObject({ sha256 }), part: text, because: text }),
    10_000,
  ),
  coverage: v.strictObject({
    shim: partCoverage,
    'boot-loader': partCoverage,
    kernel: partCoverage,
    initramfs: partCoverage,
    'command-line': partCoverage,
    'root-file-system': partCoverage,
  }),
  notPredicted: list(v.strictObject({ pcr, because: text }), 100),
  notes: list(text, 1000),
})

export const recordSchema = v.strictObject({
  schemaVersion: v.literal(1),
  image: pinned,
  kind: v.picklist(['layered', 'base', 'boot-image', 'foreign']),
  /** null for an image that no change of ours built. */
  changeKey: v.nullable(sha256),
  created: time,
  base: v.nullable(
    v.strictObject({
      image: pinned,
      from: text,
      tag: v.nullable(text),
      layerDiffIds: v.strictObject({
        count: v.pipe(v.number(), v.integer(), v.minValue(0)),
        chainDigest: v.pipe(v.string(), v.regex(/^sha256:[0-9a-f]{64}$/)),
      }),
    }),
  ),
  kernel: v.strictObject({ release: v.nullable(text), packages: list(recordedPackageSchema, 1000) }),
  extraPackages: list(recordedPackageSchema, 1000),
  build: v.nullable(
    v.strictObject({
      containerfileSha256: sha256,
      builder: text,
      isolation: v.nullable(text),
      network: v.nullable(text),
      runUrl: v.nullable(text),
    }),
  ),
  pcrLabel: v.boolean(),
  bootFiles: list(
    v.strictObject({
      role: text,
      path: text,
      layer: v.nullable(text),
      size: v.pipe(v.number(), v.integer(), v.minValue(0)),
      sha256,
      authenticode: v.optional(v.strictObject({ sha256 })),
      signedBy: v.optional(list(text, 100)),
    }),
    1000,
  ),
  predictions: list(recordedPredictionSchema, 1000),
  mixes: list(v.never(), 0),
  tool: v.strictObject({ name: text, version: text }),
  retired: v.optional(v.strictObject({ at: time, branch: text, evidenceSha256: sha256 })),
})

export type RecordedPackage = v.InferOutput<typeof recordedPackageSchema>
export type RecordedPrediction = v.InferOutput<typeof recordedPredictionSchema>
/** What is kept of one image for ever: where it came from, what boots from it, what the TPM will hold. */
export type ImageRecord = v.InferOutput<typeof recordSchema>
