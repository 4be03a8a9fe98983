import { describe, expect, it } from 'vitest'
import { banks } from '../../src/formats/bytes/digest.ts'
import type { BootFile, BootFileRole } from '../../src/image/boot-file.ts'
import {
  checkCoverage,
  checkOperatorApproval,
  checkOperatorCanCompute,
  operatorWouldApprove,
} from '../../src/predict/coverage.ts'
import { predictImage } from '../../src/predict/predict-image.ts'
import type { Prediction } from '../../src/predict/prediction.ts'
import { makeGrub, makeInitramfs, makeKernel, makeShim, sbatTexts, vendorKeys } from '../build/boot-files.ts'
import { faultOf } from '../build/damage.ts'
import { makePe } from '../build/pe.ts'

const release = '5.14.0-611.el9.x86_64'
const file = (role: BootFileRole, bytes: Uint8Array): BootFile => ({ role, path: `boot/${role}`, layer: null, bytes })
const shim = file('shim', makeShim({ seed: 1 }))
const grub = file('grub', makeGrub({ seed: 1 }))
const kernel = file('kernel', makeKernel({ seed: 1, release }))
const chain = [shim, grub, kernel]

function predict(files: readonly BootFile[], secureBoot?: boolean) {
  return predictImage({ files, secureBoot, banks: ['sha256'] })
}

function only(files: readonly BootFile[], secureBoot: boolean): Prediction {
  const [prediction] = predict(files, secureBoot).predictions
  if (prediction === undefined) throw new Error('no prediction')
  return prediction
}

const partsOf = (prediction: Prediction) => prediction.events.map(event => event.part)
const before = [
  'Pcr4EfiCall',
  'Pcr4Separator',
  'Pcr4Shim',
  'Pcr14MokList',
  'Pcr14MokListX',
  'Pcr14MokListTrusted',
  'Pcr4Grub',
]

describe('events of shim, GRUB and Linux', () => {
  it.each([
    ['redhat-2.06', 1],
    ['redhat-2.12', 1],
    ['debian-2.06', 2],
    ['debian-2.12', 1],
  ] as const)('%s measures the kernel %i times with Secure Boot on, never with it off', (sbat, times) => {
    const files = [shim, file('grub', makeGrub({ seed: 1, sbat })), kernel]
    const kernels = ['Pcr4Vmlinuz', 'Pcr4VmlinuzAgain'].slice(0, times)
    expect(partsOf(only(files, true))).toEqual([...before, ...kernels])
    expect(partsOf(only(files, false))).toEqual(before)
  })

  it('both states are predicted when none is given, on first; PCR 14 is the same in both', () => {
    const { predictions } = predict(chain)
    expect(predictions.map(({ secureBoot }) => secureBoot)).toEqual([true, false])
    expect(predictions[0]?.pcrs['14']).toEqual(predictions[1]?.pcrs['14'])
    expect(predictions[0]?.pcrs['4']).not.toEqual(predictions[1]?.pcrs['4'])
  })

  it('one byte changed in .text of any file changes PCR 4', () => {
    const value = only(chain, true).pcrs['4']?.sha256
    const others = [
      [file('shim', makeShim({ seed: 2, vendorCertificate: vendorKeys(1).ca.certificate })), grub, kernel],
      [shim, file('grub', makeGrub({ seed: 2 })), kernel],
      [shim, grub, file('kernel', makeKernel({ seed: 2, release }))],
    ]
    const values = others.map(files => only(files, true).pcrs['4']?.sha256)
    expect(new Set([value, ...values]).size).toBe(4)
    expect(only(others[0] ?? [], true).pcrs['14']).toEqual(only(chain, true).pcrs['14'])
  })

  it('another vendor certificate changes PCR 14', () => {
    const other = file('shim', makeShim({ seed: 1, vendorCertificate: vendorKeys(2).ca.certificate }))
    expect(only([other, grub, kernel], true).pcrs['14']).not.toEqual(only(chain, true).pcrs['14'])
  })

  it('gives every bank asked for, and all banks in the events', () => {
    const [prediction] = predictImage({ files: chain, secureBoot: true, banks }).predictions
    expect(Object.keys(prediction?.pcrs['4'] ?? {})).toEqual([...banks])
    for (const { digests } of predict(chain).predictions[0]?.events ?? [])
      expect(Object.keys(digests)).toEqual([...banks])
  })

  it('names every PCR from 0 to 15 as predicted or not', () => {
    const { pcrs, notPredicted } = only(chain, true)
    const named = [...Object.keys(pcrs).map(Number), ...notPredicted.map(({ pcr }) => pcr)]
    expect(named.sort((a, b) => a - b)).toEqual(Array.from({ length: 16 }, (_, pcr) => pcr))
    expect(notPredicted.find(({ pcr }) => pcr === 7)?.because).toContain('platform profile')
  })

  it('is uncalibrated, of no platform, and names the checks that were left out', () => {
    expect(only(chain, true)).toMatchObject({
      platform: null,
      calibration: 'uncalibrated',
      bootChain: 'shim-grub-linux',
    })
    expect(only(chain, true).notes.filter(note => note.startsWith('not checked'))).toHaveLength(2)
  })
})

