// OpenPGP packets: tag, length, body, one after another. RFC 9580 section 4.

import type { ErrorCode } from '../../errors.ts'
import { ByteCursor } from '../bytes/cursor.ts'

export interface Packet {
  readonly tag: number
  readonly body: Uint8Array
  /** Header and body. */
  readonly bytes: Uint8Array
}

export const packetTags = { signature: 2, publicKey: 6 } as const

/** A certificate of a distribution has some ten packets. */
const maxPackets = 10_000

/** All packets; lengths that are not told beforehand (partial, indeterminate) are refused, as only data packets may have them. Throws `code`. */
export function readPackets(bytes: Uint8Array, source: string, code: ErrorCode): Packet[] {
  const at = new ByteCursor(bytes, source, { code })
  const packets: Packet[] = []
  while (at.left > 0) {
    const name = `packet ${packets.length}`
    if (packets.length === maxPackets) throw at.error(name, 'more packets', `at most ${maxPackets}`)
    const start = at.offset
    const first = at.u8(`${name}/tag`)
    if ((first & 0x80) === 0) throw at.error(`${name}/tag`, `byte ${first}`, 'a byte with its first bit set')
    const isNew = (first & 0x40) !== 0
    const length = isNew ? newLength(at, name) : oldLength(at, name, first & 3)
    const body = at.take(name, length)
    packets.push({ tag: isNew ? first & 0x3f : (first >> 2) & 0xf, body, bytes: bytes.subarray(start, at.offset) })
  }
  return packets
}

function newLength(at: ByteCursor, name: string): number {
  const first = at.u8(`${name}/length`)
  if (first < 192) return first
  if (first < 224) return (first - 192) * 256 + at.u8(`${name}/length`) + 192
  if (first === 255) return at.u32be(`${name}/length`)
  throw at.error(`${name}/length`, 'a partial length', 'the length of the whole body')
}

function oldLength(at: ByteCursor, name: string, type: number): number {
  if (type === 0) return at.u8(`${name}/length`)
  if (type === 1) return at.u8(`${name}/length`) * 256 + at.u8(`${name}/length`)
  if (type === 2) return at.u32be(`${name}/length`)
  throw at.error(`${name}/length`, 'no length', 'the length of the whole body')
}
