import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { ToolErrors } from '../../src/errors.ts'
import { formatEvr, parseEvr } from '../../src/formats/rpm/version.ts'
import { baseKernelOf } from '../../src/kernel/base-kernel.ts'
import { chooseKernel, findKernel, type KernelQuestion, namesToFetch } from '../../src/kernel/choose-kernel.ts'
import { parseKernelRequest } from '../../src/kernel/kernel-request.ts'
import { makeRepositoryPackage } from '../build/repository-package.ts'

const names = ['kernel', 'kernel-core', 'kernel-modules', 'kernel-modules-core', 'kernel-modules-extra']
const base = (evr: string) =>
  baseKernelOf(
    names.map(name => ({ name, evr: parseEvr(evr), arch: 'x86_64' })),
    'x86_64',
  )
const set = (evr: string, without: readonly string[] = [], repository?: string) =>
  names.filter(name => !without.includes(name)).map(name => makeRepositoryPackage(name, evr, {}, repository))
const repo = (...packages: ReturnType<typeof set>) => ({ packages })

function question(rest: Partial<KernelQuestion> & { version?: string } = {}): KernelQuestion {
  return {
    base: base('5.14.0-600.el9'),
    repositories: [repo(...set('5.14.0-601.el9'))],
    request: parseKernelRequest(rest.version ?? 'latest'),
    dist: undefined,
    extraPackages: [],
    allowDowngrade: false,
    ...rest,
  }
}

const chosen = (rest: Parameters<typeof question>[0]) => {
  const { kernel, change, update } = chooseKernel(question(rest))
  return [formatEvr(kernel.evr), change, update]
}
const fault = (code: string, rest: object = {}) => expect.objectContaining({ code, ...rest })

