// The format compute-pcrs against the files that compute-pcrs itself published, and PCR 4 of real machines.

import { describe, expect, it } from 'vitest'
import { digestInBanks, formatDigests } from '../../src/formats/bytes/digest.ts'
import { formatComputePcrs, labelledPcrs } from '../../src/predict/output/compute-pcrs.ts'
import {
  formatLabelledPcr,
  formatPcrLabel,
  type LabelledPcr,
  parseLabelledPcr,
  parsePcrLabel,
} from '../../src/predict/output/pcr-label.ts'
import type { MeasuredEvent } from '../../src/predict/prediction.ts'
import { outcome } from '../build/damage.ts'
import { measured, predictionOf } from '../build/measured.ts'
import { sayWhatIsNotChecked, shared } from './shared.ts'

sayWhatIsNotChecked('the format compute-pcrs against the published files')

const folder = 'public/compute-pcrs/qemu-ovmf/fedora-42'
const files = shared
  .names(folder)
  .flatMap(system => shared.names(folder, system).map(name => ({ system, name, label: name === 'all-pcrs.json' })))

/** Events as a prediction has them; the other banks are of no account here. */
function asPredicted(pcrs: readonly LabelledPcr[]): MeasuredEvent[] {
  const others = formatDigests(digestInBanks())
  return pcrs.flatMap(({ events }) =>
    events.map(({ name, pcr, hash, id }) => ({
      pcr,
      type: name,
      digests: { ...others, sha256: hash },
      part: id,
      because: 'published',
    })),
  )
}

describe.skipIf(shared.missing)('published files of compute-pcrs', () => {
  it('are fifteen', () => expect(files).toHaveLength(15))

  it.each(files)('$system/$name: read and written again it is the same bytes', ({ system, name, label }) => {
    const text = shared.text(folder, system, name)
    const again = label ? formatPcrLabel(parsePcrLabel(text, name)) : formatLabelledPcr(parseLabelledPcr(text, name))
    expect(again).toBe(text)
  })

  it.each(files.filter(({ label }) => label))(
    '$system: its events as a prediction give the same bytes',
    ({ system, name }) => {
      const text = shared.text(folder, system, name)
      const prediction = predictionOf(asPredicted(parsePcrLabel(text, name)))
      expect(formatComputePcrs({ predictions: [prediction] })).toBe(text)
    },
  )

  it.each(files.filter(({ label }) => label))('$system/$name: cut, it is refused', ({ system, name }) => {
    const text = shared.text(folder, system, name).trimEnd()
    for (let length = 0; length < text.length; length += 7)
      expect(outcome(() => parsePcrLabel(text.slice(0, length), name))).toBe('PCR_LABEL_INVALID')
  })
})

describe('PCR 4 seen on real machines with two boot loaders and two kernels', () => {
  const shim = '94896c17d49fc8c8df0cc2836611586edab1615ce7cb58cf13fc5798de56b367'
  const grubs = {
    A: 'bc6844fc7b59b4f0c7da70a307fc578465411d7a2c34b0f4dc2cc154c873b644',
    B: 'f45c2c974192366a5391e077c3cbf91e735e86eba2037fd86a1f1501818f73f4',
  }
  const kernels = {
    A: '72c613f1b4d60dcf51f82f3458cca246580d23150130ec6751ac6fa62c867364',
    B: 'f31e645e5e9ed131eea5dca0a18893a21e5625b4a56314fa39587ddc33a7fa91',
  }
  const loaded = (part: string, sha256: string): MeasuredEvent => {
    const event = measured(part)
    return { ...event, digests: { ...event.digests, sha256 } }
  }

  it.each([
    ['A', 'A', 'ff2b357be4a4bc66be796d4e7b2f1f27077dc89b96220aae60b443bcf4672525'],
    ['A', 'B', '0c4e52c0bc5d2fedbf83b2fee82664dbe5347a79cfb2cbcb9a37f64211add6e8'],
    ['B', 'A', 'cc5a5360e64b25718be370ca2056645a9ba9e9bae33df08308d6b8e05b8ebb87'],
    ['B', 'B', '37517a1f76c4d5cf615f4690921c732ad31359aac55f3aaf66d65a8ed38655a9'],
  ] as const)('boot loader %s, kernel %s', (grub, kernel, value) => {
    const events = [
      measured('Pcr4EfiCall', 'Calling EFI Application from Boot Option'),
      measured('Pcr4Separator', '\0\0\0\0'),
      loaded('Pcr4Shim', shim),
      loaded('Pcr4Grub', grubs[grub]),
      loaded('Pcr4Vmlinuz', kernels[kernel]),
    ]
    expect(labelledPcrs(predictionOf(events), [4]).map(pcr => pcr.value)).toEqual([value])
  })
})
