// Levels and the order of dates are those of rhboot/shim's SbatLevel_Variable.txt; who keeps what is from sbat.c of each tag.

import { describe, expect, it } from 'vitest'
import { parsePe } from '../../../src/formats/pe/pe.ts'
import { parseSbat } from '../../../src/formats/shim/sbat.ts'
import { parseShimVersion } from '../../../src/formats/shim/version.ts'
import {
  measuredSbatLevel,
  sbatRevokes,
  sbatVariableName,
  shimSbatFacts,
} from '../../../src/predict/shim/sbat-level.ts'
import { makeShim } from '../../build/boot-files.ts'
import { faultOf } from '../../build/damage.ts'
import { makePe } from '../../build/pe.ts'

const first = 'sbat,1,2021030218\n'
const of2022 = 'sbat,1,2022052400\ngrub,2\n'
const of2023 = 'sbat,1,2023012900\nshim,2\ngrub,3\ngrub.debian,4\n'
const of2025 = 'sbat,1,2025051000\nshim,4\ngrub,5\ngrub.proxmox,2\n'
const text = (value: string) => new Uint8Array(Buffer.from(value, 'latin1'))

function shim(version: string, automatic?: string, compiledIn: readonly string[] = []) {
  return {
    source: 'shimx64.efi',
    version: parseShimVersion(text(`$Version: ${version} $`), 'shim'),
    levels: automatic === undefined ? undefined : { automatic, latest: of2025 },
    compiledIn,
  }
}

describe('the level that is measured', () => {
  it.each([
    ['16.1, on, fresh machine', shim('16.1', of2023), true, undefined, of2023],
    ['16.1, on, older level there', shim('16.1', of2023), true, of2022, of2023],
    ['16.1, on, the same level there', shim('16.1', of2023), true, of2023, of2023],
    ['16.1, on, newer level there', shim('16.1', of2023), true, of2025, of2025],
    [
      '15.8, on, same date but other rows there',
      shim('15.8', of2023),
      true,
      'sbat,1,2023012900\nshim,2\n',
      'sbat,1,2023012900\nshim,2\n',
    ],
    [
      '16.1, on, larger version with an older date there',
      shim('16.1', of2023),
      true,
      'sbat,2,2021030218\n',
      'sbat,2,2021030218\n',
    ],
    ['16.1, on, longer version there', shim('16.1', of2023), true, 'sbat,10,2021030218\n', 'sbat,10,2021030218\n'],
    ['16.1, on, too short to be any level there', shim('16.1', of2023), true, 'sbat,1,2999', of2023],
    ['16.1, off, something that is no level there', shim('16.1', of2023), false, 'sbat,1,2999010100\n,\n', first],
    ['16.1, off', shim('16.1', of2023), false, undefined, first],
    ['16.1, off, newer level there', shim('16.1', of2023), false, of2025, first],
    ['15.8, off, newer level there', shim('15.8', of2023), false, of2025, first],
    ['15.7, off', shim('15.7', of2022), false, undefined, of2022],
    ['15.7, off, newer level there', shim('15.7', of2022), false, of2023, of2023],
    ['15.7, on, newer level there', shim('15.7', of2022), true, of2023, of2023],
    ['15.6, newer than both of its levels there', shim('15.6', undefined, [first, of2022]), true, of2023, of2023],
    ['15.5, any level there', shim('15.5', undefined, [of2022]), true, first, first],
    ['15.4, nothing there', shim('15.4', undefined, [first]), false, undefined, first],
    ['15.3, another level there', shim('15.3', undefined, [first]), true, of2023, first],
  ])('%s', (_, facts, secureBoot, nvram, level) => {
    expect(measuredSbatLevel(facts, secureBoot, nvram).level).toBe(level)
  })

  it.each([
    ['15.6 with two levels and none on the machine', shim('15.6', undefined, [first, of2022]), undefined],
    ['15.6 with an older level on the machine', shim('15.6', undefined, [first, of2022]), first],
    ['15.4 without any', shim('15.4'), undefined],
    ['15.3 without any, whatever is on the machine', shim('15.3'), of2023],
  ])('is not known for %s', (_, facts, nvram) => {
    const fault = faultOf(() => measuredSbatLevel(facts, true, nvram))
    expect(fault.code).toBe('PLATFORM_INSUFFICIENT')
    expect(fault.where.source).toBe('shimx64.efi')
  })

  it.each([
    ['16.1', shim('16.1', of2023), 'sbat,1,2999010100\nshim,new\n'],
    ['15.6', shim('15.6', undefined, [of2022]), `${first}\r\n`],
  ])('%s: what the machine has is refused when it has to be compared and cannot be read', (_, facts, nvram) => {
    expect(faultOf(() => measuredSbatLevel(facts, true, nvram)).code).toBe('PLATFORM_INVALID')
  })

  it('a newer shim without .sbatlevel is refused', () => {
    expect(faultOf(() => measuredSbatLevel(shim('15.8', undefined, [first]), true, of2025)).code).toBe(
      'SHIM_UNSUPPORTED',
    )
  })

  it('stood in another variable in 15.3', () => {
    expect(['15.3', '15.4', '16.1'].map(version => sbatVariableName(shim(version).version))).toEqual([
      'SBAT',
      'SbatLevel',
      'SbatLevel',
    ])
  })
})

describe('what a binary says', () => {
  it('is its section, or else the texts among its data', () => {
    const { version } = shim('16.1')
    expect(shimSbatFacts(parsePe(makeShim({ seed: 1 }), 'shim'), version)).toMatchObject({
      levels: { automatic: 'sbat,1,2024040900\nshim,4\ngrub,4\n', latest: 'sbat,1,2025051000\nshim,4\ngrub,5\n' },
      compiledIn: [],
    })
    const old = makePe({ sections: [{ name: '.data', data: text(`\0${first}\0${of2022}\0${first}\0`) }] })
    expect(shimSbatFacts(parsePe(old, 'shim'), version)).toMatchObject({
      levels: undefined,
      compiledIn: [first, of2022],
    })
  })
})

describe('what a level revokes', () => {
  const rows = (...lines: readonly string[]) => parseSbat(text(lines.join('\n')), 'grub', 'GRUB_UNKNOWN')
  const grub = (generation: number) =>
    rows(
      'sbat,1,SBAT Version,sbat,1,url',
      `grub,${generation},FSF,grub,2.06,url`,
      'grub.debian,5,Debian,grub2,2.06,url',
    )

  it.each([
    ['the generation asked for', grub(5), of2025, undefined],
    ['an older generation', grub(4), of2025, 'grub'],
    ['numbers, not text', grub(10), of2025, undefined],
    ['components by their whole name', grub(5), 'sbat,1,2025051000\ngrub.deb,9\ngrub.debian.x,9\n', undefined],
    ['a vendor row', grub(5), 'sbat,1,2025051000\ngrub.debian,6\n', 'grub.debian'],
    ['the first line for a component', grub(4), 'sbat,1,2025051000\ngrub,4\ngrub,5\n', undefined],
    ['the format itself', grub(5), 'sbat,2,2025051000\n', 'sbat'],
    ['sixteen bits of a generation', grub(5), 'sbat,1,2025051000\ngrub,65540\n', undefined],
    ['nothing by the first level', grub(0), first, undefined],
  ])('%s', (_, given, level, revoked) => {
    expect(sbatRevokes(given, level)?.component).toBe(revoked)
  })

  it('cannot be told by a text that is no level', () => {
    expect(faultOf(() => sbatRevokes(grub(1), 'grub,5\n')).code).toBe('PLATFORM_INVALID')
  })
})
