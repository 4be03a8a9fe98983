// UKIs: which section a stub finds, what memory holds of it, profiles; structures that lie are refused.

import { describe, expect, it } from 'vitest'
import { digestIn } from '../../../src/formats/bytes/digest.ts'
import { formatHex } from '../../../src/formats/bytes/hex.ts'
import { loaderInfo } from '../../../src/formats/pe/loader-info.ts'
import { parsePe } from '../../../src/formats/pe/pe.ts'
import { isUki, parseUki } from '../../../src/formats/pe/uki.ts'
import { makeGrub } from '../../build/boot-files.ts'
import { cuts, faultOf, flips, outcome } from '../../build/damage.ts'
import type { PeSectionToMake } from '../../build/pe.ts'
import { makeSystemdProgram, makeUki } from '../../build/uki.ts'

const text = (value: string) => new Uint8Array(Buffer.from(value))
const section = (name: string, value: string, virtualSize?: number): PeSectionToMake => ({
  name,
  data: text(value),
  ...(virtualSize === undefined ? {} : { virtualSize }),
})
const parse = (bytes: Uint8Array) => parseUki(parsePe(bytes, 'uki.efi'))
const ukiOf = (only: readonly PeSectionToMake[], version = '257') => parse(makeUki({ seed: 0, version, only }))
const contents = (uki: ReturnType<typeof parse>, profile?: number) =>
  Object.fromEntries(uki.sections(profile).map(({ name, data }) => [name, Buffer.from(data).toString()]))

describe('sections of a UKI', () => {
  it('are in the order of measuring, whatever their order in the file', () => {
    const uki = ukiOf([section('.uname', 'u'), section('.initrd', 'i'), section('.linux', 'l'), section('.osrel', 'o')])
    expect(uki.sections().map(({ name }) => name)).toEqual(['.linux', '.osrel', '.initrd', '.uname', '.sbat'])
    expect(uki.linux).toEqual(text('l'))
  })

  it('have VirtualSize bytes: zeros behind what the file has, and no padding', () => {
    const uki = ukiOf([section('.linux', 'kernel', 8), section('.osrel', 'cut here', 3), section('.initrd', 'x', 2000)])
    const [linux, osrel, initrd] = uki.sections()
    expect(linux?.data).toEqual(text('kernel\0\0'))
    expect(osrel?.data).toEqual(text('cut'))
    // the file has 512 bytes of it, for its alignment
    expect(formatHex(initrd?.data ?? new Uint8Array())).toBe(`78${'00'.repeat(1999)}`)
  })

  it('have the digests of their bytes, made once', () => {
    const uki = ukiOf([section('.linux', 'kernel', 8), section('.profile', 'p'), section('.osrel', 'o')])
    const [linux] = uki.sections()
    expect(linux?.digests().sha384).toEqual(digestIn('sha384', text('kernel\0\0')))
    expect(linux?.digests()).toBe(linux?.digests())
    for (const profile of [undefined, 0]) expect(uki.sections(profile)[0]).toBe(linux)
  })

  it('of no size in memory are not there', () => {
    expect(contents(ukiOf([section('.linux', 'l'), section('.cmdline', 'c', 0)]))).not.toHaveProperty('.cmdline')
    const none = faultOf(() => ukiOf([section('.linux', 'l', 0)]))
    expect(none.code).toBe('UKI_INVALID')
    expect(isUki(parsePe(makeUki({ seed: 0, only: [section('.linux', 'l', 0)] }), 'a'))).toBe(false)
    const byPrefix = makeUki({ seed: 0, version: '252', only: [section('.linuxx', 'kernel')] })
    expect([isUki(parsePe(byPrefix, 'a')), Buffer.from(parse(byPrefix).linux).toString()]).toEqual([true, 'kernel'])
  })

  it('the first of a name counts from 257 on; before it the last whose name begins so', () => {
    const twice = [
      section('.linux', 'l'),
      section('.dtb', 'first'),
      section('.dtb', 'last'),
      section('.dtbauto', 'auto'),
    ]
    expect(contents(ukiOf(twice, '257.1'))).toMatchObject({ '.dtb': 'first', '.dtbauto': 'auto' })
    expect(contents(ukiOf(twice, '256.9'))).toMatchObject({ '.dtb': 'auto', '.dtbauto': 'auto' })
  })

  it('with a long name behind the file do not count', () => {
    const uki = ukiOf([section('.linux', 'l'), section('.linuxlong', 'no')])
    expect(contents(uki)['.linux']).toBe('l')
    expect(uki.unknownSections).toEqual([])
  })

  it('that nobody knows are told', () => {
    expect(ukiOf([section('.linux', 'l'), section('.future', 'x')]).unknownSections).toEqual(['.future'])
  })
})

