// What shim reads of .sbat, by verify.c and csv.c of rhboot/shim 16.1.

import { describe, expect, it } from 'vitest'
import { parsePe } from '../../../src/formats/pe/pe.ts'
import { shimSbatRows } from '../../../src/predict/shim/sbat-rows.ts'
import { faultOf, flips, outcome } from '../../build/damage.ts'
import { makePe, type PeSectionToMake } from '../../build/pe.ts'

const text = (value: string) => new Uint8Array(Buffer.from(value, 'latin1'))
const code = { name: '.text', data: text('x'.repeat(300)) }
const head = 'sbat,1,SBAT Version,sbat,1,https://example.com\n'
const good = 'grub,5,FSF,grub,2.06,https://example.com\n'
const old = 'grub,1,FSF,grub,2.02,https://example.com\n'

const sbat = (rows: string, more: Partial<PeSectionToMake> = {}): PeSectionToMake => ({
  name: '.sbat',
  data: text(rows),
  ...more,
})
const read = (sections: readonly PeSectionToMake[], minor = 8) =>
  shimSbatRows(parsePe(makePe({ sections: [code, ...sections] }), 'grub'), { major: 15, minor }, 'SBAT_REVOKED')?.map(
    ({ component, generation }) => `${component} ${generation}`,
  )
const refused = (...given: Parameters<typeof read>) => faultOf(() => read(...given))

describe('.sbat as shim reads it', () => {
  it.each<[string, PeSectionToMake, string[] | undefined]>([
    ['rows in order', sbat(head + good), ['sbat 1', 'grub 5']],
    ['what VirtualSize leaves out', sbat(head + old, { virtualSize: head.length }), ['sbat 1', 'grub 1']],
    ['VirtualSize 0', sbat(head + old, { virtualSize: 0 }), ['sbat 1', 'grub 1']],
    ['a section that is larger in memory: none', sbat(head + old, { virtualSize: 0x5000 }), undefined],
    ['a section that the file has no bytes of: none', sbat('', { virtualSize: 10 }), undefined],
    ['a name of the string table: none', sbat(head + good, { name: '.sbat.long' }), undefined],
    ['CR ends a line', sbat(`${head.trimEnd()}\r${old}`), ['sbat 1', 'grub 1']],
    ['empty lines', sbat(`\n\r\n${head}\n${good}\r\n`), ['sbat 1', 'grub 5']],
    ['no line end at the end', sbat(head + good.trimEnd()), ['sbat 1', 'grub 5']],
    ['a byte order mark', sbat(`\xef\xbb\xbf${good}`), ['grub 5']],
    ['a generation without digits', sbat('grub,x5,a,b,c,d\n'), ['grub 0']],
    ['a generation with text behind', sbat('grub,5x,a,b,c,d\n'), ['grub 5']],
    ['a space before the name', sbat(` ${good}`), [' grub 5']],
    ['more columns than six', sbat('grub,5,a,b,c,d,,f\n'), ['grub 5']],
    ['nothing', sbat('\0'), []],
  ])('%s', (_, section, rows) => {
    expect(read([section])).toEqual(rows)
  })

  it.each<[string, readonly PeSectionToMake[]]>([
    ['two sections', [sbat(head + good), sbat(head + good)]],
    ['relocations', [sbat(head + good, { relocations: 1 })]],
    ['rows of two columns', [sbat('sbat,1\ngrub,5\n')]],
    ['an empty column', [sbat('grub,5,,grub,2.06,x\n')]],
    ['an empty last column', [sbat('grub,5,FSF,grub,2.06,\n')]],
    ['a line of spaces', [sbat(`${head} \n${good}`)]],
    ['rows behind a NUL, which some versions read', [sbat(`${head}\0${old}`)]],
    ['more than 64 KiB', [sbat(good.repeat(2000))]],
  ])('refuses %s', (_, sections) => {
    expect(refused(sections)).toMatchObject({ code: 'SBAT_REVOKED', where: { source: 'grub', path: '.sbat' } })
  })

  it('another section counts when the first is none that shim takes', () => {
    expect(read([sbat(head + old, { virtualSize: 0x5000 }), sbat(head + good)])).toEqual(['sbat 1', 'grub 5'])
  })

  it('before 15.6 VirtualSize bytes are read, since then all of the file', () => {
    const section = sbat(head + old, { virtualSize: head.length })
    expect(read([section], 5)).toEqual(['sbat 1'])
    expect(read([section], 6)).toEqual(['sbat 1', 'grub 1'])
  })

  it('one byte changed gives rows or a fault of ours', () => {
    const { sections } = parsePe(makePe({ sections: [code, sbat(head + good)] }), 'grub')
    expect(sections).toHaveLength(2)
    for (const { bytes } of flips(text(head + good)))
      expect(['read', 'SBAT_REVOKED']).toContain(outcome(() => read([sbat(textOf(bytes))])))
  })
})

const textOf = (bytes: Uint8Array) => Buffer.from(bytes).toString('latin1')
