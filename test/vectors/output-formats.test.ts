// Output formats made from boot files and variables, against recorded boots: what systemd-pcrlock would compute, what Keylime would compare.

import { describe, expect, it } from 'vitest'
import { readPlatforms } from '../../src/commands/boot-sources.ts'
import { type Bank, banks, digestInBanks, formatDigests } from '../../src/formats/bytes/digest.ts'
import { formatHex, parseHex } from '../../src/formats/bytes/hex.ts'
import { findSection, parsePe } from '../../src/formats/pe/pe.ts'
import { parseVendorCert } from '../../src/formats/shim/vendor-cert.ts'
import type { BootFileRole } from '../../src/image/boot-file.ts'
import { parsePcrs } from '../../src/predict/compare-pcrs.ts'
import { extendAll, startValue } from '../../src/predict/extend.ts'
import { keylimePolicy } from '../../src/predict/output/keylime.ts'
import { type PcrlockRecord, pcrlockFiles } from '../../src/predict/output/pcrlock.ts'
import type { Platform } from '../../src/predict/platform/platform.ts'
import { predictImage } from '../../src/predict/predict-image.ts'
import { predictionOf } from '../build/measured.ts'
import { sayWhatIsNotChecked, shared } from './shared.ts'
import { blocksOfYaml, eventsOfYaml, field } from './tpm2-eventlog.ts'

sayWhatIsNotChecked('files for systemd-pcrlock and policies for Keylime against recorded boots')

type Files = readonly (readonly [role: BootFileRole, name: string])[]

const grub = (kernel: string): Files => [
  ['shim', 'shimx64.efi'],
  ['grub', 'grubx64.efi'],
  ['kernel', `vmlinuz-${kernel}-amd64`],
  ['initramfs', `initrd.img-${kernel}-amd64`],
]
const uki = 'uki-252-A.signed.efi'
const systemdBoot = 'systemd-bootx64-trixie.signed.efi'
const boots: readonly (readonly [boot: string, files: Files])[] = [
  ['grub-sb', grub('6.1.0-50')],
  ['grub-sb-newkernel', grub('6.1.0-56')],
  ['grub-nosb', grub('6.1.0-50')],
  ['grub-sb-mok', grub('6.1.0-50')],
  ['uki-sb', [['uki', uki]]],
  ['uki-nosb', [['uki', uki]]],
  ['uki257-sb', [['uki', 'uki-257-A.signed.efi']]],
  [
    'shim-uki-sb-mok',
    [
      ['shim', 'shimx64.efi'],
      ['uki', uki],
    ],
  ],
  [
    'sdboot257-uki-sb',
    [
      ['systemd-boot', systemdBoot],
      ['uki', 'uki-257-B.signed.efi'],
    ],
  ],
]

async function platformOf(boot: string): Promise<Platform> {
  const [platform] = await readPlatforms([{ name: undefined, directories: [shared.path('boots', boot, 'efivars')] }])
  if (platform === undefined) throw new Error(`no platform for ${boot}`)
  return platform
}

async function predict(boot: string, files: Files) {
  const platform = await platformOf(boot)
  const { bootFiles, predictions } = predictImage({
    files: files.map(([role, name]) => ({ role, path: name, layer: null, bytes: shared.bytes('inputs', name) })),
    platforms: [platform],
    secureBoot: undefined,
    banks,
    phase: 'none',
  })
  return { platform, bootFiles, prediction: predictions[0] ?? predictionOf([]) }
}

/** What systemd itself brings, below /usr/lib/pcrlock.d: the firmware's action and the separators. */
function stockComponents(): [string, readonly PcrlockRecord[]][] {
  const record = (pcr: number, data: string): PcrlockRecord => {
    const digests = formatDigests(digestInBanks(Buffer.from(data)))
    return { pcr, digests: banks.map(hashAlg => ({ hashAlg, digest: digests[hashAlg] })) }
  }
  return [
    ['350-action-efi-application.pcrlock', [record(4, 'Calling EFI Application from Boot Option')]],
    ['400-secureboot-separator.pcrlock.d', [record(7, '\0\0\0\0')]],
    ['500-separator.pcrlock.d', [record(4, '\0\0\0\0')]],
  ]
}

describe.skipIf(shared.missing)('files for systemd-pcrlock', () => {
  it.each(boots)(
    '%s: with the files of systemd, in the order of their names, they give the recorded PCRs',
    async (boot, inputs) => {
      const { prediction } = await predict(boot, inputs)
      const files = [...pcrlockFiles({ predictions: [prediction] })]
      const components = [...stockComponents(), ...files.map(([name, { records }]) => [name, records] as const)]
      const records = components.sort(([one], [other]) => (one < other ? -1 : 1)).flatMap(([, own]) => own)
      const recorded = parsePcrs(shared.text('boots', boot, 'pcrs.json'), boot)
      const pcrs = Object.keys(prediction.pcrs).map(Number)
      expect(pcrs).toEqual(expect.arrayContaining(boot.includes('grub') ? [4, 7, 14] : [4, 7, 11]))
      for (const pcr of pcrs)
        for (const bank of banks)
          expect(valueAfter(records, pcr, bank), `PCR ${pcr}, ${bank}`).toBe(recorded[`${pcr}`]?.[bank])
    },
  )
})

