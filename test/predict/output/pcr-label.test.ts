import { describe, expect, it } from 'vitest'
import { formatPcrLabel, parseLabelledPcr, parsePcrLabel } from '../../../src/predict/output/pcr-label.ts'
import { faultOf, outcome } from '../../build/damage.ts'

const hash = 'ab'.repeat(32)
const event = { name: 'EV_IPL', pcr: 14, hash, id: 'Pcr14MokList' }
const pcr = { id: 14, value: hash, events: [event] }
const read = (value: unknown) => parsePcrLabel(JSON.stringify(value), 'label')
const fault = (value: unknown) => faultOf(() => read(value))
const withEvent = (changes: object) => ({ pcrs: [{ ...pcr, events: [{ ...event, ...changes }] }] })
const without = (value: Readonly<Record<string, unknown>>, name: string) =>
  Object.fromEntries(Object.entries(value).filter(([key]) => key !== name))

describe('the label of PCRs', () => {
  it('ignores keys that it does not know, as the operator does', () => {
    const more = { pcrs: [{ ...pcr, bank: 'sha256', events: [{ ...event, because: 'x' }] }], tool: 'y' }
    expect(read(more)).toEqual([pcr])
  })

  it('reads hex of either case, and writes lower case', () => {
    const label = JSON.stringify(withEvent({ hash: hash.toUpperCase() }))
    expect(formatPcrLabel(parsePcrLabel(label, 'label'))).toContain(`"hash": "${hash}"`)
  })

  it.each(['id', 'value', 'events'])('needs %s of a PCR', name => {
    expect(fault({ pcrs: [without(pcr, name)] })).toMatchObject({
      code: 'PCR_LABEL_INVALID',
      where: { source: 'label', path: `pcrs[0].${name}` },
    })
  })

  it.each(['name', 'pcr', 'hash', 'id'])('needs %s of an event', name => {
    expect(fault({ pcrs: [{ ...pcr, events: [without(event, name)] }] }).where.path).toBe(`pcrs[0].events[0].${name}`)
  })

  it('refuses the old field parts and says what to do', () => {
    const old = { pcrs: [{ id: 14, value: hash, parts: [event] }] }
    expect(fault(old)).toMatchObject({ code: 'PCR_LABEL_INVALID', found: 'parts', wanted: 'events' })
    expect(fault(old).hint).toContain('no longer reads')
  })

  it.each([
    ['no pcrs', {}],
    ['one PCR without the list', pcr],
    ['a list', [pcr]],
    ['null', null],
    ['pcrs that are no list', { pcrs: pcr }],
    ['a PCR that is no object', { pcrs: [null] }],
    ['a number as text', { pcrs: [{ ...pcr, id: '14' }] }],
    ['a number that is not whole', { pcrs: [{ ...pcr, id: 14.5 }] }],
    ['a number below 0', { pcrs: [{ ...pcr, id: -1 }] }],
    ['a PCR that no TPM has', { pcrs: [{ ...pcr, id: 24 }] }],
    ['a PCR twice', { pcrs: [pcr, { ...pcr, events: [] }] }],
    ['an event twice', { pcrs: [{ ...pcr, events: [event, event] }] }],
    ['an event in another PCR than its list', withEvent({ pcr: 4 })],
    ['hex with 0x', withEvent({ hash: `0x${hash}` })],
    ['hex of odd length', withEvent({ hash: hash.slice(1) })],
    ['a digest of another bank', withEvent({ hash: 'ab'.repeat(48) })],
    ['letters that are no hex', withEvent({ hash: 'xy'.repeat(32) })],
    ['a value that is no text', { pcrs: [{ ...pcr, value: null }] }],
    ['an id that compute-pcrs does not know', withEvent({ id: 'Pcr14MokSBState' })],
    ['an id that marks the end of the tree of events', withEvent({ id: 'PcrRootNodeEvent' })],
    ['a name that is no text', withEvent({ name: 5 })],
  ])('refuses %s', (_, value) => {
    expect(fault(value).code).toBe('PCR_LABEL_INVALID')
  })

  it('refuses text cut at any length', () => {
    const label = formatPcrLabel(read({ pcrs: [pcr] }))
    for (let length = 0; length < label.trimEnd().length; length++)
      expect(outcome(() => parsePcrLabel(label.slice(0, length), 'label'))).toBe('PCR_LABEL_INVALID')
  })

  it('refuses text that is larger than any label', () => {
    expect(faultOf(() => parsePcrLabel(' '.repeat(2 ** 20 + 1), 'label')).found).toBe('1048577 characters')
  })
})

describe('one PCR alone', () => {
  it('is the object without the list', () => {
    expect(parseLabelledPcr(JSON.stringify(pcr), 'file')).toEqual(pcr)
    expect(outcome(() => parseLabelledPcr(JSON.stringify({ pcrs: [pcr] }), 'file'))).toBe('PCR_LABEL_INVALID')
    expect(outcome(() => parseLabelledPcr(JSON.stringify({ ...pcr, events: [event, event] }), 'file'))).toBe(
      'PCR_LABEL_INVALID',
    )
  })
})
