import { describe, expect, it } from 'vitest'
import { formatNevra, parseRpmHeader } from '../../../src/formats/rpm/header.ts'
import { parseRpm } from '../../../src/formats/rpm/rpm-file.ts'
import { makeRpm, makeRpmDatabaseHeader } from '../../build/rpm.ts'
import { makeRpmHeader, type TagValue, word32 } from '../../build/rpm-header.ts'
import { refusesCuts, survivesFlips } from './damage.ts'

const input = { name: 'kernel-core', epoch: 3, version: '5.14.0', release: '600.el9', sourceRpm: 'kernel.src.rpm' }
const identity = new Map<number, TagValue>([
  [1000, { string: 'a' }],
  [1001, { string: '1' }],
  [1002, { string: '2' }],
])

describe('parseRpmHeader', () => {
  it('reads the header of a file', () => {
    const { headerBytes } = parseRpm(makeRpm(input), 'test')
    const header = parseRpmHeader(headerBytes, 'test')
    expect(header).toMatchObject({
      name: 'kernel-core',
      evr: { epoch: 3, version: '5.14.0', release: '600.el9' },
      arch: 'x86_64',
      sourceRpm: 'kernel.src.rpm',
      payloadFormat: 'cpio',
      payloadCompressor: 'gzip',
      payloadSha256: expect.stringMatching(/^[0-9a-f]{64}$/),
    })
    expect(formatNevra(header)).toBe('kernel-core-3:5.14.0-600.el9.x86_64')
  })

  it('reads the blob of the RPM database', () => {
    expect(parseRpmHeader(makeRpmDatabaseHeader(input), 'rpmdb.sqlite')).toMatchObject({
      name: 'kernel-core',
      evr: { epoch: 3, version: '5.14.0', release: '600.el9' },
      sourceRpm: 'kernel.src.rpm',
    })
  })

  it('takes the entry added at installation in a blob, and refuses a tag twice in a file', () => {
    const added = new Map<number, TagValue>([[1002, { string: '7' }]])
    expect(parseRpmHeader(makeRpmHeader(identity, { region: 63, blob: true, added }), 'x').evr.release).toBe('7')
    expect(() => parseRpmHeader(makeRpmHeader(identity, { region: 63, added }), 'x')).toThrow(
      expect.objectContaining({ code: 'RPM_INVALID', found: 'the tag twice' }),
    )
  })

  it('says null for what gpg-pubkey entries do not have', () => {
    expect(parseRpmHeader(makeRpmHeader(identity, { region: 63, blob: true }), 'x')).toEqual({
      name: 'a',
      evr: { epoch: 0, version: '1', release: '2' },
      arch: null,
      sourceRpm: null,
      payloadFormat: null,
      payloadCompressor: null,
      payloadSha256: null,
    })
  })

  it.each([1000, 1001, 1002])('refuses a header without tag %i', tag => {
    const without = new Map([...identity].filter(([other]) => other !== tag))
    expect(() => parseRpmHeader(makeRpmHeader(without, { region: 63 }), 'x')).toThrow(
      expect.objectContaining({ code: 'RPM_INVALID' }),
    )
  })

  it('refuses a name that is a number and an epoch that is a string', () => {
    for (const wrong of [
      new Map<number, TagValue>([[1000, { int32: [1] }]]),
      new Map<number, TagValue>([[1003, { string: '1' }]]),
    ])
      expect(() => parseRpmHeader(makeRpmHeader(new Map([...identity, ...wrong]), { region: 63 }), 'x')).toThrow(
        expect.objectContaining({ code: 'RPM_INVALID' }),
      )
  })

  it('does not believe counts and sizes: entries, store, items', () => {
    const huge =
      (...words: number[]) =>
      () =>
        parseRpmHeader(Uint8Array.from(words.flatMap(word32)), 'x')
    for (const parse of [
      huge(0, 0),
      huge(0xffffffff, 16),
      huge(0xffff, 0x7fffffff),
      huge(1, 0x03ffffff, 1000, 6, 0, 1),
      huge(1, 4, 1000, 6, 5, 1, 0),
      huge(1, 4, 1003, 4, 0, 0x40000001, 0),
      huge(1, 4, 1000, 8, 0, 0xffffffff, 0),
      huge(1, 4, 1000, 10, 0, 1, 0),
    ])
      expect(parse).toThrow(expect.objectContaining({ code: 'RPM_INVALID' }))
  })

  it('refuses cuts and survives flips', async () => {
    const { headerBytes } = parseRpm(makeRpm(input), 'test')
    for (const bytes of [headerBytes, makeRpmDatabaseHeader(input)]) {
      await refusesCuts(bytes, cut => parseRpmHeader(cut, 'cut'))
      expect(await survivesFlips(bytes, flipped => parseRpmHeader(flipped, 'flipped'))).toBeGreaterThan(100)
    }
    expect(() => parseRpmHeader(new Uint8Array([...headerBytes, 0]), 'long')).toThrow(/end/)
  })
})
