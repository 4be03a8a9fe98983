// OpenPGP packets by hand, with bodies that need not make sense to a library. RFC 9580 sections 4.2 and 5.2.3.

/** A packet with a new-format header. */
export function packet(tag: number, body: Uint8Array): Uint8Array {
  const { length } = body
  const size =
    length < 192
      ? [length]
      : length < 8384
        ? [192 + ((length - 192) >> 8), (length - 192) & 0xff]
        : [255, ...[24, 16, 8, 0].map(shift => (length >>> shift) & 0xff)]
  return Uint8Array.from([0xc0 | tag, ...size, ...body])
}

export const publicKeyPacket = (version: number, seed: number): Uint8Array =>
  packet(6, Uint8Array.from([version, 0x5f, 0, 0, 0, 22, ...new Array(40).fill(seed)]))

const subpacket = (type: number, data: readonly number[]) => [data.length + 1, type, ...data]

/** A version 4 signature by Ed25519 with a creation time, an expiration time and an issuer in both forms. */
export function signaturePacket(): Uint8Array {
  const hashed = [
    ...subpacket(2, [0x65, 0, 0, 0]),
    ...subpacket(3, [0, 1, 0x51, 0x80]),
    ...subpacket(33, [4, ...new Array(20).fill(0xab)]),
  ]
  const unhashed = subpacket(16, new Array(8).fill(0xcd))
  const body = [4, 0, 22, 8, 0, hashed.length, ...hashed, 0, unhashed.length, ...unhashed, 0x12, 0x34]
  return packet(2, Uint8Array.from([...body, 1, 0, ...new Array(32).fill(0x80), 1, 0, ...new Array(32).fill(0x81)]))
}

/** An armored block of public keys. */
export function armor(packets: Uint8Array): string {
  const lines =
    Buffer.from(packets)
      .toString('base64')
      .match(/.{1,64}/g) ?? []
  const [begin, end] = ['BEGIN', 'END'].map(word => `-----${word} PGP PUBLIC KEY BLOCK-----`)
  return [begin, 'Comment: made, for a test', '', ...lines, '=abcd', end, ''].join('\n')
}
