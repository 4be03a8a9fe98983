// PCR 0 to 9 of each recorded boot from the log of another boot on the same platform, never from its own.

import { describe, expect, it } from 'vitest'
import { type Bank, banks, digestInBanks, formatDigests } from '../../src/formats/bytes/digest.ts'
import { authenticodeDigests } from '../../src/formats/pe/authenticode.ts'
import { findSection, parsePe } from '../../src/formats/pe/pe.ts'
import { parseEventLog } from '../../src/formats/tcg/event-log.ts'
import type { BootFile } from '../../src/image/boot-file.ts'
import { parsePcrs } from '../../src/predict/compare-pcrs.ts'
import { predictImage } from '../../src/predict/predict-image.ts'
import type { MeasuredEvent, Prediction } from '../../src/predict/prediction.ts'
import { substitute } from '../../src/predict/substitution.ts'
import { sayWhatIsNotChecked, shared } from './shared.ts'

sayWhatIsNotChecked('PCR 0 to 9 by substitution in the logs of other boots')
const boots = shared.names('boots')

interface Inputs {
  readonly ovmf_code: { readonly sha256: string }
  readonly ovmf_vars_before: { readonly path: string }
  readonly files: Readonly<Record<string, { readonly input?: string }>>
}

const inputsOf = (boot: string): Inputs => JSON.parse(shared.text('boots', boot, 'inputs.json'))
const recorded = (boot: string) => parsePcrs(shared.text('boots', boot, 'pcrs.json'), 'pcrs.json')
const logOf = (boot: string) => parseEventLog(shared.bytes('boots', boot, 'eventlog.bin'), boot)

/** Firmware file, and whether its variable store has keys: what decides PCR 0 (pcr-model §0.12). */
const platformOf = (boot: string) => {
  const { ovmf_code, ovmf_vars_before } = inputsOf(boot)
  return `${ovmf_code.sha256} ${ovmf_vars_before.path.includes('blank') ? 'blank' : 'keys'}`
}
const pairs = boots.flatMap(boot =>
  boots.filter(other => other !== boot && platformOf(other) === platformOf(boot)).map(from => ({ boot, from })),
)
const isGrub = (boot: string) => boot.startsWith('grub-')

function file(role: BootFile['role'], name: string): BootFile {
  return { role, path: name, layer: null, bytes: shared.bytes('inputs', name) }
}

const kernels: Readonly<Record<string, string>> = { 'grub-sb-newkernel': '6.1.0-56' }
function filesOf(boot: string): readonly BootFile[] {
  const release = kernels[boot] ?? '6.1.0-50'
  return [
    file('shim', 'shimx64.efi'),
    file('grub', 'grubx64.efi'),
    file('kernel', `vmlinuz-${release}-amd64`),
    file('initramfs', `initrd.img-${release}-amd64`),
  ]
}

type Known = Pick<Prediction, 'secureBoot' | 'bootChain' | 'events' | 'pcrs' | 'notPredicted' | 'notes'>
const known = new Map<string, Known>()
function predictionOf(boot: string): Known {
  const made = known.get(boot) ?? (isGrub(boot) ? predictGrub(boot) : ukiEvents(boot))
  known.set(boot, made)
  return made
}

function predictGrub(boot: string): Known {
  const [prediction] = predictImage({ files: filesOf(boot), secureBoot: boot !== 'grub-nosb', banks }).predictions
  if (prediction === undefined) throw new Error('no prediction')
  return prediction
}

/** The events of PCR 4 and 11 that the files of a boot with a UKI cause, in the order of pcr-model §3 and §6. */
function ukiEvents(boot: string): Known {
  const chains: Readonly<Record<string, [Prediction['bootChain'], ...string[]]>> = {
    'uki-sb': ['uki', 'uki-252-A.signed.efi'],
    'uki-nosb': ['uki', 'uki-252-A.signed.efi'],
    'uki257-sb': ['uki', 'uki-257-A.signed.efi'],
    'shim-uki-sb-mok': ['shim-uki', 'shimx64.efi', 'uki-252-A.signed.efi'],
    'sdboot257-uki-sb': ['systemd-boot-uki', 'systemd-bootx64-trixie.signed.efi', 'uki-257-B.signed.efi'],
  }
  const [bootChain, ...names] = chains[boot] ?? ['uki']
  const files = names.map(name => parsePe(shared.bytes('inputs', name), name))
  const uki = files.at(-1)
  if (uki === undefined) throw new Error(`no files for ${boot}`)
  const event = (pcr: number, type: string, part: string, digests: MeasuredEvent['digests']) => ({
    ...{ pcr, type, part, digests },
    because: 'test',
  })
  const images = files.map(pe => {
    const digests = formatDigests(authenticodeDigests(pe))
    return event(4, 'EV_EFI_BOOT_SERVICES_APPLICATION', pe === uki ? 'Pcr4Uki' : 'Pcr4Other', digests)
  })
  const linux = parsePe(findSection(uki, '.linux')?.data ?? new Uint8Array(0), '.linux')
  const inner = formatDigests(authenticodeDigests(linux))
  const names252 = ['.linux', '.osrel', '.cmdline', '.initrd']
  const sections = boot.includes('257') ? [...names252, '.uname', '.sbat'] : names252
  const measured = sections.flatMap(name => {
    const part = `Pcr11${name[1]?.toUpperCase()}${name.slice(2)}`
    const content = findSection(uki, name)?.data ?? new Uint8Array(0)
    return [
      event(11, 'EV_IPL', part, formatDigests(digestInBanks(new Uint8Array(Buffer.from(`${name}\0`))))),
      event(11, 'EV_IPL', `${part}Content`, formatDigests(digestInBanks(content))),
    ]
  })
  const secureBoot = boot !== 'uki-nosb'
  const innerEvents = secureBoot ? [] : [event(4, 'EV_EFI_BOOT_SERVICES_APPLICATION', 'Pcr4UkiLinux', inner)]
  return {
    secureBoot,
    bootChain,
    events: [...images, ...measured, ...innerEvents],
    pcrs: {},
    notPredicted: [],
    notes: [],
  }
}

