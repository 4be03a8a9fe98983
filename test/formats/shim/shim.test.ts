import { describe, expect, it } from 'vitest'
import { digestIn } from '../../../src/formats/bytes/digest.ts'
import { formatHex } from '../../../src/formats/bytes/hex.ts'
import { guids } from '../../../src/formats/efi/guid.ts'
import { certificateList, formatSignatureLists, parseSignatureLists } from '../../../src/formats/efi/signature-list.ts'
import { vendorMokList, vendorMokListX } from '../../../src/formats/shim/mok-list.ts'
import { parseSbat } from '../../../src/formats/shim/sbat.ts'
import { parseVendorCert } from '../../../src/formats/shim/vendor-cert.ts'
import { compareShimVersions, parseShimVersion } from '../../../src/formats/shim/version.ts'
import { sbatTexts, vendorTable } from '../../build/boot-files.ts'
import { makeSigningKey } from '../../build/certificate.ts'
import { cuts, faultOf, flips, outcome } from '../../build/damage.ts'

const { certificate } = makeSigningKey('vendor')
const none = new Uint8Array(0)
const text = (value: string) => new Uint8Array(Buffer.from(value, 'latin1'))
const lists = formatSignatureLists([certificateList('0223eddb-9079-4388-af77-2d65b1c35d3b', certificate)])
const read = (allowed: Uint8Array, denied: Uint8Array) => parseVendorCert(vendorTable(allowed, denied), 'shim')

describe('.vendor_cert', () => {
  it('one certificate becomes a list owned by shim', () => {
    const [list] = parseSignatureLists(vendorMokList(read(certificate, none)), 'MokList')
    expect(list).toEqual(certificateList(guids.shimLock, certificate))
  })

  it('signature lists stay as they are, owners included', () => {
    expect(vendorMokList(read(lists, none))).toEqual(lists)
  })

  it('nothing becomes the list with one zero hash, whose digests are known', () => {
    const bytes = vendorMokList(read(none, none))
    expect(vendorMokListX(read(certificate, none))).toEqual(bytes)
    // Digests of this list in event logs of Fedora and RHEL.
    expect(formatHex(digestIn('sha1', bytes))).toBe('525ff70d4cfa4b2c76a2e23fc4490797932bd3f2')
    expect(formatHex(digestIn('sha256', bytes))).toBe(
      '8d8a3aae50d5d25838c95c034aadce7b548c9a952eb7925e366eda537c59c3b0',
    )
    expect(formatHex(digestIn('sha384', bytes))).toBe(
      '80ee2571334a57bf90238d21964447e542079d4805fa87887817a97dcb720906683a09b1ac634c76c0c0be1177f76110',
    )
  })

  it('the denied part is taken whole', () => {
    expect(vendorMokListX(read(none, lists))).toEqual(lists)
  })

  it('refuses what is neither certificate nor signature lists', () => {
    expect(faultOf(() => read(text('this is not a certificate, nor signature lists'), none)).code).toBe(
      'SHIM_UNSUPPORTED',
    )
    expect(faultOf(() => read(certificate, certificate)).code).toBe('SHIM_UNSUPPORTED')
  })

  it('damaged sections are refused or read, nothing else', () => {
    const section = vendorTable(lists, lists)
    for (const cut of cuts(section)) expect(outcome(() => parseVendorCert(cut, 'shim'))).toBe('SHIM_UNSUPPORTED')
    for (const { bytes } of flips(section))
      expect(['SHIM_UNSUPPORTED', 'read']).toContain(outcome(() => parseVendorCert(bytes, 'shim')))
  })
})

describe('shim version', () => {
  it.each([
    ['UEFI SHIM\n$Version: 16.1 $\n$BuildMachine: x $\n', 16, 1],
    ['UEFI SHIM\n$Version: 15.8 $\n', 15, 8],
    ['$Version: 15.8-4.el9 $', 15, 8],
  ])('is read from %j', (section, major, minor) => {
    expect(parseShimVersion(text(section), 'shim')).toEqual({ major, minor })
  })

  it.each(['', 'UEFI SHIM', '$Version: 16 $', 'shim,4,UEFI shim,shim,1,'])('is not in %j', section => {
    expect(faultOf(() => parseShimVersion(text(section), 'shim')).code).toBe('SHIM_UNSUPPORTED')
  })

  it('compares as numbers', () => {
    expect(compareShimVersions({ major: 15, minor: 10 }, { major: 15, minor: 8 })).toBeGreaterThan(0)
    expect(compareShimVersions({ major: 15, minor: 8 }, { major: 16, minor: 0 })).toBeLessThan(0)
  })
})

describe('.sbat', () => {
  it('reads rows up to the first NUL', () => {
    const rows = parseSbat(text(`${sbatTexts['debian-2.12']}\0\0ignored`), 'grub', 'GRUB_UNKNOWN')
    expect(rows.map(({ component, generation, version }) => [component, generation, version])).toEqual([
      ['sbat', 1, '1'],
      ['grub', 5, '2.12'],
      ['grub.debian', 5, '2.12-9+deb13u1'],
    ])
  })

  it('refuses rows without a generation', () => {
    expect(faultOf(() => parseSbat(text('sbat,one,x\n'), 'grub', 'GRUB_UNKNOWN')).code).toBe('GRUB_UNKNOWN')
  })

  it('refuses a section without an end that is too large', () => {
    expect(faultOf(() => parseSbat(new Uint8Array(70_000).fill(65), 'grub', 'GRUB_UNKNOWN')).wanted).toBe(
      'at most 65536 bytes',
    )
  })
})
