import { describe, expect, it } from 'vitest'
import { parseEventLog } from '../../../src/formats/tcg/event-log.ts'
import { makeEventLog } from '../../build/event-log.ts'

const ascii = (text: string) => new Uint8Array(Buffer.from(text, 'latin1'))
const wide = (text: string) => new Uint8Array(Buffer.from(text, 'utf16le'))
const hex = (text: string) => new Uint8Array(Buffer.from(text.replaceAll(' ', ''), 'hex'))
const join = (...parts: readonly Uint8Array[]) => new Uint8Array(Buffer.concat(parts))
const u64 = (value: bigint) => {
  const bytes = Buffer.alloc(8)
  bytes.writeBigUInt64LE(value)
  return new Uint8Array(bytes)
}

function read(type: number, data: Uint8Array) {
  const log = parseEventLog(makeEventLog(['sha256'], [{ pcr: 1, type, data }]), 'log')
  const event = log.events[1]
  expect(event?.data, 'kept as it is').toEqual(data)
  return { decoded: event?.decoded, error: event?.error?.code, problems: log.problems.map(({ message }) => message) }
}

const espType = hex('28732ac1 1ff8 d211 ba4b 00a0c93ec93b')
const header = (entrySize: number) => {
  const bytes = Buffer.alloc(92)
  bytes.write('EFI PART', 'latin1')
  bytes.fill(0x11, 56, 72)
  bytes.writeUInt32LE(128, 80)
  bytes.writeUInt32LE(entrySize, 84)
  return new Uint8Array(bytes)
}
const entry = join(
  espType,
  new Uint8Array(16).fill(0x22),
  u64(2048n),
  u64(4095n),
  u64(0n),
  wide('ESP'.padEnd(36, '\0')),
)

describe('data of events', () => {
  it.each([
    ['EV_EFI_GPT_EVENT', 0x80000006],
    ['EV_EFI_GPT_EVENT2', 0x8000000d],
  ])('%s: the disk and its used partitions', (_, type) => {
    expect(read(type, join(header(128), u64(1n), entry)).decoded).toEqual({
      kind: 'gpt',
      diskGuid: '11111111-1111-1111-1111-111111111111',
      partitions: [
        {
          typeGuid: 'c12a7328-f81f-11d2-ba4b-00a0c93ec93b',
          guid: '22222222-2222-2222-2222-222222222222',
          firstBlock: 2048,
          lastBlock: 4095,
          name: 'ESP',
        },
      ],
    })
  })

  it.each([
    ['more partitions than bytes', join(header(128), u64(2n ** 63n), entry)],
    ['fewer partitions than bytes', join(header(128), u64(0n), entry)],
    ['entries of no size', join(header(0), u64(1n), entry)],
    ['another header', join(ascii('EFI TRAP'), header(128).subarray(8), u64(1n), entry)],
    ['a header that is cut', header(128).subarray(0, 91)],
  ])('a partition table with %s is kept with the error', (_, data) => {
    expect(read(0x80000006, data)).toMatchObject({ decoded: undefined, error: 'EVENT_LOG_INVALID' })
  })

  it('EV_EVENT_TAG: identifier, size, and the text that Linux puts there', () => {
    const data = join(hex('ec223b8f 0d000000'), ascii('Linux initrd\0'))
    expect(read(6, data).decoded).toEqual({ kind: 'tag', id: '0x8f3b22ec', size: 13, text: 'Linux initrd' })
    expect(read(6, hex('01000000 02000000 0102')).decoded).toEqual({ kind: 'tag', id: '0x00000001', size: 2 })
    expect(read(6, hex('01000000 ffffffff 0102')).error).toBe('EVENT_LOG_INVALID')
  })

  it('EV_S_CRTM_VERSION: a text, a GUID, or left alone', () => {
    expect(read(8, wide('edk2-20250221-8.fc42\0')).decoded).toEqual({ kind: 'version', text: 'edk2-20250221-8.fc42' })
    expect(read(8, hex('0000')).decoded).toEqual({ kind: 'version', text: '' })
    expect(read(8, espType).decoded).toEqual({ kind: 'version', guid: 'c12a7328-f81f-11d2-ba4b-00a0c93ec93b' })
    expect(read(8, hex('01020304 0506')).decoded).toBeUndefined()
  })

  it('EV_EFI_PLATFORM_FIRMWARE_BLOB and BLOB2: where the blob lay', () => {
    const blob = join(u64(0xffc00000n), u64(540672n))
    expect(read(0x80000008, blob).decoded).toEqual({ kind: 'blob', address: '0xffc00000', size: 540672 })
    expect(read(0x8000000a, join(Uint8Array.of(4), ascii('Fv1\0'), blob)).decoded).toEqual({
      kind: 'blob',
      description: 'Fv1',
      address: '0xffc00000',
      size: 540672,
    })
    expect(read(0x80000008, blob.subarray(1)).error).toBe('EVENT_LOG_INVALID')
    expect(read(0x8000000a, join(Uint8Array.of(255), blob)).error).toBe('EVENT_LOG_INVALID')
  })

  it('EV_EFI_HANDOFF_TABLES and TABLES2: which tables', () => {
    const tables = join(u64(1n), espType, u64(0x809000n))
    const read1 = [{ guid: 'c12a7328-f81f-11d2-ba4b-00a0c93ec93b', address: '0x809000' }]
    expect(read(0x80000009, tables).decoded).toEqual({ kind: 'tables', tables: read1 })
    const described = join(Uint8Array.of(9), ascii('TdxTable\0'), tables)
    expect(read(0x8000000b, described).decoded).toEqual({ kind: 'tables', description: 'TdxTable', tables: read1 })
    expect(read(0x80000009, join(u64(2n ** 60n), espType, u64(0n))).error).toBe('EVENT_LOG_INVALID')
  })

  it('EV_NO_ACTION: the locality, else the signature', () => {
    expect(read(3, ascii('StartupLocality\0\x04')).decoded).toEqual({ kind: 'startup-locality', locality: 4 })
    expect(read(3, ascii('StartupLocality\0')).error).toBe('EVENT_LOG_INVALID')
    const platform = ascii('SP800-155 Event3and more')
    expect(read(3, platform).decoded).toEqual({ kind: 'no-action', signature: 'SP800-155 Event3', size: 24 })
    expect(read(3, hex('0001')).decoded).toBeUndefined()
  })

  it('EV_SEPARATOR: an error of the firmware is named', () => {
    expect(read(4, hex('ffffffff'))).toEqual({ decoded: { kind: 'separator', value: 'ffffffff' }, problems: [] })
    expect(read(4, join(hex('01000000'), ascii('details')))).toMatchObject({
      decoded: { kind: 'separator', value: '01000000', fault: 'error' },
      problems: ['event 1: the separator of PCR 1 is 01000000, an error of the firmware'],
    })
    expect(read(4, hex('02000000')).decoded).toMatchObject({ fault: 'unknown value' })
    expect(read(4, hex('0000')).error).toBe('EVENT_LOG_INVALID')
  })

  it.each([
    ['EV_POST_CODE', 1],
    ['EV_PLATFORM_CONFIG_FLAGS', 10],
    ['EV_S_CRTM_CONTENTS', 7],
  ])('%s: the word that some firmware writes', (_, type) => {
    expect(read(type, ascii('ACPI DATA')).decoded).toEqual({ kind: 'text', text: 'ACPI DATA' })
    expect(read(type, hex('00ff00ff'))).toMatchObject({ decoded: undefined, error: undefined })
  })
})
