import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { ToolError } from '../../../src/errors.ts'
import { sha256Hex } from '../../../src/formats/bytes/digest.ts'
import type { BootFile, BootFileRole } from '../../../src/image/boot-file.ts'
import { type MixesToPredict, mixImage, predictMixes } from '../../../src/predict/mixes/mixes.ts'
import { type MixPolicy, reachablePairs } from '../../../src/predict/mixes/pairs.ts'
import type { MokState } from '../../../src/predict/mixes/states.ts'
import { decidingParts, type Mix } from '../../../src/predict/mixes/values.ts'
import { predictImage } from '../../../src/predict/predict-image.ts'
import { makeGrub, makeInitramfs, makeKernel, makeShim } from '../../build/boot-files.ts'
import { faultOf } from '../../build/damage.ts'
import {
  blankPlatform,
  calling,
  type KnownFile,
  knownImage,
  knownLevel,
  pcrAfter,
  predictKnown,
  separator,
  sha256,
  text,
} from '../../build/mix-parts.ts'

const everything: MixPolicy = { window: 'all', rollback: true, bootLoaderUpdates: 'automatic' }

describe('pairs of boot loader and kernel that nodes reach', () => {
  /** Walks every step that a node can take, from new nodes of every image. */
  function walkedPairs(images: number, rollback: boolean, manual: boolean): Set<string> {
    const reached = new Set<string>()
    const steps: [number, number][] = Array.from({ length: images }, (_, image) => [image, image])
    for (let step = steps.pop(); step !== undefined; step = steps.pop()) {
      const [bootLoader, kernel] = step
      if (reached.has(`${step}`)) continue
      reached.add(`${step}`)
      for (let newer = kernel + 1; newer < images; newer++) steps.push([bootLoader, newer])
      if (!manual && kernel > bootLoader) steps.push([kernel, kernel])
      if (rollback) for (let older = 0; older < kernel; older++) steps.push([bootLoader, older])
    }
    return reached
  }

  it.each([
    [1, true],
    [2, true],
    [2, false],
    [5, true],
    [5, false],
  ])('%i images, rollback %s: as walked step by step', (images, rollback) => {
    for (const bootLoaderUpdates of ['automatic', 'manual'] as const) {
      const pairs = reachablePairs(images, { ...everything, rollback, bootLoaderUpdates })
      const walked = walkedPairs(images, rollback, bootLoaderUpdates === 'manual')
      expect(new Set(pairs.map(({ bootLoader, kernel }) => `${[bootLoader, kernel]}`))).toEqual(walked)
      expect(pairs).toHaveLength(walked.size)
    }
  })

  it('two updates without a boot between, and a rollback over two images, are among them', () => {
    const pairs = reachablePairs(3, everything)
    expect(pairs).toHaveLength(9)
    expect(pairs).toContainEqual({ bootLoader: 0, kernel: 2, way: 'kernel-ahead' })
    expect(pairs).toContainEqual({ bootLoader: 2, kernel: 0, way: 'boot-loader-ahead' })
    expect(pairs).toContainEqual({ bootLoader: 1, kernel: 1, way: 'one-image' })
  })

  it.each([
    [0, 'automatic', ['0,0', '1,1', '2,2']],
    [1, 'automatic', ['0,0', '0,1', '1,0', '1,1', '1,2', '2,1', '2,2']],
    [0, 'manual', ['0,0', '0,1', '0,2', '1,1', '1,2', '2,2']],
    [1, 'manual', ['0,0', '0,1', '0,2', '1,0', '1,1', '1,2', '2,1', '2,2']],
  ] as const)(
    'window %i, %s: a window does not end an old boot loader that nothing updates',
    (window, updates, wanted) => {
      const pairs = reachablePairs(3, { window, rollback: true, bootLoaderUpdates: updates })
      expect(pairs.map(({ bootLoader, kernel }) => `${bootLoader},${kernel}`)).toEqual(wanted)
    },
  )
})

