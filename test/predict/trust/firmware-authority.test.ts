import { describe, expect, it } from 'vitest'
import { banks } from '../../../src/formats/bytes/digest.ts'
import { formatHex } from '../../../src/formats/bytes/hex.ts'
import { guids } from '../../../src/formats/efi/guid.ts'
import type { SignatureList } from '../../../src/formats/efi/signature-list.ts'
import { parsePe } from '../../../src/formats/pe/pe.ts'
import type { BootFileRole } from '../../../src/image/boot-file.ts'
import { firmwareAuthority } from '../../../src/predict/trust/firmware-authority.ts'
import { signPe } from '../../build/authenticode.ts'
import { seededBytes } from '../../build/boot-files.ts'
import { makeSigningKey, type SigningKey } from '../../build/certificate.ts'
import { cuts, faultOf, flips, outcome } from '../../build/damage.ts'
import {
  certificateHashList,
  imageHashList,
  listOf,
  listsOf,
  loadFile,
  owner,
  rsaKeyList,
  unknownList,
} from '../../build/load-file.ts'
import { makePe } from '../../build/pe.ts'

const unsigned = makePe({ sections: [{ name: '.text', data: seededBytes('firmware', 300) }] })
const root = makeSigningKey('fw-root', { commonName: 'Root' })
const middle = makeSigningKey('fw-middle', { commonName: 'Middle', issuer: root })
const leaf = makeSigningKey('fw-leaf', { commonName: 'Leaf', issuer: middle })
const other = makeSigningKey('fw-other', { commonName: 'Other' })
const stranger = makeSigningKey('fw-stranger', { commonName: 'Stranger' })
const withMiddle = { otherCertificates: [middle.certificate] }
const chained = signPe(unsigned, leaf, withMiddle)

function choose(
  bytes: Uint8Array,
  db: readonly SignatureList[],
  dbx: readonly SignatureList[] = [],
  role: BootFileRole = 'shim',
) {
  return firmwareAuthority(loadFile(bytes, role), { db, dbx, source: 'test' })
}

/** What the event of an entry of db holds: the owner's 16 bytes (77fa9abd-…, as Microsoft's lists have it), then the entry. */
const inDb = (data: Uint8Array) => ({
  vendorGuid: 'd719b2cb-3d3a-4596-a3bc-dad00e67656f',
  name: 'db',
  data: `bd9afa775903324dbd6028f4e78f784b${formatHex(data)}`,
})
const chosen = (...given: Parameters<typeof choose>) => {
  const { variable } = choose(...given)
  return { ...variable, data: formatHex(variable.data) }
}
const refused = (...given: Parameters<typeof choose>) => faultOf(() => choose(...given))

describe('the authority that firmware measures', () => {
  it.each<[string, SigningKey]>([
    ['the signer', leaf],
    ['an issuer that came with the signature', middle],
    ['an issuer that is only in db', root],
  ])('%s in db vouches for the file', (_, key) => {
    const db = [unknownList(), rsaKeyList(), ...listsOf(stranger, key)]
    expect(owner).toBe('77fa9abd-0359-4d32-bd60-28f4e78f784b')
    expect(chosen(chained, db)).toEqual(inDb(key.certificate))
  })

  it('the order of db decides between certificates of one signature', () => {
    expect(chosen(chained, listsOf(root, leaf))).toEqual(inDb(root.certificate))
    expect(chosen(chained, listsOf(leaf, root))).toEqual(inDb(leaf.certificate))
    expect(chosen(chained, [listOf(guids.certX509, stranger.certificate, root.certificate)])).toEqual(
      inDb(root.certificate),
    )
  })

  it('the order of signatures decides before the order of db', () => {
    const twice = signPe(signPe(unsigned, other), leaf, withMiddle)
    expect(chosen(twice, listsOf(root, other))).toEqual(inDb(other.certificate))
    expect(chosen(twice, listsOf(root))).toEqual(inDb(root.certificate))
  })

  it('a certificate counts before the hash of the file, and the hash where no certificate does', () => {
    expect(chosen(chained, [imageHashList(chained), ...listsOf(root)])).toEqual(inDb(root.certificate))
    expect(chosen(chained, [imageHashList(chained)])).toEqual(inDb(loadFile(chained).digests.sha256))
    // the hash of the first signature counts before the certificate of the second
    const twice = signPe(signPe(unsigned, other), leaf, withMiddle)
    expect(chosen(twice, [imageHashList(twice), ...listsOf(root)])).toEqual(inDb(loadFile(twice).digests.sha256))
  })

  it('a signed file’s hash is looked up in the algorithm of the signature', () => {
    const sha512 = signPe(unsigned, leaf, { ...withMiddle, algorithm: 'sha512' })
    expect(refused(sha512, [imageHashList(sha512)]).code).toBe('NOT_TRUSTED_BY_FIRMWARE')
    expect(chosen(sha512, [imageHashList(sha512, 'sha512')])).toEqual(inDb(loadFile(sha512).digests.sha512))
    expect(chosen(sha512, listsOf(root))).toEqual(inDb(root.certificate))
  })

  it.each(banks)('an unsigned file starts by its %s hash', bank => {
    expect(chosen(unsigned, [imageHashList(unsigned, bank)])).toEqual(inDb(loadFile(unsigned).digests[bank]))
  })

  it('a bad signature beside a good one does no harm', () => {
    const twice = signPe(signPe(unsigned, other, { signedBy: stranger }), leaf, withMiddle)
    expect(chosen(twice, listsOf(other, root))).toEqual(inDb(root.certificate))
  })

  it('an unreadable certificate in db is passed over', () => {
    expect(chosen(chained, [listOf(guids.certX509, seededBytes('junk', 40)), ...listsOf(root)])).toEqual(
      inDb(root.certificate),
    )
  })
})

