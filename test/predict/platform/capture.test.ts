// Profiles from recorded logs: what the log tells, and what is said where it does not.

import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { digestInBanks, sha256Hex } from '../../../src/formats/bytes/digest.ts'
import { formatVariableEvent } from '../../../src/formats/efi/variable-event.ts'
import { type LoggedEvent, parseEventLog } from '../../../src/formats/tcg/event-log.ts'
import { parsePcrs } from '../../../src/predict/compare-pcrs.ts'
import { captureProfile } from '../../../src/predict/platform/capture.ts'
import { kernelMeasurements, variablesOf } from '../../../src/predict/platform/capture-log.ts'
import { parsePlatform } from '../../../src/predict/platform/platform.ts'
import { faultOf, flips, outcome } from '../../build/damage.ts'
import { makeEventLog } from '../../build/event-log.ts'
import { efivar, keyLists, profile, withAttributes } from '../../build/profile.ts'

const boots = join(import.meta.dirname, '../../../fixtures/boots')
const fixture = (boot: string, file: string) => new Uint8Array(readFileSync(join(boots, boot, file)))
const eventsOf = (boot: string) => parseEventLog(fixture(boot, 'eventlog.bin'), boot).events.slice(1)

interface Given {
  readonly log: Uint8Array
  readonly efivars?: Readonly<Record<string, Uint8Array | string>>
  readonly mok?: Readonly<Record<string, Uint8Array | string>>
  readonly pcrs?: string
}

function capture({ log, efivars = {}, mok, pcrs }: Given) {
  return captureProfile({
    output: { name: 'profiles/node', absolute: '/srv/profiles/node' },
    log: { bytes: log, source: 'eventlog.bin' },
    efivars: profile('efivars', efivars),
    mokVariables: mok === undefined ? undefined : profile('mok-variables', mok),
    pcrs: pcrs === undefined ? undefined : parsePcrs(pcrs, 'pcrs.json'),
  })
}

/** A log with other events than the recorded one. */
function changed(boot: string, change: (events: readonly LoggedEvent[]) => readonly LoggedEvent[]): Uint8Array {
  const events = change(eventsOf(boot))
  return makeEventLog(
    ['sha1', 'sha256', 'sha384', 'sha512'],
    events.map(({ pcr, typeNumber, data, digests }) => ({ pcr, type: typeNumber, data, digests })),
  )
}

const text = ({ decoded }: LoggedEvent) => (decoded?.kind === 'text' ? decoded.text : '')
const isProgram = ({ pcr, type }: LoggedEvent) => pcr === 4 && type === 'EV_EFI_BOOT_SERVICES_APPLICATION'
const mokList = keyLists

describe('a captured profile', () => {
  it('has from the log alone what PCR 7 was extended with', () => {
    const log = fixture('grub-sb', 'eventlog.bin')
    const { platform, learned } = capture({ log })
    expect(learned).toEqual({
      name: 'node',
      secureBoot: true,
      sbatLevel: 'sbat,1,2025021800\nshim,4\ngrub,5\n',
      banks: ['sha1', 'sha256', 'sha384', 'sha512'],
      grubMeasuresKernel: 2,
    })
    const digests = eventsOf('grub-sb')
      .filter(({ type }) => type === 'EV_EFI_VARIABLE_DRIVER_CONFIG')
      .map(event => Buffer.from(event.digests.sha256 ?? []).toString('hex'))
    const measured = variablesOf(parseEventLog(log, 'log'), 'EV_EFI_VARIABLE_DRIVER_CONFIG').map(variable => {
      const keys: Readonly<Record<string, Uint8Array | undefined>> = { ...platform.keys }
      return sha256Hex(formatVariableEvent({ ...variable, data: keys[variable.name] ?? Uint8Array.of(1) }))
    })
    expect(measured).toEqual(digests)
    expect(platform.eventLog).toEqual(log)
    expect(platform.mok.trusted).toEqual(Uint8Array.of(1))
  })

  it('is the same when it is read again without its log', () => {
    const { files, platform } = capture({ log: fixture('grub-sb', 'eventlog.bin'), mok: { MokListRT: mokList } })
    const kept = files.filter(({ name }) => name !== 'eventlog.bin')
    const again = parsePlatform([{ name: 'moved', files: new Map(kept.map(({ name, bytes }) => [name, bytes])) }])
    const { eventLog, profileSha256, ...rest } = platform
    expect(again).toMatchObject(rest)
    expect(again.eventLog).toBeUndefined()
  })

  it('has bare files of mok-variables where efivarfs shows pieces, and no pieces', () => {
    const pieces = {
      [efivar.shim('MokListRT')]: withAttributes(keyLists, 6),
      [efivar.shim('MokListRT1')]: withAttributes(keyLists, 6),
    }
    const log = fixture('grub-sb', 'eventlog.bin')
    const whole = new Uint8Array(Buffer.concat([keyLists, keyLists]))
    const { files, platform } = capture({ log, efivars: pieces, mok: { MokListRT: whole } })
    expect(platform.mok.list).toEqual(whole)
    expect(files.map(({ name }) => name).filter(name => name.startsWith('MokList'))).toEqual([
      'MokListRT',
      'MokListTrustedRT',
    ])
    expect(faultOf(() => capture({ log, efivars: pieces })).message).toContain('in pieces only')
  })
})