describe('facts of boot files', () => {
  it('tell size, checksum, Authenticode digest and signers, in the order of the files', () => {
    const initramfs = file('initramfs', makeInitramfs({ release }))
    const { bootFiles } = predict([initramfs, ...chain], true)
    expect(bootFiles.map(({ role }) => role)).toEqual(['initramfs', 'shim', 'grub', 'kernel'])
    expect(bootFiles[0]).not.toHaveProperty('authenticode')
    expect(bootFiles[1]).toMatchObject({ path: 'boot/shim', size: shim.bytes.length, layer: null })
    expect(bootFiles[1]?.signedBy).toEqual(['CN=Synthetic UEFI CA 1'])
    expect(bootFiles[3]?.signedBy).toEqual(['CN=Synthetic Vendor Signer 1'])
    const measured = only(chain, true).events.find(event => event.part === 'Pcr4Vmlinuz')
    expect(bootFiles[3]?.authenticode).toEqual({ sha256: measured?.digests.sha256 })
  })
})

describe('shim versions', () => {
  const withVersion = (version: string) => [file('shim', makeShim({ seed: 1, version })), grub, kernel]

  it.each(['15.3', '15.5'])('%s measures no MokListTrusted that is not set', version => {
    expect(partsOf(only(withVersion(version), true))).not.toContain('Pcr14MokListTrusted')
  })

  it.each(['15.6', '15.8', '16.0', '16.1'])('%s measures MokListTrusted', version => {
    expect(partsOf(only(withVersion(version), true))).toContain('Pcr14MokListTrusted')
  })

  it('a newer one gets a note', () => {
    expect(only(withVersion('16.2'), true).notes.some(note => note.includes('16.2'))).toBe(true)
    expect(only(withVersion('16.1'), true).notes.some(note => note.includes('newest'))).toBe(false)
  })

  it.each(['14.0', '15.2', '17.0'])('%s is refused', version => {
    expect(faultOf(() => predict(withVersion(version))).code).toBe('SHIM_UNSUPPORTED')
  })
})

