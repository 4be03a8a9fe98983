// `capture` on a node, then `predict` with the profile: matched. And recorded logs as the way to the other PCRs: `--substitute`, `replay`.

import { mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { load } from 'js-yaml'
import { describe, expect, it } from 'vitest'
import type { Prediction } from '../../src/predict/prediction.ts'
import { makeInitramfs, makeKernel, seededBytes } from '../build/boot-files.ts'
import { type ProgramRun, runCli } from '../build/bundle-runner.ts'
import { makeSigningKey } from '../build/certificate.ts'
import { keyList, type Machine, makeMachine, shimLock, writeMachine } from '../build/machine.ts'
import {
  allBanks,
  type BootEvent,
  bootOfGrub,
  digestsOf,
  eventsIn,
  folded,
  logOf,
  valuesOf,
} from '../build/measured-boot.ts'
import {
  expectCliRefused,
  expectFolds,
  type GrubFiles,
  grubFiles,
  onlyPrediction,
  predicted,
  shortEvents,
  wordsFor,
} from '../build/predict-runs.ts'
import { expectClean } from '../build/refusal.ts'
import { temporaryDirectory } from '../edge/temporary-directory.ts'

const seed = 'e2e-capture'
const directory = temporaryDirectory()
const at = (name: string) => join(directory, name)
const words = wordsFor(seed, directory)
const { files: old } = words
// a key of the machine's owner, so that the profile has something to lose
const machine: Machine = { ...words.machine, enrolled: [keyList(makeSigningKey(`${seed}/owner`), shimLock)] }
// built again under the same name, as GRUB's commands name it
const next = grubFiles(seed, {
  kernel: makeKernel({ seed, release: old.release, text: seededBytes(`${seed}/next`, 7000) }),
  initramfs: makeInitramfs({ release: old.release, seed: `${seed}/next` }),
})
const [oldImage, nextImage] = [words.image(old), words.image(next)]
const bootOf = (files: GrubFiles, changes: { readonly secureBoot?: boolean } = {}) =>
  bootOfGrub({ seed, machine, secureBoot: true, ...files, ...changes })

interface Node {
  readonly log: string
  readonly efivars: string
  readonly mokVariables: string
}

/** What is on a node after this boot: its variables, the log, and the values of its TPM beside it. */
function nodeAfter(name: string, events: readonly BootEvent[], secureBoot = true): Node {
  const place = at(name)
  mkdirSync(place)
  writeFileSync(join(place, 'eventlog.bin'), logOf(events))
  const pcrs = Object.fromEntries(allBanks.map(bank => [bank, valuesOf(events, bank)]))
  writeFileSync(join(place, 'pcrs.json'), JSON.stringify(pcrs))
  const { efivars, mokVariables } = writeMachine(place, { seed, machine, secureBoot })
  return { log: join(place, 'eventlog.bin'), efivars, mokVariables }
}

const captureWords = ({ log, efivars, mokVariables }: Node, output: string) =>
  ['capture', '--log', log, '--efivars', efivars, '--mok-variables', mokVariables, '--output', output] as const

async function capture(node: Node, output: string): Promise<ProgramRun> {
  const run = await runCli([...captureWords(node, output), '--json'])
  expect({ exitCode: run.exitCode, stderr: run.stderr }).toEqual({ exitCode: 0, stderr: '' })
  expectClean(run)
  return run
}

describe('capture', () => {
  const node = nodeAfter('node', bootOf(old))

  it('a profile with which the image that the node runs is matched', async () => {
    const run = await capture(node, at('profiles/rack'))
    const document = JSON.parse(run.stdout)
    expect(document).toMatchObject({ schemaVersion: 1, platform: 'rack', output: at('profiles/rack') })
    expect(readdirSync(at('profiles/rack')).sort()).toEqual([...document.files].sort())
    expect(document.notLearned).toEqual([])
    expect(load(readFileSync(at('profiles/rack/platform.yaml'), 'utf8'))).toMatchObject({
      name: 'rack',
      secureBoot: true,
      banks: [...allBanks],
      sbatLevel: machine.sbatLevel,
      grubMeasuresKernel: 1,
    })
    const prediction = await onlyPrediction(...oldImage, '--platform', at('profiles/rack'))
    expect(prediction).toMatchObject({ platform: 'rack', secureBoot: true, calibration: 'matched' })
    expect(shortEvents(prediction)).toEqual(eventsIn(bootOf(old), [4, 7, 14]))
    expectFolds(prediction)
  })

  it('the next image is matched beside that of the node, and not by itself', async () => {
    await capture(node, at('profiles/other'))
    const rack = ['--platform', at('profiles/other')]
    const alone = await onlyPrediction(...nextImage, ...rack)
    expect(alone.calibration).toBe('uncalibrated')
    expect(alone.notes.join('\n')).toMatch(/event log of platform other is of none of the images given: PCR 4/)
    const [beside] = (await predicted(...oldImage, ...nextImage, '--mixes', ...rack)).predictions
    expect(beside?.calibration).toBe('matched')
    expect(beside?.pcrs).toEqual(alone.pcrs)
    expect(alone.pcrs['4']?.sha256).toBe(valuesOf(bootOf(next), 'sha256')['4'])
  })

  it('prints for people what it learned, and what it did not', async () => {
    const off = nodeAfter('off', bootOf(old, { secureBoot: false }), false)
    const run = await runCli(captureWords(off, at('profiles/off')))
    expect({ exitCode: run.exitCode, stderr: run.stderr }).toEqual({ exitCode: 0, stderr: '' })
    const lines = run.stdout.split('\n').filter(line => !line.includes(directory))
    expect(lines.filter(line => line.length > 80)).toEqual([])
    expect(run.stdout).toContain('secureBoot: false')
    expect(run.stdout.replace(/\s+/g, ' ')).toContain(
      'how often GRUB measures its kernel under Secure Boot is not known',
    )
    const prediction = await onlyPrediction(...oldImage, '--platform', at('profiles/off'))
    expect(prediction).toMatchObject({ secureBoot: false, calibration: 'matched' })
  })

  it('a log that does not replay to the values of the TPM: said', async () => {
    const odd = nodeAfter('odd', bootOf(old))
    const values = { sha256: { ...valuesOf(bootOf(old), 'sha256'), 4: '00'.repeat(32) } }
    writeFileSync(join(at('odd'), 'pcrs.json'), JSON.stringify(values))
    const { notLearned } = JSON.parse((await capture(odd, at('profiles/odd'))).stdout)
    expect(notLearned.join()).toContain('does not replay to the values of PCR 4')
  })

  const rows = [
    ['an output that holds something', () => captureWords(node, at('node')), 'OUTPUT_NOT_WRITABLE', 1],
    [
      'a log that is none',
      () => captureWords({ ...node, log: at('node/pcrs.json') }, at('n1')),
      'EVENT_LOG_INVALID',
      1,
    ],
    ['variables that are gone', () => captureWords({ ...node, efivars: at('gone') }, at('n2')), 'FILE_NOT_FOUND', 1],
    ['no output', () => captureWords(node, at('n3')).slice(0, 7), 'SETTING_MISSING', 2],
  ] as const
  it.each(rows)('refuses %s and writes nothing', async (_, own, code, exitCode) => {
    const before = readdirSync(directory)
    await expectCliRefused(own(), { code, exitCode })
    expect(readdirSync(directory)).toEqual(before)
  })
})

describe('--substitute', () => {
  const hashed = (text: string) => {
    const data = new Uint8Array(Buffer.from(text, 'latin1'))
    return { data, digests: digestsOf(data) }
  }
  const platform = () => {
    const { both } = writeMachine(at('substituted'), { seed, machine, secureBoot: true })
    return ['--platform', `rack=${both}`]
  }
  const log = () => {
    writeFileSync(at('recorded.bin'), logOf(bootOf(old)))
    return ['--substitute', at('recorded.bin')]
  }

  it('a log of the image before gives PCR 0 to 9 of the next image', async () => {
    const prediction = await onlyPrediction(...nextImage, ...platform(), ...log())
    const measured = valuesOf(bootOf(next), 'sha256')
    expect(measured['9']).not.toBe(valuesOf(bootOf(old), 'sha256')['9'])
    const values = Object.fromEntries(Object.entries(prediction.pcrs).map(([pcr, { sha256 }]) => [pcr, sha256]))
    expect(values).toEqual(measured)
    const { assumed } = prediction as Prediction & { readonly assumed: readonly { readonly pcr: number }[] }
    const kept = [...new Set(assumed.map(({ pcr }) => pcr))].sort((a, b) => a - b)
    expect(kept).toEqual([0, 1, 2, 3, 5, 6, 8])
  })

  it('a log of a TDX machine gives RTMR 0 to 2, and no log none', async () => {
    const registers = [
      [1, 7],
      [2, 3, 4, 5, 6],
      [8, 9, 10, 11, 12, 13, 14, 15],
    ]
    const registerOf = (pcr: number) => registers.findIndex(pcrs => pcrs.includes(pcr))
    // TDX firmware measures first with which memory the machine was started
    const start = { pcr: 1, type: 0x8000000b, ...hashed('td_hob\0 memory of this machine') }
    const recorded = bootOf(old).map(event => ({ ...event, pcr: registerOf(event.pcr) + 1 }))
    writeFileSync(at('ccel.bin'), logOf([start, ...recorded], ['sha384']))
    const { efivars } = writeMachine(at('tdx'), { seed, machine, secureBoot: true })
    writeFileSync(join(efivars, 'platform.yaml'), 'measurement: tdx\n')
    const tdx = ['--platform', `tdx=${efivars}`]
    type WithRtmr = Prediction & { readonly rtmr?: { readonly rtmrs: Readonly<Record<string, string>> } }
    const prediction: WithRtmr = await onlyPrediction(...nextImage, ...tdx, '--substitute', at('ccel.bin'))
    const digests = (register: number) =>
      bootOf(next)
        .filter(({ pcr }) => registerOf(pcr) === register)
        .map(({ digests: { sha384 } }) => sha384)
    const [first, ...others] = registers.map((_, register) => digests(register))
    const wanted = [[start.digests.sha384, ...(first ?? [])], ...others].map(own => folded('sha384', own))
    expect(prediction.rtmr?.rtmrs).toEqual({ ...wanted })
    expect(await onlyPrediction(...nextImage, ...tdx)).not.toHaveProperty('rtmr')
  })

  it('a log at odds with the keys of the profile: LOG_UNSUITABLE', async () => {
    const other = makeMachine(seed, { KEK: keyList(makeSigningKey(`${seed}/other`)) })
    const { efivars } = writeMachine(at('other-keys'), { seed, machine: other, secureBoot: true })
    const own = ['predict', ...nextImage, '--platform', efivars, ...log()]
    await expectCliRefused(own, { code: 'LOG_UNSUITABLE', says: ['KEK', 'recorded.bin'] })
  })
})

it('replay gives the values of the TPM, exit code 3 for others', async () => {
  const { log } = nodeAfter('replayed', bootOf(old))
  const run = await runCli([
    'replay',
    log,
    '--json',
    '--bank',
    'sha1,sha384',
    '--pcrs',
    join(at('replayed'), 'pcrs.json'),
  ])
  expect({ exitCode: run.exitCode, stderr: run.stderr }).toEqual({ exitCode: 0, stderr: '' })
  const { pcrs } = JSON.parse(run.stdout)
  const [sha1, sha384] = [valuesOf(bootOf(old), 'sha1'), valuesOf(bootOf(old), 'sha384')]
  expect(pcrs['4']).toEqual({ sha1: sha1['4'], sha384: sha384['4'] })
  expect(Object.keys(pcrs)).toEqual(Object.keys(sha1))
  writeFileSync(at('wrong.json'), JSON.stringify({ sha1: { ...sha1, 9: '00'.repeat(20) } }))
  const other = await runCli(['replay', log, '--bank', 'sha1', '--pcrs', at('wrong.json')])
  expect(other.exitCode).toBe(3)
  expect(other.stdout).toContain('PCR 9')
})
