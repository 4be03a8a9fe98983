// Every recorded boot predicted from its boot files and variables, as a user would ask: event lists first, then values.

import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { runCommandLine } from '../../src/commands/from-command-line.ts'
import { type Bank, banks, formatDigests } from '../../src/formats/bytes/digest.ts'
import { formatHex } from '../../src/formats/bytes/hex.ts'
import { authenticodeDigests } from '../../src/formats/pe/authenticode.ts'
import { parsePe } from '../../src/formats/pe/pe.ts'
import { checkSignatureDigests, parseSignatures } from '../../src/formats/pe/signature.ts'
import { parseEventLog } from '../../src/formats/tcg/event-log.ts'
import { parsePcrs } from '../../src/predict/compare-pcrs.ts'
import { operatorWouldApprove } from '../../src/predict/coverage.ts'
import type { PredictionDocument } from '../../src/predict/prediction.ts'
import { temporaryDirectory } from '../edge/temporary-directory.ts'
import { sayWhatIsNotChecked, shared } from './shared.ts'

sayWhatIsNotChecked('PCR 4, 7, 11, 12, 13 and 14 predicted from real boot files against recorded boots')

const directory = temporaryDirectory()

interface Input {
  readonly input?: string
  readonly sha256: string
  readonly authenticode?: Readonly<Record<Bank, string>>
}

function inputsOf(boot: string): Input[] {
  const document: { files: Record<string, Input> } = JSON.parse(shared.text('boots', boot, 'inputs.json'))
  return Object.values(document.files)
}

const shimGrub = { shim: 'shimx64.efi', grub: 'grubx64.efi' }
const kernels = ['vmlinuz-6.1.0-50-amd64', 'vmlinuz-6.1.0-56-amd64'] as const
const chains: readonly { readonly boot: string; readonly chain: string; readonly files: Record<string, string> }[] = [
  { boot: 'grub-sb', chain: 'shim-grub-linux', files: { ...shimGrub, kernel: kernels[0] } },
  { boot: 'grub-sb-newkernel', chain: 'shim-grub-linux', files: { ...shimGrub, kernel: kernels[1] } },
  { boot: 'grub-nosb', chain: 'shim-grub-linux', files: { ...shimGrub, kernel: kernels[0] } },
  { boot: 'grub-sb-mok', chain: 'shim-grub-linux', files: { ...shimGrub, kernel: kernels[0] } },
  { boot: 'uki-sb', chain: 'uki', files: { uki: 'uki-252-A.signed.efi' } },
  { boot: 'uki-nosb', chain: 'uki', files: { uki: 'uki-252-A.signed.efi' } },
  { boot: 'uki257-sb', chain: 'uki', files: { uki: 'uki-257-A.signed.efi' } },
  { boot: 'shim-uki-sb-mok', chain: 'shim-uki', files: { shim: 'shimx64.efi', uki: 'uki-252-A.signed.efi' } },
  {
    boot: 'sdboot257-uki-sb',
    chain: 'systemd-boot-uki',
    files: { 'systemd-boot': 'systemd-bootx64-trixie.signed.efi', uki: 'uki-257-B.signed.efi' },
  },
]
/** PCRs that the files, the firmware's keys and shim's state decide. */
const decided = [4, 7, 11, 12, 13, 14]

/** `predict` with these boot files and further words, as the CLI runs it. */
async function predict(files: Readonly<Record<string, string>>, ...words: string[]): Promise<PredictionDocument> {
  const bootFiles = Object.entries(files).flatMap(([role, name]) => [
    '--boot-file',
    `${role}=${shared.path('inputs', name)}`,
  ])
  let [stdout, stderr] = ['', '']
  const exitCode = await runCommandLine({
    words: ['predict', ...bootFiles, ...banks.flatMap(bank => ['--bank', bank]), '--json', ...words],
    environment: {},
    directory: '/',
    version: '0',
    stdout: text => {
      stdout += text
    },
    stderr: text => {
      stderr += text
    },
  })
  expect(stderr).toBe('')
  expect(exitCode).toBe(0)
  return JSON.parse(stdout)
}

function recorded(boot: string, pcrs: readonly number[]) {
  const log = parseEventLog(shared.bytes('boots', boot, 'eventlog.bin'), boot)
  const events = log.events
    .filter(({ pcr, typeNumber }) => pcrs.includes(pcr) && typeNumber !== 3)
    .map(({ pcr, type, digests }) => ({
      pcr,
      type,
      digests: Object.fromEntries(banks.map(bank => [bank, formatHex(digests[bank] ?? new Uint8Array(0))])),
    }))
  const values = parsePcrs(shared.text('boots', boot, 'pcrs.json'), 'pcrs.json')
  return { events, pcrs: values }
}

