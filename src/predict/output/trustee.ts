// Reference values for Trustee: the two shapes of its ConfigMap, and tuples that a policy of ours reads.

import { ToolError } from '../../errors.ts'
import type { TrusteeShape } from '../../settings/settings.ts'
import type { Mix } from '../mixes/values.ts'
import type { Prediction, PredictionDocument } from '../prediction.ts'
import { cannotExpress, sha256Value } from './choice.ts'
import { mixedValue, tuplePolicy, tuplesName, tuplesOf } from './trustee-tuples.ts'

const format = 'trustee'

/**
 * Names of reference values by PCR, as policies read them: 4 and 14 the policy of the trusted-execution-clusters operator
 * (operator/src/tpm.rego), 11 the policy that Trustee comes with (ear_default_policy_cpu.rego), one name for each kind of machine.
 * No published policy reads PCR 7; the tuples hold it.
 */
const valueNames: ReadonlyMap<string, readonly string[]> = new Map([
  ['4', ['tpm_pcr4']],
  ['11', ['tpm_pcr11', 'snp_pcr11', 'tdx_pcr11']],
  ['14', ['tpm_pcr14']],
])

export type TrusteeDocument = Pick<PredictionDocument, 'predictions'> & { readonly mixes?: readonly Mix[] }

export interface TrusteeOptions {
  readonly shape: TrusteeShape | 'tuples' | undefined
  /** When the values expire, `YYYY-MM-DDTHH:MM:SSZ`: Trustee reads no other form. */
  readonly expires: string
}

/**
 * `list`: what stands under `reference-values.json` of the ConfigMap, `map`: under `reference_value`, `tuples`: a map of one
 * value, beside the policy that reads it. Throws SETTING_MISSING without a shape, FORMAT_CANNOT_EXPRESS.
 */
export function formatTrustee(document: TrusteeDocument, { shape, expires }: TrusteeOptions): string {
  return `${JSON.stringify(contentOf(document, shape, expires), null, 2)}\n`
}

function contentOf(document: TrusteeDocument, shape: TrusteeOptions['shape'], expires: string): unknown {
  if (shape === undefined)
    throw new ToolError('SETTING_MISSING', 'trustee-shape is not given', {
      wanted: 'list, map or tuples',
      where: { path: 'trustee-shape' },
      hint: 'see which shape the reference values of this Trustee have',
    })
  if (shape === 'tuples') {
    const value = tuplesOf(document.predictions, document.mixes ?? [])
    return { referenceValues: { [tuplesName]: { expiration: expires, value } }, policy: tuplePolicy }
  }
  const values = [...namedValues(document)]
  if (shape === 'map') return Object.fromEntries(values.map(([name, value]) => [name, { expiration: expires, value }]))
  return values.map(([name, value]) => ({
    name,
    expired: expires,
    'hash-value': value.map(hex => ({ alg: 'sha256', value: hex })),
  }))
}

/** Name → values, sorted, each once: the union over predictions and mixes. */
function namedValues({ predictions, mixes = [] }: TrusteeDocument): Map<string, string[]> {
  const named = [...valueNames].flatMap(([pcr, names]) => {
    const predicted = predictions.flatMap(prediction =>
      prediction.pcrs[pcr] === undefined ? [] : [sha256Value(prediction, pcr, format)],
    )
    const mixed = mixes
      .filter(mix => `${mix.pcr}` === pcr && belongs(mix, predictions))
      .flatMap(({ values }) => values.map(value => mixedValue(value, pcr)))
    const values = [...new Set([...predicted, ...mixed])].sort()
    return values.length === 0 ? [] : names.map((name): [string, string[]] => [name, values])
  })
  if (named.length === 0)
    throw cannotExpress(format, 'no PCR that a policy reads', `PCR ${[...valueNames.keys()].join(', ')}`)
  return new Map(named)
}

/** Of a platform and a state that are predicted here too. */
function belongs(mix: Mix, predictions: readonly Prediction[]): boolean {
  return predictions.some(({ platform, secureBoot }) => platform === mix.platform && secureBoot === mix.secureBoot)
}