describe('profiles', () => {
  const only = [
    section('.linux', 'l'),
    section('.cmdline', 'base'),
    section('.profile', 'ID=main'),
    section('.profile', 'ID=debug'),
    section('.cmdline', 'debug'),
    section('.profile', 'ID=other'),
    section('.cmdline', 'other'),
  ]

  it('change the base sections from their .profile to the next', () => {
    const uki = ukiOf(only)
    expect(uki.profiles).toBe(3)
    expect(contents(uki)).toMatchObject({ '.linux': 'l', '.cmdline': 'base', '.profile': 'ID=main' })
    expect(contents(uki, 1)).toMatchObject({ '.linux': 'l', '.cmdline': 'debug', '.profile': 'ID=debug' })
    expect(contents(uki, 2)).toMatchObject({ '.linux': 'l', '.cmdline': 'other', '.profile': 'ID=other' })
  })

  it('mean nothing to stubs before 257', () => {
    const uki = ukiOf(only, '256')
    expect(uki.profiles).toBe(0)
    expect(contents(uki)['.cmdline']).toBe('other')
  })
})

describe('the marker of systemd', () => {
  it.each([
    ['systemd-stub', '252.39-1~deb12u2', 252],
    ['systemd-boot', '257~rc2', 257],
    ['systemd-addon', '260', 260],
  ] as const)('%s %s', (program, version, major) => {
    const info = loaderInfo(parsePe(makeSystemdProgram({ program, version, sections: [] }), 'a'))
    expect(info).toEqual({ program, text: version, major })
  })

  it('is not in other programs, and a broken one is none', () => {
    expect(loaderInfo(parsePe(makeGrub({ seed: 1 }), 'grub'))).toBeUndefined()
    const broken = makeSystemdProgram({ program: 'systemd-stub', version: 'main', sections: [] })
    expect(loaderInfo(parsePe(broken, 'a'))).toBeUndefined()
  })
})

describe('a UKI that lies', () => {
  const table = 0x80 + 24 + 240
  /** Changes a u32 of the header of the n-th section. */
  const changed = (index: number, field: number, value: number) => {
    const bytes = new Uint8Array(makeUki({ seed: 0, only: [section('.linux', 'kernel'), section('.osrel', 'o')] }))
    new DataView(bytes.buffer).setUint32(table + index * 40 + field, value, true)
    return bytes
  }

  it('is refused with the place: sections one over the other', () => {
    const error = faultOf(() => parse(changed(4, 12, 0x1000)))
    expect([error.code, error.where]).toEqual([
      'PE_INVALID',
      { source: 'uki.efi', path: 'Section .osrel/VirtualAddress', offset: table + 4 * 40 + 12 },
    ])
  })

  it.each([
    ['too large in memory', 4, 8, 0x2000_0001, 'VirtualSize'],
    ['over the headers', 3, 12, 0x10, 'VirtualAddress'],
    ['beyond the end of memory', 4, 12, 0xffff_fff0, 'VirtualAddress'],
  ])('is refused: %s', (_, index, field, value, path) => {
    const begun = performance.now()
    const bytes = changed(index, field, value)
    if (path === 'VirtualAddress' && field === 12 && value > 2 ** 31)
      new DataView(bytes.buffer).setUint32(table + index * 40 + 8, 0x100, true)
    const error = faultOf(() => parse(bytes))
    expect(error.code).toBe('PE_INVALID')
    expect(error.where?.path).toMatch(new RegExp(`/${path}$`))
    expect(performance.now() - begun).toBeLessThan(10_000)
  })

  it('cut at any length or with any byte changed gives a ToolError or another UKI', () => {
    const whole = makeUki({ seed: 0 })
    const codes = new Set([...cuts(whole, 1500)].map(bytes => outcome(() => parse(bytes).sections())))
    for (const { bytes } of flips(whole, 1500)) codes.add(outcome(() => parse(bytes).sections()))
    expect([...codes].filter(code => !['read', 'PE_INVALID', 'UKI_INVALID'].includes(code))).toEqual([])
    expect(codes.has('PE_INVALID')).toBe(true)
  })
})