function valueAfter(records: readonly PcrlockRecord[], pcr: number, bank: Bank): string {
  const digests = records
    .filter(record => record.pcr === pcr)
    .flatMap(record => record.digests.filter(({ hashAlg }) => hashAlg === bank))
    .map(({ digest }) => parseHex(digest) ?? new Uint8Array(0))
  return formatHex(extendAll(bank, startValue(bank, pcr), digests))
}

/** Owners as `keylime-policy create measured-boot` of Keylime 7.14.3 writes them from the log of grub-sb. */
const [debian, microsoft] = ['a0baa8a3-041d-48a8-bc87-c36d121b5e3d', '77fa9abd-0359-4d32-bd60-28f4e78f784b']
const owners = {
  pk: ['8be4df61-93ca-11d2-aa0d-00e098032b8c'],
  kek: [debian, microsoft],
  db: [microsoft, microsoft],
  dbx: [debian],
}
const variables = { pk: 'PK', kek: 'KEK', db: 'db', dbx: 'dbx' }

describe.skipIf(shared.missing)('the policy of Keylime', () => {
  it.each([
    ['grub-sb', '6.1.0-50', true, 'grub-sb-newkernel'],
    ['grub-sb-newkernel', '6.1.0-56', true, 'grub-sb'],
    ['grub-nosb', '6.1.0-50', false, 'uki-nosb'],
  ] as const)(
    '%s: from boot files and profile it has what tpm2_eventlog reads from the log',
    async (boot, kernel, secureBoot, firmwareFrom) => {
      const yaml = shared.text('boots', boot, 'eventlog.yaml')
      const blocks = blocksOfYaml(yaml)
      const digests = (...[pcr, type, text = '']: [number, RegExp, string?]) =>
        eventsOfYaml(yaml)
          .filter((event, index) => event.pcr === pcr && type.test(event.type) && blocks[index]?.includes(text))
          .map(({ sha256 }) => `0x${sha256}`)
      const { platform, bootFiles, prediction } = await predict(boot, grub(kernel))
      const shim = parsePe(shared.bytes('inputs', 'shimx64.efi'), 'shim')
      const vendorCert = parseVendorCert(findSection(shim, '.vendor_cert')?.data ?? new Uint8Array(0), 'shim')
      const platforms = [{ ...platform, eventLog: shared.bytes('boots', firmwareFrom, 'eventlog.bin') }]
      const policy = keylimePolicy(prediction, bootFiles, { platforms, vendorCert })

      const [shimDigest, grubDigest, kernelDigest] = digests(4, /BOOT_SERVICES_APPLICATION$/)
      const asSha256 = (sha256: string) => ({ sha256 })
      expect(policy).toEqual({
        has_secureboot: secureBoot,
        scrtm_and_bios: [
          {
            scrtm: { sha256: digests(0, /EV_S_CRTM_VERSION/)[0] },
            platform_firmware: digests(0, /PLATFORM_FIRMWARE_BLOB/).map(asSha256),
          },
        ],
        pk: expect.any(Array),
        kek: expect.any(Array),
        db: expect.any(Array),
        dbx: expect.any(Array),
        vendor_db: [],
        mokdig: digests(14, /EV_IPL/)
          .slice(0, 1)
          .map(asSha256),
        mokxdig: digests(14, /EV_IPL/)
          .slice(1, 2)
          .map(asSha256),
        kernels: [
          {
            shim_authcode_sha256: shimDigest,
            grub_authcode_sha256: grubDigest,
            ...(secureBoot
              ? { kernel_authcode_sha256: kernelDigest }
              : { vmlinuz_plain_sha256: digests(9, /EV_IPL/, '/vmlinuz-')[0] }),
            initrd_plain_sha256: digests(9, /EV_IPL/, '/initrd.img-')[0],
            kernel_cmdline: null,
          },
        ],
      })
      for (const name of ['pk', 'kek', 'db', 'dbx'] as const) {
        const logged = blocks.find(block => field(block, 'UnicodeName') === variables[name]) ?? ''
        const keys = policy[name] ?? []
        expect(keys.map(key => key.SignatureOwner)).toEqual(secureBoot ? owners[name] : [])
        for (const key of keys) expect(logged).toContain(key.SignatureData.slice(2))
      }
      expect(policy.scrtm_and_bios?.[0]?.platform_firmware.length).toBeGreaterThan(0)
    },
  )
})
