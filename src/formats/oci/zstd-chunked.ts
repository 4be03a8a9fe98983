// Tables of contents of zstd:chunked layers: containers/storage pkg/chunked/internal/minimal/compression.go (TOC, FileMetadata, annotations).

import { ToolError } from '../../errors.ts'
import type { Descriptor } from './descriptor.ts'
import { isOciDigest, type OciDigest } from './digest.ts'

/** Where the compressed table is in the layer. */
export interface TocPosition {
  readonly offset: number
  readonly size: number
  /** Of the table, decompressed. */
  readonly plainSize: number
  /** Of the compressed table. */
  readonly digest: OciDigest
}

export type TocEntryType = 'file' | 'link' | 'symlink' | 'directory' | 'character-device' | 'block-device' | 'fifo'

export interface TocEntry {
  readonly type: TocEntryType
  readonly name: string
  readonly linkName: string
  readonly size: number
  /** Of a file that is not empty: its zstd frames in the layer, and what they hold. */
  readonly content: { readonly offset: number; readonly end: number; readonly digest: OciDigest } | undefined
}

/** The second as podman before 4.5 wrote it. */
const prefixes = ['io.github.containers.zstd-chunked', 'io.containers.zstd-chunked'] as const
/** Of the table, compressed or not; podman writes about 300 bytes for a file. */
const ceiling = 32 * 1024 ** 2

/** undefined for a layer that says of no table, or of one that cannot be: such layers are read whole. */
export function tocPosition({ annotations, size: layerSize }: Descriptor): TocPosition | undefined {
  for (const prefix of prefixes) {
    const digest = annotations[`${prefix}.manifest-checksum`]
    const [, offset, size, plainSize] =
      /^(\d{1,15}):(\d{1,9}):(\d{1,9}):1$/.exec(annotations[`${prefix}.manifest-position`] ?? '')?.map(Number) ?? []
    if (digest === undefined || offset === undefined || size === undefined || plainSize === undefined) continue
    if (!isOciDigest(digest) || offset + size > layerSize || Math.max(size, plainSize) > ceiling) return undefined
    return { offset, size, plainSize, digest }
  }
  return undefined
}

const types: Readonly<Record<string, TocEntryType>> = {
  reg: 'file',
  hardlink: 'link',
  symlink: 'symlink',
  dir: 'directory',
  char: 'character-device',
  block: 'block-device',
  fifo: 'fifo',
}

/** Reads a decompressed table. Throws LAYER_INVALID. */
export function parseToc(bytes: Uint8Array, layer: Descriptor, source: string): readonly TocEntry[] {
  const fault = (found: string) =>
    new ToolError('LAYER_INVALID', 'the table of contents of a layer cannot be read', { found, where: { source } })
  let table: { readonly version?: unknown; readonly entries?: unknown } | null
  try {
    table = JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(bytes))
  } catch {
    throw fault('no JSON')
  }
  if (table?.version !== 1 || !Array.isArray(table.entries)) throw fault('no table of version 1')
  return table.entries.flatMap((row: Readonly<Record<string, unknown>> | null): readonly TocEntry[] => {
    // chunks are parts of the file before them, which names its whole extent itself
    if (row?.type === 'chunk') return []
    const { name, linkName = '', size = 0, offset = 0, endOffset = 0, digest } = row ?? {}
    const type = types[String(row?.type)]
    if (type === undefined || typeof name !== 'string' || typeof linkName !== 'string')
      throw fault('a row without type or name')
    const where = JSON.stringify(name.slice(0, 200))
    if (!isCount(size) || !isCount(offset) || !isCount(endOffset)) throw fault(`a size that is no number: ${where}`)
    if (type !== 'file') return [{ type, name, linkName, size: 0, content: undefined }]
    if (size === 0) return [{ type, name, linkName: '', size, content: undefined }]
    if (typeof digest !== 'string' || !isOciDigest(digest) || offset >= endOffset || endOffset > layer.size)
      throw fault(`a file without its place in the layer: ${where}`)
    return [{ type, name, linkName: '', size, content: { offset, end: endOffset, digest } }]
  })
}

const isCount = (value: unknown): value is number => Number.isSafeInteger(value) && (value as number) >= 0