const digest = (name: string) => sha256(text(name))
const levels = ['2023012900', '2024040900', '2025021800'].map(date => `sbat,1,${date}\nshim,4\n`)

function bootLoader(name: string, more: Partial<KnownFile> = {}): KnownFile[] {
  const mok = more.mok ?? [digest('one vendor')]
  return [
    { role: 'shim', digest: digest(`shim ${name}`), ...more, mok },
    { role: 'grub', digest: digest(`grub ${name}`) },
  ]
}

const kernel = (name: string, more: Partial<KnownFile> = {}): KnownFile => ({
  role: 'kernel',
  digest: digest(`kernel ${name}`),
  ...more,
})

const image = (name: string, more: Partial<KnownFile> = {}) =>
  knownImage(name, [...bootLoader(name, more), kernel(name)])

function mixesOf(wanted: Pick<MixesToPredict<KnownFile>, 'history'> & Partial<MixesToPredict<KnownFile>>) {
  return predictMixes({
    policy: everything,
    limit: 512,
    platforms: [],
    sbatLevel: knownLevel,
    predict: (files, platform) => predictKnown(files, platform, (_, { sbatLevel }) => [digest(sbatLevel ?? 'own')]),
    ...wanted,
  })
}

function valuesOf(mixes: readonly Mix[], pcr: number): Mix['values'] {
  return mixes.filter(mix => mix.pcr === pcr).flatMap(({ values }) => values)
}

const bootsOf = (value: Mix['values'][number] | undefined) =>
  value?.from.map(({ bootLoader, kernel }) => `${bootLoader}+${kernel}`) ?? []

