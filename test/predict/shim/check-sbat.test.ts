// Whom shim asks for SBAT rows: rhboot/shim pe.c and shim.c of 15.5, 15.6 and 16.1.

import { describe, expect, it } from 'vitest'
import { checkSbat } from '../../../src/predict/shim/check-sbat.ts'
import { outcome } from '../../build/damage.ts'
import { loadFile } from '../../build/load-file.ts'
import { makePe } from '../../build/pe.ts'

const text = (value: string) => new Uint8Array(Buffer.from(value, 'latin1'))
const code = { name: '.text', data: text('x'.repeat(300)) }
const row = (generation: number) => text(`grub,${generation},FSF,grub,2.06,x\n`)
const [without, revoked, good, ignored] = [
  makePe({ sections: [code] }),
  makePe({ sections: [code, { name: '.sbat', data: row(4) }] }),
  makePe({ sections: [code, { name: '.sbat', data: row(5) }] }),
  makePe({ sections: [code, { name: '.sbat', data: row(4), virtualSize: 0x5000 }] }),
]
const sbatLevel = { level: 'sbat,1,2025021800\nshim,4\ngrub,5\n', because: '' }

describe('SBAT generations', () => {
  it.each([
    ['started, without section', without, [16, 1], 'started', 'SBAT_REVOKED'],
    ['asked, without section', without, [16, 1], 'asked', 'read'],
    ['started, a section that shim passes over', ignored, [16, 1], 'started', 'SBAT_REVOKED'],
    ['asked, a section that shim passes over', ignored, [16, 1], 'asked', 'read'],
    ['started, revoked', revoked, [15, 4], 'started', 'SBAT_REVOKED'],
    ['asked, revoked', revoked, [15, 6], 'asked', 'SBAT_REVOKED'],
    ['asked, revoked, before shim looked', revoked, [15, 5], 'asked', 'read'],
    ['shim itself, revoked', revoked, [15, 5], 'own', 'SBAT_REVOKED'],
    ['started, not revoked', good, [16, 1], 'started', 'read'],
  ] as const)('%s', (_, bytes, [major, minor], what, wanted) => {
    const look = () => checkSbat(loadFile(bytes), { version: { major, minor }, sbatLevel }, what)
    expect(outcome(look)).toBe(wanted)
  })

  it('of a level that nobody knows nothing is told', () => {
    const look = () => checkSbat(loadFile(revoked), { version: { major: 16, minor: 1 }, sbatLevel: undefined }, 'own')
    expect(outcome(look)).toBe('read')
  })
})
