// Mixes, and what the operator publishes, for people: what `predict --mixes` and `--as-operator` print without --json.

import type { OperatorPublication } from '../operator/publication.ts'
import { fold, valueLines } from '../table.ts'
import type { PredictedMixes, SkippedMix } from './mixes.ts'
import type { Mix, MixOrigin } from './values.ts'

/** Numbers the images of the history, oldest first, and names each boot by two numbers. At most 80 columns wide. */
export function mixLines(images: readonly string[], { mixes, skipped }: PredictedMixes): string[] {
  const numberOf = (image: string) => `${images.indexOf(image) + 1}`
  const boot = ({ bootLoader, kernel }: Pick<MixOrigin, 'bootLoader' | 'kernel'>) =>
    `boot loader ${numberOf(bootLoader)}, kernel ${numberOf(kernel)}: `
  return [
    'Images',
    ...images.flatMap(image => fold(`  ${numberOf(image).padStart(3)} `, image)),
    ...mixes.flatMap(mix => ['', ...mixHeading(mix), ...mix.values.flatMap(value => valueOfMix(mix.pcr, value, boot))]),
    ...(skipped.length === 0 ? [] : ['', 'Mixes without a value']),
    ...skipped.flatMap(mix => fold('  ', `${boot(mix)}${whySkipped(mix)}`)),
  ]
}

function mixHeading({ platform, secureBoot, pcr, values }: Mix): string[] {
  const count = values.length === 1 ? 'one value' : `${values.length} values`
  return fold('', `PCR ${pcr}, ${platform ?? 'any platform'}, Secure Boot ${secureBoot ? 'on' : 'off'}: ${count}`)
}

function valueOfMix(
  pcr: number,
  { from, ...banks }: Mix['values'][number],
  boot: (origin: MixOrigin) => string,
): string[] {
  const [, ...lines] = valueLines({ [pcr]: banks })
  return [...lines, ...from.flatMap(origin => fold('      ', `${boot(origin)}${origin.because}`))]
}

function whySkipped({ platform, code, because }: SkippedMix): string {
  return `${platform === null ? '' : `on ${platform} `}${because} (${code})`
}

/** The published reference values by name, then what the operator gives up. */
export function publicationLines({ values, warnings }: OperatorPublication): string[] {
  const lines = Object.entries(values).flatMap(([name, published]) => [name, ...published.map(value => `  ${value}`)])
  return [...lines, ...warnings.flatMap(warning => fold('Warning: ', warning))]
}