function substituted(boot: string, from: string) {
  expect(from).not.toBe(boot)
  const files = isGrub(boot) ? filesOf(boot) : []
  return substitute({ log: logOf(from), prediction: predictionOf(boot), files }, banks)
}

function expectRecorded(boot: string, from: string, pcrs: readonly number[]) {
  const result = substituted(boot, from)
  const seen = recorded(boot)
  const all = (values: Readonly<Record<string, Readonly<Partial<Record<Bank, string>>>>>) =>
    Object.fromEntries(pcrs.map(pcr => [pcr, values[`${pcr}`]]))
  expect(all(result.pcrs)).toEqual(all(seen))
  return result
}

describe.skipIf(shared.missing)('PCRs by substitution in the log of another boot', () => {
  it('each of nine boots has another one on its platform', () => {
    expect(boots).toHaveLength(9)
    expect(new Set(pairs.map(({ boot }) => boot)).size).toBe(9)
    expect(pairs).toHaveLength(7 * 6 + 2 * 1)
  })

  it.each(pairs)('$boot from $from: PCR 0, 1, 2, 3 and 6 as recorded, four banks', ({ boot, from }) => {
    const { assumed, notPredicted } = expectRecorded(boot, from, [0, 1, 2, 3, 6])
    for (const pcr of [0, 1, 2, 3, 6]) {
      expect(assumed.filter(event => event.pcr === pcr).length).toBe(
        logOf(from).events.filter(event => event.pcr === pcr && event.typeNumber !== 3).length,
      )
      expect(notPredicted.some(entry => entry.pcr === pcr)).toBe(false)
    }
  })

  it.each(pairs)('$boot from $from: PCR 4, with the files of $boot', ({ boot, from }) => {
    expectRecorded(boot, from, [4])
  })

  it.each(pairs)('$boot from $from: PCR 5, where the log shows what systemd-boot measures', ({ boot, from }) => {
    if (boot !== 'sdboot257-uki-sb') expectRecorded(boot, from, [5])
    else
      expect(substituted(boot, from).notPredicted).toContainEqual({
        pcr: 5,
        because: expect.stringContaining('systemd-boot'),
      })
  })

  it.each(pairs.filter(({ boot }) => isGrub(boot)))('$boot from $from: PCR 8 and 9 with the same kernel only', pair => {
    const { boot, from } = pair
    const fits = isGrub(from) && (boot === 'grub-sb-newkernel') === (from === 'grub-sb-newkernel')
    if (fits) expectRecorded(boot, from, [8, 9])
    else {
      const { pcrs, notPredicted, events } = substituted(boot, from)
      const because = expect.stringMatching(isGrub(from) ? /name vmlinuz-6\.1\.0-5[06]-amd64/ : /no events of GRUB/)
      expect(notPredicted).toEqual(expect.arrayContaining([8, 9].map(pcr => ({ pcr, because }))))
      expect(Object.keys(pcrs)).not.toContain('8')
      expect(events.some(event => event.pcr === 8 || event.pcr === 9)).toBe(false)
    }
  })

  it('boots with UKIs: PCR 9 where the stub hands the initramfs over as it is', () => {
    expectRecorded('uki-sb', 'shim-uki-sb-mok', [9])
    expectRecorded('shim-uki-sb-mok', 'uki-sb', [9])
    for (const [boot, from] of [
      ['uki257-sb', 'uki-sb'],
      ['uki257-sb', 'sdboot257-uki-sb'],
      ['uki-sb', 'uki257-sb'],
      ['uki-sb', 'grub-sb'],
    ] as const)
      expect(substituted(boot, from).notPredicted.map(({ pcr }) => pcr)).toContain(9)
  })

  it('a boot of another Secure Boot state is refused', () => {
    expect(() => substituted('grub-sb', 'grub-nosb')).toThrow('cannot stand for the platform')
  })
})
