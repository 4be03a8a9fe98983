// `predict` for several images: mixes, what the operator publishes, and the forms of other programs, compared with boots of each mix.

import { join } from 'node:path'
import { beforeAll, describe, expect, it } from 'vitest'
import type { PredictionDocument } from '../../src/predict/prediction.ts'
import { firmwareKey, makeGrub, makeKernel, makeShim } from '../build/boot-files.ts'
import { runCli } from '../build/bundle-runner.ts'
import { authenticodeOf, bootOfGrub, digestsOf, folded, valuesOf } from '../build/measured-boot.ts'
import {
  expectCliRefused,
  type GrubFiles,
  grubFiles,
  grubTree,
  imageOf,
  layoutOf,
  predicted,
  wordsFor,
} from '../build/predict-runs.ts'
import { expectClean } from '../build/refusal.ts'
import { temporaryDirectory } from '../edge/temporary-directory.ts'

const seed = 'e2e-mixes'
const directory = temporaryDirectory()
const words = wordsFor(seed, directory)
const { machine } = words
const rack = words.platform()
const release = (build: number) => `5.14.0-${build}.el9.x86_64`
const old = words.files
const next = grubFiles(seed, {
  shim: makeShim({ seed, version: '15.8' }),
  grub: makeGrub({ seed, sbat: 'redhat-2.12' }),
  kernel: makeKernel({ seed, release: release(605) }),
  release: release(605),
})
const newest = grubFiles(seed, { ...next, kernel: makeKernel({ seed, release: release(611) }), release: release(611) })
// the same images with the keys of another vendor, whose shim the firmware trusts too
const rotated = grubFiles(`${seed}/rotated`, { shim: makeShim({ seed: `${seed}/rotated`, signer: firmwareKey(seed) }) })

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

const images: { words: string[]; digest: string; files: GrubFiles }[] = []
beforeAll(async () => {
  for (const [index, files] of [old, next, newest, rotated].entries()) {
    const image = imageOf(grubTree(files))
    const source = await layoutOf(join(directory, `image-${index}`), image)
    images.push({ words: ['--image', source], digest: image.digest, files })
  }
})
const imageAt = (index: number) => images[index] ?? { words: [], digest: '', files: old }
const given = (...indexes: readonly number[]) => indexes.flatMap(index => imageAt(index).words)

/** PCR → value after a boot with the boot loader of one image and the kernel of another. */
function bootOf(bootLoader: number, kernel: number): Record<string, string> {
  const [{ shim, grub }, other] = [imageAt(bootLoader).files, imageAt(kernel).files]
  return valuesOf(bootOfGrub({ seed, machine, secureBoot: true, ...other, shim, grub }), 'sha256')
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
    const run = await runCli(['predict', '--mixes', ...given(0, 1), ...rack])
    expectClean(run)
    expect({ exitCode: run.exitCode, stderr: run.stderr }).toEqual({ exitCode: 0, stderr: '' })
    const lines = run.stdout.split('\n').filter(line => !line.includes(directory))
    expect(lines.filter(line => line.length > 80)).toEqual([])
    expect(run.stdout).toMatch(/boot loader 1, kernel 2: the kernel is updated/)
    expect(run.stdout.replace(/\s+/g, '')).toContain(bootOf(0, 1)['4'])
  })
})