describe('what firmware refuses', () => {
  it('unsigned files, by their role', () => {
    expect(refused(unsigned, listsOf(root)).code).toBe('BOOT_LOADER_UNSIGNED')
    expect(refused(unsigned, listsOf(root), [], 'uki').code).toBe('KERNEL_UNSIGNED')
    expect(refused(unsigned, listsOf(root), [], 'kernel').code).toBe('KERNEL_UNSIGNED')
  })

  it('an unsigned file whose hash stands in db twice: which one is measured is not predicted', () => {
    const db = [imageHashList(unsigned), imageHashList(unsigned, 'sha1')]
    expect(refused(unsigned, db).code).toBe('NOT_TRUSTED_BY_FIRMWARE')
  })

  it('signers that db does not know, and says who signed and whom db knows', () => {
    const fault = refused(chained, listsOf(stranger, other))
    expect(fault.code).toBe('NOT_TRUSTED_BY_FIRMWARE')
    expect(fault.where).toMatchObject({ source: 'shim.efi' })
    expect(fault.found).toContain('CN=Leaf, issued by CN=Middle')
    expect(fault.wanted).toContain('CN=Stranger; CN=Other')
  })

  it('a certificate of the same name with another key', () => {
    const impostor = makeSigningKey('fw-impostor', { commonName: 'Root' })
    expect(impostor.subjectName).toEqual(root.subjectName)
    expect(refused(chained, listsOf(impostor)).code).toBe('NOT_TRUSTED_BY_FIRMWARE')
    const twin = makeSigningKey('fw-twin', { commonName: 'Leaf', issuer: middle })
    expect(refused(chained, listsOf(twin)).code).toBe('NOT_TRUSTED_BY_FIRMWARE')
  })

  it('a certificate in db that is no authority but issued the signer’s', () => {
    const plain = makeSigningKey('fw-plain', { commonName: 'Plain', authority: false })
    const bytes = signPe(unsigned, makeSigningKey('fw-below', { issuer: plain }))
    expect(refused(bytes, listsOf(plain)).code).toBe('NOT_TRUSTED_BY_FIRMWARE')
    expect(chosen(signPe(unsigned, plain), listsOf(plain))).toEqual(inDb(plain.certificate))
  })

  it('signatures that do not verify', () => {
    expect(refused(signPe(unsigned, leaf, { ...withMiddle, signedBy: other }), listsOf(root, leaf)).code).toBe(
      'SIGNATURE_INVALID',
    )
    expect(refused(signPe(unsigned, leaf, { digest: new Uint8Array(32) }), listsOf(leaf)).code).toBe(
      'SIGNATURE_DIGEST_MISMATCH',
    )
  })

  it.each<[string, SignatureList]>([
    ['the signer', listsOf(leaf)[0] ?? unknownList()],
    ['an issuer on the path', listsOf(middle)[0] ?? unknownList()],
    ['an issuer above the path', listsOf(root)[0] ?? unknownList()],
    ['the signer by SHA-256', certificateHashList(leaf)],
    ['an issuer by SHA-384', certificateHashList(middle, 'sha384')],
    ['the certificate of db by SHA-512', certificateHashList(root, 'sha512')],
    ['the signer since a time', certificateHashList(leaf, 'sha256', new Uint8Array(16).fill(7))],
    ['the file', imageHashList(chained)],
  ])('what dbx denies: %s', (_, entry) => {
    const dbx = [unknownList(), imageHashList(unsigned, 'sha1'), entry]
    const fault = refused(chained, [imageHashList(chained), ...listsOf(root)], dbx)
    expect(fault.code).toBe('DENIED_BY_FIRMWARE')
  })

  it('the whole file when dbx denies a later signature', () => {
    const twice = signPe(signPe(unsigned, other), leaf, withMiddle)
    expect(refused(twice, listsOf(other), listsOf(middle)).code).toBe('DENIED_BY_FIRMWARE')
    expect(chosen(twice, listsOf(other), listsOf(stranger))).toEqual(inDb(other.certificate))
  })

  it('an unsigned file whose hash dbx has in any algorithm', () => {
    const fault = refused(unsigned, [imageHashList(unsigned)], [imageHashList(unsigned, 'sha384')])
    expect(fault.code).toBe('DENIED_BY_FIRMWARE')
  })

  it('any signature whose signer cannot be found, once there is a dbx', () => {
    const both = signPe(signPe(unsigned, other, { signerCertificate: false }), leaf, withMiddle)
    expect(chosen(both, listsOf(root))).toEqual(inDb(root.certificate))
    expect(refused(both, listsOf(root), [unknownList()]).code).toBe('DENIED_BY_FIRMWARE')
  })

  it('signatures that it passes over: of 64 KiB and more, and such that name another algorithm', () => {
    const filler = makeSigningKey('fw-filler', { commonName: 'y'.repeat(30_000) })
    const long = signPe(unsigned, leaf, { otherCertificates: [middle.certificate, filler.certificate] })
    const longer = signPe(unsigned, leaf, {
      otherCertificates: [middle.certificate, filler.certificate, filler.certificate],
    })
    expect(chosen(long, listsOf(root))).toEqual(inDb(root.certificate))
    expect(refused(longer, listsOf(root)).wanted).toContain('offset 32')
    const misnamed = signPe(chained, other, { namedAlgorithm: 'sha512' })
    expect(refused(misnamed, listsOf(root)).wanted).toContain('offset 32')
  })

  it('certificate tables that it reads otherwise', () => {
    const file = loadFile(chained)
    const keys = { db: listsOf(root), dbx: [], source: 'test' }
    const signatures = [...file.pe.signatures, { revision: 0x200, type: 0x0ef1, offset: 0, data: new Uint8Array(8) }]
    expect(outcome(() => firmwareAuthority({ ...file, pe: { ...file.pe, signatures } }, keys))).toBe(
      'NOT_TRUSTED_BY_FIRMWARE',
    )
    const certificateTable = { ...file.pe.certificateTable, size: file.pe.certificateTable.size - 1 }
    expect(outcome(() => firmwareAuthority({ ...file, pe: { ...file.pe, certificateTable } }, keys))).toBe(
      'NOT_TRUSTED_BY_FIRMWARE',
    )
  })
})