describe('what a capture says', () => {
  const said = (given: Given) => capture(given).notLearned

  it('of PCR values that are of no bank of the log', () => {
    const shim = { MokListRT: mokList, MokListXRT: mokList }
    const digests = digestInBanks(mokList)
    const log = changed('grub-sb', events =>
      events.map(event => (/^MokListX?$/.test(text(event)) ? { ...event, digests } : event)),
    )
    const pcrs = '{"sha256": {}}'
    const notes = said({ log, efivars: { SetupMode: Uint8Array.of(0) }, mok: shim, pcrs })
    expect(notes.filter(note => !note.includes('taken from the event log'))).toEqual([
      'the PCR values beside the event log are of other banks: nothing was compared',
    ])
  })

  it('of an empty log that it is left out, and of no log at all likewise', () => {
    for (const log of [new Uint8Array(0), makeEventLog(['sha256'], [])]) {
      const { files, notLearned, learned } = capture({
        log,
        efivars: { SecureBoot: Uint8Array.of(0), SetupMode: Uint8Array.of(1) },
      })
      expect(files.map(({ name }) => name)).toEqual(['SecureBoot', 'SetupMode', 'platform.yaml'])
      expect(learned).toEqual({ name: 'node', secureBoot: false })
      expect(notLearned).toEqual([
        'the event log is empty: it is not in the profile, and nothing can be compared with a prediction',
        ...['PK', 'KEK', 'db', 'dbx', 'dbt'].map(name => `${name} is not there: taken as not set`),
        'there is no trace of shim: its variables are not in the profile',
      ])
    }
  })

  it('of values that the log does not replay to', () => {
    const pcrs: Record<string, Record<string, string>> = JSON.parse(
      Buffer.from(fixture('grub-sb', 'pcrs.json')).toString(),
    )
    const log = fixture('grub-sb', 'eventlog.bin')
    const about = (values: unknown) =>
      said({ log, pcrs: JSON.stringify(values) }).filter(note => note.includes('replay'))
    expect(about(pcrs)).toEqual([])
    for (const bank of ['sha1', 'sha256']) pcrs[bank] = { ...pcrs[bank], 9: pcrs[bank]?.['4'] ?? '' }
    expect(about(pcrs)).toEqual(['the event log does not replay to the values of PCR 9 beside it: it is not complete'])
    expect(said({ log }).filter(note => note.includes('replays'))).toHaveLength(1)
  })

  it('of keys that were changed since', () => {
    const log = fixture('grub-sb', 'eventlog.bin')
    const { platform, notLearned } = capture({ log, efivars: { [efivar.security('dbx')]: withAttributes(keyLists) } })
    expect(platform.keys.dbx).toEqual(keyLists)
    expect(notLearned).toContain(
      'dbx is not what this boot measured: it was changed since, and the profile has the new contents',
    )
  })

  it('of shim’s variables that are not those of the boot', () => {
    const log = fixture('grub-sb', 'eventlog.bin')
    const notes = said({ log, mok: { MokListRT: mokList, SbatLevelRT: 'sbat,1,2021030218\n' } })
    expect(notes).toContain('MokListRT is not what this boot measured as MokList into PCR 14')
    expect(notes).toContain('SbatLevelRT is not what this boot measured as SbatLevel into PCR 7')
  })

  it('of a MokListTrusted that was not measured', () => {
    const without = changed('grub-sb', events => events.filter(event => text(event) !== 'MokListTrusted'))
    const { platform, notLearned } = capture({ log: without })
    expect(platform.mok.trusted).toBeUndefined()
    expect(notLearned.filter(note => note.startsWith('MokListTrusted was not measured'))).toHaveLength(1)
  })

  it('of a log that is cut', () => {
    const whole = fixture('grub-sb', 'eventlog.bin')
    const notes = said({ log: whole.subarray(0, whole.length - 10) })
    expect(notes[0]).toMatch(/^the event log has a fault at offset \d+: /)
  })
})