describe.skipIf(shared.missing)('prediction of recorded boots', () => {
  it('covers every one', () => expect(chains.map(({ boot }) => boot).toSorted()).toEqual(shared.names('boots')))

  it.each(chains)('$boot: events in log order, then values, in four banks', async ({ boot, chain, files }) => {
    const platform = shared.path('boots', boot, 'efivars')
    const { predictions } = await predict(files, '--platform', platform, '--phase', 'none')
    expect(predictions).toHaveLength(1)
    const [prediction] = predictions
    const { events, pcrs } = recorded(boot, decided)
    expect(prediction?.events.map(({ pcr, type, digests }) => ({ pcr, type, digests }))).toEqual(events)
    for (const [pcr, values] of Object.entries(prediction?.pcrs ?? {})) expect(values, `PCR ${pcr}`).toEqual(pcrs[pcr])
    // what a chain does not touch is left out, and then the machine had zeros there
    for (const pcr of decided.filter(index => !Object.hasOwn(prediction?.pcrs ?? {}, index)))
      for (const bank of banks) expect(pcrs[pcr]?.[bank], `PCR ${pcr}`).toMatch(/^0+$/)
    expect(prediction?.bootChain).toBe(chain)
    expect(prediction?.platform).toBe(boot)
    const told = [
      ...Object.keys(prediction?.pcrs ?? {}).map(Number),
      ...(prediction?.notPredicted ?? []).map(({ pcr }) => pcr),
    ]
    expect(told.toSorted((a, b) => a - b)).toEqual(Array.from({ length: 16 }, (_, pcr) => pcr))
  })
})

/** Boots in which shim ran on a machine that had no level before: what it measured is the automatic level of that shim. */
const freshShims = chains.filter(({ files }) => files.shim !== undefined)

describe.skipIf(shared.missing)('prediction with a profile taken before shim ever ran', () => {
  it.each(freshShims)('$boot: the SBAT level comes from shim itself', async ({ boot, files }) => {
    const profile = join(directory, boot)
    mkdirSync(profile)
    const names = shared.names('boots', boot, 'efivars')
    const kept = names.filter(name => !name.startsWith('SbatLevelRT-'))
    expect(kept).toHaveLength(names.length - 1)
    for (const name of kept) writeFileSync(join(profile, name), shared.bytes('boots', boot, 'efivars', name))
    const { predictions } = await predict(files, '--platform', profile, '--phase', 'none')
    const { events, pcrs } = recorded(boot, [7])
    const own = predictions[0]?.events.filter(({ pcr }) => pcr === 7)
    expect(own?.map(({ pcr, type, digests }) => ({ pcr, type, digests }))).toEqual(events)
    expect(own?.some(({ part }) => part === 'Pcr7SbatLevel')).toBe(true)
    expect(predictions[0]?.pcrs['7']).toEqual(pcrs['7'])
  })
})

describe.skipIf(shared.missing)('prediction without a platform', () => {
  const files = { ...shimGrub, kernel: kernels[0] }

  it('gives PCR 4 and 14 for both Secure Boot states, on first', async () => {
    const { predictions } = await predict(files)
    const ofPcr = (boot: string, pcr: string) => recorded(boot, []).pcrs[pcr]
    expect(predictions.map(({ secureBoot, platform, pcrs }) => [secureBoot, platform, pcrs])).toEqual([
      [true, null, { '4': ofPcr('grub-sb', '4'), '14': ofPcr('grub-sb', '14') }],
      [false, null, { '4': ofPcr('grub-nosb', '4'), '14': ofPcr('grub-nosb', '14') }],
    ])
  })

  it('an enrolled MOK changes PCR 14, and nothing is claimed of it', async () => {
    const { predictions } = await predict(files, '--secure-boot', 'on')
    const { pcrs } = recorded('grub-sb-mok', [])
    const [prediction] = predictions
    expect(prediction?.pcrs['4']).toEqual(pcrs['4'])
    for (const bank of banks) expect(prediction?.pcrs['14']?.[bank]).not.toBe(pcrs['14']?.[bank])
    expect(prediction?.notes.some(note => note.includes('MOK'))).toBe(true)
  })

  it('Debian 12’s GRUB measures the kernel twice, which the operator would not publish', async () => {
    const { predictions } = await predict(files, '--secure-boot', 'on')
    expect(predictions.map(operatorWouldApprove)).toEqual([false])
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
