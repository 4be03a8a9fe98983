// Makes image layers: tar archives written byte by byte (POSIX.1-2001 ustar and pax, and the GNU long name form), so that no library is its own judge.

import { createHash } from 'node:crypto'
import { gzipSync, zstdCompressSync } from 'node:zlib'
import type { OciDigest } from '../../src/formats/oci/digest.ts'

export type LayerEntryType = 'file' | 'directory' | 'symlink' | 'hard-link' | 'fifo'

/** One member of a layer, with its path exactly as it shall stand in the archive. */
export interface LayerEntry {
  readonly type: LayerEntryType
  readonly path: string
  readonly content?: Uint8Array
  readonly target?: string
  readonly mode?: number
  /** More records for a pax header in front. */
  readonly pax?: Readonly<Record<string, string>>
  /** Another typeflag than that of `type`, for archives that are wrong on purpose. */
  readonly typeflag?: string
}

export type TarDialect = 'pax' | 'gnu'
export type LayerCompression = 'gzip' | 'zstd' | 'none'

export interface LayerOptions {
  readonly compression?: LayerCompression
  /** How names above 100 bytes are written; default pax. */
  readonly dialect?: TarDialect
  /** Zero blocks at the end; default 2. */
  readonly endBlocks?: number
  readonly mediaTypes?: 'oci' | 'docker'
}

/** A finished layer: compressed bytes, and the plain archive in them. */
export interface Layer {
  readonly bytes: Uint8Array
  readonly tar: Uint8Array
  readonly mediaType: string
  readonly digest: OciDigest
  readonly diffId: OciDigest
}

const encode = (text: string): Uint8Array => new TextEncoder().encode(text)

export const file = (path: string, content: Uint8Array | string, more: Partial<LayerEntry> = {}): LayerEntry => ({
  type: 'file',
  path,
  content: typeof content === 'string' ? encode(content) : content,
  ...more,
})
export const directory = (path: string): LayerEntry => ({ type: 'directory', path, mode: 0o755 })
export const symlink = (path: string, target: string): LayerEntry => ({ type: 'symlink', path, target, mode: 0o777 })
export const hardLink = (path: string, target: string): LayerEntry => ({ type: 'hard-link', path, target })

/** Hides `path` in lower layers. */
export function whiteout(path: string): LayerEntry {
  const slash = path.lastIndexOf('/') + 1
  return file(`${path.slice(0, slash)}.wh.${path.slice(slash)}`, '')
}

/** Hides all children that lower layers have in `path`. */
export const opaque = (path: string): LayerEntry => file(`${path}/.wh..wh..opq`, '')

export function sha256(bytes: Uint8Array): OciDigest {
  return `sha256:${createHash('sha256').update(bytes).digest('hex')}`
}

export function makeLayer(entries: readonly LayerEntry[], options: LayerOptions = {}): Layer {
  return layerOfTar(makeTar(entries, options), options)
}

/** A layer around any bytes, archive or not. */
export function layerOfTar(tar: Uint8Array, options: LayerOptions = {}): Layer {
  const compression = options.compression ?? 'gzip'
  const bytes = compress(tar, compression)
  return { bytes, tar, mediaType: mediaType(compression, options), digest: sha256(bytes), diffId: sha256(tar) }
}

export function compress(bytes: Uint8Array, compression: LayerCompression): Uint8Array {
  if (compression === 'none') return bytes
  return new Uint8Array(compression === 'gzip' ? gzipSync(bytes) : zstdCompressSync(bytes))
}

function mediaType(compression: LayerCompression, options: LayerOptions): string {
  if (options.mediaTypes === 'docker')
    return `application/vnd.docker.image.rootfs.diff.tar${compression === 'none' ? '' : `.${compression}`}`
  return `application/vnd.oci.image.layer.v1.tar${compression === 'none' ? '' : `+${compression}`}`
}

