// Digests computed again from logged data: the nine recorded boots, and a log that Fedora CoreOS published.

import { describe, expect, it } from 'vitest'
import { parseHex } from '../../src/formats/bytes/hex.ts'
import { formatVariableEvent } from '../../src/formats/efi/variable-event.ts'
import { type LoggedEvent, parseEventLog } from '../../src/formats/tcg/event-log.ts'
import { digestsFromData } from '../../src/formats/tcg/recomputed-digests.ts'
import { type EventToLog, makeEventLog } from '../build/event-log.ts'
import { sayWhatIsNotChecked, shared } from './shared.ts'
import { blocksOfYaml, field } from './tpm2-eventlog.ts'

sayWhatIsNotChecked('digests of events computed again from their data')
const boots = shared.names('boots')

/** Types whose data always tell what was hashed. */
const telling = [
  'EV_S_CRTM_VERSION',
  'EV_SEPARATOR',
  'EV_EFI_ACTION',
  'EV_EFI_VARIABLE_DRIVER_CONFIG',
  'EV_EFI_VARIABLE_AUTHORITY',
  'EV_EFI_VARIABLE_BOOT',
  'EV_EFI_GPT_EVENT',
]
const isGrubText = ({ type, data }: LoggedEvent) =>
  type === 'EV_IPL' && /^(?:grub_cmd|kernel_cmdline): /.test(Buffer.from(data).toString('latin1'))
const tells = (event: LoggedEvent) => telling.includes(event.type) || isGrubText(event)

function summary(events: readonly LoggedEvent[]) {
  const named = (wanted: readonly LoggedEvent[]) => wanted.map(({ index, type }) => `${index} ${type}`)
  return {
    wrong: named(events.filter(event => digestsFromData(event) === 'differ')),
    silent: named(events.filter(event => tells(event) && digestsFromData(event) === undefined)),
    told: events.filter(event => typeof digestsFromData(event) === 'object').length,
  }
}

describe.skipIf(shared.missing)('digests computed again from the data', () => {
  it.each(boots)('%s, in four banks', boot => {
    const { events } = parseEventLog(shared.bytes('boots', boot, 'eventlog.bin'), boot)
    const expected = events.filter(tells).length
    expect(expected).toBeGreaterThan(20)
    expect(summary(events)).toEqual({ wrong: [], silent: [], told: expected })
  })

  it('the published log of Fedora CoreOS 42', () => {
    const blocks = blocksOfYaml(shared.text('public/investigations/fcos-42-qemu-eventlog.yaml'))
    const records = blocks.flatMap(block => recordOf(block) ?? [])
    const { events } = parseEventLog(makeEventLog(['sha256'], records), 'yaml')
    expect(summary(events.slice(1))).toEqual({ wrong: [], silent: [], told: records.length })
    const texts = records.filter(({ type }) => type === 13)
    expect(texts.length, 'commands and command lines of GRUB').toBeGreaterThan(30)
    expect(records.length - texts.length).toBe(1 + 8 + 3 + 5 + 3 + 4 + 1)
  })
})

const numbers: Readonly<Record<string, number>> = {
  EV_SEPARATOR: 4,
  EV_S_CRTM_VERSION: 8,
  EV_IPL: 13,
  EV_EFI_VARIABLE_DRIVER_CONFIG: 0x80000001,
  EV_EFI_VARIABLE_BOOT: 0x80000002,
  EV_EFI_GPT_EVENT: 0x80000006,
  EV_EFI_ACTION: 0x80000007,
  EV_EFI_VARIABLE_AUTHORITY: 0x800000e0,
}

/** The record that tpm2_eventlog printed, or undefined for one whose data tell nothing. Its size has to be the printed one. */
function recordOf(block: string): EventToLog | undefined {
  const name = field(block, 'EventType')
  const type = numbers[name]
  const sha256 = parseHex(block.match(/Digest: "([0-9a-f]{64})"/)?.[1] ?? '')
  const data = dataOf(block, name)
  if (type === undefined || sha256 === undefined || data === undefined) return undefined
  expect(data.length, block).toBe(Number(field(block, 'EventSize')))
  return { pcr: Number(field(block, 'PCRIndex')), type, data, digests: { sha256 } }
}

function dataOf(block: string, type: string): Uint8Array | undefined {
  const raw = block.match(/^ {2}Event: "([0-9a-f]*)"$/m)?.[1]
  if (raw !== undefined) return parseHex(raw)
  if (type === 'EV_EFI_ACTION') return bytes(block.match(/Event: \|-\n {4}(.*)$/m)?.[1] ?? '')
  if (type === 'EV_IPL') {
    const text = (block.match(/String: "(.*)"$/ms)?.[1] ?? '').replaceAll('\\0', '\0').replaceAll('\\n', '\n')
    return /^(?:grub_cmd|kernel_cmdline): /.test(text) ? bytes(text.replaceAll('\\"', '"')) : undefined
  }
  if (!type.startsWith('EV_EFI_VARIABLE')) return undefined
  const vendorGuid = field(block, 'VariableName')
  const whole = block.match(/^ {4}VariableData: "([0-9a-f]*)"$/m)?.[1]
  const enabled = block.match(/^ *Enabled: '(Yes|No)'$/m)?.[1] === 'Yes' ? '01' : '00'
  return formatVariableEvent({
    vendorGuid,
    name: field(block, 'UnicodeName'),
    data: parseHex(whole ?? enabled) ?? new Uint8Array(0),
  })
}

const bytes = (text: string) => new Uint8Array(Buffer.from(text, 'utf8'))
