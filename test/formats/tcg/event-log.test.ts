import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { parseEventLog } from '../../../src/formats/tcg/event-log.ts'
import { cuts, faultOf, flips, outcome } from '../../build/damage.ts'
import { makeEventLog, makeSha1Log } from '../../build/event-log.ts'

const text = (value: string) => new Uint8Array(Buffer.from(value, 'latin1'))
const action = { pcr: 4, type: 0x80000007, data: text('Calling EFI Application from Boot Option') }
const separator = { pcr: 4, type: 4, data: new Uint8Array(4) }
const recorded = new Uint8Array(readFileSync(join(import.meta.dirname, '../../../fixtures/boots/grub-sb/eventlog.bin')))

describe('event logs', () => {
  it('reads a crypto-agile log in the banks that it names', () => {
    const log = parseEventLog(makeEventLog(['sha256', 'sha512'], [action, separator]), 'log')
    expect(log.banks).toEqual(['sha256', 'sha512'])
    expect(log.problems).toEqual([])
    expect(log.events.map(({ index, pcr, type }) => [index, pcr, type])).toEqual([
      [0, 0, 'EV_NO_ACTION'],
      [1, 4, 'EV_EFI_ACTION'],
      [2, 4, 'EV_SEPARATOR'],
    ])
    expect(log.events[1]?.decoded).toEqual({ kind: 'text', text: 'Calling EFI Application from Boot Option' })
    expect(log.events[2]?.decoded).toEqual({ kind: 'separator', value: '00000000' })
  })

  it('reads a log of the older form, SHA-1 only', () => {
    const log = parseEventLog(makeSha1Log([action, separator]), 'log')
    expect(log.banks).toEqual(['sha1'])
    expect(log.events.map(({ type }) => type)).toEqual(['EV_EFI_ACTION', 'EV_SEPARATOR'])
  })

  it('keeps an event whose data cannot be decoded, with the error', () => {
    const broken = { pcr: 7, type: 0x80000001, data: text('too short') }
    const log = parseEventLog(makeEventLog(['sha256'], [broken, separator]), 'log')
    expect(log.events).toHaveLength(3)
    expect(log.problems).toEqual([])
    expect(log.events[1]?.data).toEqual(broken.data)
    expect(log.events[1]?.error?.code).toBe('EVENT_LOG_INVALID')
  })

  it('tells the path of a loaded image and the locality of the start', () => {
    const boot = parseEventLog(recorded, 'log').events.filter(({ decoded }) => decoded?.kind === 'image')
    expect(boot[0]?.decoded).toEqual({ kind: 'image', size: 1048504, filePath: '\\EFI\\BOOT\\BOOTX64.EFI' })
    const locality = { pcr: 0, type: 3, data: text('StartupLocality\0\x03') }
    const log = parseEventLog(makeEventLog(['sha256'], [locality]), 'log')
    expect(log.events[1]?.decoded).toEqual({ kind: 'startup-locality', locality: 3 })
  })

  it('names a type that the specification does not have by its number', () => {
    const log = parseEventLog(makeSha1Log([{ pcr: 1, type: 0x80001234, data: text('x') }]), 'log')
    expect(log.events[0]?.type).toBe('0x80001234')
  })

  it.each([0, 0xff])('stops at the padding of %i bytes that fills the area behind the log', filler => {
    const bytes = makeEventLog(['sha256'], [action, { ...action, data: text('ends here') }])
    const padded = new Uint8Array(bytes.length + 4096).fill(filler)
    padded.set(bytes)
    const log = parseEventLog(padded, 'log')
    expect(log.events).toHaveLength(3)
    expect(log.problems).toEqual([])
  })

  it.each([4, 8, 15])('stops at %i bytes of ff, which end the logs of some machines', length => {
    const bytes = makeEventLog(['sha256'], [action])
    const ended = new Uint8Array(bytes.length + length).fill(0xff)
    ended.set(bytes)
    expect(parseEventLog(ended, 'log').problems).toEqual([])
    const broken = parseEventLog(ended.fill(0xfe, bytes.length), 'log')
    expect(broken.problems.map(({ offset }) => offset)).toEqual([bytes.length])
  })

  it('a log cut in the middle gives its events and a problem', () => {
    const bytes = makeEventLog(['sha256'], [action, separator])
    const log = parseEventLog(bytes.subarray(0, bytes.length - 3), 'log')
    expect(log.events).toHaveLength(2)
    expect(log.problems).toMatchObject([{ code: 'EVENT_LOG_INVALID', message: expect.stringContaining('event 2') }])
  })

  it('says which event lacks the digest of a bank or names a PCR that does not exist', () => {
    const log = parseEventLog(makeEventLog(['sha256'], [{ ...action, pcr: 24 }]), 'log')
    expect(log.problems.map(({ message }) => message)).toEqual(['event 1 names PCR 24'])
    const partial = parseEventLog(makeEventLog(['sha1', 'sha256'], [{ ...action, banks: ['sha256'] }]), 'log')
    expect(partial.problems.map(({ message }) => message)).toEqual(['event 1 has no sha1 digest'])
  })

  it.each([
    ['no log at all', new Uint8Array(0)],
    ['a text file', text('this is not an event log at all, it is a text')],
    ['a Spec ID event with 2^32-1 algorithms', withAlgorithms(0xffffffff)],
    ['a Spec ID event without algorithms', withAlgorithms(0)],
  ])('refuses %s', (_, bytes) => {
    const fault = faultOf(() => parseEventLog(bytes, 'log'))
    expect(fault.code).toBe('EVENT_LOG_INVALID')
    expect(fault.where.source).toBe('log')
  })

  it('every cut of a recorded log is refused or gives the events before the cut', () => {
    const whole = parseEventLog(recorded, 'log')
    for (const cut of cuts(recorded, 500)) {
      if (outcome(() => parseEventLog(cut, 'log')) === 'EVENT_LOG_INVALID') continue
      const { events, problems } = parseEventLog(cut, 'log')
      const complete = whole.events.filter(
        (_, index) => (whole.events[index + 1]?.offset ?? recorded.length) <= cut.length,
      )
      expect(events.map(({ offset, data }) => [offset, data.length])).toEqual(
        complete.map(({ offset, data }) => [offset, data.length]),
      )
      const atBoundary = whole.events.some(event => event.offset === cut.length)
      expect(problems.length > 0, `cut at ${cut.length}`).toBe(!atBoundary)
    }
  })

  it('changed bytes never throw anything but EVENT_LOG_INVALID', () => {
    for (const { bytes } of flips(recorded, 1500))
      expect(['read', 'EVENT_LOG_INVALID']).toContain(outcome(() => parseEventLog(bytes, 'log')))
  })
})

function withAlgorithms(count: number): Uint8Array {
  const bytes = makeEventLog(['sha256'], [])
  new DataView(bytes.buffer).setUint32(32 + 24, count, true)
  return bytes
}
