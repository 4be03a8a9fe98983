// PCR 11 of synthetic UKIs: what each version of the stub measures, phases, policies, refusals.

import { describe, expect, it } from 'vitest'
import { banks } from '../../../src/formats/bytes/digest.ts'
import { parsePe } from '../../../src/formats/pe/pe.ts'
import { parseUki } from '../../../src/formats/pe/uki.ts'
import { makeBoot } from '../../../src/predict/boot.ts'
import { loadedFile } from '../../../src/predict/loaded-file.ts'
import { pcrValue } from '../../../src/predict/predict-image.ts'
import { ukiEvents } from '../../../src/predict/uki/uki-events.ts'
import { innerKernelEvents } from '../../../src/predict/uki/uki-kernel.ts'
import { parameterPcrs } from '../../../src/predict/uki/uki-parameters.ts'
import { cuts, faultOf, outcome } from '../../build/damage.ts'
import type { PeSectionToMake } from '../../build/pe.ts'
import { makeUki } from '../../build/uki.ts'

const section = (name: string, value: string): PeSectionToMake => ({ name, data: new Uint8Array(Buffer.from(value)) })
const every = [
  '.osrel',
  '.cmdline',
  '.initrd',
  '.ucode',
  '.splash',
  '.dtb',
  '.uname',
  '.pcrpkey',
  '.profile',
  '.hwids',
].map(name => section(name, name))
const ukiOf = (version: string, only: readonly PeSectionToMake[]) =>
  parseUki(parsePe(makeUki({ seed: 0, version, only }), 'uki.efi'))
const none = { phase: 'none' } as const
const measured = (version: string, more: readonly PeSectionToMake[] = every) =>
  ukiEvents(ukiOf(version, [section('.linux', 'l'), ...more]), 'uki.efi', none)
    .events.filter(({ part }) => !part.endsWith('Content'))
    .map(({ part }) => part.replace('Pcr11', '').toLowerCase())
    .join(' ')

describe('sections that a stub measures', () => {
  it.each([
    ['252.39-1~deb12u2', 'linux osrel cmdline initrd splash dtb pcrpkey'],
    ['253.5', 'linux osrel cmdline initrd splash dtb pcrpkey'],
    ['254', 'linux osrel cmdline initrd splash dtb uname sbat pcrpkey'],
    ['255.4-1ubuntu8', 'linux osrel cmdline initrd splash dtb uname sbat pcrpkey'],
    ['256.11-1.fc41', 'linux osrel cmdline initrd ucode splash dtb uname sbat pcrpkey'],
    ['257.13-1~deb13u1', 'linux osrel cmdline initrd ucode splash dtb uname sbat pcrpkey profile hwids'],
    ['258.7-1.fc43', 'linux osrel cmdline initrd ucode splash dtb uname sbat pcrpkey profile hwids'],
    ['252-18.el9', 'linux osrel cmdline initrd splash dtb pcrpkey'],
    ['252-32.el9_4.7', 'linux osrel cmdline initrd splash dtb uname sbat pcrpkey'],
  ])('%s', (version, wanted) => expect(measured(version)).toBe(wanted))

  it('a new stub counts as the newest that is known, with a note; with unknown sections it is refused', () => {
    const { notes } = ukiEvents(ukiOf('299.1', [section('.linux', 'l')]), 'uki.efi', none)
    expect(notes.join()).toContain('newer than')
    const error = faultOf(() => measured('299.1', [section('.future', 'x')]))
    expect([error.code, error.found]).toEqual(['UKI_NOT_PREDICTED', '.future'])
    expect(measured('258', [section('.future', 'x')])).toBe('linux sbat')
  })

  it.each(['251.2', '249'])('a stub as old as %s is refused', version => {
    expect(faultOf(() => measured(version)).code).toBe('STUB_UNKNOWN')
  })

  it('another stub is refused', () => {
    const bytes = makeUki({ seed: 0, only: [section('.linux', 'l')] })
    const at = Buffer.from(bytes).indexOf('#### LoaderInfo')
    const other = new Uint8Array(bytes).fill(0x41, at, at + 20)
    expect(faultOf(() => ukiEvents(parseUki(parsePe(other, 'a')), 'a', none)).code).toBe('STUB_UNKNOWN')
  })

  it('what the stub chooses by the machine is refused', () => {
    for (const [name, version] of [
      ['.dtbauto', '257'],
      ['.efifw', '258'],
    ] as const) {
      const error = faultOf(() => measured(version, [section(name, 'x')]))
      expect([error.code, error.found]).toEqual(['UKI_NOT_PREDICTED', name])
    }
    expect(measured('257', [section('.efifw', 'x')])).toBe('linux sbat')
  })

  it('a profile that is chosen is measured with its own sections', () => {
    const uki = ukiOf('257', [section('.linux', 'l'), section('.profile', 'a'), section('.profile', 'b')])
    const eventsOf = (profile: number) => ukiEvents(uki, 'uki.efi', { ...none, profile }).events
    expect(eventsOf(1)).not.toEqual(eventsOf(0))
    expect(faultOf(() => eventsOf(2)).code).toBe('UKI_NOT_PREDICTED')
  })
})

