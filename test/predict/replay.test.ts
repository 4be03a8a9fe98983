import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { banks, digestInBanks } from '../../src/formats/bytes/digest.ts'
import { formatHex } from '../../src/formats/bytes/hex.ts'
import { parseEventLog } from '../../src/formats/tcg/event-log.ts'
import { comparePcrs, parsePcrs } from '../../src/predict/compare-pcrs.ts'
import { extend, startValue } from '../../src/predict/extend.ts'
import { replay, replayDocument } from '../../src/predict/replay.ts'
import { faultOf } from '../build/damage.ts'
import { makeEventLog, makeSha1Log } from '../build/event-log.ts'

const boots = join(import.meta.dirname, '../../fixtures/boots')
const bytesOf = (boot: string) => new Uint8Array(readFileSync(join(boots, boot, 'eventlog.bin')))
const pcrsOf = (boot: string) => parsePcrs(readFileSync(join(boots, boot, 'pcrs.json'), 'utf8'), 'pcrs.json')
const action = { pcr: 4, type: 0x80000007, data: Uint8Array.of(65) }

describe.each(['grub-sb', 'grub-nosb', 'sdboot257-uki-sb'])('the recorded boot %s', boot => {
  const log = parseEventLog(bytesOf(boot), boot)

  it('replays to what the TPM held, in four banks', () => {
    expect(log.problems).toEqual([])
    expect(log.banks).toEqual(banks)
    const { compared, differences } = comparePcrs(log, pcrsOf(boot))
    expect(differences).toEqual([])
    expect(compared).toBeGreaterThan(80)
  })

  it('gives only PCRs that have events', () => {
    const indices = Object.keys(replay(log)).map(Number)
    expect(indices).toEqual([...new Set(log.events.map(event => event.pcr))].sort((a, b) => a - b))
  })

  it('replays from the older framing too', () => {
    const events = log.events
      .slice(1)
      .map(({ pcr, typeNumber, data, digests }) => ({ pcr, type: typeNumber, data, digests }))
    const older = parseEventLog(makeSha1Log(events), boot)
    expect(older.banks).toEqual(['sha1'])
    expect(comparePcrs(older, pcrsOf(boot)).differences).toEqual([])
    expect(replay(older)['4']?.sha1).toBe(pcrsOf(boot)['4']?.sha1)
  })
})

describe('replay', () => {
  it('finds the one PCR whose event was changed', () => {
    const bytes = bytesOf('grub-sb')
    const log = parseEventLog(bytes, 'log')
    const shim = log.events.find(event => event.pcr === 4 && event.decoded?.kind === 'image')
    const digest = shim?.digests.sha384
    if (digest === undefined) throw new Error('no shim event')
    digest[0] = (digest[0] ?? 0) ^ 1
    const { differences } = comparePcrs(parseEventLog(bytes, 'log'), pcrsOf('grub-sb'))
    expect(differences.map(({ pcr, bank }) => [pcr, bank])).toEqual([[4, 'sha384']])
  })

  it('does not extend by EV_NO_ACTION, and starts PCR 0 at the locality', () => {
    const locality = { pcr: 0, type: 3, data: new Uint8Array(Buffer.from('StartupLocality\0\x03', 'latin1')) }
    const version = { pcr: 0, type: 8, data: Uint8Array.of(0, 0) }
    const log = parseEventLog(makeEventLog(['sha256'], [locality, version]), 'log')
    const expected = extend('sha256', startValue('sha256', 0, 3), digestInBanks(version.data).sha256)
    expect(replay(log)).toEqual({ '0': { sha256: formatHex(expected) } })
  })

  it('starts PCR 17 with all bits set', () => {
    const log = parseEventLog(makeEventLog(['sha1'], [{ ...action, pcr: 17 }]), 'log')
    const expected = extend('sha1', new Uint8Array(20).fill(0xff), digestInBanks(action.data).sha1)
    expect(replay(log)).toEqual({ '17': { sha1: formatHex(expected) } })
  })

  it('prints the document of the interface', () => {
    const broken = { pcr: 7, type: 0x80000001, data: Uint8Array.of(1) }
    const log = parseEventLog(makeEventLog(['sha1', 'sha256'], [action, broken]).subarray(0, -1), 'log')
    const document = replayDocument(log, ['sha256'])
    expect(document.schemaVersion).toBe(1)
    expect(Object.keys(document.pcrs)).toEqual(['4'])
    expect(document.events[1]).toEqual({
      index: 1,
      pcr: 4,
      type: 'EV_EFI_ACTION',
      digests: { sha256: formatHex(digestInBanks(action.data).sha256) },
      data: { kind: 'text', text: 'A' },
    })
    expect(document.problems).toEqual([
      { offset: expect.any(Number), code: 'EVENT_LOG_INVALID', message: expect.stringContaining('event 2') },
    ])
  })
})

describe('PCR files', () => {
  it('says in one line each what differs; PCRs without events have to hold their start value', () => {
    const log = parseEventLog(makeEventLog(['sha256'], [action]), 'log')
    const seen = parsePcrs(
      JSON.stringify({ sha256: { 4: 'AB'.repeat(32), 10: '11'.repeat(32), 12: '22'.repeat(32) } }),
      'f',
    )
    const document = replayDocument(log, ['sha256'], comparePcrs(log, seen).differences)
    expect(document.problems.map(({ code, message }) => [code, message.slice(0, 15)])).toEqual([
      ['LOG_DIFFERS', 'PCR 4 (sha256) '],
      ['LOG_DIFFERS', 'PCR 12 (sha256)'],
    ])
  })

  it.each([
    '',
    '[]',
    '{"sha256": 3}',
    '{"sha256": {"24": "00"}}',
    '{"sha256": {"4": "00"}}',
    '{"sha1": {"4": 7}}',
    'null',
  ])('refuses %j', text => {
    expect(faultOf(() => parsePcrs(text, 'pcrs.json'))).toMatchObject({
      code: 'INPUT_INVALID',
      where: { source: 'pcrs.json' },
    })
  })

  it('leaves out banks that we do not compute', () => {
    expect(parsePcrs('{"sm3_256": {"4": "00"}}', 'f')).toEqual({})
  })
})
