import { describe, expect, it } from 'vitest'
import { parseRpmHeader } from '../../src/formats/rpm/header.ts'
import { parseEvr } from '../../src/formats/rpm/version.ts'
import { baseKernelOf, distOf, hasDist, type InstalledPackage } from '../../src/kernel/base-kernel.ts'
import { makeRpmDatabaseHeader } from '../build/rpm.ts'

const installed = (name: string, evr = '5.14.0-570.12.1.el9_6', arch: string | null = 'x86_64'): InstalledPackage => ({
  name,
  evr: parseEvr(evr),
  arch,
})
const others = [
  installed('bash', '5.1.8-9.el9'),
  installed('gpg-pubkey', '8483c65d-5ccc5b19', null),
  installed('kernel-tools'),
  installed('kernel-headers'),
  installed('kernel-modules-extra-matched'),
  installed('kernelshark'),
]

describe('baseKernelOf', () => {
  it('finds the set of RHEL CoreOS 9 and of Fedora CoreOS', () => {
    const five = ['kernel', 'kernel-core', 'kernel-modules', 'kernel-modules-core', 'kernel-modules-extra']
    expect(baseKernelOf([...others.slice(0, 4), ...five.map(name => installed(name))], 'x86_64')).toEqual({
      evr: parseEvr('5.14.0-570.12.1.el9_6'),
      arch: 'x86_64',
      release: '5.14.0-570.12.1.el9_6.x86_64',
      names: five,
      dist: 'el9_6',
    })
    expect(
      baseKernelOf(
        five.slice(0, 4).map(name => installed(name)),
        'x86_64',
      ).names,
    ).toEqual(five.slice(0, 4))
  })

  it('finds the set of EL8, which has no kernel-modules-core', () => {
    const three = ['kernel', 'kernel-core', 'kernel-modules']
    const el8 = three.map(name => installed(name, '4.18.0-553.el8_10'))
    expect(baseKernelOf([...others, ...el8], 'x86_64')).toMatchObject({ names: three, dist: 'el8_10' })
  })

  it('reads headers of the RPM database as they are', () => {
    const header = makeRpmDatabaseHeader({ name: 'kernel-core', version: '6.1.0', release: '55' })
    expect(baseKernelOf([parseRpmHeader(header, 'rpmdb')], 'x86_64')).toMatchObject({
      names: ['kernel-core'],
      dist: null,
    })
  })

  it('leaves out packages of another version or architecture', () => {
    const base = [
      installed('kernel-core'),
      installed('kernel', '5.14.0-1.el9'),
      installed('kernel-modules', '5.14.0-570.12.1.el9_6', 'i686'),
    ]
    expect(baseKernelOf(base, 'x86_64').names).toEqual(['kernel-core'])
  })

  it.each([
    ['KERNEL_NOT_FOUND', others],
    ['KERNEL_NOT_UNIQUE', [installed('kernel-core'), installed('kernel-core', '5.14.0-1.el9')]],
    ['KERNEL_VARIANT_NOT_SUPPORTED', [installed('kernel-core'), installed('kernel-rt-core')]],
    ['KERNEL_VARIANT_NOT_SUPPORTED', [installed('kernel-64k-modules')]],
    ['ARCHITECTURE_NOT_SUPPORTED', [installed('kernel-core', '5.14.0-1.el9', 'aarch64')]],
  ] as const)('%s', (code, base) => {
    expect(() => baseKernelOf(base, 'x86_64', 'registry/base')).toThrow(
      expect.objectContaining({ code, where: { source: 'registry/base', path: 'RPM database' } }),
    )
  })
})

describe('dist tag', () => {
  it.each([
    ['600.el9', 'el9'],
    ['570.12.1.el9_6', 'el9_6'],
    ['55.9.1.el10_0', 'el10_0'],
    ['300.fc44', 'fc44'],
    ['0.rc1.5.eln141', 'eln141'],
    ['600.el9.1', 'el9'],
    ['el9', 'el9'],
    ['55', null],
    ['1.fcx', null],
    ['1.relax9', null],
    ['1.el9test', null],
  ])('%s has %s', (release, dist) => {
    expect(distOf(release)).toBe(dist)
    if (dist !== null) expect(hasDist(release, dist) && hasDist(release, `.${dist}`)).toBe(true)
  })

  it('el9 is not el9_6', () => {
    expect(hasDist('570.el9_6', 'el9')).toBe(false)
    expect(hasDist('570.el9', 'el9_6')).toBe(false)
  })
})
