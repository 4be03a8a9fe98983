import { describe, expect, it } from 'vitest'
import { formatHex } from '../../../src/formats/bytes/hex.ts'
import { guids } from '../../../src/formats/efi/guid.ts'
import {
  certificateList,
  formatSignatureLists,
  parseSignatureLists,
  type SignatureList,
} from '../../../src/formats/efi/signature-list.ts'
import { vendorMokList } from '../../../src/formats/shim/mok-list.ts'
import { parseVendorCert } from '../../../src/formats/shim/vendor-cert.ts'
import type { BootFileRole } from '../../../src/image/boot-file.ts'
import { sameVariable, shimAuthorities } from '../../../src/predict/trust/shim-authority.ts'
import type { ShimKeys } from '../../../src/predict/trust/shim-stores.ts'
import { signPe } from '../../build/authenticode.ts'
import { seededBytes, vendorTable } from '../../build/boot-files.ts'
import { makeSigningKey, type SigningKey } from '../../build/certificate.ts'
import { faultOf } from '../../build/damage.ts'
import { certificateHashList, imageHashList, listOf, listsOf, loadFile, unknownList } from '../../build/load-file.ts'
import { makePe } from '../../build/pe.ts'

const unsigned = makePe({ sections: [{ name: '.text', data: seededBytes('shim-trust', 300) }] })
const vendor = makeSigningKey('shim-vendor', { commonName: 'Vendor' })
const signer = makeSigningKey('shim-signer', { commonName: 'Signer', issuer: vendor })
const mok = makeSigningKey('shim-mok', { commonName: 'Enrolled' })
const firmware = makeSigningKey('shim-db', { commonName: 'Firmware' })
const stranger = makeSigningKey('shim-stranger', { commonName: 'Stranger' })
const none = new Uint8Array(0)

const byVendor = signPe(unsigned, signer)
const byMok = signPe(unsigned, mok)
const byFirmware = signPe(unsigned, firmware)

interface Machine {
  readonly version?: readonly [major: number, minor: number]
  readonly allowed?: Uint8Array
  readonly denied?: Uint8Array
  readonly db?: readonly SignatureList[]
  readonly dbx?: readonly SignatureList[]
  readonly enrolled?: readonly SignatureList[]
  readonly mokListX?: readonly SignatureList[]
  readonly ignoreDb?: boolean
}

/** A machine where db holds `firmware`, shim's vendor certificate is `vendor`, and `mok` is enrolled. */
function keysOf(machine: Machine): ShimKeys {
  const [major, minor] = machine.version ?? [16, 1]
  const built = parseVendorCert(vendorTable(machine.allowed ?? vendor.certificate, machine.denied ?? none), 'shim')
  return {
    version: { major, minor },
    vendor: built,
    db: machine.db ?? listsOf(firmware),
    dbx: machine.dbx ?? [],
    mokList: [...parseSignatureLists(vendorMokList(built), 'MokListRT'), ...(machine.enrolled ?? listsOf(mok))],
    mokListX: machine.mokListX ?? [],
    ignoreDb: machine.ignoreDb ?? false,
    source: 'test',
  }
}

const authorities = (bytes: Uint8Array, machine: Machine = {}, role: BootFileRole = 'grub') =>
  shimAuthorities(loadFile(bytes, role), keysOf(machine))
const chosen = (bytes: Uint8Array, machine: Machine = {}) =>
  authorities(bytes, machine).map(
    ({ variable }) => `${variable.name} ${variable.vendorGuid} ${formatHex(variable.data)}`,
  )
const refused = (bytes: Uint8Array, machine: Machine = {}, role: BootFileRole = 'grub') =>
  faultOf(() => authorities(bytes, machine, role))

const shimLock = '605dab50-e046-4300-abb6-3dd810dd8b23'
const imageSecurity = 'd719b2cb-3d3a-4596-a3bc-dad00e67656f'
/** Owners as bytes: 605dab50-… of shim, 77fa9abd-… of all lists that the tests make. */
const byShim = '50ab5d6046e00043abb63dd810dd8b23'
const byOwner = 'bd9afa775903324dbd6028f4e78f784b'

const inDb = (data: Uint8Array) => `db ${imageSecurity} ${byOwner}${formatHex(data)}`
const inMokListRt = (owner: string, { certificate }: SigningKey) =>
  `MokListRT ${shimLock} ${owner}${formatHex(certificate)}`
const inVendorDb = (data: Uint8Array) => `vendor_db ${imageSecurity} ${byOwner}${formatHex(data)}`