describe('mixes of known parts', () => {
  it('give the product of boot loaders and kernels in PCR 4, and one value in PCR 14 for one vendor', () => {
    const { mixes, skipped } = mixesOf({ history: ['A', 'B', 'C'].map(name => image(name)) })
    expect(skipped).toEqual([])
    const wanted = ['A', 'B', 'C'].flatMap(boot =>
      ['A', 'B', 'C'].map(kernel => {
        const files = [`shim ${boot}`, `grub ${boot}`, `kernel ${kernel}`].map(digest)
        return [pcrAfter(4, [calling, separator, ...files]), [`${boot}+${kernel}`]]
      }),
    )
    const values = valuesOf(mixes, 4)
    expect(Object.fromEntries(values.map(value => [value.sha256, bootsOf(value)]))).toEqual(Object.fromEntries(wanted))
    const [vendor, ...others] = valuesOf(mixes, 14)
    expect(others).toEqual([])
    expect(vendor?.from).toHaveLength(9)
    expect(mixes.map(({ platform, secureBoot, pcr }) => [platform, secureBoot, pcr])).toEqual([
      [null, true, 4],
      [null, true, 14],
    ])
  })

  it('say of each value how a node comes to it, without reasons that do not touch the PCR', () => {
    const { mixes } = mixesOf({ history: [image('A'), image('B')] })
    const because = Object.fromEntries(
      valuesOf(mixes, 4).flatMap(({ from }) =>
        from.map(({ bootLoader, kernel, ...rest }) => [`${bootLoader}+${kernel}`, rest]),
      ),
    )
    const rest = { mok: 'no key enrolled', sbatLevel: 'any' }
    expect(because).toEqual({
      'A+A': { ...rest, because: 'boot loader and kernel of one image' },
      'A+B': { ...rest, because: 'the kernel is updated, the boot loader not yet' },
      'B+A': { ...rest, because: 'the boot loader is updated, the kernel is not or was rolled back' },
      'B+B': { ...rest, because: 'boot loader and kernel of one image' },
    })
  })

  it('are sorted by value, platform, state and PCR', () => {
    const platforms = ['b', 'a'].map(name => blankPlatform(name))
    const { mixes } = mixesOf({ history: [image('A'), image('B'), image('C')], platforms })
    expect(mixes.map(({ platform, pcr }) => `${platform} ${pcr}`)).toEqual(['a 4', 'a 7', 'a 14', 'b 4', 'b 7', 'b 14'])
    for (const { values } of mixes) {
      const texts = values.map(({ sha256: value }) => value ?? '')
      expect(texts).toEqual([...texts].sort())
      for (const { from } of values) {
        const origins = from.map(origin => `${origin.bootLoader} ${origin.kernel}`)
        expect(origins).toEqual([...origins].sort())
      }
    }
  })

  it('compute a boot loader that images share once, and name every image that has it', () => {
    const calls: string[] = []
    const shared = bootLoader('A')
    const history = ['A', 'B', 'C', 'D'].map(name => knownImage(name, [...shared, kernel(name)]))
    const { mixes } = mixesOf({
      history,
      limit: 4,
      predict: (files, platform) => {
        calls.push(files.map(file => file.digest).join())
        return predictKnown(files, platform)
      },
    })
    expect(calls).toHaveLength(4)
    const values = valuesOf(mixes, 4)
    expect(values).toHaveLength(4)
    for (const value of values) expect(value.from.map(from => from.bootLoader)).toEqual(['A', 'B', 'C', 'D'])
  })

  it('are limited before anything is computed, with the counts', () => {
    let calls = 0
    const history = Array.from({ length: 10 }, (_, index) => image(`${index}`))
    const ask = (limit: number) =>
      mixesOf({
        history,
        limit,
        predict: (files, platform) => {
          calls++
          return predictKnown(files, platform)
        },
      })
    expect(faultOf(() => ask(99))).toMatchObject({
      code: 'MIX_LIMIT',
      found: '100 different boots, from 10 images and 0 platforms',
      wanted: 'at most 99',
      hint: expect.stringContaining('mix-window'),
    })
    expect(calls).toBe(0)
    expect(valuesOf(ask(100).mixes, 4)).toHaveLength(100)
    expect(calls).toBe(100)
  })

  it('count an image once, however often it is given', () => {
    const history = ['A', 'B', 'A'].map(name => image(name))
    const { mixes } = mixesOf({ history })
    expect(mixes).toEqual(mixesOf({ history: history.slice(0, 2) }).mixes)
  })

  it('for a proposal are only those with the new image', () => {
    const history = ['A', 'B', 'C'].map(name => image(name))
    const boots = valuesOf(mixesOf({ history, involving: 'C' }).mixes, 4).flatMap(bootsOf)
    expect(boots.sort()).toEqual(['A+C', 'B+C', 'C+A', 'C+B', 'C+C'])
  })

  it('hold exactly the values of the reachable pairs, whatever images share', () => {
    const name = fc.constantFrom('p', 'q', 'r')
    const policy = fc.record({
      window: fc.constantFrom(0, 1, 2, 'all' as const),
      rollback: fc.boolean(),
      bootLoaderUpdates: fc.constantFrom('automatic' as const, 'manual' as const),
    })
    fc.assert(
      fc.property(fc.array(fc.tuple(name, name), { minLength: 1, maxLength: 5 }), policy, (parts, chosen) => {
        const history = parts.map(([boot, system], index) =>
          knownImage(`${index}`, [...bootLoader(boot), kernel(system)]),
        )
        const { mixes } = mixesOf({ history, policy: chosen })
        const wanted = reachablePairs(parts.length, chosen).map(pair => {
          const [boot = ''] = parts[pair.bootLoader] ?? []
          const [, system = ''] = parts[pair.kernel] ?? []
          const files = [`shim ${boot}`, `grub ${boot}`, `kernel ${system}`].map(digest)
          return pcrAfter(4, [calling, separator, ...files])
        })
        expect(valuesOf(mixes, 4).map(({ sha256: value }) => value)).toEqual([...new Set(wanted)].sort())
      }),
      { numRuns: 60 },
    )
  })
})

