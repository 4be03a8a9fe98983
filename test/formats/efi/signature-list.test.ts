import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { formatHex } from '../../../src/formats/bytes/hex.ts'
import { formatGuid, guidBytes, guids, parseGuid } from '../../../src/formats/efi/guid.ts'
import {
  certificateHashTypes,
  certificateList,
  findImageHash,
  formatSignatureData,
  formatSignatureLists,
  imageHashTypes,
  parseSignatureLists,
  sha256List,
} from '../../../src/formats/efi/signature-list.ts'
import { cuts, faultOf, flips, outcome } from '../../build/damage.ts'

describe('GUIDs', () => {
  it('serialises the first three fields little-endian', () => {
    // As Linux' include/linux/efi.h spells EFI_GLOBAL_VARIABLE_GUID byte by byte.
    expect(formatHex(guidBytes('globalVariable'))).toBe('61dfe48bca93d211aa0d00e098032b8c')
  })

  // C initialisers of the UEFI specification (§32.4.1, MdePkg ImageAuthentication.h).
  it.each([
    [guids.certSha1, '0x826ca512, 0xcf10, 0x4ac9, {0xb1, 0x87, 0xbe, 0x01, 0x49, 0x66, 0x31, 0xbd}'],
    [guids.certSha256, '0xc1c41626, 0x504c, 0x4092, {0xac, 0xa9, 0x41, 0xf9, 0x36, 0x93, 0x43, 0x28}'],
    [guids.certSha384, '0xff3e5307, 0x9fd0, 0x48c9, {0x85, 0xf1, 0x8a, 0xd5, 0x6c, 0x70, 0x1e, 0x01}'],
    [guids.certSha512, '0x093e0fae, 0xa6c4, 0x4f50, {0x9f, 0x1b, 0xd4, 0x1e, 0x2b, 0x89, 0xc1, 0x9a}'],
    [guids.certX509, '0xa5c059a1, 0x94e4, 0x4aa7, {0x87, 0xb5, 0xab, 0x15, 0x5c, 0x2b, 0xf0, 0x72}'],
    [guids.certRsa2048, '0x3c5766e8, 0x269c, 0x4e34, {0xaa, 0x14, 0xed, 0x77, 0x6e, 0x85, 0xb3, 0xb6}'],
    [guids.certX509Sha256, '0x3bd2a492, 0x96c0, 0x4079, {0xb4, 0x20, 0xfc, 0xf9, 0x8e, 0xf1, 0x03, 0xed}'],
    [guids.certX509Sha384, '0x7076876e, 0x80c2, 0x4ee6, {0xaa, 0xd2, 0x28, 0xb3, 0x49, 0xa6, 0x86, 0x5b}'],
    [guids.certX509Sha512, '0x446dbf63, 0x2502, 0x4cda, {0xbc, 0xfa, 0x24, 0x65, 0xd2, 0xb0, 0xfe, 0x9d}'],
  ])('%s is the type of the specification', (guid, initialiser) => {
    expect(guid.replaceAll('-', '')).toBe(initialiser.replace(/0x|[^0-9a-f]/g, ''))
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

  it('keeps lists of every type, unknown ones too', () => {
    const types = [...Object.values(imageHashTypes), ...Object.values(certificateHashTypes), guids.certRsa2048]
    const lists = [...types, '00000000-0000-0000-0000-000000000001'].map((type, index) => ({
      type,
      header: new Uint8Array(0),
      signatures: [{ owner: guids.shimLock, data: new Uint8Array(40 + index) }],
    }))
    expect(parseSignatureLists(formatSignatureLists(lists), 'dbx')).toEqual(lists)
  })

  it('finds a hash only in lists of its own type, the first entry of several', () => {
    const hash = new Uint8Array(32).fill(5)
    const lists = [
      certificateList(guids.shimLock, hash),
      sha256List(guids.shimLock, new Uint8Array(32)),
      sha256List(guids.globalVariable, hash),
      sha256List(guids.shimLock, hash),
    ]
    expect(findImageHash(lists, 'sha256', hash)).toEqual({ owner: guids.globalVariable, data: hash })
    expect(findImageHash(lists, 'sha1', hash)).toBeUndefined()
    expect(findImageHash(lists, 'sha256', hash.subarray(1))).toBeUndefined()
  })

  it('an entry as an event holds it: owner, then data', () => {
    const bytes = formatSignatureData({ owner: guids.shimLock, data: Uint8Array.of(1, 2) })
    expect(formatHex(bytes)).toBe('50ab5d6046e00043abb63dd810dd8b230102')
  })

  it('a list of size 0 does not loop for ever', () => {
    expect(faultOf(() => parseSignatureLists(new Uint8Array(28), 'db')).code).toBe('INPUT_INVALID')
  })
})