describe('--as-operator', () => {
  it.concurrent('the operator’s pairs for PCR 4, and its own variables for PCR 14', async () => {
    const run = await runCli(['predict', '--json', '--as-operator', ...given(0, 1)])
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

describe('--format', () => {
  const format = async (name: string, ...more: readonly string[]) => {
    const run = await runCli(['predict', '--format', name, ...rack, ...more])
    expect(run.stderr).toBe('')
    expect(run.exitCode).toBe(0)
    return JSON.parse(run.stdout)
  }
  const pairs = () => [bootOf(0, 0), bootOf(0, 1), bootOf(1, 0), bootOf(1, 1)]
  const valuesIn = (pcr: string) => [...new Set(pairs().map(values => values[pcr] ?? ''))].sort()
  const trustee = (shape: string) => format('trustee', '--trustee-shape', shape, '--mixes', ...given(0, 1))

  it.concurrent('trustee, list: each value once under the names that policies read', async () => {
    const list = (await trustee('list')) as { name: string; expired: string; 'hash-value': object[] }[]
    const hashes = (pcr: string) => valuesIn(pcr).map(value => ({ alg: 'sha256', value }))
    expect(list.map(one => [one.name, one['hash-value']])).toEqual([
      ['tpm_pcr4', hashes('4')],
      ['tpm_pcr14', hashes('14')],
    ])
    for (const { expired } of list) expect(expired).toMatch(/^\d{4}-\d\d-\d\dT00:00:00Z$/)
  })

  it.concurrent('trustee without a platform: only what Secure Boot on gives becomes a value', async () => {
    const more = ['--trustee-shape=map', '--mixes', ...given(0, 1)]
    const run = await runCli(['predict', '--format', 'trustee', ...more])
    expect(run.exitCode, run.stderr).toBe(0)
    expect(JSON.parse(run.stdout).tpm_pcr4.value).toEqual(valuesIn('4'))
  })

  it.concurrent('trustee, map', async () => {
    expect(await trustee('map')).toEqual({
      tpm_pcr4: { expiration: expect.any(String), value: valuesIn('4') },
      tpm_pcr14: { expiration: expect.any(String), value: valuesIn('14') },
    })
  })

  it.concurrent('trustee, tuples: the values of one boot together, and the policy that reads them', async () => {
    const { referenceValues, policy } = await trustee('tuples')
    const tuples = pairs().map(({ 4: pcr04, 7: pcr07, 14: pcr14 }) => JSON.stringify({ pcr04, pcr07, pcr14 }))
    expect(Object.keys(referenceValues)).toEqual(['tpm_pcr_tuples'])
    expect(referenceValues.tpm_pcr_tuples.value.map((one: object) => JSON.stringify(one))).toEqual(tuples.sort())
    expect(policy).toContain('query_reference_value("tpm_pcr_tuples")')
  })

  it.concurrent('pcrlock: what systemd adds before, and the components in their order, make PCR 4', async () => {
    const files = (await format('pcrlock', ...given(0))) as Record<
      string,
      { records: { pcr: number; digests: { hashAlg: string; digest: string }[] }[] }
    >
    expect(Object.keys(files)).toEqual(Object.keys(files).toSorted())
    const own = Object.keys(files)
      .toSorted()
      .flatMap(name => files[name]?.records ?? [])
      .filter(({ pcr }) => pcr === 4)
      .map(({ digests }) => digests.find(({ hashAlg }) => hashAlg === 'sha256')?.digest ?? '')
    const systemd = [Buffer.from('Calling EFI Application from Boot Option'), new Uint8Array(4)]
    const before = systemd.map(data => digestsOf(new Uint8Array(data)).sha256)
    expect(folded('sha256', [...before, ...own])).toBe(bootOf(0, 0)['4'])
  })

  it.concurrent('keylime: files by their Authenticode digest, what is not known left open', async () => {
    const hex = (bytes: Uint8Array) => `0x${Buffer.from(authenticodeOf(bytes).sha256).toString('hex')}`
    const policy = await format('keylime', ...given(0))
    expect(policy).toMatchObject({
      has_secureboot: true,
      scrtm_and_bios: null,
      kernels: [
        {
          shim_authcode_sha256: hex(old.shim),
          grub_authcode_sha256: hex(old.grub),
          kernel_authcode_sha256: hex(old.kernel),
          initrd_plain_sha256: `0x${Buffer.from(digestsOf(old.initramfs).sha256).toString('hex')}`,
          kernel_cmdline: null,
        },
      ],
    })
    expect(policy.mokdig).toHaveLength(1)
  })

  it.concurrent('compute-pcrs: every PCR with the events that make it', async () => {
    const { pcrs } = (await format('compute-pcrs', ...given(1))) as {
      pcrs: {
        id: number
        value: string
        events: { pcr: number; hash: string; id: string }[]
      }[]
    }
    expect(pcrs.map(({ id, value }) => [id, value])).toEqual([4, 7, 14].map(pcr => [pcr, bootOf(1, 1)[`${pcr}`]]))
    for (const { value, events } of pcrs)
      expect(
        folded(
          'sha256',
          events.map(({ hash }) => hash),
        ),
      ).toBe(value)
  })

  it.concurrent('a GRUB that measures twice: pcrlock takes it, compute-pcrs has no name for it', async () => {
    const twice = words.image({ grub: makeGrub({ seed, sbat: 'debian-2.06' }) })
    await expectCliRefused(['predict', '--format', 'compute-pcrs', ...rack, ...twice], {
      code: 'FORMAT_CANNOT_EXPRESS',
      says: ['Pcr4VmlinuzAgain'],
    })
    expect(Object.keys(await format('pcrlock', ...twice)).join()).toContain('650-kernel')
  })
})
