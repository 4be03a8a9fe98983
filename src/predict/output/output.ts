// What `predict --format` prints beside table and json: formats of other programs, each a pure function of the document.

import type { PredictionDocument } from '../prediction.ts'
import { formatComputePcrs } from './compute-pcrs.ts'
import { formatKeylime, type KeylimeOptions } from './keylime.ts'
import { formatPcrlock } from './pcrlock.ts'
import { formatTrustee, type TrusteeDocument, type TrusteeOptions } from './trustee.ts'

/** What the formats need beside the document; each takes its own. */
export type OutputOptions = TrusteeOptions & KeylimeOptions

export type OutputFormat = 'compute-pcrs' | 'trustee' | 'pcrlock' | 'keylime'

/** One JSON document each, with a newline at the end. They throw FORMAT_CANNOT_EXPRESS; trustee also SETTING_MISSING. */
export const outputFormats: Readonly<
  Record<OutputFormat, (document: PredictionDocument & TrusteeDocument, options: OutputOptions) => string>
> = {
  'compute-pcrs': formatComputePcrs,
  trustee: formatTrustee,
  pcrlock: formatPcrlock,
  keylime: formatKeylime,
}
