import { describe, expect, it } from 'vitest'
import { findCompiledLevels, parseSbatLevel, parseSbatLevelSection } from '../../../src/formats/shim/sbat-level.ts'
import { sbatLevel } from '../../build/boot-files.ts'
import { cuts, faultOf, flips, outcome } from '../../build/damage.ts'

const text = (value: string) => new Uint8Array(Buffer.from(value, 'latin1'))
const automatic = 'sbat,1,2024040900\nshim,4\ngrub,4\ngrub.peimage,2\n'
const latest = 'sbat,1,2025051000\nshim,4\ngrub,5\ngrub.proxmox,2\n'
const section = sbatLevel(automatic, latest)
const read = (bytes: Uint8Array) => parseSbatLevelSection(bytes, 'shimx64.efi')

/** The section with one number changed. */
function withNumber(offset: number, value: number): Uint8Array {
  const changed = Buffer.from(section)
  changed.writeUInt32LE(value, offset)
  return new Uint8Array(changed)
}

describe('.sbatlevel', () => {
  it('holds two texts, line ends included and NUL not', () => {
    expect(read(section)).toEqual({ automatic, latest })
  })

  it('is read by its offsets, whatever the order of the texts', () => {
    expect(read(withNumber(8, 8))).toEqual({ automatic, latest: automatic })
  })

  it.each([
    ['another format', 0, 1, 'format version'],
    ['an offset into the header', 4, 4, 'automatic_offset'],
    ['an offset behind the section', 8, 4096, 'latest_offset'],
    ['the largest offset', 4, 0xffffffff, 'automatic_offset'],
    ['an offset into the middle of a text', 4, 9, 'automatic_offset'],
    ['an offset to the end', 8, section.length - 4, 'latest_offset'],
  ])('refuses %s', (_, offset, value, field) => {
    const fault = faultOf(() => read(withNumber(offset, value)))
    expect([fault.code, fault.where.source, fault.where.path]).toEqual([
      'SHIM_UNSUPPORTED',
      'shimx64.efi',
      `.sbatlevel/${field}`,
    ])
  })

  it('refuses texts that are no level, or have no end', () => {
    for (const bad of ['', 'sbat,1,2024040900', 'sbat,1,20240409\n', 'shim,4\n', 'sbat,1,2024040900\nshim\n'])
      expect(faultOf(() => read(sbatLevel(bad, latest))).code).toBe('SHIM_UNSUPPORTED')
    expect(faultOf(() => read(section.subarray(0, -1))).where.path).toBe('.sbatlevel/latest_offset')
    expect(faultOf(() => read(sbatLevel(`${automatic}${'grub,5\n'.repeat(1000)}`, latest))).code).toBe(
      'SHIM_UNSUPPORTED',
    )
  })

  it('damaged sections are refused or read, nothing else', () => {
    for (const cut of cuts(section)) expect(outcome(() => read(cut))).toBe('SHIM_UNSUPPORTED')
    for (const { bytes } of flips(section)) expect(['SHIM_UNSUPPORTED', 'read']).toContain(outcome(() => read(bytes)))
  })
})

describe('a level', () => {
  it('says version, date and generations', () => {
    expect(parseSbatLevel(latest)).toEqual({
      version: '1',
      date: '2025051000',
      revocations: [
        { component: 'shim', generation: 4 },
        { component: 'grub', generation: 5 },
        { component: 'grub.proxmox', generation: 2 },
      ],
    })
    expect(parseSbatLevel('sbat,1,2021030218')).toEqual({ version: '1', date: '2021030218', revocations: [] })
  })

  it.each([
    '',
    '\n',
    'sbat',
    'sbat,1',
    'sbat,x,2021030218\n',
    'sbat,1,2021030218\n\nshim,2\n',
    'sbat,1,2021030218\r\n',
  ])('is not %j', bad => expect(parseSbatLevel(bad)).toBeUndefined())
})

describe('levels among the data of an old build', () => {
  it('are found once each, and rows of .sbat are none', () => {
    const data = text(`\0sbat,1,SBAT Version,sbat,1,https://example\n\0${automatic}\0x${latest}\0${automatic}\0sbat,`)
    expect(findCompiledLevels(data, 'shim')).toEqual([automatic, latest])
  })

  it('are found behind other text, and not where a second level begins before the NUL', () => {
    const data = text(`${'x'.repeat(9000)}sbat,${automatic}\0${automatic}${latest}\0${latest.slice(0, -1)}\0`)
    expect(findCompiledLevels(data, 'shim')).toEqual([automatic, latest])
    expect(findCompiledLevels(text(latest), 'shim')).toEqual([])
  })

  it.each([
    ['beginnings without end', 'sbat,'],
    ['levels without end', latest],
    ['levels with a few ends', `${`${latest}`.repeat(80)}\0`],
    ['ends only', 'sbat,\0'],
  ])('are looked for in a time that grows with the data: %s', (_, part) => {
    const data = text(part.repeat(Math.ceil((4 * 1024 ** 2) / part.length)))
    const begun = performance.now()
    findCompiledLevels(data, 'shim')
    expect(performance.now() - begun).toBeLessThan(15_000)
  })

  it('are not taken on and on', () => {
    const many = Array.from({ length: 40 }, (_, index) => `sbat,1,20210302${10 + index}\n\0`).join('')
    expect(faultOf(() => findCompiledLevels(text(many), 'shim')).code).toBe('SHIM_UNSUPPORTED')
  })
})
