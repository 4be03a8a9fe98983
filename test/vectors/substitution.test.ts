// PCR 0 to 9 of each recorded boot from the log of another boot on the same platform, never from its own.

import { describe, expect, it } from 'vitest'
import { readPlatform } from '../../src/commands/read-platform.ts'
import { banks, sha256Hex } from '../../src/formats/bytes/digest.ts'
import { parseEventLog } from '../../src/formats/tcg/event-log.ts'
import type { BootFile, BootFileRole } from '../../src/image/boot-file.ts'
import { parsePcrs } from '../../src/predict/compare-pcrs.ts'
import { predictImage } from '../../src/predict/predict-image.ts'
import type { Prediction } from '../../src/predict/prediction.ts'
import { substitute } from '../../src/predict/substitution/substitution.ts'
import { faultOf } from '../build/damage.ts'
import { sayWhatIsNotChecked, shared } from './shared.ts'

sayWhatIsNotChecked('PCR 0 to 9 by substitution in the logs of other boots')

const grub = (release: string) => ({
  shim: 'shimx64.efi',
  grub: 'grubx64.efi',
  kernel: `vmlinuz-${release}-amd64`,
  initramfs: `initrd.img-${release}-amd64`,
})
const [first, second] = ['6.1.0-50', '6.1.0-56']
const filesOfBoots: Readonly<Record<string, Readonly<Partial<Record<BootFileRole, string>>>>> = {
  'grub-sb': grub(first),
  'grub-sb-newkernel': grub(second),
  'grub-sb-mok': grub(first),
  'grub-nosb': grub(first),
  'uki-sb': { uki: 'uki-252-A.signed.efi' },
  'uki-nosb': { uki: 'uki-252-A.signed.efi' },
  'uki257-sb': { uki: 'uki-257-A.signed.efi' },
  'shim-uki-sb-mok': { shim: 'shimx64.efi', uki: 'uki-252-A.signed.efi' },
  'sdboot257-uki-sb': { 'systemd-boot': 'systemd-bootx64-trixie.signed.efi', uki: 'uki-257-B.signed.efi' },
}
const boots = shared.names('boots')
const isGrub = (boot: string) => boot.startsWith('grub-')

/** Firmware file, and whether its variable store has keys: what decides PCR 0 (pcr-model §0.12). */
function firmwareOf(boot: string): string {
  const { ovmf_code } = JSON.parse(shared.text('boots', boot, 'inputs.json'))
  return `${ovmf_code.sha256} ${keysOf(boot) === keysOf('uki-nosb') ? 'without keys' : 'with keys'}`
}

/** The firmware's keys in the store, which PCR 7 holds besides. */
function keysOf(boot: string): string {
  const names = shared.names('boots', boot, 'efivars').filter(name => /^(?:PK|KEK|db|dbx)-/.test(name))
  return sha256Hex(...names.map(name => shared.bytes('boots', boot, 'efivars', name)))
}

const pairs = boots.flatMap(boot => boots.filter(from => from !== boot).map(from => ({ boot, from })))
const sameFirmware = pairs.filter(({ boot, from }) => firmwareOf(boot) === firmwareOf(from))
const samePlatform = sameFirmware.filter(({ boot, from }) => keysOf(boot) === keysOf(from))
const otherKeys = sameFirmware.filter(({ boot, from }) => keysOf(boot) !== keysOf(from))

function filesOf(boot: string): readonly BootFile[] {
  return Object.entries(filesOfBoots[boot] ?? {}).map(([role, name]) => ({
    role: role as BootFileRole,
    path: name,
    layer: null,
    bytes: shared.bytes('inputs', name),
  }))
}

const made = new Map<string, Promise<Prediction>>()
/** From the files and the machine's variables, without any log. */
function predict(boot: string, withPlatform: boolean): Promise<Prediction> {
  const key = `${boot} ${withPlatform}`
  const prediction = made.get(key) ?? predictNow(boot, withPlatform)
  made.set(key, prediction)
  return prediction
}

async function predictNow(boot: string, withPlatform: boolean): Promise<Prediction> {
  const platforms = withPlatform ? [await readPlatform([shared.path('boots', boot, 'efivars')], boot)] : []
  for (const platform of platforms) expect(platform.eventLog).toBeUndefined()
  const secureBoot = withPlatform ? undefined : !boot.endsWith('-nosb')
  const [prediction] = predictImage({ files: filesOf(boot), platforms, secureBoot, banks, phase: 'none' }).predictions
  if (prediction === undefined) throw new Error('no prediction')
  return prediction
}

