// The measured boot policy of Keylime: what keylime/mba/elchecking/example.py reads and checks.

import { describe, expect, it } from 'vitest'
import { formatHex } from '../../../src/formats/bytes/hex.ts'
import { certificateList, formatSignatureLists, sha256List } from '../../../src/formats/efi/signature-list.ts'
import type { VendorCert } from '../../../src/formats/shim/vendor-cert.ts'
import { formatKeylime, keylimePolicy } from '../../../src/predict/output/keylime.ts'
import type { Platform } from '../../../src/predict/platform/platform.ts'
import type { BootFileFacts, Prediction } from '../../../src/predict/prediction.ts'
import { faultOf } from '../../build/damage.ts'
import { grubParts, measured, predictionOfParts } from '../../build/measured.ts'

const microsoft = '77fa9abd-0359-4d32-bd60-28f4e78f784b'
const [certificate, hash] = [Buffer.from('a certificate'), new Uint8Array(32).fill(7)]
const keys = formatSignatureLists([certificateList(microsoft, certificate), sha256List(microsoft, hash)])
const entries = [certificate, hash].map(data => ({ SignatureOwner: microsoft, SignatureData: `0x${formatHex(data)}` }))
const empty = new Uint8Array(0)
const platform: Platform = {
  name: 'machine',
  architecture: undefined,
  secureBoot: true,
  keys: { PK: keys, KEK: keys, db: keys, dbx: empty, dbt: undefined },
  mok: {
    list: undefined,
    listX: undefined,
    trusted: undefined,
    sbState: undefined,
    policy: undefined,
    ignoreDb: false,
  },
  sbatLevel: undefined,
  grubMeasuresKernel: undefined,
  measurement: 'tpm',
  banks: undefined,
  quirks: [],
  eventLog: undefined,
  profileSha256: '',
  notes: [],
}
const file = (role: string, digit: string): BootFileFacts => ({
  role,
  path: role,
  layer: null,
  size: 1,
  sha256: digit.repeat(64),
})
const bootFiles = [file('kernel', '1'), file('initramfs', '2')]
const vendor = (allowed: VendorCert['allowed']): VendorCert => ({ allowed, denied: empty })
const policy = (prediction: Prediction, options: { platforms?: Platform[]; vendorCert?: VendorCert } = {}) =>
  keylimePolicy(prediction, bootFiles, { platforms: [], vendorCert: undefined, ...options })
const digest = (part: string) => `0x${measured(part).digests.sha256}`
const on = predictionOfParts(grubParts(2))
const off = predictionOfParts(grubParts(0), { secureBoot: false })

describe('a prediction as policy of Keylime', () => {
  it('holds digests of the loaded files, of the initramfs and of the MOK lists', () => {
    const made = policy(on, { platforms: [platform], vendorCert: vendor({ kind: 'none' }) })
    expect(made).toEqual({
      has_secureboot: true,
      scrtm_and_bios: null,
      pk: entries,
      kek: entries,
      db: entries,
      dbx: [],
      vendor_db: [],
      mokdig: [{ sha256: digest('Pcr14MokList') }],
      mokxdig: [{ sha256: digest('Pcr14MokListX') }],
      kernels: [
        {
          shim_authcode_sha256: digest('Pcr4Shim'),
          grub_authcode_sha256: digest('Pcr4Grub'),
          kernel_authcode_sha256: digest('Pcr4Vmlinuz'),
          initrd_plain_sha256: `0x${'2'.repeat(64)}`,
          kernel_cmdline: null,
        },
      ],
    })
    expect(
      JSON.parse(formatKeylime({ predictions: [on], bootFiles }, { platforms: [platform], vendorCert: undefined })).pk,
    ).toEqual(entries)
  })

  it('without Secure Boot compares the plain kernel file that GRUB measures', () => {
    const { has_secureboot, kernels } = policy(off)
    expect(has_secureboot).toBe(false)
    expect(Object.keys(kernels[0] ?? {})).not.toContain('kernel_authcode_sha256')
    expect(kernels[0]).toMatchObject({ vmlinuz_plain_sha256: `0x${'1'.repeat(64)}` })
  })

  it('says null for what is not known, and never an empty list that would ask nothing', () => {
    const { scrtm_and_bios, pk, kek, db, dbx } = policy(on, { platforms: [{ ...platform, name: 'other' }] })
    expect([scrtm_and_bios, pk, kek, db, dbx]).toEqual([null, null, null, null, null])
    const noInitramfs = keylimePolicy(on, [], { platforms: [], vendorCert: undefined })
    expect(noInitramfs.kernels[0]?.initrd_plain_sha256).toBeNull()
    const two = keylimePolicy(on, [...bootFiles, file('initramfs', '3')], { platforms: [], vendorCert: undefined })
    expect(two.kernels[0]?.initrd_plain_sha256).toBeNull()
  })

  it('takes vendor_db from the shim that has one', () => {
    expect(policy(on, { vendorCert: vendor({ kind: 'lists', bytes: keys }) }).vendor_db).toEqual(entries)
    expect(policy(on, { vendorCert: vendor({ kind: 'certificate', certificate }) }).vendor_db).toEqual([])
    const uses = predictionOfParts(grubParts().map(part => part.replace('GrubMokListCert', 'GrubVendorDbCert')))
    expect(policy(uses).vendor_db).toBeNull()
    expect(policy(on).vendor_db).toEqual([])
    expect(policy(predictionOfParts(grubParts().filter(part => !part.startsWith('Pcr7')))).vendor_db).toBeNull()
  })
})

describe('what the policy of Keylime has no rule for is refused', () => {
  it.each<[string, Prediction]>([
    ['another boot chain', { ...on, bootChain: 'uki' }],
    ['MokSBState in PCR 14', predictionOfParts([...grubParts(), 'Pcr14MokSBState'])],
    ['MokSBState in PCR 7', predictionOfParts([...grubParts(), 'Pcr7MokSBState'])],
    ['dbt', predictionOfParts([...grubParts(), 'Pcr7Dbt'])],
    ['a second certificate of db', predictionOfParts([...grubParts(), 'Pcr7GrubDbCert'])],
    ['a kernel that a MOK signed', predictionOfParts([...grubParts(), 'Pcr7KernelMokListCert'])],
    ['a program before shim', predictionOfParts(['Pcr4Fallback', ...grubParts()])],
    ['a kernel that is not measured under Secure Boot', predictionOfParts(grubParts(0))],
    ['a kernel that is measured without Secure Boot', predictionOfParts(grubParts(1), { secureBoot: false })],
    ['a boot without MOK lists', predictionOfParts(grubParts().filter(part => !part.startsWith('Pcr14')))],
  ])('%s', (_, prediction) => {
    expect(faultOf(() => policy(prediction)).code).toBe('FORMAT_CANNOT_EXPRESS')
  })

  it('several predictions', () => {
    const several = { predictions: [on, off], bootFiles }
    expect(faultOf(() => formatKeylime(several, { platforms: [], vendorCert: undefined })).hint).toContain('--platform')
  })
})
