import { createHash } from 'node:crypto'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { banks, digestInBanks, digestLength, formatDigests } from '../../src/formats/bytes/digest.ts'
import { formatHex } from '../../src/formats/bytes/hex.ts'
import { extend, extendAll, startValue } from '../../src/predict/extend.ts'

describe('PCR arithmetic', () => {
  it.each(banks)('extends %s as an independent hash of old value and digest', bank => {
    fc.assert(
      fc.property(
        fc.uint8Array({ minLength: 64, maxLength: 64 }),
        fc.uint8Array({ minLength: 64, maxLength: 64 }),
        (a, b) => {
          const [value, digest] = [a.subarray(0, digestLength[bank]), b.subarray(0, digestLength[bank])]
          const expected = createHash(bank).update(value).update(digest).digest('hex')
          expect(formatHex(extend(bank, new Uint8Array(value), new Uint8Array(digest)))).toBe(expected)
        },
      ),
      { numRuns: 30 },
    )
  })

  it('extending twice is extending with the second after the first', () => {
    const [a, b] = [digestInBanks(Uint8Array.of(1)).sha384, digestInBanks(Uint8Array.of(2)).sha384]
    const start = startValue('sha384', 4)
    expect(extendAll('sha384', start, [a, b])).toEqual(extend('sha384', extend('sha384', start, a), b))
    expect(extendAll('sha384', start, [])).toEqual(start)
  })

  it('starts at zero, PCR 17 to 22 with all bits set, PCR 0 with the locality', () => {
    expect(formatHex(startValue('sha1', 16))).toBe('00'.repeat(20))
    expect(formatHex(startValue('sha1', 17))).toBe('ff'.repeat(20))
    expect(formatHex(startValue('sha512', 22))).toBe('ff'.repeat(64))
    expect(formatHex(startValue('sha256', 23))).toBe('00'.repeat(32))
    expect(formatHex(startValue('sha256', 0, 3))).toBe(`${'00'.repeat(31)}03`)
    expect(formatHex(startValue('sha256', 1, 3))).toBe('00'.repeat(32))
  })

  it('only the separator in a PCR gives the value that machines show in PCR 3 and 6', () => {
    const value = extend('sha256', startValue('sha256', 6), digestInBanks(new Uint8Array(4)).sha256)
    expect(formatHex(value)).toBe('3d458cfe55cc03ea1f443f1562beec8df51c75e14a9fcf9a7234a13f198e7969')
  })
})

describe('digests that event logs of real machines show', () => {
  const text = (value: string) => new Uint8Array(Buffer.from(value, 'latin1'))

  it('of the separator', () => {
    expect(formatDigests(digestInBanks(new Uint8Array(4)))).toMatchObject({
      sha1: '9069ca78e7450a285173431b3e52c5c25299e473',
      sha256: 'df3f619804a92fdb4057192dc43dd748ea778adc52bc498ce80524c014b81119',
      sha384: '394341b7182cd227c5c6b07ef8000cdfd86136c4292b8e576573ad7ed9ae41019f5818b4b971c9effc60e1ad9f1289f0',
    })
  })

  it('of the call of the boot option, without NUL', () => {
    expect(formatDigests(digestInBanks(text('Calling EFI Application from Boot Option')))).toMatchObject({
      sha1: 'cd0fdb4531a6ec41be2753ba042637d6e5f7f256',
      sha256: '3d6772b4f84ed47595d72a2c4c5ffd15f5bb72c7507fe26f2aaee2c69d5633ba',
      sha384: '77a0dab2312b4e1e57a84d865a21e5b2ee8d677a21012ada819d0a98988078d3d740f6346bfe0abaa938ca20439a8d71',
    })
  })

  it('of MokListTrusted that is not set', () => {
    expect(formatDigests(digestInBanks(Uint8Array.of(1)))).toMatchObject({
      sha1: 'bf8b4530d8d246dd74ac53a13471bba17941dff7',
      sha256: '4bf5122f344554c53bde2ebb8cd2b7e3d1600ad631c385a5d7cce23c7785459a',
      sha384: '8d2ce87d86f55fcfab770a047b090da23270fa206832dfea7e0c946fff451f819add242374be551b0d6318ed6c7d41d8',
    })
  })
})