export function makeTar(entries: readonly LayerEntry[], options: LayerOptions = {}): Uint8Array {
  const blocks = entries.flatMap(entry => members(entry, options.dialect ?? 'pax'))
  return concat([...blocks, new Uint8Array(512 * (options.endBlocks ?? 2))])
}

export function concat(parts: readonly Uint8Array[]): Uint8Array {
  const whole = new Uint8Array(parts.reduce((sum, part) => sum + part.length, 0))
  let at = 0
  for (const part of parts) {
    whole.set(part, at)
    at += part.length
  }
  return whole
}

/** One member, with its pax records if any, exactly as told: for archives that are wrong on purpose. `edit` changes the header before its sum is made. */
export function rawMember(
  path: string,
  flag: string,
  content: Uint8Array | string = '',
  more: { readonly target?: string; readonly dialect?: TarDialect; readonly edit?: (header: Uint8Array) => void } = {},
): Uint8Array {
  const bytes = typeof content === 'string' ? encode(content) : content
  return concat(member(path, flag, bytes, more.dialect ?? 'pax', more.target, 0o644, more.edit))
}

/** An `x` or `g` header. */
export function paxMember(records: readonly (readonly [string, string])[], flag = 'x', path = 'PaxHeaders/entry') {
  return rawMember(path, flag, records.map(([key, value]) => paxRecords({ [key]: value })).join(''))
}

const typeflags: Readonly<Record<LayerEntryType, string>> = {
  file: '0',
  'hard-link': '1',
  symlink: '2',
  directory: '5',
  fifo: '6',
}

function members(entry: LayerEntry, dialect: TarDialect): Uint8Array[] {
  const long: Uint8Array[] = []
  const records: Record<string, string> = { ...entry.pax }
  const target = entry.target ?? ''
  for (const [text, record, flag] of [
    [entry.path, 'path', 'L'],
    [target, 'linkpath', 'K'],
  ] as const) {
    if (encode(text).length <= 100) continue
    if (dialect === 'pax') records[record] = text
    else long.push(...member('././@LongLink', flag, encode(`${text}\0`), dialect))
  }
  if (Object.keys(records).length > 0) long.push(...member('PaxHeaders/entry', 'x', encode(paxRecords(records)), 'pax'))
  const flag = entry.typeflag ?? typeflags[entry.type]
  return [...long, ...member(entry.path, flag, entry.content ?? new Uint8Array(), dialect, target, entry.mode)]
}

/** `length key=value\n`, where length counts itself. */
function paxRecords(records: Readonly<Record<string, string>>): string {
  return Object.entries(records)
    .map(([key, value]) => {
      const rest = ` ${key}=${value}\n`
      const bytes = encode(rest).length
      let length = bytes + String(bytes).length
      length = bytes + String(length).length
      return `${length}${rest}`
    })
    .join('')
}

function member(
  path: string,
  flag: string,
  content: Uint8Array,
  dialect: TarDialect,
  target = '',
  mode = 0o644,
  edit: (header: Uint8Array) => void = () => undefined,
): Uint8Array[] {
  const header = new Uint8Array(512)
  const put = (offset: number, length: number, text: string) => header.set(encode(text).subarray(0, length), offset)
  const octal = (offset: number, length: number, value: number) =>
    put(offset, length, `${value.toString(8).padStart(length - 1, '0')}\0`)
  put(0, 100, path)
  octal(100, 8, mode)
  octal(108, 8, 0)
  octal(116, 8, 0)
  octal(124, 12, content.length)
  octal(136, 12, 0)
  put(148, 8, '        ')
  put(156, 1, flag)
  put(157, 100, target)
  if (dialect === 'gnu') put(257, 8, 'ustar  \0')
  else put(257, 8, 'ustar\x0000')
  edit(header)
  const sum = header.reduce((total, byte) => total + byte, 0)
  put(148, 8, `${sum.toString(8).padStart(6, '0')}\0 `)
  return [header, content, new Uint8Array((512 - (content.length % 512)) % 512)]
}
