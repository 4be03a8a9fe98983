// From an image that was read to its record: predictions by the settings, then everything that is kept of it for ever.

import { toolVersion } from '../edge/surroundings.ts'
import { chainId } from '../formats/oci/chain.ts'
import { formatPinnedReference, type PinnedReference } from '../formats/oci/reference.ts'
import type { ImageContents } from '../image/image-contents.ts'
import { checkOperatorApproval, checkOperatorCanCompute } from '../predict/coverage.ts'
import { type ImagePrediction, predictImage } from '../predict/predict-image.ts'
import { recordedBootFile, recordedPrediction } from '../propose/record.ts'
import type { ImageRecord } from '../propose/record-schema.ts'
import type { Settings } from '../settings/settings.ts'
import type { Base } from './base-kernel.ts'

/** Secure Boot counts as on when nothing says otherwise (interface §2). Throws as `predictImage`, and OPERATOR_WOULD_NOT_APPROVE. */
export function predictFor(settings: Settings, contents: ImageContents): ImagePrediction {
  const predicted = predictImage({
    files: contents.bootFiles,
    secureBoot: settings.secureBoot ?? true,
    banks: [...new Set(['sha256' as const, ...settings.banks])],
    requireCoverage: settings.requireCoverage,
  })
  if (settings.target.includes('trusted-execution-clusters')) {
    for (const prediction of predicted.predictions) checkOperatorApproval(prediction)
    checkOperatorCanCompute(contents.bootFiles, contents.os)
  }
  return predicted
}

export interface RecordParts {
  readonly image: PinnedReference
  readonly kind: ImageRecord['kind']
  readonly contents: ImageContents
  readonly prediction: ImagePrediction
  readonly created: string
}

/** The record of an image that no change of ours built: the base, or one that a MachineConfig names. */
export function recordOf({ image, kind, contents, prediction, created }: RecordParts): ImageRecord {
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
    pcrLabel: false,
    bootFiles: prediction.bootFiles.map(recordedBootFile),
    predictions: prediction.predictions.map(recordedPrediction),
    mixes: [],
    tool: { name: 'attested-os-update', version: toolVersion() },
  }
}

/** How a record names the base of a layered image. */
export function recordedBase({ pinned, tag, contents }: Base): NonNullable<ImageRecord['base']> {
  return {
    image: formatPinnedReference(pinned),
    from: 'reference',
    tag,
    layerDiffIds: { count: contents.diffIds.length, chainDigest: chainId(contents.diffIds) ?? pinned.digest },
  }
}