describe('refusals', () => {
  it.each([
    ['an unknown vendor', sbatTexts.unknown],
    ['Debian 2.04', sbatTexts['debian-2.06'].replace('grub,2.06', 'grub,2.04')],
    ['Debian 2.14', sbatTexts['debian-2.12'].replace('grub,2.12', 'grub,2.14')],
    ['Red Hat 2.04', sbatTexts['redhat-2.06'].replace('grub,2.06', 'grub,2.04')],
    ['Red Hat 2.14', sbatTexts['redhat-2.06'].replace('grub,2.06', 'grub,2.14')],
    [
      'a Debian row beside a Red Hat row',
      `${sbatTexts['redhat-2.06']}grub.debian,4,Debian,grub2,x,y\n`.replace('grub,2.06', 'grub,2.10'),
    ],
    ['a row of another vendor beside Debian', `${sbatTexts['debian-2.12']}grub.ubuntu,1,Ubuntu,grub2,x,y\n`],
    ['peimage in a Debian build that was booted without it', `${sbatTexts['debian-2.06']}grub.peimage,2,x,grub2,x,y\n`],
    ['a row of another vendor beside Red Hat', `${sbatTexts['redhat-2.12']}grub.suse,1,SUSE,grub2,x,y\n`],
    ['a version that Red Hat never shipped', sbatTexts['redhat-2.06'].replace('grub,2.06', 'grub,2.09')],
    ['two rows of GRUB', `${sbatTexts['redhat-2.12']}grub,3,Free Software Foundation,grub,2.06,x\n`],
    ['no vendor row', 'sbat,1,SBAT Version,sbat,1,x\ngrub,3,Free Software Foundation,grub,2.06,x\n'],
    ['no row of GRUB', 'sbat,1,SBAT Version,sbat,1,x\n'],
    ['an upstream version that is a property name', 'grub,3,x,grub,constructor,x\ngrub.debian,4,Debian,grub2,x,y\n'],
  ])('GRUB_UNKNOWN: %s', (_, sbat) => {
    const fault = faultOf(() => predict([shim, file('grub', makeGrub({ seed: 1, sbat })), kernel]))
    expect(fault.code).toBe('GRUB_UNKNOWN')
    expect(fault.hint).toContain('docs/pcrs.md')
  })

  it('a Debian row wins over a Red Hat row', () => {
    const sbat = `${sbatTexts['redhat-2.06']}grub.debian,4,Debian,grub2,x,y\n`
    expect(partsOf(only([shim, file('grub', makeGrub({ seed: 1, sbat })), kernel], true))).toContain('Pcr4VmlinuzAgain')
  })

  it('KERNEL_UNSIGNED only where Secure Boot is on', () => {
    const files = [shim, grub, file('kernel', makeKernel({ seed: 1, release, signer: null }))]
    expect(faultOf(() => predict(files, true)).code).toBe('KERNEL_UNSIGNED')
    expect(faultOf(() => predict(files)).code).toBe('KERNEL_UNSIGNED')
    expect(partsOf(only(files, false))).toEqual(before)
  })

  it('BOOT_LOADER_UNSIGNED', () => {
    const unsigned = [file('shim', makeShim({ seed: 1, signer: null })), grub, kernel]
    expect(faultOf(() => predict(unsigned, true))).toMatchObject({
      code: 'BOOT_LOADER_UNSIGNED',
      where: { source: 'boot/shim' },
    })
    const unsignedGrub = [shim, file('grub', makeGrub({ seed: 1, signer: null })), kernel]
    expect(faultOf(() => predict(unsignedGrub, true)).where.source).toBe('boot/grub')
  })

  it('ARCHITECTURE_NOT_SUPPORTED: RISC-V', () => {
    const files = [shim, grub, file('kernel', makeKernel({ seed: 1, release, machine: 0x5064 }))]
    expect(faultOf(() => predict(files))).toMatchObject({
      code: 'ARCHITECTURE_NOT_SUPPORTED',
      found: 'machine 0x5064, PE32+',
    })
  })

  it.each([11, 12, 3])('PE_INVALID: subsystem %i, which is no EFI application', subsystem => {
    const driver = makePe({ sections: [{ name: '.text', data: new Uint8Array(100) }], subsystem })
    expect(faultOf(() => predict([shim, grub, file('kernel', driver)]))).toMatchObject({
      code: 'PE_INVALID',
      found: `subsystem ${subsystem}`,
    })
  })

  it('PE_INVALID: a cut file, a file that is no PE', () => {
    expect(faultOf(() => predict([shim, grub, file('kernel', kernel.bytes.subarray(0, 5000))])).code).toBe('PE_INVALID')
    expect(faultOf(() => predict([file('shim', makeInitramfs({ release })), grub, kernel]))).toMatchObject({
      code: 'PE_INVALID',
      where: { source: 'boot/shim' },
    })
  })

  it('SIGNATURE_DIGEST_MISMATCH: a kernel changed after it was signed', () => {
    const bytes = new Uint8Array(kernel.bytes)
    bytes[0x2100] = (bytes[0x2100] ?? 0) ^ 1
    expect(faultOf(() => predict([shim, grub, file('kernel', bytes)])).code).toBe('SIGNATURE_DIGEST_MISMATCH')
  })

  it('SHIM_UNSUPPORTED: a shim without .vendor_cert', () => {
    expect(faultOf(() => predict([file('shim', grub.bytes), grub, kernel]))).toMatchObject({ code: 'SHIM_UNSUPPORTED' })
  })

  it.each([
    [[]],
    [['shim']],
    [['shim', 'grub']],
    [['shim', 'kernel']],
    [['shim', 'grub', 'kernel', 'kernel']],
    [['grub', 'uki']],
  ] as const)('BOOT_CHAIN_UNKNOWN: %j', roles => {
    const fault = faultOf(() => predict(roles.map(role => file(role, shim.bytes))))
    expect(fault).toMatchObject({ code: 'BOOT_CHAIN_UNKNOWN', kind: 'settings' })
    for (const name of ['shim-grub-linux', 'grub-linux', 'uki', 'shim-uki', 'systemd-boot-uki', 'systemd-boot-linux'])
      expect(fault.wanted).toContain(name)
  })
})

