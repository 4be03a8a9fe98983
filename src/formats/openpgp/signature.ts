// An OpenPGP signature packet of version 3, 4 or 6: what it says of itself. RFC 4880 section 5.2.2, RFC 9580 section 5.2.3.

import { ToolError } from '../../errors.ts'
import { ByteCursor } from '../bytes/cursor.ts'
import { formatHex } from '../bytes/hex.ts'
import { packetTags, readPackets } from './packets.ts'

export interface OpenPgpSignature {
  /** The packet, header and body. */
  readonly bytes: Uint8Array
  readonly version: number
  /** 0: over bytes as they are. */
  readonly type: number
  /** Numbers of the registry, RFC 9580 section 9.1. */
  readonly publicKeyAlgorithm: number
  /** Section 9.5. */
  readonly hashAlgorithm: number
  /** Seconds since 1970. */
  readonly created: number
  /** Seconds after `created`; null: never. */
  readonly expiresAfter: number | null
  /** Key IDs (16) and fingerprints (40, 64), upper-case hex: hints, since they need not be signed themselves. */
  readonly issuers: readonly string[]
  /** Of a version 3 signature: what is hashed after the signed bytes, and the numbers that make up the signature. */
  readonly version3: { readonly hashed: Uint8Array; readonly numbers: readonly Uint8Array[] } | null
}

const subpackets = { created: 2, expires: 3, issuer: 16, issuerFingerprint: 33 } as const
const code = 'RPM_SIGNATURE_INVALID'

/** Reads exactly one signature packet. Throws RPM_SIGNATURE_INVALID. */
export function parseSignature(bytes: Uint8Array, source: string): OpenPgpSignature {
  const [packet, ...others] = readPackets(bytes, source, code)
  if (packet === undefined || others.length > 0 || packet.tag !== packetTags.signature)
    throw new ToolError(code, 'the signature of an RPM file is not one OpenPGP signature', {
      found: packet === undefined ? 'nothing' : `${others.length + 1} packets, the first with tag ${packet.tag}`,
      wanted: 'one packet with tag 2',
      where: { source },
    })
  const at = new ByteCursor(packet.body, source, { code })
  const version = at.u8('version')
  if (version === 3) return parseVersion3(at, packet.bytes)
  if (version !== 4 && version !== 6) throw at.error('version', `${version}`, '3, 4 or 6')
  const [type, publicKeyAlgorithm, hashAlgorithm] = [at.u8('type'), at.u8('key algorithm'), at.u8('hash algorithm')]
  const hashed = readSubpackets(at, version, 'hashed subpackets')
  const unhashed = readSubpackets(at, version, 'unhashed subpackets')
  const created = hashed.find(one => one.type === subpackets.created)
  if (created === undefined) throw at.error('creation time', 'none', 'the time of the signature')
  const expires = hashed.find(one => one.type === subpackets.expires)
  const after = expires === undefined ? 0 : number(expires.data, at)
  return {
    bytes: packet.bytes,
    version,
    type,
    publicKeyAlgorithm,
    hashAlgorithm,
    created: number(created.data, at),
    expiresAfter: after === 0 ? null : after,
    issuers: [...hashed, ...unhashed].flatMap(issuerOf),
    version3: null,
  }
}

/** Red Hat and CentOS still sign with version 3, which RFC 9580 no longer describes. */
function parseVersion3(at: ByteCursor, bytes: Uint8Array): OpenPgpSignature {
  const length = at.u8('hashed length')
  if (length !== 5) throw at.error('hashed length', `${length}`, '5')
  const hashed = at.take('hashed', 5)
  const issuer = formatHex(at.take('issuer', 8)).toUpperCase()
  const [publicKeyAlgorithm, hashAlgorithm] = [at.u8('key algorithm'), at.u8('hash algorithm')]
  at.skip('start of the hash', 2)
  const numbers: Uint8Array[] = []
  while (at.left > 0) {
    const bits = at.u8('number/bits') * 256 + at.u8('number/bits')
    numbers.push(at.take('number', Math.ceil(bits / 8)))
  }
  return {
    bytes,
    version: 3,
    type: hashed[0] ?? 0,
    publicKeyAlgorithm,
    hashAlgorithm,
    created: number(hashed.subarray(1), at),
    expiresAfter: null,
    issuers: [issuer],
    version3: { hashed, numbers },
  }
}

interface Subpacket {
  readonly type: number
  readonly data: Uint8Array
}

function readSubpackets(outer: ByteCursor, version: number, name: string): Subpacket[] {
  const length =
    version === 6 ? outer.u32be(`${name}/length`) : outer.u8(`${name}/length`) * 256 + outer.u8(`${name}/length`)
  const at = outer.part(name, length)
  const found: Subpacket[] = []
  while (at.left > 0) {
    const first = at.u8('length')
    const size = first < 192 ? first : first < 255 ? (first - 192) * 256 + at.u8('length') + 192 : at.u32be('length')
    if (size === 0) throw at.error('length', '0', 'at least 1')
    const body = at.take('subpacket', size)
    // the first bit says that whoever does not know the type must refuse; who verifies does so
    found.push({ type: (body[0] ?? 0) & 0x7f, data: body.subarray(1) })
  }
  return found
}

function issuerOf({ type, data }: Subpacket): string[] {
  if (type === subpackets.issuer && data.length === 8) return [formatHex(data).toUpperCase()]
  if (type !== subpackets.issuerFingerprint) return []
  const fits = (data[0] === 4 && data.length === 21) || (data[0] === 6 && data.length === 33)
  return fits ? [formatHex(data.subarray(1)).toUpperCase()] : []
}

function number(data: Uint8Array, at: ByteCursor): number {
  if (data.length !== 4) throw at.error('time', `${data.length} bytes`, '4 bytes')
  return new DataView(data.buffer, data.byteOffset, 4).getUint32(0, false)
}
