// Layers as they are stored → plain tar. The first bytes say what the compression is, since media types are wrong at times.

import { createHash } from 'node:crypto'
import type { Transform } from 'node:stream'
import { createGunzip, createZstdDecompress } from 'node:zlib'
import { ToolError } from '../errors.ts'
import type { OciDigest } from '../formats/oci/digest.ts'
import { GzipMembers } from './gzip-members.ts'
import { splitFrames } from './zstd-frames.ts'
import { windowTurn } from './zstd-windows.ts'

export type Compression = 'gzip' | 'zstd' | 'none'

/** Interface §8; settings may change them. */
export interface ExpansionCeilings {
  /** Most bytes that come out for one that goes in. */
  readonly ratio: number
  readonly bytes: number
}
export const defaultExpansion: ExpansionCeilings = { ratio: 200, bytes: 16 * 1024 ** 3 }

/** Below this, a high ratio harms nobody: an archive of empty files packs well. */
const harmless = 1024 * 1024

export interface CompressedLayer {
  readonly bytes: AsyncIterable<Uint8Array>
  /** Size in bytes as the descriptor says. */
  readonly size: number
  /** What the plain bytes must hash to; undefined where nobody says. */
  readonly diffId: OciDigest | undefined
  readonly source: string
  /** Called at the end where gzip has several members: nodes read the first one only (docs/decisions/0019). */
  readonly onSeveralMembers?: () => void
}

/**
 * The plain bytes of a layer: gzip (also of several members), zstd (several and skippable frames), or as they are. Throws CEILING_REACHED above the
 * ceilings, LAYER_INVALID for a broken stream, LAYER_UNSUPPORTED for xz and bzip2, and DIGEST_MISMATCH at the end when the diff_id differs.
 */
export async function* decompressLayer(
  layer: CompressedLayer,
  ceilings: ExpansionCeilings = defaultExpansion,
): AsyncGenerator<Uint8Array, void, undefined> {
  const limit = Math.min(ceilings.bytes, Math.max(harmless, ceilings.ratio * layer.size))
  const hash = createHash('sha256')
  let size = 0
  const members = new GzipMembers()
  let gzip = false
  const watched = watch(layer.bytes, piece => members.watch(piece))
  for await (const chunk of plainBytes(watched, layer.source, compression => {
    gzip = compression === 'gzip'
  })) {
    size += chunk.length
    if (size > limit)
      throw new ToolError('CEILING_REACHED', 'a layer expands too much', {
        found: `more than ${limit} bytes out of ${layer.size}`,
        wanted: `at most 1:${ceilings.ratio} and ${ceilings.bytes} bytes`,
        where: { source: layer.source },
      })
    hash.update(chunk)
    yield chunk
  }
  const diffId = `sha256:${hash.digest('hex')}`
  if (layer.diffId !== undefined && diffId !== layer.diffId)
    throw new ToolError('DIGEST_MISMATCH', 'a layer is not what the image config says', {
      found: diffId,
      wanted: layer.diffId,
      where: { source: layer.source, path: 'rootfs/diff_ids' },
    })
  if (gzip && members.several(size)) layer.onSeveralMembers?.()
}

async function* watch(
  bytes: AsyncIterable<Uint8Array>,
  seen: (piece: Uint8Array) => void,
): AsyncGenerator<Uint8Array, void, undefined> {
  for await (const piece of bytes) {
    seen(piece)
    yield piece
  }
}

/** Decompresses by magic, without ceilings; `begun` is told the compression. */
export async function* plainBytes(
  bytes: AsyncIterable<Uint8Array>,
  source: string,
  begun: (compression: Compression) => void = () => undefined,
): AsyncGenerator<Uint8Array, void, undefined> {
  const iterator = bytes[Symbol.asyncIterator]()
  const start = await headOf(iterator)
  const whole = prefixed(start.head, start.ended ? undefined : iterator)
  const compression = compressionOf(start.head, source)
  begun(compression)
  if (compression !== 'none' && isTarHeader(start.head)) {
    await iterator.return?.()
    throw new ToolError('LAYER_INVALID', 'a layer is compressed data and a tar archive at once', {
      found: `${compression} by its first bytes, tar by its first header`,
      wanted: 'one of them: nodes go by the media type',
      where: { source },
    })
  }
  if (compression === 'none') yield* whole
  else if (compression === 'gzip') yield* decoded(whole, createGunzip({ chunkSize: 128 * 1024 }), source)
  else yield* zstdDecoded(whole, source)
}

/** A frame with a large window waits for its turn. */
async function* zstdDecoded(
  bytes: AsyncGenerator<Uint8Array, void, undefined>,
  source: string,
): AsyncGenerator<Uint8Array, void, undefined> {
  const turn = windowTurn()
  const frames = splitFrames(bytes, source, { onWindow: window => turn.frame(window, source) })
  try {
    yield* decoded(frames, createZstdDecompress({ chunkSize: 128 * 1024 }), source)
  } finally {
    turn.end()
  }
}