async function substituted(boot: string, from: string, withPlatform = true) {
  expect(from).not.toBe(boot)
  const log = parseEventLog(shared.bytes('boots', from, 'eventlog.bin'), from)
  const result = substitute({ log, prediction: await predict(boot, withPlatform), files: filesOf(boot) }, banks)
  const recorded = parsePcrs(shared.text('boots', boot, 'pcrs.json'), 'pcrs.json')
  /** The PCRs whose values are those that the TPM held, in four banks; others given are wrong. */
  const right = Object.keys(result.pcrs).filter(pcr =>
    banks.every(bank => result.pcrs[pcr]?.[bank] === recorded[pcr]?.[bank]),
  )
  // without a profile nobody can know of the enrolled key
  const unknowable = boot.endsWith('-mok') && !withPlatform ? ['14'] : []
  expect(
    Object.keys(result.pcrs).filter(pcr => !right.includes(pcr)),
    'wrong values',
  ).toEqual(unknowable)
  const missing = result.notPredicted.map(({ pcr }) => pcr)
  expect(
    missing.filter(pcr => right.includes(`${pcr}`)),
    'both told and not',
  ).toEqual([])
  return { ...result, log, right: right.map(Number) }
}

/** PCR 8 and 9 of GRUB: the kernel’s name is in its commands and settings. */
const sameKernel = (boot: string, from: string) =>
  isGrub(boot) && isGrub(from) && filesOfBoots[boot]?.kernel === filesOfBoots[from]?.kernel
/** PCR 5 of systemd-boot: only a log of it shows what it measures there. */
const isSystemdBoot = (boot: string) => boot.startsWith('sdboot')
/** PCR 9 of a UKI: the stub's input, where the log and this UKI have the same, or a stub that changes nothing. */
const sameStubInput = (boot: string, from: string) =>
  [boot, from].every(name => filesOfBoots[name]?.uki === 'uki-252-A.signed.efi')

describe.skipIf(shared.missing)('PCRs by substitution in the log of another boot', () => {
  it('each of nine boots has another one on its platform', () => {
    expect(boots).toHaveLength(9)
    expect(new Set(samePlatform.map(({ boot }) => boot)).size).toBe(9)
    expect([sameFirmware.length, samePlatform.length]).toEqual([7 * 6 + 2 * 1, 4 * 3 + 3 * 2 + 2 * 1])
  })

  it.each(samePlatform)('$boot from $from: every PCR that is given is the recorded one, four banks', async pair => {
    const { boot, from } = pair
    const { right, assumed, events, log } = await substituted(boot, from)
    const expected = [
      ...[0, 1, 2, 3, 4, 6, 7],
      ...(isSystemdBoot(boot) ? [] : [5]),
      ...(sameKernel(boot, from) ? [8, 9] : []),
      ...(sameStubInput(boot, from) ? [9] : []),
    ]
    expect(right.filter(pcr => pcr <= 9)).toEqual(expected.toSorted((one, other) => one - other))
    for (const pcr of [0, 1, 2, 3, 6])
      expect(assumed.filter(event => event.pcr === pcr).map(({ index }) => index)).toEqual(
        log.events.filter(event => event.pcr === pcr && event.typeNumber !== 3).map(({ index }) => index),
      )
    expect(
      assumed.filter(({ pcr }) => pcr === 4 || pcr === 7),
      'all of it is predicted',
    ).toEqual([])
    expect(events.filter(({ part }) => part.endsWith('Assumed'))).toHaveLength(assumed.length)
  })

  it.each(sameFirmware)('$boot from $from: without a profile PCR 0, 1, 2, 3, 4 and 6', async ({ boot, from }) => {
    const { right, notPredicted } = await substituted(boot, from, false)
    expect(right).toEqual(expect.arrayContaining([0, 1, 2, 3, 4, 6]))
    expect(notPredicted.find(({ pcr }) => pcr === 7)).toBeDefined()
  })

  it.each(otherKeys)('$boot from $from: refused, since the log has other keys than the profile', async pair => {
    const prediction = await predict(pair.boot, true)
    const log = parseEventLog(shared.bytes('boots', pair.from, 'eventlog.bin'), pair.from)
    expect(faultOf(() => substitute({ log, prediction, files: [] }, banks)).code).toBe('LOG_UNSUITABLE')
  })

  it('a boot of another Secure Boot state is refused', async () => {
    const prediction = await predict('grub-sb', false)
    const log = parseEventLog(shared.bytes('boots/grub-nosb/eventlog.bin'), 'grub-nosb')
    const fault = faultOf(() => substitute({ log, prediction, files: [] }, banks))
    expect([fault.code, fault.found, fault.wanted]).toEqual(['LOG_UNSUITABLE', 'Secure Boot off', 'Secure Boot on'])
  })

  it('says why a PCR is not told', async () => {
    const reasons = async (boot: string, from: string) => (await substituted(boot, from)).notPredicted
    const why = (pcr: number, because: RegExp) => ({ pcr, because: expect.stringMatching(because) })
    expect(await reasons('grub-sb-newkernel', 'grub-sb')).toEqual(
      expect.arrayContaining([8, 9].map(pcr => why(pcr, /name vmlinuz-6\.1\.0-50-amd64/))),
    )
    expect(await reasons('grub-nosb', 'uki-nosb')).toEqual(
      expect.arrayContaining([8, 9].map(pcr => why(pcr, /no events of GRUB/))),
    )
    expect(await reasons('sdboot257-uki-sb', 'uki-sb')).toContainEqual(why(5, /systemd-boot/))
    expect(await reasons('uki257-sb', 'sdboot257-uki-sb')).toContainEqual(why(9, /stub/))
  })
})