/**
 * By systemd-measure 252.38-1~deb12u1: `calculate --linux=linux --osrel=osrel --phase=: --phase=enter-initrd`, and with a software TPM
 * `sign … --phase=: --phase=enter-initrd --phase=enter-initrd:leave-initrd:sysinit:ready`; linux holds hello, osrel ID=x.
 */
const byMeasure = {
  none: {
    sha1: '295605854d779cee3688173cdfa4d7cece7bbf71',
    sha256: '65662f61aa1705d8e4517f36440dd36fe988290c10484e230e48dbe0f23aa6bb',
    sha384: '84833b35076007fe2210dfdf383bb66e9e2ffa9d6e6d964302a7800693f03f68d5a167ea940acd0815e6d500e5bd693a',
    sha512:
      'b20e4748aca21447d20f5c060281292a94e795491c0f08b89cb24ebe030ade2e688cc8ef814bcfd30229a9f8dd21c89962d3bf73b5c934c441d9b5559bb5d541',
  },
  'enter-initrd': {
    sha1: 'be202fa8ab1eb4067c1f2fed4d037a95453a3818',
    sha256: '554a4fae3b4f4517e0ef7eb5a8d5c26def265ca1da2d2fa9ae6ae0be714f7bc6',
    sha384: 'e3663c3843c91e93bd94f2ce85c459f8da89c1b2368a8adcaee0da52b434940abd0897190b5c7ffdbefd41de0a79dc3a',
    sha512:
      'b2048ef1dc6f01b3c686ee5757f5c5c84157a755225de6c904730f2fd738b7188725fd640fc0ea5527cf2a1712021cd02d89210c15b326728e92e5d053aad465',
  },
} as const
const policies = {
  sha1: [
    '935127d31461861cc486feb87f09f34eb7f81b45a68e479b1dcef91383639fc5',
    'd7e3cc42b095b802c9b592189c714b175313993da675f06ba163f6c00b8717b1',
    'c532ba46b8e0a82aa6215a20560992f0f165cdffa65cb792e4ec0304e56d4626',
  ],
  sha256: [
    'f9732134705a6a775f752d08ba24c4c1c4986ccb524c23a1a4a4983c39e575ef',
    '85c86850ab762e330d338b20dd6ed384750bbc1de35c445208eb2e164764d0f6',
    'ced110e61b63d1f107ac4f3fda3613f4b0c856c7705cb1465e272ecbe8041587',
  ],
  sha384: [
    '54f97b1f9842a542e35d485f83c0ee5c056deab108210636e1e75901f9e1b4c8',
    'fe178e6a739210ac6e562db2d3acbf6585ce040f43ddabb53972d9e9ff065acc',
    'c28dec8a7d2b08f6eeb2badba0d969ad7016483dbd77212c2522334fa3557cec',
  ],
  sha512: [
    'fb6bfe3d6a74d8112814b8ad0a8f70f8ffac1e06a41853e7fde58c4c914bc818',
    'c3d138d3fbaf1331036f8763713768e0d2e3790e8c6a47f4927987fb5554a782',
    '7261fa88df97a1084d9d8cbaa01438612abee386005be7cc2b767ef031da7114',
  ],
} as const
const small = [section('.linux', 'hello'), section('.osrel', 'ID=x')]
const signed = (bank: keyof typeof policies, index: number) =>
  section('.pcrsig', JSON.stringify({ [bank]: [{ pcrs: [11], pkfp: '00', pol: policies[bank][index], sig: '' }] }))

