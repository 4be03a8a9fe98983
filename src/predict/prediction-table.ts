// A prediction for people: what `predict` prints without --json.

import type { Prediction, PredictionDocument } from './prediction.ts'
import type { SubstitutedPrediction } from './substitution/substituted-prediction.ts'
import { fold, valueLines } from './table.ts'

/** The whole document as text; ends with a newline. */
export function predictionTable(document: PredictionDocument<Prediction | SubstitutedPrediction>): string {
  const lines = [
    ...(document.image === null ? [] : imageLines(document.image)),
    'Boot files',
    ...document.bootFiles.flatMap(({ role, path, signedBy }) => [
      ...fold(`  ${role.padEnd(10)} `, path),
      ...(signedBy === undefined
        ? []
        : fold(' '.repeat(13), signedBy[0] === undefined ? 'not signed' : `signed by ${signedBy[0]}`)),
    ]),
    ...document.predictions.flatMap(predictionLines),
  ]
  return `${lines.join('\n')}\n`
}

function imageLines(image: NonNullable<PredictionDocument['image']>): string[] {
  return [
    ...fold('Image      ', image.digest === null ? image.source : `${image.source} ${image.digest}`),
    ...fold('Kernel     ', image.kernelRelease ?? 'names no release'),
    '',
  ]
}

function predictionLines(prediction: Prediction | SubstitutedPrediction): string[] {
  const { secureBoot, bootChain, calibration, platform } = prediction
  return [
    '',
    ...fold(
      '',
      `Secure Boot ${secureBoot ? 'on' : 'off'}, ${bootChain}, ${platform ?? 'any platform'}, ${calibration}`,
    ),
    ...valueLines(prediction.pcrs),
    '  Events',
    ...prediction.events.flatMap(event => fold(`   ${`${event.pcr}`.padStart(3)} `, `${event.part}: ${event.because}`)),
    '  Attested',
    ...Object.entries(prediction.coverage).flatMap(([part, { pcr, because }]) =>
      fold(`    ${part.padEnd(17)} `, pcr === null ? `no: ${because ?? ''}` : `by PCR ${pcr}`),
    ),
    ...notPredictedLines(prediction),
    ...('assumed' in prediction ? assumedLines(prediction) : []),
    ...prediction.notes.flatMap(note => fold('  Note: ', note)),
  ]
}

/** PCRs with the same reason stand together. */
function notPredictedLines({ notPredicted }: Pick<Prediction, 'notPredicted'>): string[] {
  const reasons = [...new Set(notPredicted.map(({ because }) => because))]
  return [
    ...(reasons.length === 0 ? [] : ['  Not predicted']),
    ...reasons.flatMap(reason => {
      const pcrs = notPredicted.filter(({ because }) => because === reason).map(({ pcr }) => pcr)
      return fold('    ', `PCR ${pcrs.join(', ')}: ${reason}`)
    }),
  ]
}

/** What was taken from the recorded log: RTMR values, and which of its events have to be the same, by PCR or RTMR. */
function assumedLines({ assumed, rtmr }: SubstitutedPrediction): string[] {
  const ordered = (indexes: readonly number[]) => [...new Set(indexes)].sort((a, b) => a - b)
  const pcrs = ordered(assumed.map(({ pcr }) => pcr))
  const inRtmrs = rtmr?.assumed ?? []
  const rtmrs = ordered(inRtmrs.map(({ rtmr: index }) => index))
  return [
    ...Object.entries(rtmr?.rtmrs ?? {}).flatMap(([index, value]) => fold(`  RTMR ${index} sha384 `, value)),
    ...(rtmr?.notPredicted ?? []).flatMap(({ rtmr: index, because }) =>
      fold(`  RTMR ${index} `, `not predicted: ${because}`),
    ),
    ...(pcrs.length + rtmrs.length === 0 ? [] : ['  Assumed from the log']),
    ...pcrs.flatMap(pcr => {
      const own = assumed.filter(event => event.pcr === pcr)
      return fold(`   ${`${pcr}`.padStart(3)} `, `${eventCount(own.length)}: ${own[0]?.because ?? ''}`)
    }),
    ...rtmrs.map(index => `    RTMR ${index}: ${eventCount(inRtmrs.filter(event => event.rtmr === index).length)}`),
  ]
}

const eventCount = (count: number) => (count === 1 ? '1 event' : `${count} events`)
