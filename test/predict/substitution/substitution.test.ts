// Substitution in logs made for the purpose; recorded boots: test/vectors/substitution.test.ts.

import { describe, expect, it } from 'vitest'
import { type Bank, digestIn, digestInBanks, formatDigests } from '../../../src/formats/bytes/digest.ts'
import { formatHex } from '../../../src/formats/bytes/hex.ts'
import { guids } from '../../../src/formats/efi/guid.ts'
import { formatVariableEvent } from '../../../src/formats/efi/variable-event.ts'
import { parseEventLog } from '../../../src/formats/tcg/event-log.ts'
import type { BootFile } from '../../../src/image/boot-file.ts'
import { extendAll } from '../../../src/predict/extend.ts'
import type { MeasuredEvent, Prediction } from '../../../src/predict/prediction.ts'
import { secureBootOfLog } from '../../../src/predict/substitution/substituted-log.ts'
import { substitute } from '../../../src/predict/substitution/substitution.ts'
import { faultOf } from '../../build/damage.ts'
import { type EventToLog, makeEventLog } from '../../build/event-log.ts'

const ascii = (text: string) => new Uint8Array(Buffer.from(text, 'latin1'))
const types = {
  separator: 4,
  tag: 6,
  version: 8,
  ipl: 13,
  config: 0x80000001,
  app: 0x80000003,
  action: 0x80000007,
  authority: 0x800000e0,
}
const separator = (pcr: number) => ({ pcr, type: types.separator, data: new Uint8Array(4) })
const calling = { pcr: 4, type: types.action, data: ascii('Calling EFI Application from Boot Option') }
const variable = (name: string, data: Uint8Array) =>
  formatVariableEvent({ vendorGuid: guids.imageSecurityDatabase, name, data })
const secureBoot = (on: boolean) => ({
  pcr: 7,
  type: types.config,
  data: variable('SecureBoot', Uint8Array.of(on ? 1 : 0)),
})
const trusted = (name: string, entry: string) => ({ pcr: 7, type: types.authority, data: variable(name, ascii(entry)) })
const text = (pcr: number, label: string, hashed: string, banks: readonly Bank[] = ['sha256']): EventToLog => ({
  ...{ pcr, type: types.ipl, data: ascii(`${label}\0`) },
  digests: Object.fromEntries(banks.map(bank => [bank, digestIn(bank, ascii(hashed))])),
})
const command = (line: string) => text(8, `grub_cmd: ${line}`, line)

/** A file on the disk when it has a path, else one handed over in memory. */
function app(contents: string, path?: string): EventToLog {
  const name = Buffer.from(`${path ?? ''}\0`, 'utf16le')
  const node = Buffer.concat([Uint8Array.of(4, 4, name.length + 4, 0), name])
  const devicePath = Buffer.concat([...(path === undefined ? [] : [node]), Uint8Array.of(0x7f, 0xff, 4, 0)])
  const head = Buffer.alloc(32)
  head.writeBigUInt64LE(BigInt(devicePath.length), 24)
  const data = new Uint8Array(Buffer.concat([head, devicePath]))
  return { pcr: 4, type: types.app, data, digests: { sha256: digestIn('sha256', ascii(contents)) } }
}

const shim = '\\EFI\\BOOT\\BOOTX64.EFI'
const linux = '/boot/vmlinuz-6.1.0-50'
const initrd = '/boot/initrd.img-6.1.0-50'
const grub = (kernel = linux, initramfs = initrd) => [
  text(9, '/boot/grub/grub.cfg', 'settings'),
  command(`linux ${kernel} root=/dev/sda ro`),
  text(9, kernel, 'old kernel'),
  command(`initrd ${initramfs}`),
  text(9, initramfs, 'old initramfs'),
]
const boot = (...reads: readonly EventToLog[]): readonly EventToLog[] => [
  { pcr: 0, type: types.version, data: ascii('v\0') },
  secureBoot(true),
  separator(7),
  calling,
  ...[0, 4, 5].map(separator),
  trusted('db', 'ca'),
  app('old shim', shim),
  trusted('SbatLevel', 'old'),
  app('the grub', '\\EFI\\BOOT\\grubx64.efi'),
  ...reads,
  app('old kernel'),
]
const logOf = (events: readonly EventToLog[]) => parseEventLog(makeEventLog(['sha256'], events), 'eventlog.bin')

