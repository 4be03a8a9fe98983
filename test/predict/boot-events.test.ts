// What shim looks at behind the file that it starts, and in which order it measures: rhboot/shim verify.c, loader-proto.c of 16.0 and 16.1.

import { describe, expect, it } from 'vitest'
import { formatSignatureLists } from '../../src/formats/efi/signature-list.ts'
import { vendorMokList } from '../../src/formats/shim/mok-list.ts'
import { parseVendorCert } from '../../src/formats/shim/vendor-cert.ts'
import type { BootFileRole } from '../../src/image/boot-file.ts'
import { parsePlatform } from '../../src/predict/platform/platform.ts'
import { predictImage } from '../../src/predict/predict-image.ts'
import {
  firmwareKey,
  makeGrub,
  makeKernel,
  makeShim,
  sbatTexts,
  seededBytes,
  vendorKeys,
  vendorTable,
} from '../build/boot-files.ts'
import { makeSigningKey } from '../build/certificate.ts'
import { faultOf } from '../build/damage.ts'
import { imageHashList, listsOf } from '../build/load-file.ts'
import { makePe } from '../build/pe.ts'
import { keyLists, profile } from '../build/profile.ts'
import { makeSystemdProgram, makeUki } from '../build/uki.ts'

const text = (value: string) => new Uint8Array(Buffer.from(value, 'latin1'))
const seed = 'events'
const { signer } = vendorKeys(seed)
const file = (role: BootFileRole, bytes: Uint8Array) => ({ role, path: role, layer: null, bytes })
const shim = (version = '16.1') => file('shim', makeShim({ seed, version }))

function predict(files: readonly ReturnType<typeof file>[], more: Readonly<Record<string, Uint8Array | string>> = {}) {
  const db = formatSignatureLists(listsOf(firmwareKey(seed)))
  const platform = parsePlatform([
    profile('node', { PK: keyLists, KEK: keyLists, db, SecureBoot: Uint8Array.of(1), ...more }),
  ])
  return predictImage({ files, platforms: [platform], secureBoot: true, banks: ['sha256'] }).predictions[0]
}

const partsOf = (...given: Parameters<typeof predict>) => predict(...given)?.events.map(({ part }) => part) ?? []
const refused = (...given: Parameters<typeof predict>) => faultOf(() => predict(...given))
const level = { SbatLevelRT: 'sbat,1,2025021800\nshim,4\ngrub,5\n' }

/** A kernel with SBAT rows of a GRUB of that generation. */
const linux = (generation: number, key = signer) =>
  makePe(
    {
      sections: [
        { name: '.text', data: seededBytes('inner', 800) },
        { name: '.sbat', data: text(`grub,${generation},FSF,grub,2.06,x\n`) },
      ],
    },
    key,
  )
const ukiWith = (kernel: Uint8Array) =>
  file(
    'uki',
    makeUki({
      seed,
      only: [
        { name: '.cmdline', data: text('a') },
        { name: '.linux', data: kernel },
      ],
      signer,
    }),
  )

describe('the kernel inside of a UKI that shim verified', () => {
  it.each(['16.0', '16.1'])('%s looks for its hash in denied lists and for its SBAT rows', version => {
    const dbx = formatSignatureLists([imageHashList(linux(5))])
    expect(refused([shim(version), ukiWith(linux(4))], level)).toMatchObject({
      code: 'SBAT_REVOKED',
      where: { source: 'uki .linux' },
    })
    expect(refused([shim(version), ukiWith(linux(5))], { ...level, dbx })).toMatchObject({
      code: 'DENIED_BY_SHIM',
      where: { source: 'uki .linux' },
    })
    expect(partsOf([shim(version), ukiWith(linux(5))], level)).toContain('Pcr4Uki')
  })

  it('is not seen by 15.8, nor where shim does not verify', () => {
    const dbx = formatSignatureLists([imageHashList(linux(4))])
    expect(partsOf([shim('15.8'), ukiWith(linux(4))], { ...level, dbx })).toContain('Pcr4Uki')
    const files = [shim(), ukiWith(linux(4))]
    expect(partsOf(files, { ...level, dbx, MokSBStateRT: Uint8Array.of(1) })).toContain('Pcr4Uki')
  })

  it('may come without SBAT rows', () => {
    const kernel = makeKernel({ seed, release: '6.1', signer: null })
    expect(partsOf([shim(), ukiWith(kernel)], level)).toContain('Pcr4Uki')
  })
})

describe('SBAT rows behind shim', () => {
  const bare = (name: string) =>
    makePe(
      {
        sections: [
          { name: '.text', data: seededBytes(name, 300) },
          { name: '.linux', data: makeKernel({ seed, release: '6.1', signer: null }) },
          { name: '.sdmagic', data: text('#### LoaderInfo: systemd-stub 257.13-1~deb13u1 ####\0') },
        ],
      },
      signer,
    )
  const systemdBoot = file(
    'systemd-boot',
    makeSystemdProgram({ program: 'systemd-boot', version: '257.13-1~deb13u1', sections: [], signer }),
  )

  it('are needed in what shim starts, not in what systemd-boot loads', () => {
    expect(refused([shim(), file('uki', bare('uki'))], level).code).toBe('SBAT_REVOKED')
    expect(partsOf([shim(), systemdBoot, file('uki', bare('uki'))], level)).toContain('Pcr4Uki')
  })
})

describe('the order of measuring', () => {
  it('a kernel that GRUB asks about is measured before the entry that it is trusted by; what shim starts is behind', () => {
    const enrolled = makeSigningKey('events-mok')
    const kernel = file('kernel', makeKernel({ seed, release: '6.1', signer: enrolled }))
    const grub = file('grub', makeGrub({ seed, sbat: sbatTexts['debian-2.12'] }))
    const vendor = vendorMokList(
      parseVendorCert(vendorTable(vendorKeys(seed).ca.certificate, new Uint8Array(0)), 'shim'),
    )
    const MokListRT = new Uint8Array([...vendor, ...formatSignatureLists(listsOf(enrolled))])
    const parts = partsOf([shim(), grub, kernel], { ...level, MokListRT })
    expect(parts.slice(-4)).toEqual(['Pcr7GrubMokListCert', 'Pcr4Grub', 'Pcr4Vmlinuz', 'Pcr7KernelMokListCert'])
  })
})