describe('PCR 11', () => {
  it.each(['none', 'enter-initrd'] as const)('is what systemd-measure computes, phase %s', phase => {
    const { events } = ukiEvents(ukiOf('252', small), 'uki.efi', { phase })
    expect(pcrValue(events, 11, banks)).toEqual(byMeasure[phase])
  })

  it.each(banks.flatMap(bank => [0, 1, 2].map(index => ({ bank, index }))))(
    'agrees with policies of systemd-measure: $bank, phase $index',
    ({ bank, index }) => {
      const { notes } = ukiEvents(ukiOf('253', [...small, signed(bank, index)]), 'uki.efi', none)
      expect(notes[0]).toBe('PCR 11 agrees with the policies that uki.efi carries in .pcrsig')
    },
  )

  it('with policies for other values is refused for stubs that were not booted, and told for others', () => {
    const uki = (version: string) => ukiOf(version, [section('.linux', 'Hello'), signed('sha256', 1)])
    expect(faultOf(() => ukiEvents(uki('253'), 'uki.efi', none)).code).toBe('UKI_NOT_PREDICTED')
    const { notes } = ukiEvents(uki('252.39-1~deb12u2'), 'uki.efi', none)
    expect(notes.join()).toContain('belong to other values')
  })

  it('where the version leaves two, follows the policies, else is refused', () => {
    const version = '252-25.el9'
    const error = faultOf(() => ukiEvents(ukiOf(version, small), 'uki.efi', none))
    expect([error.code, error.found]).toEqual(['STUB_UNKNOWN', `systemd-stub ${version} with .sbat`])
    const { events } = ukiEvents(ukiOf(version, [...small, signed('sha256', 1)]), 'uki.efi', none)
    expect(pcrValue(events, 11, banks)).toEqual(byMeasure.none)
    const wrong = [section('.linux', 'Hello'), signed('sha256', 1)]
    expect(faultOf(() => ukiEvents(ukiOf(version, wrong), 'uki.efi', none)).code).toBe('STUB_UNKNOWN')
  })

  it('does not follow policies for other PCRs, and refuses a section that is no JSON', () => {
    const others = section('.pcrsig', JSON.stringify({ sha256: [{ pcrs: [11, 12], pol: '00' }, 3, null], x: 1 }))
    expect(ukiEvents(ukiOf('253', [...small, others]), 'uki.efi', none).notes.join()).not.toContain('.pcrsig')
    const whole = JSON.stringify({ sha256: [{ pcrs: [11], pol: policies.sha256[0] }] })
    for (const cut of cuts(new Uint8Array(Buffer.from(whole))))
      if (cut.length > 0) {
        const broken = { name: '.pcrsig', data: cut }
        expect(outcome(() => ukiEvents(ukiOf('253', [...small, broken]), 'uki.efi', none))).toBe('UKI_INVALID')
      }
  })
})

describe('the kernel inside', () => {
  const uki = (version: string) => parseUki(parsePe(makeUki({ seed: 0, version }), 'uki.efi'))
  const parts = (version: string, secureBoot: boolean, shim: { major: number; minor: number } | null) => {
    const { build } = ukiEvents(uki(version), 'uki.efi', none)
    return innerKernelEvents(uki(version), 'uki.efi', build, { secureBoot, shim }).map(({ part }) => part)
  }

  it('is measured once more by shim 16.0 under Secure Boot, by no other', () => {
    expect(parts('257', true, { major: 16, minor: 0 })).toEqual(['Pcr4UkiLinux'])
    for (const shim of [null, { major: 15, minor: 8 }, { major: 16, minor: 1 }])
      expect(parts('257', true, shim)).toEqual([])
  })

  it('is not measured when the stub lays it out itself, or enters it past the firmware', () => {
    expect(parts('258', false, null)).toEqual([])
    // the synthetic kernel has MajorImageVersion 0, as Linux before 5.8
    expect(parts('257', false, null)).toEqual([])
  })
})

describe('PCR 12 and 13', () => {
  const systemdBoot = (major: number) => ({ program: 'systemd-boot' as const, text: `${major}`, major })

  it('stay as they are, but for what systemd-boot before 255 passes', () => {
    expect(parameterPcrs(true, true).untouched).toEqual([12, 13])
    expect(parameterPcrs(true, true, systemdBoot(255)).notPredicted).toEqual([])
    const { untouched, notPredicted } = parameterPcrs(true, true, systemdBoot(254))
    expect([untouched, notPredicted.map(({ pcr }) => pcr)]).toEqual([[13], [12]])
  })

  it('depend on the boot option unless Secure Boot and .cmdline fix the command line', () => {
    expect(parameterPcrs(true, true).notes).toHaveLength(1)
    expect(parameterPcrs(false, true).notes).toHaveLength(2)
    expect(parameterPcrs(true, false).notes).toHaveLength(2)
  })
})

it('a UKI is read once for many boots of it', () => {
  const file = { role: 'uki', path: 'uki.efi', layer: null, bytes: makeUki({ seed: 0 }) } as const
  const loaded = loadedFile(file)
  const [first, second] = [0, 1].map(() => makeBoot([file], () => loaded).uki?.uki)
  expect(first).toBe(second)
  expect(first?.sections()[0]?.digests()).toBe(second?.sections()[0]?.digests())
  const shim = { ...file, role: 'shim' } as const
  expect(loadedFile(shim).uki).toBeUndefined()
})
