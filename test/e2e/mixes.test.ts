// `predict` for several images: mixes and what the operator publishes, compared with boots of each mix.

import { beforeAll, describe, expect, it } from 'vitest'
import type { PredictionDocument } from '../../src/predict/prediction.ts'
import { signPe } from '../build/authenticode.ts'
import { firmwareKey, makeShim, seededBytes } from '../build/boot-files.ts'
import { runCli } from '../build/bundle-runner.ts'
import { imageHistory } from '../build/image-history.ts'
import { file } from '../build/layer.ts'
import { bootOfGrub, folded, valuesOf } from '../build/measured-boot.ts'
import { type GrubFiles, predicted } from '../build/predict-runs.ts'
import { expectClean } from '../build/refusal.ts'
import { makeSystemdProgram, makeUki } from '../build/uki.ts'
import { temporaryDirectory } from '../edge/temporary-directory.ts'

const seed = 'e2e-mixes'
const directory = temporaryDirectory()
const history = imageHistory(seed, directory)
const { images, given, bootOf, imageAt, rack, words } = history
beforeAll(history.write)

type Mixes = readonly {
  readonly platform: string | null
  readonly secureBoot: boolean
  readonly pcr: number
  readonly values: readonly {
    readonly sha256: string
    readonly from: readonly { readonly bootLoader: string; readonly kernel: string; readonly because: string }[]
  }[]
}[]
interface MixesDocument extends PredictionDocument {
  readonly mixes: Mixes
  readonly skipped: readonly { readonly bootLoader: string; readonly kernel: string; readonly code: string }[]
}

async function mixesOf(...more: readonly string[]): Promise<MixesDocument> {
  return (await predicted(...more, '--mixes', ...rack)) as MixesDocument
}

/** `loader kernel` of all boots of a PCR, by their value. */
function boots({ mixes }: MixesDocument, pcr: number): Record<string, string> {
  const number = (digest: string) => images.findIndex(image => image.digest === digest)
  const values = mixes.filter(mix => mix.pcr === pcr).flatMap(mix => mix.values)
  const pairs = values.flatMap(({ sha256, from }) =>
    from.map(({ bootLoader, kernel }) => [`${number(bootLoader)} ${number(kernel)}`, sha256] as const),
  )
  return Object.fromEntries(pairs)
}

/** What the same boots measure. */
function measured(pcr: number, pairs: string): Record<string, string | undefined> {
  const each = pairs.split(', ').map(pair => ({ pair, numbers: pair.split(' ').map(Number) }))
  return Object.fromEntries(
    each.map(({ pair, numbers: [loader = 0, kernel = 0] }) => [pair, bootOf(loader, kernel)[pcr]]),
  )
}

describe('--mixes', () => {
  it.concurrent('of two images: all four boots, with how nodes come there', async () => {
    const document = await mixesOf(...given(0, 1))
    expect(document.image?.digest).toBe(imageAt(1).digest)
    for (const pcr of [4, 7, 14]) expect(boots(document, pcr)).toEqual(measured(pcr, '0 0, 0 1, 1 0, 1 1'))
    const reasons = document.mixes.find(({ pcr }) => pcr === 4)?.values.flatMap(({ from }) => from)
    const because = (bootLoader: number, kernel: number) =>
      reasons?.find(one => one.bootLoader === imageAt(bootLoader).digest && one.kernel === imageAt(kernel).digest)
        ?.because
    expect(because(0, 0)).toBe('boot loader and kernel of one image')
    expect(because(0, 1)).toBe('the kernel is updated, the boot loader not yet')
    expect(because(1, 0)).toContain('rolled back')
    expect(document.mixes.map(({ platform, secureBoot }) => [platform, secureBoot])).toEqual(
      [4, 7, 14].map(() => ['rack', true]),
    )
    expect(document.skipped).toEqual([])
  })

  const policies = [
    ['a window of one image', ['--mix-window', '1'], '0 0, 0 1, 1 0, 1 1, 1 2, 2 1, 2 2'],
    ['no rollback', ['--mix-rollback=false'], '0 0, 0 1, 0 2, 1 1, 1 2, 2 2'],
    ['neither', ['--mix-window=0', '--mix-rollback', 'false'], '0 0, 1 1, 2 2'],
  ] as const
  it.concurrent.each(policies)('of three images with %s', async (_, policy, pairs) => {
    const document = await mixesOf(...given(0, 1, 2), ...policy)
    expect(boots(document, 4)).toEqual(measured(4, pairs))
  })

  it.concurrent('a shim that does not trust the other kernel: no value, and the reason', async () => {
    const document = await mixesOf(...given(0, 3))
    expect(Object.keys(boots(document, 4)).sort()).toEqual(['0 0', '3 3'])
    const skipped = document.skipped.map(({ code, bootLoader, kernel }) => [code, bootLoader, kernel])
    const [one, other] = [imageAt(0).digest, imageAt(3).digest]
    expect(skipped.sort()).toEqual(
      [
        ['NOT_TRUSTED_BY_SHIM', one, other],
        ['NOT_TRUSTED_BY_SHIM', other, one],
      ].sort(),
    )
    expect(new Set(Object.values(boots(document, 14))).size).toBe(2)
  })

  it.concurrent('a table of at most 80 columns that names each boot', async () => {
    const run = await runCli(['predict', '--quiet', '--mixes', ...given(0, 1), ...rack])
    expectClean(run)
    expect({ exitCode: run.exitCode, stderr: run.stderr }).toEqual({ exitCode: 0, stderr: '' })
    const lines = run.stdout.split('\n').filter(line => !line.includes(directory))
    expect(lines.filter(line => line.length > 80)).toEqual([])
    expect(run.stdout).toMatch(/boot loader 1, kernel 2: the kernel is updated/)
    expect(run.stdout.replace(/\s+/g, '')).toContain(bootOf(0, 1)['4'])
  })
})