describe('chooseKernel', () => {
  it('takes all packages of the newest kernel', () => {
    const repositories = [repo(...set('5.14.0-99.el9'), ...set('5.14.0-610.el9'), ...set('5.14.0-601.el9'))]
    const { kernel, incomplete } = chooseKernel(question({ repositories }))
    expect(kernel).toMatchObject({ arch: 'x86_64', release: '5.14.0-610.el9.x86_64', extraPackages: [] })
    expect(kernel.packages.map(one => `${one.name} ${formatEvr(one.evr)}`)).toEqual(
      names.map(name => `${name} 5.14.0-610.el9`),
    )
    expect(incomplete).toEqual([])
  })

  it('says which is the newest of the dist tag that there is, whole or not, asked for or not', () => {
    const newest = (rest: Parameters<typeof question>[0]) => {
      const answer = findKernel(question(rest)).newest
      return answer === null ? null : formatEvr(answer)
    }
    const repositories = [repo(...set('5.14.0-610.el9', ['kernel']), ...set('5.14.0-601.el9'), ...set('6.1-1.el10'))]
    expect(newest({ repositories })).toBe('5.14.0-610.el9')
    expect(newest({ repositories, version: '5.14.0-601.el9' })).toBe('6.1-1.el10')
    expect(newest({ repositories, version: '<5.14.0-605' })).toBe('5.14.0-610.el9')
    expect(newest({ repositories, version: '>7' })).toBe('5.14.0-610.el9')
    expect(newest({ repositories: [repo()] })).toBeNull()
  })

  it('says whether it is an update', () => {
    expect(chosen({})).toEqual(['5.14.0-601.el9', 'newer', true])
    expect(chosen({ base: base('5.14.0-601.el9') })).toEqual(['5.14.0-601.el9', 'same', false])
    expect(chosen({ base: base('5.14.0-602.el9') })).toEqual(['5.14.0-601.el9', 'older', false])
    expect(chosen({ base: base('5.14.0-602.el9'), allowDowngrade: true })).toEqual(['5.14.0-601.el9', 'older', false])
    expect(chosen({ base: base('5.14.0-602.el9'), allowDowngrade: true, version: '5.14.0-601.el9' })).toEqual([
      '5.14.0-601.el9',
      'older',
      true,
    ])
    expect(chosen({ repositories: [repo(...set('1:5.0-1.el9'))] })).toEqual(['1:5.0-1.el9', 'newer', true])
  })

  it('refuses a downgrade that was not allowed', () => {
    for (const version of ['5.14.0-601.el9', '<=5.14.0-601.el9'])
      expect(() => chosen({ base: base('5.14.0-602.el9'), version })).toThrow(
        fault('DOWNGRADE_REFUSED', { found: '5.14.0-601.el9', wanted: 'newer than 5.14.0-602.el9' }),
      )
  })

  it('takes only kernels with the dist tag: the one of the base, the given one, or the one in an exact request', () => {
    const repositories = [repo(...set('5.14.0-601.el9'), ...set('5.14.0-700.el9_6'), ...set('6.12.0-1.el10'))]
    expect(chosen({ repositories })[0]).toBe('5.14.0-601.el9')
    expect(chosen({ repositories, dist: 'el9_6' })[0]).toBe('5.14.0-700.el9_6')
    expect(chosen({ repositories, dist: '.el10' })[0]).toBe('6.12.0-1.el10')
    expect(chosen({ repositories, version: '6.12.0-1.el10' })[0]).toBe('6.12.0-1.el10')
    expect(() => chosen({ repositories, dist: 'el9', version: '6.12.0-1.el10' })).toThrow(fault('KERNEL_NOT_FOUND'))
    expect(chosen({ repositories: [repo(...set('6.1.0-56'))], base: base('6.1.0-55') })).toEqual([
      '6.1.0-56',
      'newer',
      true,
    ])
  })

  it('passes over a kernel in the middle of a synchronisation, and says so', () => {
    const partial = set('5.14.0-610.el9', ['kernel-modules-extra', 'kernel'])
    const { kernel, incomplete } = chooseKernel(
      question({ repositories: [repo(...partial, ...set('5.14.0-601.el9'))] }),
    )
    expect(formatEvr(kernel.evr)).toBe('5.14.0-601.el9')
    expect(incomplete).toEqual([{ evr: parseEvr('5.14.0-610.el9'), missing: ['kernel', 'kernel-modules-extra'] }])
  })

  it('names what is missing when there is no whole kernel', () => {
    const repositories = [repo(...set('5.14.0-610.el9', ['kernel-modules']), ...set('5.14.0-601.el9'))]
    expect(() => chosen({ repositories, version: '5.14.0-610.el9' })).toThrow(
      fault('KERNEL_INCOMPLETE', { wanted: 'kernel-modules', message: expect.stringContaining('5.14.0-610.el9') }),
    )
    expect(findKernel(question({ repositories, version: '5.14.0-610.el9' }))).toMatchObject({
      incomplete: [{ missing: ['kernel-modules'] }],
    })
  })

  it('says what the newest is when nothing fits', () => {
    expect(() => chosen({ version: '5.14.0-999.el9' })).toThrow(
      fault('KERNEL_NOT_FOUND', {
        found: 'newest is 5.14.0-601.el9',
        wanted: expect.stringContaining('5.14.0-999.el9'),
      }),
    )
    const aarch64 = [repo(...set('5.14.0-700.el9').map(one => ({ ...one, arch: 'aarch64' })))]
    for (const repositories of [[], [repo()], aarch64])
      expect(() => chosen({ repositories })).toThrow(
        fault('KERNEL_NOT_FOUND', { found: expect.stringMatching(/^no kernel/) }),
      )
  })

  it('asks for the base’s packages and the extra ones', () => {
    expect([...namesToFetch(base('5.14.0-600.el9'), ['kernel-core', 'usbguard'])]).toEqual([...names, 'usbguard'])
  })

  it('the order of packages and of older kernels does not matter', () => {
    const all = ['5.14.0-601.el9', '5.14.0-610.el9', '5.14.0-9.el9'].flatMap(evr => set(evr))
    const expected = chooseKernel(question({ repositories: [repo(...all)] }))
    fc.assert(
      fc.property(fc.shuffledSubarray(all, { minLength: all.length }), packages => {
        expect(chooseKernel(question({ repositories: [repo(...packages)] }))).toEqual(expected)
      }),
    )
  })
})

