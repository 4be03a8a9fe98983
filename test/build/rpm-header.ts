// Writes RPM header structures: the twin of src/formats/rpm/header.ts. rpm, docs/manual/format_header.md.

export type TagValue =
  | { readonly int16: readonly number[] }
  | { readonly int32: readonly number[] }
  | { readonly string: string }
  | { readonly strings: readonly string[] }
  | { readonly translated: string }
  | { readonly bin: Uint8Array }

const magic = [0x8e, 0xad, 0xe8, 0x01, 0, 0, 0, 0]
const binType = 7
const regionSize = 16

export interface HeaderForm {
  /** HEADER_SIGNATURES 62 or HEADER_IMMUTABLE 63. */
  readonly region: 62 | 63
  /** Without magic, as the RPM database stores headers. */
  readonly blob?: boolean
  /** Entries behind the region, as installation adds them. */
  readonly added?: ReadonlyMap<number, TagValue>
}

/** The header structure of these tags, inside one region that covers all of them but `added`. */
export function makeRpmHeader(tags: ReadonlyMap<number, TagValue>, form: HeaderForm): Uint8Array {
  const index: number[][] = []
  const store: number[] = []
  const append = ([tag, value]: readonly [number, TagValue]) => {
    const { type, count, bytes, align } = encode(value)
    while (store.length % align !== 0) store.push(0)
    index.push([tag, type, store.length, count])
    for (const byte of bytes) store.push(byte)
  }
  for (const entry of [...tags].sort(([a], [b]) => a - b)) append(entry)
  const regionEntries = index.length + 1
  index.unshift([form.region, binType, store.length, regionSize])
  for (const word of [form.region, binType, -16 * regionEntries, regionSize]) store.push(...word32(word))
  for (const entry of form.added ?? []) append(entry)
  const head = [...(form.blob === true ? [] : magic), ...word32(index.length), ...word32(store.length)]
  return Uint8Array.from([...head, ...index.flat().flatMap(word32), ...store])
}

interface Encoded {
  readonly type: number
  readonly count: number
  readonly bytes: Iterable<number>
  readonly align: number
}

function encode(value: TagValue): Encoded {
  if ('int16' in value)
    return {
      type: 3,
      count: value.int16.length,
      bytes: value.int16.flatMap(item => [(item >> 8) & 0xff, item & 0xff]),
      align: 2,
    }
  if ('int32' in value) return { type: 4, count: value.int32.length, bytes: value.int32.flatMap(word32), align: 4 }
  if ('string' in value) return { type: 6, count: 1, bytes: Buffer.from(`${value.string}\0`), align: 1 }
  if ('translated' in value) return { type: 9, count: 1, bytes: Buffer.from(`${value.translated}\0`), align: 1 }
  if ('bin' in value) return { type: binType, count: value.bin.length, bytes: value.bin, align: 1 }
  const strings = Buffer.from(value.strings.map(text => `${text}\0`).join(''))
  return { type: 8, count: value.strings.length, bytes: strings, align: 1 }
}

/** Big-endian, two's complement. */
export function word32(value: number): number[] {
  return [24, 16, 8, 0].map(shift => (value >> shift) & 0xff)
}
