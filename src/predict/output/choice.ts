// Which predictions of a document an output format takes, and what it says of the others.

import { ToolError } from '../../errors.ts'
import type { Prediction, PredictionDocument } from '../prediction.ts'

/** Refuses what a format has no form for. `found` says what, `wanted` what it could hold. */
export function cannotExpress(format: string, found: string, wanted: string, hint?: string): ToolError {
  return new ToolError('FORMAT_CANNOT_EXPRESS', `the format ${format} cannot hold this prediction`, {
    found,
    wanted,
    where: { step: 'predict' },
    ...(hint === undefined ? {} : { hint }),
  })
}

/** The one prediction of a document. Throws FORMAT_CANNOT_EXPRESS for several: formats of one machine have no place to say which. */
export function onePrediction(document: Pick<PredictionDocument, 'predictions'>, format: string): Prediction {
  const [only, ...others] = document.predictions
  if (only !== undefined && others.length === 0) return only
  throw cannotExpress(
    format,
    only === undefined ? 'no prediction' : `${document.predictions.map(nameOf).join('; ')}`.slice(0, 500),
    'one prediction',
    'choose one with --platform and --secure-boot',
  )
}

/**
 * Predictions that may become reference values (interface §2, "Secure Boot state"): where one platform is predicted both ways, nothing
 * said that Secure Boot is off there, and the prediction without it, which attests no kernel, is left out.
 */
export function approvedPredictions(predictions: readonly Prediction[]): Prediction[] {
  return predictions.filter(
    ({ platform, secureBoot }) =>
      secureBoot || !predictions.some(other => other.platform === platform && other.secureBoot),
  )
}

/** For people: platform and Secure Boot state. */
export function nameOf({ platform, secureBoot }: Pick<Prediction, 'platform' | 'secureBoot'>): string {
  return `${platform ?? 'any platform'}, Secure Boot ${secureBoot ? 'on' : 'off'}`
}

/** The value in the SHA-256 bank of a PCR that is predicted. Throws FORMAT_CANNOT_EXPRESS when only other banks were asked for. */
export function sha256Value(prediction: Prediction, pcr: string, format: string): string {
  const value = prediction.pcrs[pcr]?.sha256
  if (value !== undefined) return value
  throw cannotExpress(
    format,
    `PCR ${pcr} in ${Object.keys(prediction.pcrs[pcr] ?? {}).join(', ')} only`,
    'the bank sha256',
    'add --bank sha256',
  )
}