describe('damaged signatures', () => {
  const bytes = signPe(unsigned, leaf)
  const [entry] = parsePe(bytes, 'file.efi').signatures
  const { offset = 0, data = new Uint8Array(0) } = entry ?? {}
  const db = listsOf(middle)
  const put = (changed: Uint8Array) => {
    const file = new Uint8Array(bytes)
    file.fill(0, offset + 8)
    file.set(changed, offset + 8)
    return file
  }

  it('no change in a certificate, in what is signed or in the signature is ever trusted', () => {
    const trusted: number[] = []
    for (const flip of flips(data, data.length / 2)) {
      const file = put(flip.bytes)
      if (outcome(() => choose(file, db)) !== 'read') continue
      trusted.push(flip.offset)
      expect(chosen(file, db)).toEqual(inDb(middle.certificate))
    }
    const start = Buffer.from(data).indexOf(leaf.certificate)
    const inside = (at: number) => at >= start && at < start + leaf.certificate.length
    expect(trusted.filter(inside)).toEqual([])
    // versions and the name of the signature algorithm, which nobody signs and OpenSSL does not read
    expect(trusted.length).toBeLessThan(25)
  })

  it('no cut is trusted, but for padding', () => {
    for (const cut of cuts(data, 500)) {
      const padding = data.subarray(cut.length).every(byte => byte === 0)
      if (!padding) expect(outcome(() => choose(put(cut), db))).not.toBe('read')
    }
  })
})