const typeNames: Readonly<Record<number, string>> = {
  [types.separator]: 'EV_SEPARATOR',
  [types.config]: 'EV_EFI_VARIABLE_DRIVER_CONFIG',
  [types.app]: 'EV_EFI_BOOT_SERVICES_APPLICATION',
  [types.action]: 'EV_EFI_ACTION',
  [types.authority]: 'EV_EFI_VARIABLE_AUTHORITY',
}
const predicted = ({ pcr, type, data }: EventToLog, part: string): MeasuredEvent => ({
  ...{ pcr, type: typeNames[type] ?? '', part, because: 'test' },
  digests: formatDigests(digestInBanks(data)),
})
const image = (contents: string, part: string) => ({
  ...predicted({ pcr: 4, type: types.app, data: ascii(contents) }, part),
})
const events = [
  predicted(secureBoot(true), 'Pcr7SecureBoot'),
  predicted(separator(7), 'Pcr7Separator'),
  predicted(calling, 'Pcr4EfiCall'),
  predicted(separator(4), 'Pcr4Separator'),
  predicted(trusted('db', 'ca'), 'Pcr7ShimCert'),
  image('new shim', 'Pcr4Shim'),
  predicted(trusted('SbatLevel', 'new'), 'Pcr7SbatLevel'),
  image('the grub', 'Pcr4Grub'),
  image('new kernel', 'Pcr4Vmlinuz'),
]
const prediction: Pick<Prediction, 'secureBoot' | 'bootChain' | 'events' | 'pcrs' | 'notPredicted' | 'notes'> = {
  ...{ secureBoot: true, bootChain: 'shim-grub-linux', events, pcrs: { '14': { sha256: '00' } } },
  ...{ notPredicted: [0, 1, 8, 9, 10].map(pcr => ({ pcr, because: 'before' })), notes: ['a note'] },
}
const file = (role: BootFile['role'], path: string, contents: string): BootFile => ({
  ...{ role, path, layer: null },
  bytes: ascii(contents),
})
const files = [
  file('kernel', 'vmlinuz-6.1.0-50', 'new kernel'),
  file('initramfs', 'initrd.img-6.1.0-50', 'old initramfs'),
]

const value = (...hashed: readonly (string | Uint8Array)[]) =>
  formatHex(
    extendAll(
      'sha256',
      new Uint8Array(32),
      hashed.map(data => digestIn('sha256', typeof data === 'string' ? ascii(data) : data)),
    ),
  )
const zero = new Uint8Array(4)

