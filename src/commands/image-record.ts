// From an image that was read to its record: predictions by the settings, then everything that is kept of it for ever.

import type { BuildResult } from '../edge/builder.ts'
import type { Progress } from '../edge/progress.ts'
import type { RegistryClient } from '../edge/registry.ts'
import { type Environment, environment, runUrl, timeNow, toolVersion } from '../edge/surroundings.ts'
import { inStep } from '../errors.ts'
import { sha256Hex } from '../formats/bytes/digest.ts'
import { chainId } from '../formats/oci/chain.ts'
import type { OciDigest } from '../formats/oci/digest.ts'
import { formatPinnedReference, type PinnedReference } from '../formats/oci/reference.ts'
import { namedAs } from '../image/base-layers.ts'
import type { ImageContents } from '../image/image-contents.ts'
import { withImageLabel } from '../image/image-label.ts'
import type { ImageSource } from '../image/image-source.ts'
import type { KernelChoice } from '../kernel/choose-kernel.ts'
import { isLabelled, type LabelChange, labelChange, pcrLabelName } from '../predict/operator/label.ts'
import { type ImagePrediction, predictImage } from '../predict/predict-image.ts'
import {
  notRetired,
  recordedBootFile,
  recordedPackage,
  recordedPrediction,
  type StoredRecord,
} from '../propose/record.ts'
import type { ImageRecord } from '../propose/record-schema.ts'
import { unrecordedImages } from '../propose/repository-change.ts'
import type { Settings } from '../settings/settings.ts'
import type { Base } from './base-kernel.ts'
import type { VerifiedPackage } from './kernel-repositories.ts'
import { layerCacheOf } from './open-image.ts'
import { readImage } from './read-image.ts'

/** Secure Boot counts as on when nothing says otherwise (interface §2). Throws as `predictImage`. */
export function predictFor(settings: Settings, contents: ImageContents): ImagePrediction {
  return predictImage({
    files: contents.bootFiles,
    secureBoot: settings.secureBoot ?? true,
    banks: [...new Set(['sha256' as const, ...settings.banks])],
    requireCoverage: settings.requireCoverage,
  })
}

/** An image with what is known of it, after the label that the operator needs was put on it, or one that misleads it taken off. */
export interface LabelledImage {
  readonly image: ImageSource
  readonly contents: ImageContents
  /** What was done to the label, for the log. */
  readonly labelChanged: string | undefined
}

const labelWords = {
  set: 'the operator cannot compute this image: its values were written into its label org.coreos.pcrs',
  remove: 'the label org.coreos.pcrs, which tells the operator the values of another image, was taken away',
} as const

/** The image as it is to be proposed. Throws OPERATOR_WOULD_NOT_APPROVE, and as `withImageLabel`. */
export function labelled(
  settings: Settings,
  image: ImageSource,
  contents: ImageContents,
  { predictions }: ImagePrediction,
): LabelledImage {
  const change = labelFor(settings, contents, predictions, settings.pcrLabel)
  if (change.kind === 'none') return { image, contents, labelChanged: undefined }
  const changed = withImageLabel(image, pcrLabelName, change.kind === 'set' ? change.text : undefined)
  return {
    image: changed,
    contents: { ...namedAs(changed, image, contents), imageLabels: changed.config.imageLabels },
    labelChanged: labelWords[change.kind],
  }
}

function labelFor(
  { target }: Settings,
  { digest, bootFiles: files, os, imageLabels }: ImageContents,
  predictions: ImagePrediction['predictions'],
  wanted: 'auto' | 'never',
): LabelChange {
  if (!target.includes('trusted-execution-clusters')) return { kind: 'none' }
  return labelChange({ digest, files, os, imageLabels, predictions }, wanted)
}

/** An image that was built, or given, and passed its checks. */
export interface ReadyImage extends LabelledImage {
  /** null: something else built it. */
  readonly build: BuildResult | null
  readonly pinned: PinnedReference
  readonly prediction: ImagePrediction
  /** What it adds to its base, as a sentence. */
  readonly size: string
}

/** How a layered image came to be. */
export interface Making {
  readonly base: Base
  readonly choice: KernelChoice
  /** As downloaded: those of the kernel, then the extra ones. */
  readonly packages: readonly Pick<VerifiedPackage, 'package' | 'signer'>[]
  readonly making: { readonly kind: 'build'; readonly containerfile: string } | { readonly kind: 'given' | 'base' }
  readonly key: string
  readonly environment: Environment
}

