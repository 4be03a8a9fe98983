// A prediction with what a recorded log of the platform adds to it (interface §2, `--substitute`).

import type { Bank } from '../../formats/bytes/digest.ts'
import type { EventLog } from '../../formats/tcg/event-log.ts'
import type { BootFile } from '../../image/boot-file.ts'
import type { Platform } from '../platform/platform.ts'
import type { Prediction } from '../prediction.ts'
import { type RtmrSubstitution, substituteRtmrs } from './rtmr.ts'
import { type Substitution, substitute } from './substitution.ts'

/** `events` and `assumed` are those of the log with ours in it; `rtmr` only where the platform measures into RTMRs. */
export interface SubstitutedPrediction extends Omit<Prediction, 'events'> {
  readonly events: Substitution['events']
  readonly assumed: Substitution['assumed']
  readonly rtmr?: RtmrSubstitution
}

/** Throws LOG_UNSUITABLE. */
export function substitutedPrediction(
  prediction: Prediction,
  platform: Platform | undefined,
  given: { readonly log: EventLog; readonly files: readonly BootFile[]; readonly banks: readonly Bank[] },
): SubstitutedPrediction {
  const { log, files, banks } = given
  const wanted = { log, prediction, files, platform }
  if (platform?.measurement === 'tdx') return { ...prediction, assumed: [], rtmr: substituteRtmrs(wanted) }
  return { ...prediction, ...substitute(wanted, banks) }
}