describe('several repositories', () => {
  const evr = '5.14.0-601.el9'
  const locations = (repositories: KernelQuestion['repositories']) =>
    chooseKernel(question({ repositories })).kernel.packages.map(one => new URL(one.location).hostname)

  it('the first one wins', () => {
    const two = [repo(...set(evr, [], 'https://a.example')), repo(...set(evr, [], 'https://b.example'))]
    expect(new Set(locations(two))).toEqual(new Set(['a.example']))
    expect(new Set(locations(two.toReversed()))).toEqual(new Set(['b.example']))
  })

  it('a whole one wins over a mix, a mix of one source package over nothing', () => {
    const partial = repo(...set(evr, ['kernel-modules-extra'], 'https://a.example'))
    expect(new Set(locations([partial, repo(...set(evr, [], 'https://b.example'))]))).toEqual(new Set(['b.example']))
    const rest = repo(...set(evr, names.slice(0, 4), 'https://b.example'))
    expect(locations([partial, rest])).toEqual(['a.example', 'a.example', 'a.example', 'a.example', 'b.example'])
  })

  it.each([['other.src.rpm'], [null]])('never mixes when the source package is %s', sourceRpm => {
    const a = repo(...set(evr, ['kernel-modules-extra']).map(one => (sourceRpm === null ? { ...one, sourceRpm } : one)))
    const b = repo(...set(evr, names.slice(0, 4)).map(one => ({ ...one, sourceRpm })))
    expect(() => locations([a, b])).toThrow(fault('KERNEL_INCOMPLETE'))
    const whole = repo(...set(evr).map(one => ({ ...one, sourceRpm })))
    expect(locations([whole])).toHaveLength(5)
  })
})

describe('extra packages', () => {
  const extra = (name: string, version: string, rest: object = {}) =>
    makeRepositoryPackage(name, version, { sourceRpm: 'x.src.rpm', ...rest })
  const pick = (extraPackages: string[], ...packages: ReturnType<typeof set>) =>
    chooseKernel(
      question({ extraPackages, repositories: [repo(...set('5.14.0-601.el9')), repo(...packages)] }),
    ).kernel.extraPackages.map(one => `${one.name} ${formatEvr(one.evr)} ${one.arch}`)

  it('takes the newest for the architecture or noarch', () => {
    const all = [
      extra('usbguard', '1.0-1.el9'),
      extra('usbguard', '1.0-2.el9'),
      extra('usbguard', '9-1.el9', { arch: 'i686' }),
      extra('data', '1-1', { arch: 'noarch' }),
    ]
    expect(pick(['usbguard', 'data', 'usbguard'], ...all)).toEqual(['usbguard 1.0-2.el9 x86_64', 'data 1-1 noarch'])
  })

  it('takes none that is older than what the base has', () => {
    const pickOn = (installed: KernelQuestion['installed'] = [], ...extraPackages: string[]) => {
      const packages = [extra('usbguard', '1.0-2.el9'), extra('kernel-devel', '5.14.0-601.el9')]
      const repositories = [repo(...set('5.14.0-601.el9')), repo(...packages)]
      return chooseKernel(question({ extraPackages, repositories, installed })).kernel.extraPackages.length
    }
    const there = (name: string, evr: string, arch = 'x86_64') => ({ name, evr: parseEvr(evr), arch })
    for (const evr of ['1.0-2.el9', '1.0-1.el9']) expect(pickOn([there('usbguard', evr)], 'usbguard')).toBe(1)
    for (const evr of ['1.0-3.el9', '1:0.1-1', '1.0.1-1'])
      expect(() => pickOn([there('other', '0-1'), there('usbguard', evr)], 'usbguard')).toThrow(
        fault('DOWNGRADE_REFUSED', { found: 'usbguard-1.0-2.el9.x86_64', wanted: `usbguard-${evr}.x86_64 or newer` }),
      )
    // packages of the kernel follow the kernel, which may go back where that is allowed
    expect(pickOn([there('kernel-devel', '5.14.0-700.el9')], 'kernel-devel')).toBe(1)
  })

  it('takes kernel packages at the version of the kernel, and none twice', () => {
    const all = [extra('kernel-devel', '5.14.0-700.el9'), extra('kernel-devel', '5.14.0-601.el9')]
    expect(pick(['kernel-devel', 'kernel-core'], ...all)).toEqual(['kernel-devel 5.14.0-601.el9 x86_64'])
  })

  it('reports everything that is not there together', () => {
    const attempt = () => pick(['nothing', 'kernel-devel', 'kernel-rt-core'], extra('kernel-devel', '5.14.0-700.el9'))
    expect(attempt).toThrow(ToolErrors)
    expect(attempt).toThrow(
      expect.objectContaining({
        errors: [
          fault('EXTRA_PACKAGE_NOT_FOUND', { wanted: 'nothing' }),
          fault('EXTRA_PACKAGE_NOT_FOUND', { wanted: 'kernel-devel of version 5.14.0-601.el9' }),
          fault('KERNEL_VARIANT_NOT_SUPPORTED', { found: 'kernel-rt-core' }),
        ],
      }),
    )
  })
})
