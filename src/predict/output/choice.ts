// Which predictions of a document an output format takes, and what it says of the others.

import { ToolError } from '../../errors.ts'
import type { Platform } from '../platform/platform.ts'
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
 * Predictions that may become reference values (interface §2, "Secure Boot state"): without Secure Boot only where the user or the profile
 * said that it is off, since such a value may attest no kernel. A profile without keys says nothing. Throws FORMAT_CANNOT_EXPRESS when none
 * is left, and for platforms that have no TPM.
 */
export function approvedPredictions(
  predictions: readonly Prediction[],
  platforms: readonly Platform[],
  wanted: boolean | undefined,
  format: string,
): Prediction[] {
  const tdx = platforms.find(({ measurement }) => measurement === 'tdx')
  if (tdx !== undefined)
    throw cannotExpress(format, `platform ${tdx.name}, which measures into RTMRs`, 'platforms with a TPM')
  const offIsSaid = (name: string | null) =>
    wanted === false ||
    (wanted === undefined && platforms.find(platform => platform.name === name)?.secureBoot === false)
  const approved = predictions.filter(({ platform, secureBoot }) => secureBoot || offIsSaid(platform))
  if (approved.length > 0) return approved
  throw cannotExpress(
    format,
    'predictions without Secure Boot only, and nobody said that it is off',
    'a prediction with Secure Boot, or a word that it is off',
    'set --secure-boot off, or secureBoot: false in platform.yaml, if the nodes really boot without it',
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