describe('how often GRUB measures its kernel', () => {
  const measurements = (log: Uint8Array) => kernelMeasurements(parseEventLog(log, 'log'))

  it('is told by the log of a boot with Secure Boot on', () => {
    expect(measurements(fixture('grub-sb', 'eventlog.bin'))).toEqual({ count: 2 })
    const last = eventsOf('grub-sb').findLast(isProgram)
    expect(measurements(changed('grub-sb', events => events.filter(event => event.index !== last?.index)))).toEqual({
      count: 1,
    })
  })

  it('is not told by one with Secure Boot off, or without GRUB', () => {
    expect(measurements(fixture('grub-nosb', 'eventlog.bin'))).toEqual({ count: 0 })
    const off = capture({ log: fixture('grub-nosb', 'eventlog.bin') })
    expect(off.learned).not.toHaveProperty('grubMeasuresKernel')
    expect(off.notLearned).toContain(
      'how often GRUB measures its kernel under Secure Boot is not known: nothing was verified in this boot',
    )
    expect(measurements(fixture('sdboot257-uki-sb', 'eventlog.bin'))).toBe('no GRUB')
    expect(capture({ log: fixture('sdboot257-uki-sb', 'eventlog.bin') }).learned).not.toHaveProperty(
      'grubMeasuresKernel',
    )
  })

  it('is not told where GRUB started two kernels, or none by a command of its own', () => {
    const linux = eventsOf('grub-sb').find(event => text(event).startsWith('grub_cmd: linux '))
    const twice = changed('grub-sb', events =>
      events.flatMap(event => (event.index === linux?.index ? [event, event] : event)),
    )
    expect(measurements(twice)).toEqual({ unknown: 'GRUB ran 2 linux commands in this boot' })
    const last = eventsOf('grub-sb').findLast(isProgram)
    const other = changed('grub-sb', events =>
      events.map(event =>
        event.index === last?.index ? { ...event, digests: digestInBanks(Uint8Array.of(1)) } : event,
      ),
    )
    expect(measurements(other)).toEqual({ unknown: 'GRUB started different programs in this boot' })
  })

  it('is counted in the boot option that ended in the system', () => {
    const failed = changed('grub-sb', events => [
      ...events.filter(({ pcr }) => pcr === 4 || pcr === 8),
      ...events.filter(({ pcr }) => pcr === 4 || pcr === 8),
    ])
    expect(measurements(failed)).toEqual({ count: 2 })
  })
})

it('damaged logs are refused or captured, nothing else', () => {
  for (const { bytes } of flips(fixture('grub-sb', 'eventlog.bin'), 300))
    expect(['EVENT_LOG_INVALID', 'PLATFORM_INVALID', 'read']).toContain(outcome(() => capture({ log: bytes })))
})
