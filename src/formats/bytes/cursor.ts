// A reading position in bytes that knows its name and offset. Little-endian unless a name says otherwise.

import { type ErrorCode, ToolError } from '../../errors.ts'

/**
 * Reads named fields one after another and never past its end. Every fault carries source, path of names and absolute offset.
 * Lengths are compared with what is left before anything is copied.
 */
export class ByteCursor {
  readonly bytes: Uint8Array
  readonly source: string
  readonly path: string
  /** Offset of `bytes[0]` in the outermost source. */
  readonly origin: number
  readonly code: ErrorCode
  #at = 0

  constructor(bytes: Uint8Array, source: string, options: { path?: string; origin?: number; code?: ErrorCode } = {}) {
    this.bytes = bytes
    this.source = source
    this.path = options.path ?? ''
    this.origin = options.origin ?? 0
    this.code = options.code ?? 'INPUT_TRUNCATED'
  }

  get offset(): number {
    return this.#at
  }

  get left(): number {
    return this.bytes.length - this.#at
  }

  /** Moves to an absolute offset within these bytes. */
  seek(name: string, offset: number): void {
    if (!Number.isSafeInteger(offset) || offset < 0 || offset > this.bytes.length)
      throw this.error(name, `offset ${offset}`, `an offset from 0 to ${this.bytes.length}`)
    this.#at = offset
  }

  take(name: string, length: number): Uint8Array {
    if (!Number.isSafeInteger(length) || length < 0 || length > this.left)
      throw this.error(name, `${this.left} bytes left`, `${length} bytes`)
    const start = this.#at
    this.#at += length
    return this.bytes.subarray(start, this.#at)
  }

  skip(name: string, length: number): void {
    this.take(name, length)
  }

  u8(name: string): number {
    return this.take(name, 1)[0] ?? 0
  }

  u16(name: string): number {
    return this.#view(name, 2).getUint16(0, true)
  }

  u32(name: string): number {
    return this.#view(name, 4).getUint32(0, true)
  }

  u32be(name: string): number {
    return this.#view(name, 4).getUint32(0, false)
  }

  u64(name: string): bigint {
    return this.#view(name, 8).getBigUint64(0, true)
  }

  /** A u64 that has to be a length or offset within `limit`. */
  length64(name: string, limit: number): number {
    const at = this.#at
    const value = this.u64(name)
    if (value > BigInt(limit)) {
      this.#at = at
      throw this.error(name, `${value}`, `at most ${limit}`)
    }
    return Number(value)
  }

  /** A bounded child over `length` bytes from here; this cursor moves behind it. */
  part(name: string, length: number): ByteCursor {
    const origin = this.origin + this.#at
    return new ByteCursor(this.take(name, length), this.source, { path: this.#named(name), origin, code: this.code })
  }

  /** Refuses leftover bytes. */
  done(): void {
    if (this.left > 0) throw this.error('end', `${this.left} bytes too many`, 'no more bytes')
  }

  error(name: string, found: string, wanted: string): ToolError {
    return new ToolError(this.code, `cannot read ${this.#named(name)}`, {
      found,
      wanted,
      where: { source: this.source, path: this.#named(name), offset: this.origin + this.#at },
    })
  }

  #named(name: string): string {
    return this.path === '' ? name : `${this.path}/${name}`
  }

  #view(name: string, length: number): DataView {
    const part = this.take(name, length)
    return new DataView(part.buffer, part.byteOffset, part.byteLength)
  }
}
