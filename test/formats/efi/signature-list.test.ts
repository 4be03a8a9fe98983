import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { formatHex } from '../../../src/formats/bytes/hex.ts'
import { formatGuid, guidBytes, guids, parseGuid } from '../../../src/formats/efi/guid.ts'
import {
  certificateList,
  formatSignatureLists,
  parseSignatureLists,
  sha256List,
} from '../../../src/formats/efi/signature-list.ts'
import { cuts, faultOf, flips, outcome } from '../../build/damage.ts'

describe('GUIDs', () => {
  it('serialises the first three fields little-endian', () => {
    // As Linux' include/linux/efi.h spells EFI_GLOBAL_VARIABLE_GUID byte by byte.
    expect(formatHex(guidBytes('globalVariable'))).toBe('61dfe48bca93d211aa0d00e098032b8c')
  })

  it.each(Object.values(guids))('reads and writes %s', text => {
    expect(formatGuid(parseGuid(text) ?? new Uint8Array(0))).toBe(text)
  })

  it('refuses other texts', () => {
    expect(parseGuid('605dab50e0464300abb63dd810dd8b23')).toBeUndefined()
  })
})

describe('signature lists', () => {
  const zero = sha256List(guids.shimLock, new Uint8Array(32))

  it('writes the list that shim measures when it has none: 76 bytes', () => {
    expect(formatSignatureLists([zero])).toHaveLength(76)
  })

  it('reads what it writes', () => {
    const list = fc
      .tuple(fc.integer({ min: 1, max: 4 }), fc.integer({ min: 0, max: 90 }), fc.uint8Array({ maxLength: 8 }))
      .map(([count, size, header]) => ({
        type: guids.certX509,
        header: new Uint8Array(header),
        signatures: Array.from({ length: count }, (_, index) => ({
          owner: guids.shimLock,
          data: new Uint8Array(size).fill(index),
        })),
      }))
    fc.assert(
      fc.property(fc.array(list, { maxLength: 4 }), lists => {
        expect(parseSignatureLists(formatSignatureLists(lists), 'db')).toEqual(lists)
      }),
    )
  })

  it('damaged ones are refused or read, nothing else', () => {
    const bytes = formatSignatureLists([certificateList(guids.shimLock, new Uint8Array(50)), zero, zero])
    const boundaries = [0, 94, 170]
    for (const cut of cuts(bytes))
      expect(
        outcome(() => parseSignatureLists(cut, 'db')),
        `${cut.length}`,
      ).toBe(boundaries.includes(cut.length) ? 'read' : 'INPUT_INVALID')
    for (const flip of flips(bytes))
      expect(['INPUT_INVALID', 'read']).toContain(outcome(() => parseSignatureLists(flip.bytes, 'db')))
  })

  it('a list of size 0 does not loop for ever', () => {
    expect(faultOf(() => parseSignatureLists(new Uint8Array(28), 'db')).code).toBe('INPUT_INVALID')
  })
})
