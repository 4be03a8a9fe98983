import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { digestInBanks } from '../../../src/formats/bytes/digest.ts'
import { parseEventLog } from '../../../src/formats/tcg/event-log.ts'
import { digestsFromData, recomputedDigests } from '../../../src/formats/tcg/recomputed-digests.ts'
import { type EventToLog, makeEventLog } from '../../build/event-log.ts'

const boots = join(import.meta.dirname, '../../../fixtures/boots')
const ascii = (text: string) => new Uint8Array(Buffer.from(text, 'latin1'))

function event(record: EventToLog) {
  const [, found] = parseEventLog(makeEventLog(['sha256'], [record]), 'log').events
  if (found === undefined) throw new Error('no event')
  return found
}

describe('digests computed again from the data', () => {
  it.each(['grub-sb', 'grub-nosb', 'sdboot257-uki-sb'])('%s: every event that tells what was hashed', boot => {
    const log = parseEventLog(new Uint8Array(readFileSync(join(boots, boot, 'eventlog.bin'))), boot)
    const results = log.events.map(found => ({ type: found.type, result: digestsFromData(found) }))
    expect(results.filter(({ result }) => result === 'differ')).toEqual([])
    const told = new Set(results.filter(({ result }) => result !== undefined).map(({ type }) => type))
    for (const type of [
      'EV_S_CRTM_VERSION',
      'EV_SEPARATOR',
      'EV_EFI_ACTION',
      'EV_EFI_GPT_EVENT',
      'EV_EFI_VARIABLE_BOOT',
    ])
      expect(told).toContain(type)
  })

  it('gives the banks that the log lacks', () => {
    const action = { pcr: 4, type: 0x80000007, data: ascii('Calling EFI Application from Boot Option') }
    expect(digestsFromData(event(action))).toEqual(digestInBanks(action.data))
  })

  it('finds data that were changed after they were hashed', () => {
    const digests = { sha256: digestInBanks(ascii('grub_cmd: true')).sha256 }
    expect(digestsFromData(event({ pcr: 5, type: 0x80000007, data: ascii('something else'), digests }))).toBe('differ')
  })

  it('EV_EFI_GPT_EVENT2 is hashed without the GUIDs of disk and partitions', () => {
    const data = new Uint8Array(92 + 8 + 128).fill(7)
    data.set(ascii('EFI PART'))
    new DataView(data.buffer).setUint32(84, 128, true)
    new DataView(data.buffer).setBigUint64(92, 1n, true)
    const blank = new Uint8Array(data)
    blank.fill(0, 56, 72).fill(0, 116, 132)
    const { sha256 } = digestInBanks(blank)
    const found = event({ pcr: 5, type: 0x8000000d, data, digests: { sha256 } })
    // the blocks of this entry are beyond what we can count, so the data are not read and nothing is claimed
    expect(digestsFromData(found)).toBeUndefined()
    new DataView(data.buffer).setBigUint64(132, 1n, true)
    new DataView(data.buffer).setBigUint64(140, 2n, true)
    blank.set(data.subarray(132, 148), 132)
    const readable = { pcr: 5, type: 0x8000000d, data, digests: { sha256: digestInBanks(blank).sha256 } }
    expect(digestsFromData(event(readable))).toEqual(digestInBanks(blank))
  })

  it('text of GRUB is hashed without its label, names of files are not what was hashed', () => {
    const command = event({ pcr: 8, type: 13, data: ascii('grub_cmd: set timeout=0\0') })
    expect(recomputedDigests(command)).toEqual([digestInBanks(ascii('set timeout=0'))])
    expect(recomputedDigests(event({ pcr: 9, type: 13, data: ascii('/boot/grub/grub.cfg\0') }))).toEqual([])
    expect(recomputedDigests(event({ pcr: 7, type: 0x80000001, data: ascii('not a variable') }))).toEqual([])
  })
})