describe('substitution', () => {
  it('takes the firmware’s events from the log and the files’ events from the prediction', () => {
    const {
      pcrs,
      events: listed,
      assumed,
      notes,
    } = substitute({ log: logOf(boot(...grub())), prediction, files }, ['sha256'])
    const run = ascii('Calling EFI Application from Boot Option')
    expect(pcrs).toEqual({
      '0': { sha256: value('v\0', zero) },
      '4': { sha256: value(run, zero, 'new shim', 'the grub', 'new kernel') },
      '5': { sha256: value(zero) },
      '7': {
        sha256: value(secureBoot(true).data, zero, trusted('db', 'ca').data, trusted('SbatLevel', 'new').data),
      },
      '8': { sha256: value(`linux ${linux} root=/dev/sda ro`, `initrd ${initrd}`) },
      '9': { sha256: value('settings', 'new kernel', 'old initramfs') },
      '14': { sha256: '00' },
    })
    expect(assumed.map(({ index, pcr }) => [index, pcr])).toEqual([
      [1, 0],
      [5, 0],
      [7, 5],
      [12, 9],
      [13, 8],
      [15, 8],
    ])
    expect(listed.filter(({ part }) => part.endsWith('Assumed'))).toHaveLength(assumed.length)
    expect(listed.map(({ part }) => part)).toContain('Pcr4EfiCall')
    expect(notes).toEqual(['a note', expect.stringContaining('eventlog.bin')])
  })

  it('what the log tells is no longer listed as not predicted', () => {
    const { notPredicted } = substitute({ log: logOf(boot(...grub())), prediction, files }, ['sha256'])
    expect(notPredicted).toEqual([1, 10].map(pcr => ({ pcr, because: 'before' })))
  })

  it('the log need not have all banks where its data tell what was hashed', () => {
    const { pcrs } = substitute({ log: logOf(boot(...grub())), prediction, files }, ['sha256', 'sha384'])
    expect(Object.keys(pcrs['4'] ?? {})).toEqual(['sha256', 'sha384'])
    expect(Object.keys(pcrs['7'] ?? {})).toEqual(['sha256', 'sha384'])
    expect(Object.keys(pcrs['9'] ?? {}), 'grub.cfg is known by its digest only').toEqual(['sha256'])
  })

  it('a driver trusted by the certificate that signed shim: the firmware measures it once, where the driver came', () => {
    const [version, state, end, ...rest] = boot(...grub())
    if (version === undefined || state === undefined || end === undefined) throw new Error('no events')
    const withDriver = [
      version,
      state,
      end,
      trusted('db', 'ca'),
      ...rest.filter(({ data }) => !Buffer.from(data).equals(trusted('db', 'ca').data)),
    ]
    const { pcrs } = substitute({ log: logOf(withDriver), prediction, files }, ['sha256'])
    expect(pcrs['7']?.sha256).toBe(
      value(secureBoot(true).data, zero, trusted('db', 'ca').data, trusted('SbatLevel', 'new').data),
    )
  })

  const returning = { pcr: 4, type: types.action, data: ascii('Returning from EFI Application from Boot Option') }
  const beforeOurs = (...events: readonly EventToLog[]) => {
    const own = boot(...grub())
    const at = own.findIndex(({ data }) => data === calling.data) + 1
    return logOf([...own.slice(0, at), ...events, returning, calling, ...own.slice(at)])
  }

  it('a boot option that failed before ours stays, also one that started a program from the network', () => {
    const { pcrs, assumed } = substitute({ log: beforeOurs(app('network boot')), prediction, files }, ['sha256'])
    expect(pcrs['4']?.sha256).toBe(
      value(
        ...[calling.data, 'network boot', returning.data, calling.data, zero],
        ...['new shim', 'the grub', 'new kernel'],
      ),
    )
    expect(assumed.filter(({ pcr }) => pcr === 4)).toHaveLength(3)
  })

  it('a boot option before ours that started a file from a disk: it may be one of ours, so what it touched is not told', () => {
    const other = app('other system', '\\EFI\\x.efi')
    const why = expect.stringContaining('a boot option before ours')
    const plain = substitute({ log: beforeOurs(other), prediction, files }, ['sha256'])
    expect(Object.keys(plain.pcrs)).toEqual(['0', '5', '7', '8', '9', '14'])
    expect(plain.notPredicted).toContainEqual({ pcr: 4, because: why })
    const log = beforeOurs(trusted('db', 'other'), other, text(8, 'grub_cmd: set', 'set'))
    const whole = substitute({ log, prediction, files }, ['sha256'])
    expect(Object.keys(whole.pcrs)).toEqual(['0', '14'])
    for (const pcr of [4, 5, 7, 8, 9]) expect(whole.notPredicted).toContainEqual({ pcr, because: why })
  })

  it('a kernel and an initramfs that were read twice are replaced twice', () => {
    const log = logOf(boot(...grub(), ...grub()))
    const initramfs = file('initramfs', 'initrd.img-6.1.0-50', 'new initramfs')
    const { pcrs } = substitute({ log, prediction, files: [...files.slice(0, 1), initramfs] }, ['sha256'])
    const once = ['settings', 'new kernel', 'new initramfs']
    expect(pcrs['9']?.sha256).toBe(value(...once, ...once))
  })

  it.each([
    [linux, [8, 9]],
    [initrd, [9]],
  ] as const)('two contents of %s: not predicted', (path, missing) => {
    const log = logOf(boot(...grub(), text(9, path, 'another')))
    const { pcrs, notPredicted } = substitute({ log, prediction, files }, ['sha256'])
    for (const pcr of missing) {
      expect(pcrs[`${pcr}`]).toBeUndefined()
      expect(notPredicted).toContainEqual({ pcr, because: expect.stringContaining(`several contents of ${path}`) })
    }
  })

  it('another GRUB than that of the log: its commands are not known', () => {
    const other = events.map(event => (event.part === 'Pcr4Grub' ? image('other grub', 'Pcr4Grub') : event))
    const given = { log: logOf(boot(...grub())), prediction: { ...prediction, events: other }, files }
    const { pcrs, notPredicted } = substitute(given, ['sha256'])
    expect(Object.keys(pcrs)).toEqual(['0', '4', '5', '7', '14'])
    for (const pcr of [8, 9])
      expect(notPredicted).toContainEqual({ pcr, because: 'this image has another GRUB than that of the log' })
  })

  it.each([
    ['the', true],
    ['another', false],
  ])('%s systemd-boot of the log: its settings are told: %s', (which, told) => {
    const settings = text(5, 'loader.conf', 'settings')
    const log = logOf([...boot().slice(0, -1), settings, app('old uki', '\\EFI\\Linux\\a.efi')])
    const own = [
      ...events.slice(0, 5),
      image(which === 'the' ? 'the grub' : 'another', 'Pcr4SystemdBoot'),
      image('new uki', 'Pcr4Uki'),
    ]
    const systemdBoot = { ...prediction, bootChain: 'systemd-boot-uki', events: own } as const
    const { pcrs, notPredicted } = substitute({ log, prediction: systemdBoot, files: [] }, ['sha256'])
    expect(pcrs['5']).toEqual(told ? { sha256: value(zero, 'settings') } : undefined)
    expect(notPredicted.find(({ pcr }) => pcr === 5)?.because).toEqual(
      told ? undefined : 'this image has another systemd-boot than that of the log',
    )
  })

  it.each([
    ['another release', grub('/boot/vmlinuz-5.9.0-1'), files, [8, 9], /name vmlinuz-5\.9\.0-1/],
    ['no initramfs among the files', grub(), files.slice(0, 1), [9], /not among the boot files/],
    ['no GRUB in the log', [], files, [8, 9], /no events of GRUB/],
    [
      'a path that holds a checksum of the kernel',
      grub(`/boot/ostree/fedora-${'a'.repeat(64)}/vmlinuz-6.1.0-50`),
      files,
      [8, 9],
      /checksum/,
    ],
    ['two initramfs', grub(linux, `${initrd} /boot/second.img`), files, [9], /which one file/],
  ] as const)('%s: not predicted, with the reason', (_, reads, own, missing, reason) => {
    const { pcrs, notPredicted } = substitute({ log: logOf(boot(...reads)), prediction, files: own }, ['sha256'])
    for (const pcr of missing) {
      expect(pcrs[`${pcr}`]).toBeUndefined()
      expect(notPredicted).toContainEqual({ pcr, because: expect.stringMatching(reason) })
    }
    expect(pcrs['4']).toBeDefined()
  })

  it('events of PCR 1 behind the boot files may be those of another boot loader: not predicted', () => {
    const late = { pcr: 1, type: types.tag, data: ascii('\x01\0\0\0\0\0\0\0') }
    const log = logOf([{ ...late, type: types.config }, ...boot(...grub()), late])
    const { pcrs, notPredicted } = substitute({ log, prediction, files }, ['sha256'])
    expect(pcrs['1']).toBeUndefined()
    expect(notPredicted).toContainEqual({ pcr: 1, because: expect.stringContaining('behind the boot files') })
  })

  it('without a prediction of PCR 7 gives none', () => {
    const without = { ...prediction, events: events.filter(({ pcr }) => pcr !== 7) }
    const { pcrs, notPredicted } = substitute({ log: logOf(boot(...grub())), prediction: without, files }, ['sha256'])
    expect(pcrs['7']).toBeUndefined()
    expect(notPredicted).toContainEqual({ pcr: 7, because: 'needs a platform profile' })
  })

  it.each([
    ['of another Secure Boot state', boot().map(event => (event.type === types.config ? secureBoot(false) : event))],
    ['of firmware that ended in an error', [...boot(), { ...separator(6), data: Uint8Array.of(1, 0, 0, 0) }]],
    [
      'with other keys than the profile',
      boot().map(event =>
        event.type === types.config ? { ...event, data: variable('SecureBoots', Uint8Array.of(1)) } : event,
      ),
    ],
    ['without a boot', boot().filter(({ type }) => type !== types.app)],
  ])('refuses a log %s', (_, records) => {
    const fault = faultOf(() => substitute({ log: logOf(records), prediction, files }, ['sha256']))
    expect([fault.code, fault.where.source]).toEqual(['LOG_UNSUITABLE', 'eventlog.bin'])
  })

  it('refuses a log with Secure Boot for a profile without PK, and says that this is why', () => {
    const none = new Uint8Array(0)
    const keys = { PK: none, KEK: none, db: none, dbx: none, dbt: undefined }
    const given = { log: logOf(boot()), prediction: { ...prediction, secureBoot: false }, files }
    const hintOf = (PK: Uint8Array) =>
      faultOf(() => substitute({ ...given, platform: { name: 'node', keys: { ...keys, PK } } }, ['sha256'])).hint
    expect(hintOf(none)).toMatch(/^profile node has no PK/)
    expect(hintOf(Uint8Array.of(1))).not.toContain('PK')
  })

  it('refuses a log that is cut', () => {
    const bytes = makeEventLog(['sha256'], boot())
    const log = parseEventLog(bytes.subarray(0, -3), 'log')
    expect(faultOf(() => substitute({ log, prediction, files }, ['sha256'])).code).toBe('LOG_UNSUITABLE')
  })

  it('tells the Secure Boot state of a log', () => {
    expect(secureBootOfLog(logOf(boot()))).toBe(true)
    expect(secureBootOfLog(logOf([secureBoot(false)]))).toBe(false)
    expect(secureBootOfLog(logOf([calling]))).toBeUndefined()
  })
})
