// Prediction from the boot files alone against what was recorded: event lists first, then values.

import { describe, expect, it } from 'vitest'
import { predictBootFiles } from '../../src/commands/predict.ts'
import { type Bank, banks, formatDigests } from '../../src/formats/bytes/digest.ts'
import { formatHex } from '../../src/formats/bytes/hex.ts'
import { authenticodeDigests } from '../../src/formats/pe/authenticode.ts'
import { parsePe } from '../../src/formats/pe/pe.ts'
import { checkSignatureDigests, parseSignatures } from '../../src/formats/pe/signature.ts'
import { parseEventLog } from '../../src/formats/tcg/event-log.ts'
import { parsePcrs } from '../../src/predict/compare-pcrs.ts'
import { operatorWouldApprove } from '../../src/predict/coverage.ts'
import { sayWhatIsNotChecked, shared } from './shared.ts'

sayWhatIsNotChecked('PCR 4 and 14 predicted from real boot files against recorded boots')

interface Input {
  readonly input?: string
  readonly sha256: string
  readonly authenticode?: Readonly<Record<Bank, string>>
}

function inputsOf(boot: string): Input[] {
  const document: { files: Record<string, Input> } = JSON.parse(shared.text('boots', boot, 'inputs.json'))
  return Object.values(document.files)
}

const chains = [
  { boot: 'grub-sb', kernel: 'vmlinuz-6.1.0-50-amd64', secureBoot: true },
  { boot: 'grub-sb-newkernel', kernel: 'vmlinuz-6.1.0-56-amd64', secureBoot: true },
  { boot: 'grub-nosb', kernel: 'vmlinuz-6.1.0-50-amd64', secureBoot: false },
] as const

function predict(kernel: string, secureBoot?: boolean) {
  const file = (role: 'shim' | 'grub' | 'kernel', name: string) => ({ role, path: shared.path('inputs', name) })
  const bootFiles = [file('shim', 'shimx64.efi'), file('grub', 'grubx64.efi'), file('kernel', kernel)]
  return predictBootFiles({ bootFiles, secureBoot, banks })
}

function recorded(boot: string) {
  const log = parseEventLog(shared.bytes('boots', boot, 'eventlog.bin'), boot)
  const events = log.events
    .filter(({ pcr, typeNumber }) => (pcr === 4 || pcr === 14) && typeNumber !== 3)
    .map(({ pcr, type, digests }) => ({
      pcr,
      type,
      digests: Object.fromEntries(banks.map(bank => [bank, formatHex(digests[bank] ?? new Uint8Array(0))])),
    }))
  return { events, pcrs: parsePcrs(shared.text('boots', boot, 'pcrs.json'), 'pcrs.json') }
}

describe.skipIf(shared.missing)('prediction from real boot files', () => {
  it.each(chains)('$boot: events of PCR 4 and 14 in log order, then the values, in four banks', async chain => {
    const { document } = await predict(chain.kernel, chain.secureBoot)
    const [prediction] = document.predictions
    const { events, pcrs } = recorded(chain.boot)
    expect(prediction?.events.map(({ pcr, type, digests }) => ({ pcr, type, digests }))).toEqual(events)
    expect(prediction?.pcrs).toEqual({ '4': pcrs['4'], '14': pcrs['14'] })
  })

  it('without a Secure Boot state predicts both, on first', async () => {
    const { document } = await predict('vmlinuz-6.1.0-50-amd64')
    expect(document.predictions.map(({ secureBoot, pcrs }) => [secureBoot, pcrs['4']])).toEqual([
      [true, recorded('grub-sb').pcrs['4']],
      [false, recorded('grub-nosb').pcrs['4']],
    ])
  })

  it('an enrolled MOK changes PCR 14, and nothing is claimed of it', async () => {
    const { document } = await predict('vmlinuz-6.1.0-50-amd64', true)
    const { pcrs } = recorded('grub-sb-mok')
    const [prediction] = document.predictions
    expect(prediction?.pcrs['4']).toEqual(pcrs['4'])
    for (const bank of banks) expect(prediction?.pcrs['14']?.[bank]).not.toBe(pcrs['14']?.[bank])
    expect(prediction?.notes.some(note => note.includes('MOK'))).toBe(true)
  })

  it('Debian 12’s GRUB measures the kernel twice, which the operator would not publish', async () => {
    const { document } = await predict('vmlinuz-6.1.0-50-amd64', true)
    expect(document.predictions.map(operatorWouldApprove)).toEqual([false])
  })
})

const measured = [...new Set(shared.names('boots'))]
  .flatMap(boot => inputsOf(boot))
  .flatMap(({ input, authenticode }) =>
    input === undefined || authenticode === undefined ? [] : { input, authenticode },
  )
const files = [...new Map(measured.map(file => [file.input, file])).values()]

describe.skipIf(shared.missing)('Authenticode digests of real files', () => {
  it('cover shim, GRUB, two kernels, systemd-boot and three UKIs', () => expect(files).toHaveLength(8))

  it.each(files)('$input in four banks, and as its signatures say', ({ input, authenticode }) => {
    const pe = parsePe(shared.bytes('inputs', input), input)
    const digests = authenticodeDigests(pe)
    expect(formatDigests(digests)).toEqual(authenticode)
    expect(parseSignatures(pe).length).toBeGreaterThan(0)
    checkSignatureDigests(pe, parseSignatures(pe), digests)
  })
})