describe('a newer shim with a higher SBAT level', () => {
  const [low, high] = [words.machine.sbatLevel, 'sbat,1,2025021800\nshim,4\ngrub,5\n']
  const raised = Buffer.from(makeShim({ seed, version: '15.8', signer: null }))
  raised.write(high, raised.indexOf(low), 'latin1')
  const { files } = words
  const next = { ...files, shim: signPe(new Uint8Array(raised), firmwareKey(seed)) }
  const trees = [words.image(files), words.image(next)].flat()
  const bootAt = ({ shim }: GrubFiles, sbatLevel: string) => {
    const machine = { ...words.machine, sbatLevel }
    const {
      4: pcr04,
      7: pcr07,
      14: pcr14,
    } = valuesOf(bootOfGrub({ seed, machine, secureBoot: true, ...files, shim }), 'sha256')
    return JSON.stringify({ pcr04, pcr07, pcr14 })
  }
  const before = bootAt(files, low)
  const back = bootAt(files, high)
  const after = bootAt(next, high)
  const rows = [
    ['back to the old shim the machine keeps the level', [], [before, back, after]],
    ['without rollback nobody comes back', ['--mix-rollback=false'], [before, after]],
  ] as const
  it.concurrent.each(rows)('%s', async (_, policy, wanted) => {
    const form = ['--format=trustee', '--trustee-shape=tuples']
    const run = await runCli(['predict', '--quiet', ...trees, '--mixes', ...rack, ...form, ...policy])
    expect({ exitCode: run.exitCode, stderr: run.stderr }).toEqual({ exitCode: 0, stderr: '' })
    const tuples: object[] = JSON.parse(run.stdout).referenceValues.tpm_pcr_tuples.value
    expect(tuples.map(tuple => JSON.stringify(tuple))).toEqual(wanted.toSorted())
  })
})

describe('--as-operator', () => {
  it.concurrent('the operator’s pairs for PCR 4, and its own variables for PCR 14', async () => {
    const run = await runCli(['predict', '--quiet', '--json', '--as-operator', ...given(0, 1)])
    expect({ exitCode: run.exitCode, stderr: run.stderr }).toEqual({ exitCode: 0, stderr: '' })
    const document = JSON.parse(run.stdout)
    const all = [bootOf(0, 0), bootOf(0, 1), bootOf(1, 0), bootOf(1, 1)].map(values => values['4'])
    // rhel-9.6: reference-values at e296603, mok-variables
    const variables = [
      'c9531063a008ed66ab48b0b1dcd2b9aca25ff47cde33f3cb054ce06965f79449',
      '8d8a3aae50d5d25838c95c034aadce7b548c9a952eb7925e366eda537c59c3b0',
      '4bf5122f344554c53bde2ebb8cd2b7e3d1600ad631c385a5d7cce23c7785459a',
    ]
    expect(document).toMatchObject({
      schemaVersion: 1,
      images: [imageAt(0).digest, imageAt(1).digest],
      values: { tpm_pcr4: all.sort(), tpm_pcr14: [folded('sha256', variables)] },
      warnings: [],
    })
  })
})

describe('unified kernel images', () => {
  const [release, signer] = ['6.1.0-1.x86_64', firmwareKey(seed)]
  const trees = ['old', 'new'].map(name => {
    const loader = makeSystemdProgram({
      program: 'systemd-boot',
      version: '257.13-1~deb13u1',
      sections: [{ name: '.data', data: seededBytes(name, 100) }],
      signer,
    })
    const uki = file(`usr/lib/modules/${release}/os.efi`, makeUki({ seed: `${seed}/${name}`, signer }))
    return {
      alone: words.tree([uki]),
      withLoader: words.tree([uki, file('usr/lib/bootupd/updates/EFI/systemd/systemd-bootx64.efi', loader)]),
    }
  })
  const rows = [
    ['alone: the firmware starts one of the two', 'alone', 2, 2],
    ['behind systemd-boot: each with each', 'withLoader', 4, 2],
  ] as const
  it.concurrent.each(rows)('%s', async (_, kind, boots4, values11) => {
    const { mixes } = await mixesOf(...trees.flatMap(tree => tree[kind]))
    const values = (pcr: number) => mixes.filter(mix => mix.pcr === pcr).flatMap(mix => mix.values)
    expect(values(4)).toHaveLength(boots4)
    expect(values(4).flatMap(({ from }) => from)).toHaveLength(boots4)
    expect(values(11)).toHaveLength(values11)
  })

  it.concurrent('for the operator: no value, and why', async () => {
    const run = await runCli(['predict', '--quiet', '--json', '--as-operator', ...(trees[0]?.alone ?? [])])
    expect({ exitCode: run.exitCode, stderr: run.stderr }).toEqual({ exitCode: 0, stderr: '' })
    expect(JSON.parse(run.stdout)).toMatchObject({ values: {}, warnings: [expect.stringContaining('cannot compute')] })
  })
})
