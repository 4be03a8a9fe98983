// Puts signatures into RPM files as rpmsign does, and such as it never would: several, over other bytes, beside other payloads.

import { createHash } from 'node:crypto'
import { openRpm } from '../../src/formats/rpm/rpm-file.ts'
import { makeRpmHeader, type TagValue } from './rpm-header.ts'

export const signatureTags = { dsa: 267, rsa: 268, openPgp: 278, pgp: 1002, gpg: 1005 } as const

export interface RpmParts {
  /** The main header with its magic: what header signatures are over. */
  readonly header: Uint8Array
  readonly payload: Uint8Array
  /** Tags of the signature header besides size and digests. */
  readonly tags?: ReadonlyMap<number, TagValue>
  /** Tags behind the region of the signature header. */
  readonly added?: ReadonlyMap<number, TagValue>
}

/** Header and payload of an RPM file. */
export function partsOf(rpm: Uint8Array): RpmParts {
  const { headerBytes, payload } = openRpm(rpm, 'made for a test')
  return { header: headerBytes, payload }
}

/** The RPM file of these parts; size and digests in its signature header fit them. */
export function assembleRpm({ header, payload, tags, added }: RpmParts): Uint8Array {
  const hex = (algorithm: string) => createHash(algorithm).update(header).digest('hex')
  const all = new Map<number, TagValue>([
    [269, { string: hex('sha1') }],
    [273, { string: hex('sha256') }],
    [1000, { int32: [header.length + payload.length] }],
    [1004, { bin: createHash('md5').update(header).update(payload).digest() }],
    ...(tags ?? []),
  ])
  const signatures = makeRpmHeader(all, { region: 62, ...(added === undefined ? {} : { added }) })
  const lead = Buffer.alloc(96)
  lead.set([0xed, 0xab, 0xee, 0xdb, 3, 0, 0, 0, 0, 1])
  lead.writeUInt16BE(1, 76)
  lead.writeUInt16BE(5, 78)
  const padding = new Uint8Array((8 - (signatures.length % 8)) % 8)
  return new Uint8Array(Buffer.concat([lead, signatures, padding, header, payload]))
}

/** The same package with these tags in its signature header, in place of all signatures that it had. */
export function withSignatures(rpm: Uint8Array, tags: ReadonlyMap<number, TagValue>): Uint8Array {
  return assembleRpm({ ...partsOf(rpm), tags })
}
