// A prediction as compute-pcrs prints it, which is also the content of the label org.coreos.pcrs.

import type { MeasuredEvent, Prediction, PredictionDocument } from '../prediction.ts'
import { cannotExpress, nameOf, onePrediction, sha256Value } from './choice.ts'
import { type EventId, eventIds, formatPcrLabel, type LabelledEvent, type LabelledPcr } from './pcr-label.ts'

const format = 'compute-pcrs'

/** PCRs that compute-pcrs knows, in its order. */
const knownPcrs = [4, 7, 11, 14] as const
type KnownPcr = (typeof knownPcrs)[number]

/** What compute-pcrs calls the sections of a UKI, by the middle of the id. */
const sections: ReadonlyMap<string, string> = new Map(
  ['linux', 'osrel', 'cmdline', 'initrd', 'uname', 'sbat'].map(name => [name, `.${name}`]),
)

/** Every predicted PCR of the one prediction. Throws FORMAT_CANNOT_EXPRESS. */
export function formatComputePcrs(document: Pick<PredictionDocument, 'predictions'>): string {
  const prediction = onePrediction(document, format)
  const predicted = Object.keys(prediction.pcrs).map(Number)
  const label = labelledPcrs(prediction, predicted)
  const unknown = predicted.find(pcr => !knownPcrs.some(known => known === pcr))
  if (unknown !== undefined)
    throw cannotExpress(format, `PCR ${unknown} of ${nameOf(prediction)}`, `PCR ${knownPcrs.join(', ')} only`)
  return formatPcrLabel(label)
}

/**
 * The chosen PCRs of a prediction with their events; a label wants 4 and 14 (design D13). Throws FORMAT_CANNOT_EXPRESS for a PCR
 * that is not predicted and for an event that TPMEventID has no name for, has a name for once only, or would put elsewhere: the
 * operator sorts events by their ids and keeps one for each.
 */
export function labelledPcrs(prediction: Prediction, pcrs: readonly number[]): LabelledPcr[] {
  return knownPcrs.filter(pcr => pcrs.includes(pcr)).map(pcr => labelledPcr(prediction, pcr))
}

function labelledPcr(prediction: Prediction, pcr: KnownPcr): LabelledPcr {
  const events = prediction.events.filter(event => event.pcr === pcr).map(labelledEvent)
  if (prediction.pcrs[`${pcr}`] === undefined || events.length === 0)
    throw cannotExpress(format, `no event of PCR ${pcr} for ${nameOf(prediction)}`, `PCR ${pcr}`)
  for (const [index, { id }] of events.entries()) {
    const before = events[index - 1]
    if (before !== undefined && eventIds.indexOf(before.id) >= eventIds.indexOf(id))
      throw cannotExpress(format, `${id} after ${before.id}`, 'every event once, in the order of TPMEventID')
  }
  return { id: pcr, value: sha256Value(prediction, `${pcr}`, format), events }
}

function labelledEvent({ pcr, part, type, digests, because }: MeasuredEvent): LabelledEvent {
  const id = eventIds.find(known => known === part)
  if (id === undefined)
    throw cannotExpress(
      format,
      `the event ${part} in PCR ${pcr} (${because})`,
      'events that compute-pcrs has a name for',
      'use --format json, or trustee for reference values',
    )
  return { name: pcr === 11 ? sectionName(id) : type, pcr, hash: digests.sha256, id }
}

/** `.linux` for Pcr11Linux, `.linux_CONTENT` for Pcr11LinuxContent. */
function sectionName(id: EventId): string {
  const [, middle = '', content] = /^Pcr11(.*?)(Content)?$/.exec(id) ?? []
  return `${sections.get(middle.toLowerCase()) ?? middle}${content === undefined ? '' : '_CONTENT'}`
}