describe('states of the machine', () => {
  const history = [image('A', { level: levels[0] }), image('B', { level: levels[2] })]
  const pcr7 = (files: readonly KnownFile[], platform: Parameters<typeof knownLevel>[1]) => [
    digest(knownLevel(files, platform) ?? 'none'),
  ]
  const ask = (more: Partial<MixesToPredict<KnownFile>>) =>
    mixesOf({
      history,
      platforms: [blankPlatform('p')],
      predict: (files, platform) => predictKnown(files, platform, pcr7),
      ...more,
    })
  const originsIn7 = (mixes: readonly Mix[]) =>
    Object.fromEntries(
      valuesOf(mixes, 7).map(({ sha256: value, from }) => [
        levels.findIndex(level => value === pcrAfter(7, [digest(level)])),
        from.map(({ bootLoader, kernel, sbatLevel, because }) => [
          `${bootLoader}+${kernel}`,
          levels.indexOf(sbatLevel),
          because.split('; ')[1],
        ]),
      ]),
    )

  it('an old boot loader finds the level of a newer shim on a machine that once booted it', () => {
    const raised = 'SbatLevel is higher than this shim sets: the machine once booted the shim of B'
    expect(originsIn7(ask({}).mixes)).toEqual({
      0: [
        ['A+A', 0, undefined],
        ['A+B', 0, undefined],
      ],
      2: [
        ['A+A', 2, raised],
        ['A+B', 2, raised],
        ['B+A', 2, undefined],
        ['B+B', 2, undefined],
      ],
    })
  })

  it('without rollback no machine goes back, so levels only come from older shims', () => {
    const policy = { ...everything, rollback: false }
    expect(originsIn7(ask({ policy }).mixes)).toEqual({
      0: [
        ['A+A', 0, undefined],
        ['A+B', 0, undefined],
      ],
      2: [['B+B', 2, undefined]],
    })
    const raised = originsIn7(ask({ policy, history: [...history].reverse() }).mixes)
    expect(raised[2]).toContainEqual(['A+A', 2, expect.stringContaining('once booted the shim of B')])
  })

  it('a profile with a raised level: machines of the same type without it count too', () => {
    const platforms = [blankPlatform('p', { sbatLevel: levels[1] })]
    const own = 'SbatLevel is lower than in the profile: the machine never had a higher one than this shim sets'
    const mixes = ask({ platforms, history: [image('A', { level: levels[0] })] }).mixes
    expect(originsIn7(mixes)).toEqual({ 0: [['A+A', 0, own]], 1: [['A+A', 1, undefined]] })
  })

  it('a machine without the raised level of the profile may have got one between from a shim of the history', () => {
    const platforms = [blankPlatform('p', { sbatLevel: levels[2] })]
    const images = [image('A', { level: levels[0] }), image('B', { level: levels[1] })]
    const origins = valuesOf(ask({ platforms, history: images }).mixes, 7).flatMap(({ from }) => from)
    const ofA = origins.filter(({ bootLoader, kernel }) => bootLoader === 'A' && kernel === 'A')
    expect(ofA.map(({ sbatLevel }) => levels.indexOf(sbatLevel)).sort()).toEqual([0, 1, 2])
  })

  it('a proposal adds the level that its shim leaves to older boot loaders', () => {
    const images = [...history, image('C', { level: levels[2] })]
    const boots = (involving: string) =>
      valuesOf(ask({ history: images, involving }).mixes, 7)
        .flatMap(({ from }) => from)
        .filter(({ bootLoader, kernel }) => ![bootLoader, kernel].includes(involving))
        .map(({ bootLoader, kernel, sbatLevel }) => [bootLoader, kernel, levels.indexOf(sbatLevel)])
    expect(boots('B')).toEqual([
      ['A', 'A', 2],
      ['A', 'C', 2],
    ])
    expect(boots('C')).toEqual([])
  })

  it('values of one boot are found by the parts that decide them', () => {
    const { mixes } = ask({})
    const parts = (pcr: number) => valuesOf(mixes, pcr).flatMap(({ from }) => from.map(decidingParts))
    const mok = 'as the profile has it'
    expect(parts(4)).toContainEqual({ bootLoader: 'A', kernel: 'B', mok })
    expect(parts(7)).toContainEqual({ bootLoader: 'A', kernel: 'B', mok, sbatLevel: levels[2] })
  })

  it('PCR 4 and 14 do not name levels, since no level reaches them', () => {
    for (const pcr of [4, 14])
      for (const { from } of valuesOf(ask({}).mixes, pcr)) {
        expect(from.map(({ sbatLevel }) => sbatLevel)).toEqual(from.map(() => 'any'))
        expect(from.every(({ because }) => !because.includes('SbatLevel'))).toBe(true)
        expect(new Set(from.map(({ bootLoader, kernel }) => `${bootLoader} ${kernel}`)).size).toBe(from.length)
      }
  })

  it('another MOK state is named where it changes a value', () => {
    const { mok } = blankPlatform('p')
    const insecure: MokState = { name: 'MokSBState 1', mok: { ...mok, sbState: Uint8Array.of(1) } }
    const { mixes } = ask({ mokStates: [insecure] })
    expect(valuesOf(mixes, 14).map(({ from }) => [...new Set(from.map(origin => origin.mok))])).toEqual(
      expect.arrayContaining([['MokSBState 1'], ['as the profile has it']]),
    )
    for (const { from } of valuesOf(mixes, 4)) expect(from.map(origin => origin.mok)).toEqual(['any'])
  })
})

