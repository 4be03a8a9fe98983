// Makes zstd:chunked layers: every file in a frame of its own, and a table of contents behind them; what podman writes is in test/images.

import { zstdCompressSync } from 'node:zlib'
import { concat, type Layer, type LayerEntry, makeTar, sha256 } from './layer.ts'

export interface ChunkedLayer extends Layer {
  readonly annotations: Readonly<Record<string, string>>
}

type Row = Readonly<Record<string, unknown>>
const types = { file: 'reg', directory: 'dir', symlink: 'symlink', 'hard-link': 'hardlink', fifo: 'fifo' } as const
const compress = (bytes: Uint8Array) => new Uint8Array(zstdCompressSync(bytes))

/** `edit` changes the rows of the table before it is written. */
export function makeChunkedLayer(
  entries: readonly LayerEntry[],
  edit: (rows: readonly Row[]) => readonly unknown[] = rows => rows,
): ChunkedLayer {
  const tar = makeTar(entries)
  const parts: Uint8Array[] = []
  let at = 0
  const write = (bytes: Uint8Array) => {
    parts.push(bytes)
    at += bytes.length
  }
  const rows = entries.map((entry): Row => {
    const { content = new Uint8Array(), path, target } = entry
    const whole = makeTar([entry], { endBlocks: 0 })
    const start = whole.length - Math.ceil(content.length / 512) * 512
    write(compress(whole.subarray(0, start)))
    const offset = at
    if (content.length > 0) {
      // two frames, as of a file of two chunks
      const half = content.length >> 1
      if (half > 0) write(compress(content.subarray(0, half)))
      write(compress(content.subarray(half)))
    }
    const endOffset = at
    write(compress(whole.subarray(start + content.length)))
    const place = content.length === 0 ? {} : { offset, endOffset, size: content.length, digest: sha256(content) }
    return { type: types[entry.type], name: path, ...(target === undefined ? {} : { linkName: target }), ...place }
  })
  write(compress(new Uint8Array(1024)))
  const table = Buffer.from(JSON.stringify({ version: 1, entries: edit(rows) }))
  const packed = compress(table)
  const frame = Buffer.alloc(8)
  frame.writeUInt32LE(0x184d2a50)
  frame.writeUInt32LE(packed.length, 4)
  const bytes = concat([...parts, frame, packed])
  return {
    bytes,
    tar,
    mediaType: 'application/vnd.oci.image.layer.v1.tar+zstd',
    digest: sha256(bytes),
    diffId: sha256(tar),
    annotations: {
      'io.github.containers.zstd-chunked.manifest-checksum': sha256(packed),
      'io.github.containers.zstd-chunked.manifest-position': `${at + 8}:${packed.length}:${table.length}:1`,
    },
  }
}
