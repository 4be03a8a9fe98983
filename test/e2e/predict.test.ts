// `predict` from images to values: the bundled CLI and Action, compared with what a machine measures (test/build/measured-boot.ts).

import { mkdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import type { Bank } from '../../src/formats/bytes/digest.ts'
import { machineArm64 } from '../../src/formats/pe/pe.ts'
import type { Prediction, PredictionDocument } from '../../src/predict/prediction.ts'
import { withOtherByteInText } from '../build/boot/changed-byte.ts'
import { firmwareKey, makeKernel, makeShim, seededBytes, vendorKeys } from '../build/boot-files.ts'
import { runAction, runCli } from '../build/bundle-runner.ts'
import { file, type LayerEntry } from '../build/layer.ts'
import { makeMachine, writeMachine } from '../build/machine.ts'
import {
  allBanks,
  authenticodeOf,
  bootOfGrub,
  bootOfUki,
  digestsOf,
  eventsIn,
  folded,
  valuesOf,
} from '../build/measured-boot.ts'
import type { MadeImage } from '../build/oci-layout.ts'
import {
  archiveOf,
  expectCliRefused,
  grubFiles,
  grubTree,
  imageOf,
  layoutOf,
  onlyPrediction,
  predicted,
  vendorDirectory,
} from '../build/predict-runs.ts'
import { startRegistry, type TestRegistry } from '../build/registry.ts'
import { writeTree } from '../build/tree.ts'
import { makeSystemdProgram, makeUki } from '../build/uki.ts'
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

/** Every value of the prediction follows from its own events. */
function expectFolds({ pcrs, events }: Prediction, banks: readonly Bank[] = ['sha256']): void {
  expect(Object.keys(pcrs).length).toBeGreaterThan(0)
  for (const [pcr, values] of Object.entries(pcrs)) {
    expect(Object.keys(values), `banks of PCR ${pcr}`).toEqual([...banks])
    const own = events.filter(event => `${event.pcr}` === pcr).map(({ digests }) => digests)
    for (const bank of banks)
      expect(values[bank], `PCR ${pcr}, ${bank}`).toBe(
        folded(
          bank,
          own.map(digests => digests[bank]),
        ),
      )
  }
}

const short = ({ events }: Prediction) => events.map(({ pcr, type, digests: { sha256 } }) => ({ pcr, type, sha256 }))
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
    expect(short(prediction)).toEqual(eventsIn(booted(true), [4, 7, 14]))
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
      expect(short(prediction)).toEqual(eventsIn(events, [4, 7, 14]))
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

  it('prints a table of at most 80 columns, with no JSON and nothing on stderr', async () => {
    const run = await runCli(['predict', '--image', layout, ...rack])
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

describe('unified kernel images', () => {
  const release = '6.1.0-1.x86_64'
  const text = (words: string) => new Uint8Array(Buffer.from(words))
  const sections = (kind: { readonly machine?: number } = {}) => [
    { name: '.linux', data: loadedAsImage(makeKernel({ seed, release, signer: null, ...kind })) },
    { name: '.osrel', data: text('ID=test\n') },
    { name: '.cmdline', data: text('root=/dev/none') },
    { name: '.initrd', data: seededBytes(`${seed}/initrd`, 3000) },
    { name: '.uname', data: text(release) },
  ]
  /** A kernel after 5.7 says so in MajorImageVersion, and stubs before 258 have the firmware load it. */
  function loadedAsImage(kernel: Uint8Array): Uint8Array {
    const view = new DataView(kernel.buffer, kernel.byteOffset)
    view.setUint16(view.getUint32(0x3c, true) + 24 + 44, 1, true)
    return kernel
  }
  const sbat = text('sbat,1,SBAT Version,sbat,1,https://example.com\nsystemd-stub,1,systemd,systemd,257.13-1~deb13u1\n')
  const [first, ...others] = [sections().slice(1), sections().slice(0, 1)]
  const ukiSignedBy = (signer = firmwareKey(seed)) => makeUki({ seed, only: [...first, ...others.flat()], signer })
  const inTree = (name: string, entries: readonly LayerEntry[]) => {
    writeTree(at(name), [file('usr/lib/os-release', 'ID=test\n'), ...entries])
    return ['--image', `dir:${at(name)}`]
  }
  const ukiPath = `usr/lib/modules/${release}/os.efi`
  const fromFirmware = (secureBoot: boolean) =>
    bootOfUki({
      machine,
      secureBoot,
      uki: ukiSignedBy(),
      sections: [...sections(), { name: '.sbat', data: sbat }],
    })

  it.concurrent.each([true, false])('started by the firmware, Secure Boot %s', async secureBoot => {
    const words = inTree(`uki-${secureBoot}`, [file(ukiPath, ukiSignedBy())])
    const state = ['--platform', `rack=${unsaid.efivars}`, '--secure-boot', secureBoot ? 'on' : 'off']
    const without = await onlyPrediction(...words, ...state, '--phase', 'none')
    expect(without.bootChain).toBe('uki')
    expect(short(without)).toEqual(eventsIn(fromFirmware(secureBoot), [4, 7, 11]))
    expectFolds(without)
    expect(without.pcrs).not.toHaveProperty('14')
    const { pcrs, events } = await onlyPrediction(...words, ...state)
    expect(events.at(-1)).toMatchObject({ pcr: 11, part: 'Pcr11EnterInitrd' })
    const eleven = eventsIn(fromFirmware(secureBoot), [11]).map(({ sha256 }) => sha256)
    const word = digestsOf(text('enter-initrd')).sha256
    expect(pcrs['11']?.sha256).toBe(folded('sha256', [...eleven, word]))
  })

  const systemdBoot = makeSystemdProgram({
    program: 'systemd-boot',
    version: '257.13-1~deb13u1',
    sections: [],
    signer: firmwareKey(seed),
  })
  const shim = file(`${vendorDirectory}/shimx64.efi`, makeShim({ seed }))
  const chains = [
    ['shim-uki', [shim, file(ukiPath, ukiSignedBy(vendorKeys(seed).signer))], ['Pcr4Shim', 'Pcr4Uki']],
    [
      'systemd-boot-uki',
      [file('usr/lib/bootupd/updates/EFI/systemd/systemd-bootx64.efi', systemdBoot), file(ukiPath, ukiSignedBy())],
      ['Pcr4SystemdBoot', 'Pcr4Uki'],
    ],
  ] as const
  it.concurrent.each(chains)('%s', async (chain, entries, parts) => {
    const prediction = await onlyPrediction(...inTree(chain, entries), ...rack, '--phase', 'none')
    expect(prediction.bootChain).toBe(chain)
    const loaded = prediction.events.filter(({ type }) => type === 'EV_EFI_BOOT_SERVICES_APPLICATION')
    expect(loaded.map(({ part }) => part)).toEqual(parts)
    const uki = entries.at(-1)?.content ?? new Uint8Array(0)
    expect(loaded.at(-1)?.digests.sha256).toBe(Buffer.from(authenticodeOf(uki).sha256).toString('hex'))
    expect(prediction.pcrs['11']?.sha256).toBe(valuesOf(fromFirmware(true), 'sha256')['11'])
    expectFolds(prediction)
  })

  it('an image with GRUB and a unified kernel image needs --boot-chain', async () => {
    const words = inTree('choice', [...grubTree(files).slice(1), file('boot/EFI/Linux/os.efi', ukiSignedBy())])
    await expectCliRefused(['predict', ...words, ...rack], { code: 'BOOT_CHAIN_UNCLEAR', says: ['boot-chain'] })
    const grub = await onlyPrediction(...words, ...rack, '--boot-chain', 'shim-grub-linux')
    expect(short(grub)).toEqual(eventsIn(booted(true), [4, 7, 14]))
    const uki = await onlyPrediction(...words, ...rack, '--boot-chain', 'uki', '--phase', 'none')
    expect(short(uki)).toEqual(eventsIn(fromFirmware(true), [4, 7, 11]))
  })

  it('for arm64', async () => {
    const own = sections({ machine: machineArm64 })
    const stub = { program: 'systemd-stub', version: '257.13-1~deb13u1', machine: machineArm64 } as const
    const uki = makeSystemdProgram({ ...stub, sections: own, signer: firmwareKey(seed) })
    const words = [...inTree('arm64', [file(ukiPath, uki)]), '--architecture', 'arm64']
    const prediction = await onlyPrediction(...words, ...rack, '--phase', 'none')
    const boot = bootOfUki({ machine, secureBoot: true, uki, sections: [...own, { name: '.sbat', data: sbat }] })
    expect(short(prediction)).toEqual(eventsIn(boot, [4, 7, 11]))
    await expectCliRefused(['predict', ...words.slice(0, 2), ...rack, '--boot-chain', 'shim-uki'], {
      code: 'BOOT_LOADER_MISSING',
      says: ['shim'],
    })
  })
})
