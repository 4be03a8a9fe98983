import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { digestInBanks, formatDigests } from '../../../src/formats/bytes/digest.ts'
import { authenticodeDigests } from '../../../src/formats/pe/authenticode.ts'
import { type PeFile, parsePe } from '../../../src/formats/pe/pe.ts'
import { parseSignatures } from '../../../src/formats/pe/signature.ts'
import { makeGrub, makeKernel, makeShim, seededBytes } from '../../build/boot-files.ts'
import { makeSigningKey } from '../../build/certificate.ts'
import { faultOf, flips } from '../../build/damage.ts'
import { makePe } from '../../build/pe.ts'

const digestOf = (bytes: Uint8Array) => formatDigests(authenticodeDigests(parsePe(bytes, 'file.efi')))
const text = { name: '.text', data: seededBytes('authenticode', 100) }

/** Bytes of a signed file that no digest covers: CheckSum, the directory entry of the certificate table, the table itself. */
function uncovered(pe: PeFile, offset: number): boolean {
  const entry = pe.certificateEntryOffset ?? Number.POSITIVE_INFINITY
  return (
    (offset >= pe.checkSumOffset && offset < pe.checkSumOffset + 4) ||
    (offset >= entry && offset < entry + 8) ||
    (pe.certificateTable.size > 0 && offset >= pe.certificateTable.offset)
  )
}

describe('Authenticode digest', () => {
  it.each([
    ['shim', makeShim({ seed: 'digest' })],
    ['GRUB', makeGrub({ seed: 'digest' })],
    ['kernel', makeKernel({ seed: 'digest', release: '6.1.0-1' })],
  ])('of %s is the one that its signer computed', (_, bytes) => {
    const pe = parsePe(bytes, 'file.efi')
    const [signature] = parseSignatures(pe)
    expect(signature?.digest).toEqual(authenticodeDigests(pe).sha256)
  })

  it('does not change by signing, but by padding an unsigned file of odd length', () => {
    const even = { sections: [text], overlay: seededBytes('overlay', 16) }
    expect(digestOf(makePe(even, makeSigningKey('a')))).toEqual(digestOf(makePe(even)))
    const odd = { sections: [text], overlay: seededBytes('overlay', 13) }
    expect(digestOf(makePe(odd, makeSigningKey('a')))).not.toEqual(digestOf(makePe(odd)))
  })

  it('is taken without padding from an unsigned file of odd length', () => {
    const file = makePe({ sections: [text], overlay: seededBytes('overlay', 13) })
    const pe = parsePe(file, 'file.efi')
    const entry = pe.certificateEntryOffset ?? 0
    const parts = [file.subarray(0, pe.checkSumOffset), file.subarray(pe.checkSumOffset + 4, entry)]
    expect(authenticodeDigests(pe)).toEqual(digestInBanks(...parts, file.subarray(entry + 8)))
  })

  it('sorts sections by their place in the file, whatever their order in the table', () => {
    const file = makePe({ sections: [text, { name: '.data', data: seededBytes('data', 100) }] })
    const swapped = new Uint8Array(file)
    const [first, second] = [0x80 + 24 + 240, 0x80 + 24 + 240 + 40]
    swapped.set(file.subarray(first, first + 40), second)
    swapped.set(file.subarray(second, second + 40), first)
    const pe = parsePe(swapped, 'file.efi')
    const entry = pe.certificateEntryOffset ?? 0
    const parts = [swapped.subarray(0, pe.checkSumOffset), swapped.subarray(pe.checkSumOffset + 4, entry)]
    expect(authenticodeDigests(pe)).toEqual(digestInBanks(...parts, swapped.subarray(entry + 8)))
  })

  it('begins the overlay at the sum of what was hashed, not behind the last section', () => {
    const file = makePe({ sections: [text], overlay: seededBytes('overlay', 0x400) })
    // Moves the section 0x200 bytes on, into the overlay: the hash of the gap's place is the firmware's, not the obvious one.
    new DataView(file.buffer).setUint32(0x80 + 24 + 240 + 20, 0x400, true)
    const pe = parsePe(file, 'file.efi')
    const entry = pe.certificateEntryOffset ?? 0
    expect(pe.sizeOfHeaders).toBe(0x200)
    expect(authenticodeDigests(pe)).toEqual(
      digestInBanks(
        file.subarray(0, pe.checkSumOffset),
        file.subarray(pe.checkSumOffset + 4, entry),
        file.subarray(entry + 8, 0x200),
        file.subarray(0x400, 0x600),
        file.subarray(0x400),
      ),
    )
  })

  it('refuses sections that overlap, before hashing them again and again', () => {
    const section = { name: '.a', data: seededBytes('a', 0x1000) }
    const file = makePe({ sections: [section, section, section] })
    for (const index of [0, 1, 2]) new DataView(file.buffer).setUint32(0x80 + 24 + 240 + 40 * index + 16, 0x2000, true)
    expect(faultOf(() => digestOf(file.subarray(0, 0x3200 + 0x200))).code).toBe('PE_INVALID')
  })

  it.each([
    ['shim', makeShim({ seed: 'flip' })],
    ['unsigned kernel', makeKernel({ seed: 'flip', release: '6.1.0-1', signer: null })],
  ])('changes with every byte of %s, but for checksum, directory entry and certificate table', (_, bytes) => {
    const before = digestOf(bytes)
    const original = parsePe(bytes, 'file.efi')
    let [changed, unchanged] = [0, 0]
    for (const flip of flips(bytes, bytes.length)) {
      const after = digestOrRefusal(flip.bytes)
      if (after === 'refused') continue
      if (uncovered(original, flip.offset)) {
        unchanged++
        expect(after, `offset ${flip.offset}`).toBe(before.sha256)
      } else {
        changed++
        expect(after, `offset ${flip.offset}`).not.toBe(before.sha256)
      }
    }
    expect(changed).toBeGreaterThan(5000)
    expect(unchanged).toBeGreaterThanOrEqual(4)
  })

  it('changes in every bank with one byte of .text', () => {
    fc.assert(
      fc.property(fc.integer({ min: 0, max: 99 }), fc.integer({ min: 1, max: 255 }), (at, bits) => {
        const data = new Uint8Array(text.data)
        data[at] = (data[at] ?? 0) ^ bits
        const [one, other] = [
          digestOf(makePe({ sections: [text] })),
          digestOf(makePe({ sections: [{ ...text, data }] })),
        ]
        for (const bank of ['sha1', 'sha256', 'sha384', 'sha512'] as const) expect(one[bank]).not.toBe(other[bank])
      }),
      { numRuns: 50 },
    )
  })
})

function digestOrRefusal(bytes: Uint8Array): string {
  try {
    return digestOf(bytes).sha256
  } catch {
    return 'refused'
  }
}