describe('coverage under the policy of the targets', () => {
  it('with Secure Boot on shim, boot loader and kernel are covered by PCR 4', () => {
    const { coverage } = only(chain, true)
    expect(Object.entries(coverage).map(([part, { pcr }]) => [part, pcr])).toEqual([
      ['shim', 4],
      ['boot-loader', 4],
      ['kernel', 4],
      ['initramfs', null],
      ['command-line', null],
      ['root-file-system', null],
    ])
    for (const { pcr, because } of Object.values(coverage)) if (pcr === null) expect(because).toMatch(/\S/)
    expect(() => checkCoverage(only(chain, true), ['shim', 'boot-loader', 'kernel'])).not.toThrow()
  })

  it('KERNEL_NOT_COVERED with Secure Boot off, and for parts that are never covered', () => {
    const fault = faultOf(() => checkCoverage(only(chain, false), ['kernel']))
    expect(fault.code).toBe('KERNEL_NOT_COVERED')
    expect(fault.found).toContain('Secure Boot off')
    expect(faultOf(() => checkCoverage(only(chain, true), ['kernel', 'initramfs'])).found).toMatch(/^initramfs: /)
    const required = () => predictImage({ files: chain, secureBoot: false, banks, requireCoverage: ['kernel'] })
    expect(faultOf(required).code).toBe('KERNEL_NOT_COVERED')
  })

  it('the operator publishes the kernel once: not twice, not never', () => {
    const twice = [shim, file('grub', makeGrub({ seed: 1, sbat: 'debian-2.06' })), kernel]
    expect(operatorWouldApprove(only(chain, true))).toBe(true)
    expect(operatorWouldApprove(only(twice, true))).toBe(false)
    expect(operatorWouldApprove(only(chain, false))).toBe(false)
    const rhel = { id: 'rhel', versionId: '9.6' }
    const inBootupd = chain.map(one => ({ ...one, path: `usr/lib/bootupd/updates/EFI/redhat/${one.role}.efi` }))
    const moved = chain.map(one => ({ ...one, path: `usr/lib/efi/${one.role}/1/EFI/fedora/${one.role}.efi` }))
    expect(() => checkOperatorCanCompute(inBootupd, rhel)).not.toThrow()
    expect(faultOf(() => checkOperatorCanCompute(moved, rhel)).code).toBe('OPERATOR_WOULD_NOT_APPROVE')
    for (const os of [
      { ...rhel, versionId: '9.4' },
      { id: 'centos', versionId: '10' },
      { id: null, versionId: null },
    ])
      expect(faultOf(() => checkOperatorCanCompute(inBootupd, os)).found).toContain(`system ${os.id ?? ''}-`)
    expect(() => checkOperatorApproval(only(chain, true))).not.toThrow()
    expect(faultOf(() => checkOperatorApproval(only(twice, true)))).toMatchObject({
      code: 'OPERATOR_WOULD_NOT_APPROVE',
      found: expect.stringContaining('2 times'),
    })
  })
})
