import { describe, expect, it } from 'vitest'
import { type Dependency, parseDependency } from '../../src/formats/rpm/dependency.ts'
import { brokenDependencies, type DependentPackage } from '../../src/kernel/dependencies.ts'

interface Given {
  readonly requires?: readonly string[]
  readonly provides?: readonly string[]
  readonly conflicts?: readonly string[]
  readonly obsoletes?: readonly string[]
  readonly files?: readonly string[]
}

function dependency(text: string): Dependency {
  return text.startsWith('(') ? { name: text, sense: 0, version: '' } : (parseDependency(text) ?? expect.fail(text))
}

/** `nevr`: name-version-release; a package provides its own name, as rpmbuild makes it. */
function made(nevr: string, given: Given = {}): DependentPackage {
  const [, name = '', version = '', release = ''] = /^(.*)-([^-]+)-([^-]+)$/.exec(nevr) ?? []
  const list = (texts: readonly string[] = []) => texts.map(dependency)
  return {
    name,
    evr: { epoch: 0, version, release },
    arch: 'x86_64',
    requires: list(given.requires),
    provides: list([`${name} = ${version}-${release}`, ...(given.provides ?? [])]),
    conflicts: list(given.conflicts),
    obsoletes: list(given.obsoletes),
    owns: path => (given.files ?? []).includes(path),
  }
}

const base = [
  made('kernel-core-5.14.0-1', { provides: ['kernel-uname-r = 5.14.0-1.x86_64'] }),
  made('linux-firmware-20240101-1'),
  made('dracut-057-1', { files: ['/usr/bin/dracut'] }),
  made('systemd-252-1', { files: ['/usr/bin/kernel-install'] }),
]
const kernel = (given: Given) =>
  made('kernel-core-5.14.0-2', { provides: ['kernel-uname-r = 5.14.0-2.x86_64'], ...given })

describe('brokenDependencies', () => {
  it.each<[string, Given]>([
    ['nothing', {}],
    ['what the base has', { requires: ['dracut >= 027', 'linux-firmware >= 20200619-99', '/usr/bin/kernel-install'] }],
    ['a path by another of its names', { requires: ['/bin/dracut', '/sbin/kernel-install'] }],
    ['a condition that is met', { requires: ['(linux-firmware >= 2020 if linux-firmware)'] }],
    ['a condition that does not hold', { requires: ['(microcode >= 9 if microcode)'] }],
    ['a conflict with an old version that is not there', { conflicts: ['dracut < 050'] }],
    ['a conflict with itself', { conflicts: ['kernel-uname-r'] }],
  ])('finds nothing in %s', (_, given) => {
    expect(brokenDependencies([kernel(given)], base)).toEqual([])
  })

  it.each<[string, Given, object]>([
    [
      'a version that the base does not have',
      { requires: ['linux-firmware >= 20250101-1'] },
      { kind: 'missing', dependency: 'linux-firmware >= 20250101-1' },
    ],
    ['a path that nobody has', { requires: ['/usr/bin/ukify'] }, { kind: 'missing', dependency: '/usr/bin/ukify' }],
    [
      'a condition that holds',
      { requires: ['(linux-firmware >= 20250101 if linux-firmware)'] },
      { kind: 'missing', lacking: [dependency('linux-firmware >= 20250101')] },
    ],
    [
      'a boolean expression that cannot be read',
      { requires: ['(dracut and'] },
      { kind: 'missing', dependency: '(dracut and', lacking: [] },
    ],
    ['a conflict', { conflicts: ['dracut < 060'] }, { kind: 'conflict', other: 'dracut-057-1.x86_64' }],
    [
      'a boolean conflict',
      { conflicts: ['((dracut < 060) unless microcode)'] },
      { kind: 'conflict', other: 'dracut-057-1.x86_64' },
    ],
  ])('finds %s', (_, given, wanted) => {
    expect(brokenDependencies([kernel(given)], base)).toMatchObject([
      { package: 'kernel-core-5.14.0-2.x86_64', ofBase: false, ...wanted },
    ])
  })

  it('finds what the base needs of the kernel that goes away, and names it', () => {
    const module = made('kmod-special-1-1', { requires: ['kernel-uname-r = 5.14.0-1.x86_64'] })
    expect(brokenDependencies([kernel({})], [...base, module])).toMatchObject([
      {
        kind: 'missing',
        package: 'kmod-special-1-1.x86_64',
        ofBase: true,
        dependency: 'kernel-uname-r = 5.14.0-1.x86_64',
        other: 'kernel-core-5.14.0-1.x86_64',
      },
    ])
  })

  it('finds a package of the base that does not go together with the new kernel', () => {
    const old = made('old-tool-1-1', { conflicts: ['kernel-core >= 5.14.0-2'] })
    expect(brokenDependencies([kernel({})], [...base, old])).toMatchObject([
      { kind: 'conflict', package: 'old-tool-1-1.x86_64', ofBase: true, other: 'kernel-core-5.14.0-2.x86_64' },
    ])
  })

  it('says nothing of what is broken in the base today', () => {
    const broken = made('broken-1-1', { requires: ['nobody-has-this'], conflicts: ['dracut'] })
    expect(brokenDependencies([kernel({})], [...base, broken])).toEqual([])
  })

  it('counts what an obsoleted package had as gone, and who replaces it', () => {
    const firmware = made('linux-firmware-whence-1-1', { obsoletes: ['linux-firmware < 20250101'] })
    const user = made('user-1-1', { requires: ['linux-firmware'] })
    expect(brokenDependencies([kernel({}), firmware], [...base, user])).toMatchObject([
      { package: 'user-1-1.x86_64', other: 'linux-firmware-20240101-1.x86_64' },
    ])
  })
})
