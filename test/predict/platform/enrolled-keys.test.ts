import { describe, expect, it } from 'vitest'
import { guids } from '../../../src/formats/efi/guid.ts'
import { certificateList, formatSignatureLists, sha256List } from '../../../src/formats/efi/signature-list.ts'
import { dummyList, mokListContents, mokListXContents } from '../../../src/formats/shim/mok-list.ts'
import { parseVendorCert, type VendorCert } from '../../../src/formats/shim/vendor-cert.ts'
import { enrolledKeys } from '../../../src/predict/platform/enrolled-keys.ts'
import { parsePlatform } from '../../../src/predict/platform/platform.ts'
import { vendorTable } from '../../build/boot-files.ts'
import { makeSigningKey } from '../../build/certificate.ts'
import { faultOf } from '../../build/damage.ts'
import { profile } from '../../build/profile.ts'

const none = new Uint8Array(0)
const redHatOwner = '0223eddb-9079-4388-af77-2d65b1c35d3b'
const { certificate } = makeSigningKey('vendor')
const { certificate: other } = makeSigningKey('platform')
const { certificate: third } = makeSigningKey('firmware')

const build = (allowed: Uint8Array, denied: Uint8Array = none) => parseVendorCert(vendorTable(allowed, denied), 'shim')
const lists = (...parts: Parameters<typeof certificateList>[]) =>
  formatSignatureLists(parts.map(part => certificateList(...part)))
const join = (...parts: readonly Uint8Array[]) => new Uint8Array(Buffer.concat(parts))

const fedora = build(certificate, formatSignatureLists([sha256List(guids.shimLock, new Uint8Array(32).fill(1))]))
const debian = build(other)
const redHat = build(lists([redHatOwner, certificate], [redHatOwner, other]))
const nobody = build(none)
const mok = lists([guids.shimLock, third])
const denied = formatSignatureLists([sha256List(guids.shimLock, new Uint8Array(32).fill(9))])

/** A profile as that shim would leave it behind, with these keys enrolled. */
function left(shim: VendorCert, list: Uint8Array = none, listX: Uint8Array = none) {
  const files = { MokListRT: mokListContents(shim, list), MokListXRT: mokListXContents(shim, listX) }
  return parsePlatform([profile('node', files)])
}

describe('enrolled keys', () => {
  it.each([
    ['a certificate build', fedora],
    ['a vendor_db build', redHat],
    ['a build without vendor_dbx', debian],
  ])('of a profile that %s left behind', (_, shim) => {
    expect(enrolledKeys(left(shim), shim)).toEqual({ list: none, listX: none, notes: [] })
    expect(enrolledKeys(left(shim, mok, denied), shim)).toEqual({ list: mok, listX: denied, notes: [] })
    const two = join(mok, lists([guids.shimLock, other]))
    expect(enrolledKeys(left(shim, two), shim).list).toEqual(two)
  })

  it('of a profile that another known shim left behind', () => {
    expect(enrolledKeys(left(fedora, mok, denied), redHat, [debian, fedora])).toEqual({
      list: mok,
      listX: denied,
      notes: [],
    })
    expect(enrolledKeys(left(debian, mok, denied), fedora, [redHat, debian])).toEqual({
      list: mok,
      listX: denied,
      notes: [],
    })
  })

  it('begin behind the longest vendor part that fits, whichever shim it is of, and say that others fit too', () => {
    const more = build(lists([redHatOwner, certificate], [redHatOwner, other], [redHatOwner, third]))
    for (const [own, known] of [
      [redHat, more],
      [more, redHat],
    ] as const) {
      const { list, notes } = enrolledKeys(left(more, mok), own, [known])
      expect(list).toEqual(mok)
      expect(notes).toEqual([expect.stringMatching(/^MokListRT of profile node begins with .* several known shims/)])
    }
    expect(enrolledKeys(left(redHat, mok), redHat, [more]).notes).toEqual([])
  })

  it('begin behind the longest vendor_dbx that fits', () => {
    const hashes = [1, 2].map(byte => sha256List(guids.shimLock, new Uint8Array(32).fill(byte)))
    const [short, long] = [hashes.slice(0, 1), hashes].map(some => build(certificate, formatSignatureLists(some)))
    if (short === undefined || long === undefined) throw new Error('two builds')
    for (const [own, known] of [
      [short, long],
      [long, short],
    ] as const) {
      const { listX, notes } = enrolledKeys(left(long, none, denied), own, [known])
      expect(listX).toEqual(denied)
      expect(notes).toEqual([expect.stringMatching(/^MokListXRT of profile node begins with .* several known shims/)])
    }
    expect(enrolledKeys(left(short, none, denied), long, [short])).toEqual({ list: none, listX: denied, notes: [] })
  })

  it('of an unknown shim: the first certificate is the vendor’s, and only that one', () => {
    const two = join(mok, lists([guids.shimLock, other]))
    const { list, notes } = enrolledKeys(left(fedora, two), redHat, [debian])
    expect(list).toEqual(two)
    expect(notes[0]).toContain('its first certificate is taken as that of the vendor, the rest as enrolled by the user')
    expect(enrolledKeys(left(fedora), redHat).notes[0]).toMatch(/as that of the vendor$/)
  })

  it.each([
    ['an unknown vendor_db', mokListContents(redHat, none)],
    ['a hash in front', join(denied, mok)],
    [
      'two certificates in one list',
      formatSignatureLists([
        {
          type: guids.certX509,
          header: none,
          signatures: [
            { owner: guids.shimLock, data: certificate },
            { owner: guids.shimLock, data: certificate },
          ],
        },
      ]),
    ],
  ])('are refused behind %s', (_, list) => {
    const platform = parsePlatform([profile('node', { MokListRT: list })])
    const fault = faultOf(() => enrolledKeys(platform, debian, [fedora]))
    expect([fault.code, fault.where.source, fault.where.path]).toEqual(['PLATFORM_INSUFFICIENT', 'node', 'MokListRT'])
  })

  it('of a MokListXRT that no known shim began are taken as none, with a note', () => {
    const { list, listX, notes } = enrolledKeys(left(fedora, mok, denied), redHat)
    expect([list, listX]).toEqual([mok, none])
    expect(notes).toHaveLength(2)
    expect(notes[1]).toContain('MokListX is taken as empty')
  })

  it('are none where only the dummy is there, or nothing', () => {
    const dummy = parsePlatform([profile('node', { MokListRT: dummyList(), MokListXRT: dummyList() })])
    expect(enrolledKeys(dummy, fedora)).toEqual({ list: none, listX: none, notes: [] })
    expect(enrolledKeys(parsePlatform([profile('node', {})]), fedora)).toEqual({
      list: none,
      listX: none,
      notes: ['profile node has no MokListRT: no machine owner key is taken as enrolled'],
    })
  })

  it('are all there is for a shim without vendor part, unless another known shim wrote it', () => {
    expect(enrolledKeys(left(nobody, mok), nobody)).toMatchObject({ list: mok, notes: [expect.any(String)] })
    expect(enrolledKeys(left(fedora, mok), nobody, [fedora])).toEqual({ list: mok, listX: none, notes: [] })
    expect(enrolledKeys(left(nobody, mok, denied), nobody).listX).toEqual(denied)
    expect(enrolledKeys(left(fedora, mok, denied), nobody, [debian]).listX).toEqual(join(fedora.denied, denied))
  })
})