describe('mixes that have no value', () => {
  const trusting = (name: string, key: string) =>
    knownImage(name, [...bootLoader(name, { key }), kernel(name, { key })])

  it('a kernel that the other shim does not trust is told with both images, and its value is not there', () => {
    const { mixes, skipped } = mixesOf({ history: [trusting('A', 'old'), trusting('B', 'new')] })
    expect(valuesOf(mixes, 4).flatMap(bootsOf).sort()).toEqual(['A+A', 'B+B'])
    expect(skipped).toEqual([
      {
        platform: null,
        bootLoader: 'A',
        kernel: 'B',
        way: 'kernel-ahead',
        mok: 'no key enrolled',
        sbatLevel: 'none',
        code: 'KERNEL_UNSIGNED',
        because: 'shim does not trust the kernel: new',
      },
      expect.objectContaining({ bootLoader: 'B', kernel: 'A', way: 'boot-loader-ahead', because: expect.any(String) }),
    ])
  })

  it('files of two images that make no boot chain are told too', () => {
    const uki = knownImage('U', [...bootLoader('U'), { role: 'uki', digest: digest('uki') }])
    const known = predictKnown(bootLoader('A').concat(kernel('A')), null)
    const { skipped } = mixesOf({
      history: [image('A'), uki],
      predict: (files, platform) => {
        if (files.some(file => file.role === 'uki') && files.some(file => file.digest === digest('shim U')))
          return known
        return predictKnown(files, platform)
      },
    })
    expect(skipped).toMatchObject([
      { bootLoader: 'A', kernel: 'U', code: 'BOOT_CHAIN_UNKNOWN', because: expect.stringContaining('shim, grub, uki') },
    ])
  })

  it('what refuses an image by itself refuses the command', () => {
    const broken = knownImage('B', [...bootLoader('B', { key: 'one' }), kernel('B', { key: 'two' })])
    expect(faultOf(() => mixesOf({ history: [image('A'), broken] })).code).toBe('KERNEL_UNSIGNED')
  })

  it('a level that revokes an old boot loader does not refuse the command', () => {
    const history = [image('A', { level: levels[0] }), image('B', { level: levels[1] })]
    const { skipped } = mixesOf({
      history,
      platforms: [blankPlatform('p')],
      predict: (files, platform) => {
        const revoked = files.some(file => file.digest === digest('shim A')) && platform?.sbatLevel === levels[1]
        if (revoked) throw new ToolError('BOOT_LOADER_UNSIGNED', 'the SBAT level revokes this shim')
        return predictKnown(files, platform)
      },
    })
    expect(skipped.map(({ bootLoader, kernel, sbatLevel }) => [bootLoader, kernel, sbatLevel])).toEqual([
      ['A', 'A', levels[1]],
      ['A', 'B', levels[1]],
    ])
  })

  it.each(['PE_INVALID', 'KERNEL_NOT_COVERED'] as const)('%s is not hidden among them', code => {
    const predict = (files: readonly KnownFile[]) => {
      if (
        files.some(file => file.digest === digest('shim A')) &&
        files.some(file => file.digest === digest('kernel B'))
      )
        throw new ToolError(code, 'odd')
      return predictKnown(files, null)
    }
    expect(faultOf(() => mixesOf({ history: [image('A'), image('B')], predict })).code).toBe(code)
  })

  it('images without a boot loader have one value each', () => {
    const ukis = ['A', 'B'].map(name => knownImage(name, [{ role: 'uki', digest: digest(name) }]))
    const chain = bootLoader('A').concat(kernel('A'))
    const seen: string[] = []
    const predict = (files: readonly KnownFile[]) => {
      seen.push(files.map(file => file.digest).join())
      return predictKnown(chain, null)
    }
    expect(mixesOf({ history: ukis, predict }).skipped).toEqual([])
    expect(seen).toEqual([digest('A'), digest('B')])
  })
})

