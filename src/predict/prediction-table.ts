// A prediction for people: what `predict` prints without --json.

import type { Prediction, PredictionDocument } from './prediction.ts'
import { fold, valueLines } from './table.ts'

/** The whole document as text; ends with a newline. */
export function predictionTable(document: PredictionDocument): string {
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

function predictionLines(prediction: Prediction): string[] {
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
    ...prediction.notes.flatMap(note => fold('  Note: ', note)),
  ]
}
