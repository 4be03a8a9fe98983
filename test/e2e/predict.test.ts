// `predict` from images to values: the bundled CLI and Action, compared with what a machine measures (test/build/measured-boot.ts).

import { mkdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import type { PredictionDocument } from '../../src/predict/prediction.ts'
import { withOtherByteInText } from '../build/boot/changed-byte.ts'
import { seededBytes } from '../build/boot-files.ts'
import { runAction, runCli } from '../build/bundle-runner.ts'
import { makeMachine, writeMachine } from '../build/machine.ts'
import { allBanks, authenticodeOf, bootOfGrub, eventsIn, valuesOf } from '../build/measured-boot.ts'
import type { MadeImage } from '../build/oci-layout.ts'
import {
  archiveOf,
  expectCliRefused,
  expectFolds,
  grubFiles,
  grubTree,
  imageOf,
  layoutOf,
  predicted,
  shortEvents,
} from '../build/predict-runs.ts'
import { startRegistry, type TestRegistry } from '../build/registry.ts'
import { writeTree } from '../build/tree.ts'
import { temporaryDirectory } from '../edge/temporary-directory.ts'

const seed = 'e2e-predict'
const directory = temporaryDirectory()
const at = (name: string) => join(directory, name)
const machine = makeMachine(seed)
const files = grubFiles(seed)
const booted = (secureBoot: boolean) => bootOfGrub({ seed, machine, secureBoot, ...files })
const on = writeMachine(at('rack'), { seed, machine, secureBoot: true })
const unsaid = writeMachine(at('unsaid'), { seed, machine })
const rack = ['--platform', `rack=${on.both}`]

let registry: TestRegistry
let image: MadeImage
let layout: string
const tree = at('tree')
beforeAll(async () => {
  registry = await startRegistry()
  image = imageOf(grubTree(files))
  registry.add('os', image, 'stable')
  layout = await layoutOf(at('layout'), image)
  writeTree(tree, grubTree(files))
})
afterAll(() => registry.close())

const longestLine = (text: string) => Math.max(...text.split('\n').map(line => line.length))

describe('an image with shim, GRUB and a kernel', () => {
  const sources = [
    ['a registry', 'all-layers', () => [`docker://${registry.host}/os:stable`, '--allow-insecure']],
    ['a registry, by digest', 'all-layers', () => [`${registry.host}/os@${image.digest}`, '--allow-insecure']],
    ['an OCI layout', 'all-layers', () => [layout]],
    ['an OCI archive', 'all-layers', () => [archiveOf(at('layout'))]],
    ['a root file system', 'local', () => [`dir:${tree}`]],
  ] as const
  it.concurrent.each(sources)('from %s gives the events that the machine measures', async (_, proof, words) => {
    const document = await predicted(...rack, '--image', ...words())
    expect(document.image).toMatchObject({
      digest: proof === 'local' ? null : image.digest,
      proof,
      os: { id: 'rhel', versionId: '9.6' },
      kernelRelease: files.release,
    })
    const [prediction] = document.predictions
    expect(document.predictions).toHaveLength(1)
    expect(prediction).toMatchObject({ platform: 'rack', secureBoot: true, bootChain: 'shim-grub-linux' })
    if (prediction === undefined) return
    expect(shortEvents(prediction)).toEqual(eventsIn(booted(true), [4, 7, 14]))
    expectFolds(prediction)
    for (const { role, authenticode } of document.bootFiles)
      if (role === 'shim' || role === 'grub' || role === 'kernel')
        expect(authenticode?.sha256, role).toBe(Buffer.from(authenticodeOf(files[role]).sha256).toString('hex'))
  })

  it('four banks, both states of Secure Boot when nothing says which', async () => {
    const banks = ['--bank', allBanks.join(',')]
    const { predictions } = await predicted('--image', layout, '--platform', `unsaid=${unsaid.efivars}`, ...banks)
    expect(predictions.map(({ secureBoot }) => secureBoot)).toEqual([true, false])
    for (const prediction of predictions) {
      expectFolds(prediction, allBanks)
      const events = booted(prediction.secureBoot)
      expect(shortEvents(prediction)).toEqual(eventsIn(events, [4, 7, 14]))
      for (const bank of allBanks)
        expect(Object.entries(prediction.pcrs).map(([pcr, values]) => [pcr, values[bank]])).toEqual(
          ['4', '7', '14'].map(pcr => [pcr, valuesOf(events, bank)[pcr]]),
        )
    }
    expect(predictions[1]?.coverage.kernel).toMatchObject({ pcr: null, because: expect.stringContaining('no kernel') })
  })

  it('without a platform: both states, PCR 4 and 14, and the checks that were left out', async () => {
    const { predictions } = await predicted('--image', layout)
    expect(predictions.map(({ platform, secureBoot }) => [platform, secureBoot])).toEqual([
      [null, true],
      [null, false],
    ])
    for (const { pcrs, notPredicted } of predictions) {
      expect(Object.keys(pcrs)).toEqual(['4', '14'])
      expect(notPredicted.find(({ pcr }) => pcr === 7)?.because).toContain('platform profile')
    }
    expect(predictions[0]?.notes.filter(note => note.startsWith('not checked'))).toHaveLength(2)
  })

  it('two platforms at once, each with its own PCR 7', async () => {
    const other = { seed, machine: makeMachine(seed, { KEK: seededBytes('', 0) }), secureBoot: true }
    const { efivars } = writeMachine(at('other'), other)
    const { predictions } = await predicted('--image', layout, ...rack, '--platform', efivars)
    expect(predictions.map(({ platform }) => platform)).toEqual(['rack', 'other'])
    const [first, second] = predictions
    expect(first?.pcrs['4']).toEqual(second?.pcrs['4'])
    expect(second?.pcrs['7']?.sha256).toBe(valuesOf(bootOfGrub({ ...other, ...files }), 'sha256')['7'])
    expect(first?.pcrs['7']).not.toEqual(second?.pcrs['7'])
  })

  it('prints a table of at most 80 columns, with no JSON and with --quiet nothing on stderr', async () => {
    const run = await runCli(['predict', '--quiet', '--image', layout, ...rack])
    expect({ exitCode: run.exitCode, stderr: run.stderr }).toEqual({ exitCode: 0, stderr: '' })
    const names = run.stdout.split('\n').filter(line => !line.includes(directory))
    expect(longestLine(names.join('\n'))).toBeLessThanOrEqual(80)
    for (const pcr of ['4', '7', '14'])
      expect(run.stdout.replace(/\s+/g, '')).toContain(valuesOf(booted(true), 'sha256')[pcr])
    expect(run.stdout).toContain('Secure Boot on, shim-grub-linux, rack, uncalibrated')
    const asFormat = await runCli(['predict', '--image', layout, ...rack, '--format', 'json'])
    expect(JSON.parse(asFormat.stdout)).toEqual(await predicted('--image', layout, ...rack))
  })

  it('as Action: the output predictions is a file with the same document', async () => {
    const temp = at('runner-temp')
    mkdirSync(temp)
    const inputs = { command: 'predict', image: layout, platform: `rack=${on.both}`, 'secure-boot': 'on' }
    const run = await runAction(inputs, { environment: { RUNNER_TEMP: temp } })
    expect(run.exitCode, run.stdout).toBe(0)
    const written = run.outputs.predictions ?? ''
    expect(written.startsWith(`${temp}/`), written).toBe(true)
    const document: PredictionDocument = JSON.parse(readFileSync(written, 'utf8'))
    expect(document).toEqual(await predicted('--image', layout, ...rack))
    expect(run.stdout).toContain('Secure Boot on, shim-grub-linux, rack')
    const refused = await runAction({ ...inputs, platform: at('none') })
    expect(refused.outputs).toMatchObject({ 'error-code': 'FILE_NOT_FOUND', predictions: '' })
    expect([refused.exitCode, refused.errors.length]).toEqual([1, 1])
  })
})

describe('one byte changed in .text', () => {
  it.concurrent.each(['shim', 'grub', 'kernel'] as const)('of %s', async role => {
    const changed = { ...files, [role]: withOtherByteInText(files[role]) }
    const root = at(`changed-${role}`)
    writeTree(root, grubTree(changed))
    const off = ['--platform', `rack=${unsaid.efivars}`, '--secure-boot', 'off']
    const [before, after] = await Promise.all([
      predicted('--image', `dir:${tree}`, ...off),
      predicted('--image', `dir:${root}`, ...off),
    ])
    const digest = ({ bootFiles }: PredictionDocument) => bootFiles.find(one => one.role === role)?.authenticode?.sha256
    expect(digest(after)).toBe(Buffer.from(authenticodeOf(changed[role]).sha256).toString('hex'))
    expect(digest(after)).not.toBe(digest(before))
    // with Secure Boot off GRUB measures no kernel into PCR 4, so its digest decides no value
    const same = after.predictions[0]?.pcrs['4']?.sha256 === before.predictions[0]?.pcrs['4']?.sha256
    expect(same).toBe(role === 'kernel')
    await expectCliRefused(['predict', '--image', `dir:${root}`, ...rack], {
      code: 'SIGNATURE_DIGEST_MISMATCH',
      says: [`${role === 'kernel' ? 'vmlinuz' : `${role}x64.efi`}`],
    })
  })
})