describe('mixes of real file formats', () => {
  const file = (role: BootFileRole, bytes: Uint8Array): BootFile => ({ role, path: `boot/${role}`, layer: null, bytes })
  const release = '5.14.0-611.el9.x86_64'
  const files = (boot: number, system: number, sbat: string): BootFile[] => [
    file('shim', makeShim({ seed: boot })),
    file('grub', makeGrub({ seed: boot, sbat })),
    file('kernel', makeKernel({ seed: system, release })),
    file('initramfs', makeInitramfs({ release })),
    file('os-release', text('ID=rhel\n')),
  ]
  const [old, now] = [files(1, 1, 'debian-2.06'), files(2, 2, 'redhat-2.12')]
  const predict = (chain: readonly BootFile[]) =>
    predictImage({ files: chain, secureBoot: undefined, banks: ['sha1', 'sha256'] }).predictions
  const history = [
    mixImage('sha256:old', old, ({ bytes }) => sha256Hex(bytes)),
    mixImage('sha256:new', now, ({ bytes }) => sha256Hex(bytes)),
  ]
  const { mixes, skipped } = predictMixes({
    history,
    policy: everything,
    limit: 4,
    platforms: [],
    sbatLevel: () => undefined,
    predict,
  })

  it('divide the files by role', () => {
    expect(history[0]?.bootLoader.files.map(({ role }) => role)).toEqual(['shim', 'grub'])
    expect(history[0]?.kernel.files.map(({ role }) => role)).toEqual(['kernel', 'initramfs'])
  })

  it('compute a mix as the GRUB in it measures: the old one twice, the new one once', () => {
    expect(skipped).toEqual([])
    const on = mixes.find(mix => mix.pcr === 4 && mix.secureBoot)
    const mixed = on?.values.find(value => bootsOf(value)[0] === 'sha256:old+sha256:new')
    const [prediction] = predict([...old.slice(0, 2), ...now.slice(2, 4)])
    expect(prediction?.events.filter(({ part }) => part.startsWith('Pcr4Vmlinuz'))).toHaveLength(2)
    expect(mixed?.sha256).toBe(prediction?.pcrs['4']?.sha256)
    expect(mixed?.sha1).toBe(prediction?.pcrs['4']?.sha1)
    expect(on?.values).toHaveLength(4)
  })

  it('with Secure Boot off no kernel is measured, so two kernels share a value', () => {
    const off = mixes.find(mix => mix.pcr === 4 && !mix.secureBoot)
    expect(off?.values.map(bootsOf).sort()).toEqual([
      ['sha256:new+sha256:new', 'sha256:new+sha256:old'],
      ['sha256:old+sha256:new', 'sha256:old+sha256:old'],
    ])
  })
})