describe('names and data by shim version', () => {
  const bare = `Shim ${shimLock} ${formatHex(vendor.certificate)}`
  const oldMok = `MokList ${shimLock} ${byOwner}${formatHex(mok.certificate)}`

  it.each<[[number, number], string, string]>([
    [[15, 3], bare, oldMok],
    [[15, 6], bare, oldMok],
    [[15, 7], inMokListRt(byShim, vendor), inMokListRt(byOwner, mok)],
    [[15, 8], inMokListRt(byShim, vendor), inMokListRt(byOwner, mok)],
    [[16, 1], inMokListRt(byShim, vendor), inMokListRt(byOwner, mok)],
  ])('%j', (version, vendorEvent, mokEvent) => {
    expect(chosen(byVendor, { version })).toEqual([vendorEvent])
    expect(chosen(byMok, { version })).toEqual([mokEvent])
    expect(chosen(byFirmware, { version })).toEqual([inDb(firmware.certificate)])
  })

  it.each<[[number, number]]>([[[15, 3]], [[16, 1]]])('%j built with vendor_db', version => {
    const other = makePe({ sections: [{ name: '.text', data: seededBytes('shim-trust-2', 300) }] })
    const allowed = formatSignatureLists([...listsOf(vendor), imageHashList(other)])
    expect(chosen(byVendor, { version, allowed })).toEqual([inVendorDb(vendor.certificate)])
    expect(chosen(other, { version, allowed })).toEqual([inVendorDb(loadFile(other).digests.sha256)])
  })
})

describe('the order in which shim looks', () => {
  it('db, vendor_db, MokListRT, and db not where it is ignored', () => {
    const enrolled = listsOf(vendor)
    const allowed = formatSignatureLists(listsOf(vendor))
    const db = listsOf(vendor)
    expect(chosen(byVendor, { db, allowed, enrolled })).toEqual([inDb(vendor.certificate)])
    expect(chosen(byVendor, { db, allowed, enrolled, ignoreDb: true })).toEqual([inVendorDb(vendor.certificate)])
    expect(chosen(byVendor, { db, enrolled, ignoreDb: true })).toEqual([inMokListRt(byShim, vendor)])
    expect(chosen(byVendor, { allowed: none, enrolled })).toEqual([inMokListRt(byOwner, vendor)])
  })

  it('hashes of the file before any certificate, and then no signature', () => {
    const db = [...listsOf(vendor), imageHashList(byVendor)]
    expect(chosen(byVendor, { db })).toEqual([inDb(loadFile(byVendor).digests.sha256)])
    expect(chosen(byVendor, { db: [imageHashList(byVendor, 'sha1')] })).toEqual([inDb(loadFile(byVendor).digests.sha1)])
    const both = [imageHashList(unsigned, 'sha1'), imageHashList(unsigned)]
    expect(chosen(unsigned, { db: both })).toEqual([inDb(loadFile(unsigned).digests.sha256)])
    expect(chosen(byVendor, { enrolled: [imageHashList(byVendor)] })[0]).toContain('MokListRT')
    // of db alone the SHA-1 hash counts, and longer ones nowhere
    expect(refused(unsigned, { enrolled: [imageHashList(unsigned, 'sha1')] }).code).toBe('BOOT_LOADER_UNSIGNED')
    expect(refused(unsigned, { db: [imageHashList(unsigned, 'sha512')] }).code).toBe('BOOT_LOADER_UNSIGNED')
  })

  it('the hash of an unsigned file as that shim computes it', () => {
    const behind = makePe({ sections: [{ name: '.text', data: seededBytes('shim-trust', 300) }] })
    const longer = new Uint8Array([...behind, 1, 2, 3, 4, 5])
    const asEnrolled = [imageHashList(behind)]
    expect(chosen(longer, { version: [15, 8], enrolled: asEnrolled })).toHaveLength(1)
    expect(refused(longer, { version: [16, 1], enrolled: asEnrolled }).code).toBe('BOOT_LOADER_UNSIGNED')
    expect(refused(longer, { version: [15, 8], enrolled: [imageHashList(longer)] }).code).toBe('BOOT_LOADER_UNSIGNED')
    expect(refused(longer, { version: [15, 8], enrolled: asEnrolled, dbx: asEnrolled }).code).toBe('DENIED_BY_SHIM')
  })

  it('every signature gives its own authority, in the order of the table', () => {
    const three = signPe(signPe(signPe(unsigned, mok), stranger), firmware)
    expect(chosen(three)).toEqual([inMokListRt(byOwner, mok), inDb(firmware.certificate)])
    const twice = signPe(signPe(unsigned, signer), signer)
    const [first, second, ...others] = authorities(twice)
    expect(others).toEqual([])
    if (first === undefined || second === undefined) throw new Error('two events expected')
    expect(sameVariable(first, second)).toBe(true)
    expect(sameVariable(first, { ...second, variable: { ...second.variable, name: 'db' } })).toBe(false)
    expect(sameVariable(first, { ...second, variable: { ...second.variable, data: none } })).toBe(false)
  })
})

