import { describe, expect, it } from 'vitest'
import { findSection, parsePe } from '../../../src/formats/pe/pe.ts'
import { makeKernel, makeShim, seededBytes } from '../../build/boot-files.ts'
import { makeSigningKey } from '../../build/certificate.ts'
import { cuts, faultOf, flips, outcome } from '../../build/damage.ts'
import { makePe } from '../../build/pe.ts'

const sections = [
  { name: '.text', data: seededBytes('text', 700) },
  { name: '.a.very.long.name', data: seededBytes('long', 10), virtualSize: 0x2000 },
  { name: '.bss', data: new Uint8Array(0), virtualSize: 0x1000 },
]

describe('PE files', () => {
  it.each(['PE32', 'PE32+'] as const)('reads headers and sections of %s', magic => {
    const pe = parsePe(makePe({ sections, magic, machine: magic === 'PE32' ? 0x14c : 0x8664 }), 'a.efi')
    expect(pe.magic).toBe(magic)
    expect(pe.machine).toBe(magic === 'PE32' ? 0x14c : 0x8664)
    expect(pe.sections.map(section => section.name)).toEqual(['.text', '.a.very.long.name', '.bss'])
    expect(pe.signatures).toEqual([])
  })

  it('gives the bytes that memory holds: not more than VirtualSize, not more than the file has', () => {
    const pe = parsePe(makePe({ sections }), 'a.efi')
    expect(findSection(pe, '.text')?.data).toEqual(seededBytes('text', 700))
    expect(findSection(pe, '.text')?.sizeOfRawData).toBe(1024)
    expect(findSection(pe, '.a.very.long.name')?.data).toHaveLength(512)
    expect(findSection(pe, '.bss')?.data).toHaveLength(0)
  })

  it('reads several entries of a certificate table', () => {
    const once = makePe({ sections, overlay: seededBytes('overlay', 13) }, makeSigningKey('pe-1'))
    expect(parsePe(once, 'a.efi').signatures.map(({ type, revision }) => [type, revision])).toEqual([[2, 0x200]])
  })

  it.each([
    ['an empty file', new Uint8Array(0), 'e_magic'],
    ['a gzip file', Uint8Array.of(0x1f, 0x8b, 8, 0), 'e_magic'],
    ['a file that is only MZ', Buffer.from('MZ'), 'e_lfanew'],
  ])('refuses %s', (_, bytes, path) => {
    const fault = faultOf(() => parsePe(new Uint8Array(bytes), 'boot/vmlinuz'))
    expect(fault.code).toBe('PE_INVALID')
    expect(fault.where).toMatchObject({ source: 'boot/vmlinuz', path })
  })

  it('names gzip data, since some kernels are shipped so', () => {
    expect(faultOf(() => parsePe(Uint8Array.of(0x1f, 0x8b, 8, 0), 'vmlinuz')).found).toBe('gzip data')
  })

  it.each([
    ['a section that ends behind the file', 0x80 + 24 + 240 + 16],
    ['headers larger than the file', 0x80 + 24 + 60],
    ['more data directories than the header holds', 0x80 + 24 + 108],
    ['a PE header behind the file', 0x3c],
  ])('refuses %s', (_, offset) => {
    const bytes = makePe({ sections })
    new DataView(bytes.buffer).setUint32(offset, 0x7fffffff, true)
    expect(faultOf(() => parsePe(bytes, 'a.efi')).code).toBe('PE_INVALID')
  })

  it('refuses bytes behind the certificate table, which readers hash differently', () => {
    const signed = makePe({ sections }, makeSigningKey('pe-1'))
    const longer = new Uint8Array([...signed, 0, 0, 0, 0, 0, 0, 0, 0])
    expect(faultOf(() => parsePe(longer, 'a.efi'))).toMatchObject({
      code: 'PE_INVALID',
      where: { path: 'Certificate Table' },
    })
  })

  it('a cut file is refused, never misread', () => {
    const shim = makeShim({ seed: 'cut' })
    for (const cut of cuts(shim, 4000)) expect(outcome(() => parsePe(cut, 'shim'))).toBe('PE_INVALID')
  })

  it('changed bytes give a file or PE_INVALID', () => {
    const kernel = makeKernel({ seed: 'flip', release: '6.1.0-1' })
    const seen = new Set<string>()
    for (const flip of flips(kernel, 4000)) seen.add(outcome(() => parsePe(flip.bytes, 'kernel')))
    expect([...seen].sort()).toEqual(['PE_INVALID', 'read'])
  })
})
