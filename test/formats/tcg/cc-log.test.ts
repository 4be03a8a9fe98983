import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { isTdxLog, rtmrOfIndex, rtmrOfPcr } from '../../../src/formats/tcg/cc-log.ts'
import { parseEventLog } from '../../../src/formats/tcg/event-log.ts'
import { makeEventLog } from '../../build/event-log.ts'

const fixtures = join(import.meta.dirname, '../../../fixtures')
const read = (path: string) => parseEventLog(new Uint8Array(readFileSync(join(fixtures, path))), path)
const ascii = (text: string) => new Uint8Array(Buffer.from(text, 'latin1'))

describe('logs of confidential virtual machines', () => {
  it('are read by the same parser', () => {
    const log = read('tdx/shim-grub-linux/eventlog.bin')
    expect([log.banks, log.problems, log.events.length]).toEqual([['sha384'], [], 38])
    expect(log.events.filter(event => event.error !== undefined)).toEqual([])
    expect(log.events[1]?.decoded).toMatchObject({ kind: 'tables', description: 'TdxTable' })
    expect(log.events[32]?.decoded).toMatchObject({ kind: 'image', filePath: '\\EFI\\ubuntu\\grubx64.efi' })
  })

  it('are told by the mark of TDX, not by the bank alone', () => {
    expect(isTdxLog(read('tdx/shim-grub-linux/eventlog.bin'))).toBe(true)
    expect(isTdxLog(read('boots/grub-sb/eventlog.bin'))).toBe(false)
    const log = (pcr: number, data: Uint8Array) =>
      parseEventLog(makeEventLog(['sha384'], [{ pcr, type: 10, data }]), 'log')
    expect(isTdxLog(log(1, ascii('td_hob\0and more')))).toBe(true)
    expect(isTdxLog(log(7, ascii('td_hob\0and more')))).toBe(false)
    expect(isTdxLog(log(1, ascii('ACPI DATA')))).toBe(false)
  })

  it('RTMR of each PCR and of each index', () => {
    const wanted = [undefined, 0, 1, 1, 1, 1, 1, 0, 2, 2, 2, 2, 2, 2, 2, 2, undefined]
    expect(wanted.map((_, pcr) => rtmrOfPcr(pcr))).toEqual(wanted)
    expect([0, 1, 2, 3, 4, 5].map(rtmrOfIndex)).toEqual([undefined, 0, 1, 2, 3, undefined])
  })
})
