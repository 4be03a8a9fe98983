// Whether a gzip stream has more than its first member: RFC 1952 §2.2 and §2.3.

import { constants, inflateRawSync } from 'node:zlib'

/** No packer needs so many bytes before the first one comes out. */
const headLength = 4096

const [fhcrc, fextra, fname, fcomment] = [2, 4, 8, 16] as const

/** Watches the compressed bytes of a stream that its decoder takes as a whole. */
export class GzipMembers {
  #head: Uint8Array = new Uint8Array()
  #last: Uint8Array = new Uint8Array()

  watch(piece: Uint8Array): void {
    if (this.#head.length < headLength)
      this.#head = Buffer.concat([this.#head, piece.subarray(0, headLength - this.#head.length)])
    this.#last = piece.length >= 4 ? piece.subarray(-4) : Buffer.concat([this.#last, piece]).subarray(-4)
  }

  /** `plain`: bytes that all members gave together. The last member tells its own size in its last four bytes, the first one may have been empty. */
  several(plain: number): boolean {
    const told = Buffer.from(this.#last).readUInt32LE(0)
    return told !== plain % 2 ** 32 || (plain > 0 && this.#firstIsEmpty())
  }

  #firstIsEmpty(): boolean {
    const head = this.#head
    const flags = head[3] ?? 0
    let at = 10
    if (flags & fextra) at += 2 + (head[at] ?? 0) + 256 * (head[at + 1] ?? 0)
    for (const field of [fname, fcomment])
      if (flags & field) {
        const end = head.indexOf(0, at)
        at = end < 0 ? head.length : end + 1
      }
    if (flags & fhcrc) at += 2
    if (at >= head.length) return true
    return inflateRawSync(head.subarray(at), { finishFlush: constants.Z_SYNC_FLUSH }).length === 0
  }
}
