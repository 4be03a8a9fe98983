// The certificates of a key file, each with its fingerprint. RFC 9580 sections 5.5.4 and 10.1.

import { createHash } from 'node:crypto'
import { ToolError } from '../../errors.ts'
import { packetTags, readPackets } from './packets.ts'

export interface Certificate {
  /** Of the primary key: 40 (version 4) or 64 (version 6) upper-case hex digits. null: another version, which has none that can be pinned. */
  readonly fingerprint: string | null
  /** The primary key and all that belongs to it. */
  readonly bytes: Uint8Array
}

/** Splits key material at its primary keys; nothing else of it is looked at. Throws RPM_KEY_FILE_INVALID. */
export function certificatesOf(material: Uint8Array, source: string): Certificate[] {
  const found: { fingerprint: string | null; parts: Uint8Array[] }[] = []
  for (const { tag, body, bytes } of readPackets(material, source, 'RPM_KEY_FILE_INVALID')) {
    if (tag === packetTags.publicKey) found.push({ fingerprint: fingerprintOf(body), parts: [bytes] })
    else if (found.length > 0) found.at(-1)?.parts.push(bytes)
    else
      throw new ToolError('RPM_KEY_FILE_INVALID', 'a file with OpenPGP keys does not begin with a public key', {
        found: `a packet with tag ${tag}`,
        wanted: `tag ${packetTags.publicKey}`,
        where: { source },
      })
  }
  return found.map(({ fingerprint, parts }) => ({ fingerprint, bytes: new Uint8Array(Buffer.concat(parts)) }))
}

function fingerprintOf(body: Uint8Array): string | null {
  const length = Buffer.alloc(4)
  length.writeUInt32BE(body.length)
  if (body[0] === 4 && body.length <= 0xffff) return hash('sha1', 0x99, length.subarray(2), body)
  return body[0] === 6 ? hash('sha256', 0x9b, length, body) : null
}

function hash(algorithm: string, first: number, length: Uint8Array, body: Uint8Array): string {
  const digest = createHash(algorithm).update(Uint8Array.of(first)).update(length).update(body)
  return digest.digest('hex').toUpperCase()
}
