import { describe, expect, it } from 'vitest'
import { type CheckFacts, checkDocument, checkText } from '../../src/commands/check-document.ts'
import type { OciDigest } from '../../src/formats/oci/digest.ts'
import { parseEvr } from '../../src/formats/rpm/version.ts'
import { baseKernelOf } from '../../src/kernel/base-kernel.ts'
import { findKernel } from '../../src/kernel/choose-kernel.ts'
import { parseKernelRequest } from '../../src/kernel/kernel-request.ts'
import { makeRepositoryPackage } from '../build/repository-package.ts'

const names = ['kernel', 'kernel-core']
const base = baseKernelOf(
  names.map(name => ({ name, evr: parseEvr('5.14.0-600.el9'), arch: 'x86_64' })),
  'x86_64',
)
const digest = (digit: string): OciDigest => `sha256:${digit.repeat(64)}`
const day = 86_400_000
const now = Date.UTC(2026, 10, 21)

const offer = (evrs: readonly string[], request = 'latest', allowDowngrade = false) =>
  findKernel({
    base,
    repositories: [{ packages: evrs.flatMap(evr => names.map(name => makeRepositoryPackage(name, evr))) }],
    request: parseKernelRequest(request),
    dist: undefined,
    extraPackages: [],
    allowDowngrade,
  })

const facts = (rest: Partial<CheckFacts> = {}): CheckFacts => ({
  base,
  kernel: offer(['5.14.0-601.el9']),
  recordedBase: digest('a'),
  recordedKernel: null,
  newestBase: digest('a'),
  baseFollowed: true,
  held: null,
  valuesExpire: null,
  now,
  ...rest,
})
const available = (rest: Partial<CheckFacts>) => checkDocument(facts(rest)).updateAvailable
const held = (kernel: string | null) => ({
  kernel: kernel === null ? null : parseEvr(kernel),
  image: null,
  since: '2026-11-01T00:00:00Z',
  reason: 'rolled back',
})

describe('checkDocument', () => {
  it('has the form of the contract', () => {
    const location = (name: string) => `https://mirror.example/os/${name}-5.14.0-601.el9.x86_64.rpm`
    expect(checkDocument(facts())).toEqual({
      schemaVersion: 1,
      updateAvailable: true,
      kernel: {
        current: '5.14.0-600.el9.x86_64',
        newest: '5.14.0-601.el9.x86_64',
        packages: names.map(name => ({
          name,
          sha256: expect.stringMatching(/^[0-9a-f]{64}$/),
          location: location(name),
        })),
        missing: [],
      },
      base: { current: digest('a'), newest: digest('a'), followed: true },
      held: null,
      expiring: [],
    })
  })

  it('compares with the kernel in use', () => {
    const recorded = (evr: string) => ({ recordedKernel: parseEvr(evr) })
    expect(available(recorded('5.14.0-601.el9'))).toBe(false)
    expect(available(recorded('5.14.0-602.el9'))).toBe(false)
    expect(available({ ...recorded('5.14.0-601.el9'), kernel: offer(['5.14.0-603.el9']) })).toBe(true)
    expect(available({ kernel: offer(['5.14.0-600.el9']) })).toBe(false)
    expect(available({ kernel: offer(['5.14.0-599.el9']) })).toBe(false)
    const downgrade = offer(['5.14.0-599.el9'], '5.14.0-599.el9', true)
    expect(available({ kernel: downgrade })).toBe(true)
    expect(available({ kernel: downgrade, ...recorded('5.14.0-601.el9') })).toBe(true)
    expect(available({ kernel: downgrade, ...recorded('5.14.0-599.el9') })).toBe(false)
  })

  it('a new base image is an update, but only where one was recorded', () => {
    const none = offer(['5.14.0-600.el9'])
    expect(available({ kernel: none, newestBase: digest('b') })).toBe(true)
    expect(available({ kernel: none, newestBase: digest('b'), recordedBase: null })).toBe(false)
    expect(available({ kernel: offer([]), newestBase: digest('b') })).toBe(true)
  })

  it('a held kernel is no update, a newer one is', () => {
    expect(available({ held: held('5.14.0-601.el9') })).toBe(false)
    expect(available({ held: held('5.14.0-602.el9') })).toBe(false)
    expect(available({ held: held('5.14.0-600.el9') })).toBe(true)
    expect(available({ held: held(null) })).toBe(true)
    expect(checkDocument(facts({ held: held('5.14.0-601.el9') })).held).toEqual({
      ...held(null),
      kernel: '5.14.0-601.el9.x86_64',
    })
  })

  it('says what is missing when no kernel is whole', () => {
    const partial = findKernel({
      base,
      repositories: [{ packages: [makeRepositoryPackage('kernel-core', '5.14.0-601.el9')] }],
      request: parseKernelRequest('latest'),
      dist: undefined,
      extraPackages: [],
      allowDowngrade: false,
    })
    expect(checkDocument(facts({ kernel: partial }))).toMatchObject({
      updateAvailable: false,
      kernel: { newest: null, packages: [], missing: [{ kernel: '5.14.0-601.el9.x86_64', packages: ['kernel'] }] },
    })
  })

  it('gives no sha256 where the repository has another checksum', () => {
    const packages = names.map(name =>
      makeRepositoryPackage(name, '5.14.0-601.el9', { checksumType: 'sha512', checksum: '0'.repeat(128) }),
    )
    const kernel = findKernel({
      base,
      repositories: [{ packages }],
      request: parseKernelRequest('latest'),
      dist: undefined,
      extraPackages: [],
      allowDowngrade: false,
    })
    expect(checkDocument(facts({ kernel })).kernel.packages.map(one => one.sha256)).toEqual([null, null])
  })

  it.each([
    [31, []],
    [30, [30]],
    [0, [0]],
    [-1, [-1]],
  ])('values that expire in %i days', (days, daysLeft) => {
    expect(checkDocument(facts({ valuesExpire: now + days * day })).expiring.map(one => one.daysLeft)).toEqual(daysLeft)
  })
})

describe('checkText', () => {
  it('says everything in sentences', () => {
    const text = (rest: Partial<CheckFacts>, problem: string | null = null) =>
      checkText(checkDocument(facts(rest)), problem)
    expect(text({})).toBe(
      `An update is available.
Kernel: 5.14.0-600.el9.x86_64 in use, 5.14.0-601.el9.x86_64 in the repositories.
Base image: ${digest('a')}, unchanged.
`,
    )
    expect(text({ baseFollowed: false })).toContain(
      `Base image: ${digest('a')}, unchanged.\nThe base image is fixed by the settings: a newer one is not looked for.\n`,
    )
    expect(
      text(
        { kernel: offer([]), newestBase: digest('b'), held: held(null), valuesExpire: now + 2 * day },
        'no kernel fits',
      ),
    ).toBe(
      `An update is available.
Kernel: 5.14.0-600.el9.x86_64 in use; none can be taken: no kernel fits.
Base image: ${digest('a')} in use, now ${digest('b')}.
Held since 2026-11-01T00:00:00Z: everything (rolled back).
The reference values expire on 2026-11-23T00:00:00.000Z, in 2 days.
`,
    )
    expect(text({ kernel: offer(['5.14.0-600.el9']), recordedBase: null, valuesExpire: now - day })).toBe(
      `There is nothing to update.
Kernel: 5.14.0-600.el9.x86_64 in use, the repositories have no newer one.
Base image: ${digest('a')}; no image was proposed yet.
The reference values expired on 2026-11-20T00:00:00.000Z.
`,
    )
  })
})
