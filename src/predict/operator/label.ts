// Whether an image needs the label org.coreos.pcrs for the operator to know its values, and what it says then (design D13).

import { ToolError } from '../../errors.ts'
import type { BootFile } from '../../image/boot-file.ts'
import { checkOperatorApproval, checkOperatorCanCompute } from '../coverage.ts'
import { labelledPcrs } from '../output/compute-pcrs.ts'
import { formatPcrLabel, parsePcrLabel } from '../output/pcr-label.ts'
import type { Prediction } from '../prediction.ts'
import { checkOperatorLabel } from './images.ts'

export const pcrLabelName = 'org.coreos.pcrs'

export interface ImageToLabel {
  /** Digest, or a name. */
  readonly digest: string
  readonly files: readonly BootFile[]
  readonly os: { readonly id: string | null; readonly versionId: string | null }
  readonly imageLabels: Readonly<Record<string, string>>
  readonly predictions: readonly Prediction[]
}

/** What to do with the label: nothing, or set it to a text, or take one away that tells other values. */
export type LabelChange = { readonly kind: 'none' | 'remove' } | { readonly kind: 'set'; readonly text: string }

/**
 * The operator takes a label that it can read before it computes anything. So a label that tells the predicted values stays; another one,
 * mostly that of the base image, which builders pass on, goes; and one is written only where the operator's own job cannot compute the
 * image. With `never` nothing is changed. Throws OPERATOR_WOULD_NOT_APPROVE where the operator would publish other values or none.
 */
export function labelChange(image: ImageToLabel, wanted: 'auto' | 'never'): LabelChange {
  const { predictions, files, os } = image
  for (const prediction of predictions) checkOperatorApproval(prediction)
  const told = refusal(() => checkOperatorLabel({ ...image, label: labelOf(image) }, predictions))
  if (told === undefined && isLabelled(image)) return { kind: 'none' }
  const computed = refusal(() => checkOperatorCanCompute(files, os))
  if (wanted === 'never') {
    const why = told ?? computed
    if (why !== undefined) throw why
    return { kind: 'none' }
  }
  if (computed === undefined) return { kind: told === undefined ? 'none' : 'remove' }
  return { kind: 'set', text: labelText(predictions, computed) }
}

/** Whether the operator finds a label that it can read. */
export function isLabelled(image: Pick<ImageToLabel, 'digest' | 'imageLabels'>): boolean {
  const label = labelOf(image)
  if (label === undefined) return false
  try {
    parsePcrLabel(label, image.digest)
    return true
  } catch (error) {
    if (error instanceof ToolError) return false
    throw error
  }
}

function labelOf({ imageLabels }: Pick<ImageToLabel, 'imageLabels'>): string | undefined {
  return Object.hasOwn(imageLabels, pcrLabelName) ? imageLabels[pcrLabelName] : undefined
}

/** A label holds one boot. `why` says why the image needs it. */
function labelText(predictions: readonly Prediction[], why: ToolError): string {
  const texts = new Set(predictions.map(prediction => oneLabel(prediction, why)))
  const [only, ...others] = texts
  if (only !== undefined && others.length === 0) return only
  throw noLabelEither(why, `a label holds one boot, and ${texts.size} are predicted`)
}

function oneLabel(prediction: Prediction, why: ToolError): string {
  try {
    return formatPcrLabel(labelledPcrs(prediction, [4, 14]))
  } catch (error) {
    if (!(error instanceof ToolError) || error.code !== 'FORMAT_CANNOT_EXPRESS') throw error
    throw noLabelEither(why, error.found ?? error.message)
  }
}

function noLabelEither({ found = '', wanted = '', where }: ToolError, instead: string): ToolError {
  return new ToolError('OPERATOR_WOULD_NOT_APPROVE', 'neither the operator’s job nor a label can give the values', {
    found: `${found}; ${instead}`,
    wanted,
    where,
    hint: 'use target trustee',
  })
}

function refusal(check: () => void): ToolError | undefined {
  try {
    check()
    return undefined
  } catch (error) {
    if (error instanceof ToolError && error.code === 'OPERATOR_WOULD_NOT_APPROVE') return error
    throw error
  }
}
