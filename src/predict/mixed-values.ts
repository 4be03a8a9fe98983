// Values of mixes as the output formats read them: SHA-256 only, and of each boot the parts alone that decide the value.

import { anyState } from './mix-states.ts'
import type { Mix, MixOrigin } from './mix-values.ts'
import { cannotExpress } from './output-choice.ts'
import type { MixedParts, MixedValues } from './output-trustee.ts'

/** Throws FORMAT_CANNOT_EXPRESS when the bank sha256 was not asked for. */
export function mixedValues(mixes: readonly Mix[], format: string): readonly MixedValues[] {
  return mixes.map(({ platform, secureBoot, pcr, values }) => ({
    platform,
    secureBoot,
    pcr,
    values: values.map(({ sha256, from }) => {
      if (sha256 === undefined)
        throw cannotExpress(format, `mixes of PCR ${pcr} without sha256`, 'the bank sha256', 'add --bank sha256')
      return { sha256, from: from.map(decidingParts) }
    }),
  }))
}

function decidingParts({ mok, sbatLevel, ...parts }: MixOrigin): MixedParts {
  return {
    ...parts,
    ...(mok === anyState ? {} : { mok }),
    ...(sbatLevel === anyState ? {} : { sbatLevel }),
  }
}
