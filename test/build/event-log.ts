// Writes TCG event logs for tests: PC Client Platform Firmware Profile 1.06 §10.2, both framings.

import { type Bank, digestIn, digestLength } from '../../src/formats/bytes/digest.ts'

export interface EventToLog {
  readonly pcr: number
  /** Number of the type. */
  readonly type: number
  readonly data: Uint8Array
  /** The digests; those of `data` when left out. */
  readonly digests?: Readonly<Partial<Record<Bank, Uint8Array>>>
  /** Banks that this event has digests for; those of the log when left out. */
  readonly banks?: readonly Bank[]
}

const algorithmIds: Readonly<Record<Bank, number>> = { sha1: 4, sha256: 11, sha384: 12, sha512: 13 }

const u16 = (value: number) => Uint8Array.of(value & 0xff, value >> 8)
const u32 = (value: number) => Uint8Array.of(value & 0xff, (value >> 8) & 0xff, (value >> 16) & 0xff, value >>> 24)
const join = (...parts: readonly Uint8Array[]) => new Uint8Array(Buffer.concat(parts))

/** A crypto-agile log: the Spec ID event, then the events. */
export function makeEventLog(banks: readonly Bank[], events: readonly EventToLog[]): Uint8Array {
  const algorithms = banks.map(bank => join(u16(algorithmIds[bank]), u16(digestLength[bank])))
  const specId = join(
    Buffer.from('Spec ID Event03\0', 'latin1'),
    u32(0),
    Uint8Array.of(0, 2, 0, 2),
    u32(banks.length),
    ...algorithms,
    Uint8Array.of(0),
  )
  const records = events.map(({ pcr, type, data, digests, banks: own = banks }) =>
    join(
      u32(pcr),
      u32(type),
      u32(own.length),
      ...own.map(bank => join(u16(algorithmIds[bank]), digests?.[bank] ?? digestIn(bank, data))),
      u32(data.length),
      data,
    ),
  )
  return join(sha1Record({ pcr: 0, type: 3, data: specId, digests: { sha1: new Uint8Array(20) } }), ...records)
}

/** A log of the older form, SHA-1 only. */
export function makeSha1Log(events: readonly EventToLog[]): Uint8Array {
  return join(...events.map(sha1Record))
}

function sha1Record({ pcr, type, data, digests }: EventToLog): Uint8Array {
  return join(u32(pcr), u32(type), digests?.sha1 ?? digestIn('sha1', data), u32(data.length), data)
}
