// A small DER writer for tests: ITU-T X.690, definite lengths, smallest form.

/** One element: tag byte, length, the parts one after another. */
export function der(tag: number, ...parts: readonly Uint8Array[]): Uint8Array {
  const content = Buffer.concat(parts)
  return new Uint8Array(Buffer.concat([Uint8Array.of(tag), derLength(content.length), content]))
}

function derLength(length: number): Uint8Array {
  if (length < 0x80) return Uint8Array.of(length)
  const digits: number[] = []
  for (let rest = length; rest > 0; rest = Math.floor(rest / 256)) digits.unshift(rest % 256)
  return Uint8Array.of(0x80 + digits.length, ...digits)
}

export const sequence = (...parts: readonly Uint8Array[]) => der(0x30, ...parts)
export const setOf = (...parts: readonly Uint8Array[]) => der(0x31, ...parts)
export const octetString = (bytes: Uint8Array) => der(0x04, bytes)
/** A BIT STRING without unused bits. */
export const bitString = (bytes: Uint8Array) => der(0x03, Uint8Array.of(0), bytes)
export const utf8String = (text: string) => der(0x0c, Buffer.from(text, 'utf8'))
export const derNull = () => der(0x05)
export const derTrue = () => der(0x01, Uint8Array.of(0xff))
/** Context tag, constructed: EXPLICIT, or IMPLICIT over a SEQUENCE or SET. */
export const context = (number: number, ...parts: readonly Uint8Array[]) => der(0xa0 + number, ...parts)

/** An INTEGER that is not negative, from big-endian bytes. */
export function unsignedInteger(bytes: Uint8Array): Uint8Array {
  let start = 0
  while (start < bytes.length - 1 && bytes[start] === 0) start++
  const digits = bytes.subarray(start)
  return (digits[0] ?? 0) >= 0x80 ? der(0x02, Uint8Array.of(0), digits) : der(0x02, digits)
}

export function objectIdentifier(dotted: string): Uint8Array {
  const [first = 0, second = 0, ...others] = dotted.split('.').map(Number)
  const bytes: number[] = []
  for (const arc of [first * 40 + second, ...others]) {
    const digits = [arc % 128]
    for (let rest = Math.floor(arc / 128); rest > 0; rest = Math.floor(rest / 128)) digits.unshift((rest % 128) + 128)
    bytes.push(...digits)
  }
  return der(0x06, Uint8Array.from(bytes))
}

/** A GeneralizedTime or UTCTime by year as RFC 5280 §4.1.2.5 wants it: 1 January, midnight. */
export function newYear(year: number): Uint8Array {
  return year < 2050
    ? der(0x17, Buffer.from(`${String(year % 100).padStart(2, '0')}0101000000Z`, 'latin1'))
    : der(0x18, Buffer.from(`${year}0101000000Z`, 'latin1'))
}