const tarHeader = { size: 512, sumAt: 148, sumLength: 8 } as const

/** Whether a whole first block has the checksum of a header: POSIX.1-1988 ustar. */
function isTarHeader(head: Uint8Array): boolean {
  const { size, sumAt, sumLength } = tarHeader
  if (head.length < size) return false
  const field = Buffer.from(head.subarray(sumAt, sumAt + sumLength)).toString('latin1')
  let sum = 0
  for (let at = 0; at < size; at += 1) sum += at >= sumAt && at < sumAt + sumLength ? 0x20 : (head[at] ?? 0)
  return Number.parseInt(/^ *([0-7]+)(?:[ \0]|$)/.exec(field)?.[1] ?? '', 8) === sum
}

export function compressionOf(head: Uint8Array, source: string): Compression {
  const starts = (...magic: number[]) => magic.every((byte, index) => head[index] === byte)
  if (starts(0x1f, 0x8b)) return 'gzip'
  if (starts(0x28, 0xb5, 0x2f, 0xfd)) return 'zstd'
  if (((head[0] ?? 0) & 0xf0) === 0x50 && head[1] === 0x2a && head[2] === 0x4d && head[3] === 0x18) return 'zstd'
  const other = starts(0xfd, 0x37, 0x7a, 0x58, 0x5a, 0) ? 'xz' : starts(0x42, 0x5a, 0x68) ? 'bzip2' : undefined
  if (other === undefined) return 'none'
  throw new ToolError('LAYER_UNSUPPORTED', 'a layer with a compression that is not supported', {
    found: other,
    wanted: 'gzip, zstd or none',
    where: { source },
  })
}

async function headOf(
  iterator: AsyncIterator<Uint8Array>,
): Promise<{ readonly head: Uint8Array; readonly ended: boolean }> {
  let head: Uint8Array = new Uint8Array()
  while (head.length < tarHeader.size) {
    const next = await iterator.next()
    if (next.done) return { head, ended: true }
    head = head.length === 0 ? next.value : Buffer.concat([head, next.value])
  }
  return { head, ended: false }
}

async function* prefixed(
  head: Uint8Array,
  rest: AsyncIterator<Uint8Array> | undefined,
): AsyncGenerator<Uint8Array, void, undefined> {
  let ended = rest === undefined
  try {
    if (head.length > 0) yield head
    while (rest !== undefined && !ended) {
      const next = await rest.next()
      ended = next.done === true
      if (!next.done) yield next.value
    }
  } finally {
    if (!ended) await rest?.return?.()
  }
}

/** Pieces that are decoded ahead of their reader. */
const mostReady = 8

/**
 * One piece is decoded after another, and what comes out waits in a short list: streams between would hold more, and their garbage costs more than
 * the decoding (bench/results.md).
 */
async function* decoded(
  bytes: AsyncGenerator<Uint8Array, void, undefined>,
  decoder: Transform,
  source: string,
): AsyncGenerator<Uint8Array, void, undefined> {
  let ready: Uint8Array[] = []
  let wake: () => void = () => undefined
  let fault: Error | undefined
  let ended = false
  decoder.on('data', (piece: Uint8Array) => {
    ready.push(piece)
    if (ready.length === mostReady) {
      decoder.pause()
      wake()
    }
  })
  decoder.on('end', () => {
    ended = true
    wake()
  })
  decoder.on('error', error => {
    fault = error
    wake()
  })
  /** What comes out until `done`. */
  async function* output(done: () => boolean): AsyncGenerator<Uint8Array, void, undefined> {
    for (;;) {
      const over = done() || fault !== undefined
      const pieces = ready
      ready = []
      yield* pieces
      if (fault !== undefined) throw broken(fault, source)
      if (over) return
      await new Promise<void>(resolve => {
        wake = resolve
        if (decoder.isPaused()) decoder.resume()
      })
    }
  }
  try {
    for await (const piece of bytes) {
      if (ended) throw trailing(source)
      let taken = false
      decoder.write(piece, () => {
        taken = true
        wake()
      })
      yield* output(() => taken || ended)
    }
    decoder.end()
    yield* output(() => ended)
  } finally {
    decoder.destroy()
  }
}

function broken(cause: Error, source: string): ToolError {
  return new ToolError('LAYER_INVALID', 'a layer cannot be decompressed', {
    found: (cause as NodeJS.ErrnoException).code ?? 'an error',
    where: { source },
    cause,
  })
}

function trailing(source: string): ToolError {
  return new ToolError('LAYER_INVALID', 'a layer has bytes after the end of its compressed data', {
    where: { source },
  })
}
