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
    ...('assumed' in prediction ? assumedLines(prediction) : []),
    ...prediction.notes.flatMap(note => fold('  Note: ', note)),
  ]
}

/** What was taken from the recorded log: RTMR values, and which of its events have to be the same, by PCR. */
function assumedLines({ assumed, rtmr }: SubstitutedPrediction): string[] {
  const pcrs = [...new Set(assumed.map(({ pcr }) => pcr))].sort((a, b) => a - b)
  return [
    ...Object.entries(rtmr?.rtmrs ?? {}).flatMap(([index, value]) => fold(`  RTMR ${index} sha384 `, value)),
    ...(rtmr?.notPredicted ?? []).flatMap(({ rtmr: index, because }) =>
      fold(`  RTMR ${index} `, `not predicted: ${because}`),
    ),
    ...(pcrs.length === 0 ? [] : ['  Assumed from the log']),
    ...pcrs.flatMap(pcr => {
      const own = assumed.filter(event => event.pcr === pcr)
      return fold(`   ${`${pcr}`.padStart(3)} `, `${own.length} events: ${own[0]?.because ?? ''}`)
    }),
  ]
}