describe('entries that shim passes over', () => {
  it('all but the first certificate of a list', () => {
    const db = [listOf(guids.certX509, stranger.certificate, firmware.certificate)]
    expect(refused(byFirmware, { db }).code).toBe('NOT_TRUSTED_BY_SHIM')
    expect(chosen(byFirmware, { db: [unknownList(), ...db, ...listsOf(firmware)] })).toEqual([
      inDb(firmware.certificate),
    ])
  })

  it('certificates for kernel modules', () => {
    const modules = makeSigningKey('shim-modules', { usages: ['1.3.6.1.4.1.2312.16.1.2'] })
    expect(refused(signPe(unsigned, modules), { enrolled: listsOf(modules) }).code).toBe('NOT_TRUSTED_BY_SHIM')
    // its own certificate is tried without asking what it is for
    const events = chosen(signPe(unsigned, modules), { allowed: modules.certificate })
    expect(events).toEqual([`Shim ${shimLock} ${formatHex(modules.certificate)}`])
  })

  it('certificates with bytes behind them', () => {
    const longer = new Uint8Array([...firmware.certificate, 0])
    expect(refused(byFirmware, { db: [certificateList(guids.shimLock, longer)] }).code).toBe('NOT_TRUSTED_BY_SHIM')
  })

  it('signatures over another digest than SHA-256', () => {
    const bytes = signPe(unsigned, firmware, { algorithm: 'sha512' })
    const fault = refused(bytes)
    expect(fault.code).toBe('NOT_TRUSTED_BY_SHIM')
    expect(fault.found).toContain('sha512')
    expect(chosen(signPe(bytes, mok))).toEqual([inMokListRt(byOwner, mok)])
  })
})

describe('what shim refuses', () => {
  it('unsigned files, by their role', () => {
    expect(refused(unsigned).code).toBe('BOOT_LOADER_UNSIGNED')
    expect(refused(unsigned, {}, 'kernel').code).toBe('KERNEL_UNSIGNED')
  })

  it('signers that nothing trusts, and says who signed and what is trusted', () => {
    const fault = refused(signPe(unsigned, stranger))
    expect(fault.code).toBe('NOT_TRUSTED_BY_SHIM')
    expect(fault.where).toMatchObject({ source: 'grub.efi' })
    expect(fault.found).toContain('CN=Stranger')
    expect(fault.wanted).toContain('db: CN=Firmware; MokListRT: CN=Vendor; CN=Enrolled')
  })

  it('the same name with another key', () => {
    const impostor = makeSigningKey('shim-impostor', { commonName: 'Vendor' })
    const bytes = signPe(unsigned, makeSigningKey('shim-below', { commonName: 'Signer', issuer: impostor }))
    expect(refused(bytes).code).toBe('NOT_TRUSTED_BY_SHIM')
  })

  it('signatures that do not verify', () => {
    expect(refused(signPe(unsigned, signer, { signedBy: stranger })).code).toBe('SIGNATURE_INVALID')
    expect(refused(signPe(unsigned, signer, { digest: new Uint8Array(32) })).code).toBe('SIGNATURE_DIGEST_MISMATCH')
  })

  it.each<[string, Machine]>([
    ['the file, by vendor_dbx', { denied: formatSignatureLists([imageHashList(byVendor)]) }],
    ['the file, by dbx', { dbx: [imageHashList(byVendor)] }],
    ['the file, by its SHA-1 in dbx', { dbx: [imageHashList(byVendor, 'sha1')] }],
    ['the file, by MokListX', { mokListX: [imageHashList(byVendor)] }],
    ['the issuer, by vendor_dbx', { denied: formatSignatureLists(listsOf(vendor)) }],
    ['the signer, by dbx', { dbx: listsOf(signer) }],
    ['the issuer, by MokListX', { mokListX: listsOf(vendor) }],
  ])('what is denied: %s', (_, machine) => {
    expect(refused(byVendor, machine).code).toBe('DENIED_BY_SHIM')
  })

  it('but not what only firmware would deny: hashes of certificates, SHA-1 in MokListX', () => {
    const machine = { dbx: [certificateHashList(signer)], mokListX: [imageHashList(byVendor, 'sha1')] }
    expect(chosen(byVendor, machine)).toEqual([inMokListRt(byShim, vendor)])
  })

  it('a denied signature beside a trusted one: both are measured, and the file starts', () => {
    const twice = signPe(byMok, signer)
    const denied = `${imageSecurity} ${byOwner}${formatHex(mok.certificate)}`
    expect(chosen(twice, { dbx: listsOf(mok) })).toEqual([`dbx ${denied}`, inMokListRt(byShim, vendor)])
  })
})