/** The record of the new image. */
export function layeredRecord({ pinned, contents, prediction, build }: ReadyImage, making: Making): ImageRecord {
  const recorded = making.packages.map(one => recordedPackage(one.package, one.signer))
  const ofKernel = making.choice.kernel.packages.length
  return {
    ...recordOf({ image: pinned, kind: 'layered', contents, prediction, created: timeNow() }),
    changeKey: making.key,
    base: recordedBase(making.base),
    kernel: { release: contents.kernelRelease, packages: recorded.slice(0, ofKernel) },
    extraPackages: recorded.slice(ofKernel),
    build:
      build === null || making.making.kind !== 'build'
        ? null
        : {
            containerfileSha256: sha256Hex(Buffer.from(making.making.containerfile, 'utf8')),
            builder: `${build.builder} ${build.version}`,
            isolation: build.isolation,
            network: build.network,
            runUrl: runUrl(making.environment),
          },
  }
}

export interface OtherRecords {
  readonly records: readonly ImageRecord[]
  /** What each osImageURL text was resolved to. */
  readonly resolved: ReadonlyMap<string, OciDigest>
  /** The base image with a label, where the operator needs it: to be pushed beside the new image, which has all of its layers. */
  readonly labelledBase: ImageSource | undefined
}

/**
 * The base image as it is proposed or recorded, with a label where the operator needs one; its record is the one that is kept already, if there is one.
 * Throws as `predictFor` and `labelled`.
 */
export function baseRecord(
  settings: Settings,
  records: readonly StoredRecord[],
  base: Base,
): { readonly image: ReadyImage; readonly record: ImageRecord } {
  const prediction = predictFor(settings, base.contents)
  const copy = labelled(settings, base.image, base.contents, prediction)
  const isCopy = copy.image !== base.image
  const { registry, repository } = isCopy ? settings.imageRepository : base.pinned
  const pinned = { registry, repository, digest: copy.image.digest }
  const image = { ...copy, build: null, pinned, prediction, size: '' }
  const kept = notRetired(records).findLast(({ record }) => record.image === formatPinnedReference(pinned))
  const made = recordOf({ image: pinned, kind: 'base', contents: copy.contents, prediction, created: timeNow() })
  return { image, record: kept?.record ?? { ...made, base: isCopy ? recordedBase(base) : null } }
}

/** First adoption: the base, and what MachineConfigs name now, get values with the first pull request (interface §3). */
export async function recordsOfOthers(
  settings: Settings,
  registry: RegistryClient,
  files: ReadonlyMap<string, string>,
  base: Base,
  progress: Progress,
): Promise<OtherRecords> {
  const created = timeNow()
  const records: ImageRecord[] = []
  const resolved = new Map<string, OciDigest>()
  let labelledBase: ImageSource | undefined
  for (const { reference, kind, path, named } of unrecordedImages(settings, files, base.pinned)) {
    const isBase = reference.digest === base.pinned.digest
    const step = path === undefined ? 'values of the base image' : `values of osImageURL in ${path}`
    const record = await inStep(step, async () => {
      const contents = isBase
        ? base.contents
        : await readImage(await registry.openImage(reference, settings.architecture), {
            bootChain: settings.bootChain,
            cache: await layerCacheOf(environment(), settings),
            proof: 'ostree',
            progress,
          })
      for (const text of named) resolved.set(text, contents.digest)
      if (isBase) {
        const { image, record } = baseRecord(settings, [], base)
        if (image.image !== base.image) labelledBase = image.image
        return record
      }
      const prediction = predictFor(settings, contents)
      const image = { registry: reference.registry, repository: reference.repository, digest: contents.digest }
      const own = { kind, prediction, created }
      labelFor(settings, contents, prediction.predictions, 'never')
      return recordOf({ ...own, image, contents })
    })
    records.push(record)
  }
  return { records, resolved, labelledBase }
}

interface RecordParts {
  readonly image: PinnedReference
  readonly kind: ImageRecord['kind']
  readonly contents: ImageContents
  readonly prediction: ImagePrediction
  readonly created: string
}

/** The record of an image that no change of ours built: the base, or one that a MachineConfig names. */
function recordOf({ image, kind, contents, prediction, created }: RecordParts): ImageRecord {
  return {
    schemaVersion: 1,
    image: formatPinnedReference(image),
    kind,
    changeKey: null,
    created,
    base: null,
    kernel: { release: contents.kernelRelease, packages: [] },
    extraPackages: [],
    build: null,
    pcrLabel: isLabelled(contents),
    bootFiles: prediction.bootFiles.map(recordedBootFile),
    predictions: prediction.predictions.map(recordedPrediction),
    mixes: [],
    tool: { name: 'attested-os-update', version: toolVersion() },
  }
}

/** How a record names the base of a layered image. */
function recordedBase({ pinned, from, tag, contents }: Base): NonNullable<ImageRecord['base']> {
  return {
    image: formatPinnedReference(pinned),
    from,
    tag,
    layerDiffIds: { count: contents.diffIds.length, chainDigest: chainId(contents.diffIds) ?? pinned.digest },
  }
}
