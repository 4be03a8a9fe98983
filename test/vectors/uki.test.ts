// PCR 11 of real UKIs against recorded boots: event lists first, then values, four banks.

import { describe, expect, it } from 'vitest'
import { banks, digestLength } from '../../src/formats/bytes/digest.ts'
import { formatHex } from '../../src/formats/bytes/hex.ts'
import { loaderInfo } from '../../src/formats/pe/loader-info.ts'
import { parsePe } from '../../src/formats/pe/pe.ts'
import { isUki, parseUki } from '../../src/formats/pe/uki.ts'
import { parseEventLog } from '../../src/formats/tcg/event-log.ts'
import { parsePcrs } from '../../src/predict/compare-pcrs.ts'
import { pcrValue } from '../../src/predict/predict-image.ts'
import { ukiEvents } from '../../src/predict/uki/uki-events.ts'
import { innerKernelEvents } from '../../src/predict/uki/uki-kernel.ts'
import { parameterPcrs } from '../../src/predict/uki/uki-parameters.ts'
import { sayWhatIsNotChecked, shared } from './shared.ts'

sayWhatIsNotChecked('PCR 11 predicted from real UKIs against recorded boots')

const boots = [
  { boot: 'uki-sb', uki: 'uki-252-A.signed.efi' },
  { boot: 'uki-nosb', uki: 'uki-252-A.signed.efi' },
  { boot: 'shim-uki-sb-mok', uki: 'uki-252-A.signed.efi' },
  { boot: 'uki257-sb', uki: 'uki-257-A.signed.efi' },
  { boot: 'sdboot257-uki-sb', uki: 'uki-257-B.signed.efi' },
] as const

const read = (name: string) => parsePe(shared.bytes('inputs', name), name)

describe.skipIf(shared.missing)('PCR 11 of a real UKI', () => {
  it.each(boots)('$boot: the recorded events in log order, then the recorded value', ({ boot, uki }) => {
    const { events } = ukiEvents(parseUki(read(uki)), uki, { phase: 'none' })
    const log = parseEventLog(shared.bytes('boots', boot, 'eventlog.bin'), boot)
    const recorded = log.events
      .filter(({ pcr }) => pcr === 11)
      .map(({ type, digests, data }) => ({
        type,
        section: Buffer.from(data).toString('utf16le').replaceAll('\0', ''),
        digests: Object.fromEntries(banks.map(bank => [bank, formatHex(digests[bank] ?? new Uint8Array(0))])),
      }))
    const predicted = events.map(({ type, digests, part }) => ({
      type,
      section: `.${part.replace('Pcr11', '').replace('Content', '').toLowerCase()}`,
      digests,
    }))
    expect(recorded.length).toBeGreaterThan(7)
    expect(predicted).toEqual(recorded)
    const pcrs = parsePcrs(shared.text('boots', boot, 'pcrs.json'), 'pcrs.json')
    expect(pcrValue(events, 11, banks)).toEqual(pcrs['11'])
  })

  it('with Secure Boot off the kernel inside is in PCR 4 behind the UKI, else not', () => {
    const uki = parseUki(read('uki-252-A.signed.efi'))
    const { build } = ukiEvents(uki, 'a', { phase: 'none' })
    const pesOf = (boot: string) =>
      parseEventLog(shared.bytes('boots', boot, 'eventlog.bin'), boot)
        .events.filter(({ pcr, type }) => pcr === 4 && type === 'EV_EFI_BOOT_SERVICES_APPLICATION')
        .map(({ digests }) => banks.map(bank => formatHex(digests[bank] ?? new Uint8Array(0))))
    const off = innerKernelEvents(uki, 'a', build, { secureBoot: false, shim: null })
    expect(off.map(({ digests }) => banks.map(bank => digests[bank]))).toEqual(pesOf('uki-nosb').slice(1))
    expect(innerKernelEvents(uki, 'a', build, { secureBoot: true, shim: null })).toEqual(pesOf('uki-sb').slice(1))
    const behindShim = innerKernelEvents(uki, 'a', build, { secureBoot: true, shim: { major: 16, minor: 1 } })
    expect(behindShim).toEqual(pesOf('shim-uki-sb-mok').slice(2))
  })

  it('leaves PCR 12 and 13 as they start', () => {
    const zero = Object.fromEntries(banks.map(bank => [bank, '00'.repeat(digestLength[bank])]))
    for (const { boot } of boots) {
      const systemdBoot = boot.startsWith('sdboot') ? loaderInfo(read('systemd-bootx64-trixie.signed.efi')) : undefined
      const pcrs = parsePcrs(shared.text('boots', boot, 'pcrs.json'), 'pcrs.json')
      const { untouched } = parameterPcrs(!boot.includes('nosb'), true, systemdBoot)
      expect(untouched.map(pcr => pcrs[pcr])).toEqual([zero, zero])
    }
  })

  it('tells UKIs from other boot files, and stubs from boot loaders', () => {
    expect(['uki-252-A.signed.efi', 'uki-257-B.signed.efi'].map(name => isUki(read(name)))).toEqual([true, true])
    const others = ['shimx64.efi', 'grubx64.efi', 'systemd-bootx64-trixie.signed.efi', 'vmlinuz-6.1.0-50-amd64']
    expect(others.map(name => isUki(read(name)))).toEqual([false, false, false, false])
    expect(loaderInfo(read('systemd-bootx64-trixie.signed.efi'))).toEqual({
      program: 'systemd-boot',
      text: '257.13-1~deb13u1',
      major: 257,
    })
    expect(loaderInfo(read('grubx64.efi'))).toBeUndefined()
  })
})
