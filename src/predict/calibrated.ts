// Marks predictions that the platform's own event log confirms (design D19; interface §2, `calibration`).

import { parseEventLog } from '../formats/tcg/event-log.ts'
import { calibrate } from './calibration.ts'
import type { Platform } from './platform/platform.ts'
import type { Prediction } from './prediction.ts'

/**
 * The prediction as `matched` when the log of its platform replays to it, or to what another image given is predicted to show there; else
 * with a note on where it differs. Without a log nothing changes. `others`: of other images, for the same platforms. Throws EVENT_LOG_INVALID.
 */
export function calibrated(
  prediction: Prediction,
  platforms: readonly Platform[],
  others: readonly Prediction[],
): Prediction {
  const platform = platforms.find(({ name }) => name === prediction.platform)
  if (platform?.eventLog === undefined) return prediction
  const log = parseEventLog(platform.eventLog, `eventlog.bin of platform ${platform.name}`)
  const own = calibrate(prediction, log)
  const same = others.filter(
    other => other.platform === prediction.platform && other.secureBoot === prediction.secureBoot,
  )
  if (own.calibration === 'matched' || same.some(other => calibrate(other, log).calibration === 'matched'))
    return { ...prediction, calibration: 'matched' }
  const [first] = own.differences
  const where = first === undefined ? '' : `: PCR ${first.pcr}, ${first.because}`
  return {
    ...prediction,
    notes: [...prediction.notes, `the event log of platform ${platform.name} is of none of the images given${where}`],
  }
}
