// Decompression by magic, ceilings, diff_ids, and streams that are cut or changed.

import { execFileSync } from 'node:child_process'
import { existsSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { constants, createZstdCompress, gunzipSync, gzipSync, zstdCompressSync, zstdDecompressSync } from 'node:zlib'
import { describe, expect, it } from 'vitest'
import { decompressLayer, defaultExpansion, plainBytes } from '../../src/edge/decompress.ts'
import { splitFrames } from '../../src/edge/zstd-frames.ts'
import { ToolError } from '../../src/errors.ts'
import type { OciDigest } from '../../src/formats/oci/digest.ts'
import { expectToolError } from '../build/expect-error.ts'
import { concat, file, type LayerCompression, makeLayer, makeTar, rawMember, sha256 } from '../build/layer.ts'

const text = concat(Array.from({ length: 4000 }, (_, index) => new TextEncoder().encode(`${index ** 2} `)))
const layer = (compression: LayerCompression) => makeLayer([file('a', text)], { compression })
const skippable = (length: number) =>
  concat([new Uint8Array([0x5a, 0x2a, 0x4d, 0x18, length, 0, 0, 0]), new Uint8Array(length).fill(7)])

/** RFC 1952 and 1951: header, one stored block of no bytes, check and size of nothing. */
const storedNothing = Buffer.from('1f8b0800000000000003010000ffff0000000000000000', 'hex')

const padded = (bytes: Uint8Array): Uint8Array => concat([bytes, new Uint8Array(1024 + 512 - (bytes.length % 512))])

async function* pieces(bytes: Uint8Array, size: number): AsyncGenerator<Uint8Array> {
  for (let at = 0; at < bytes.length; at += size) yield bytes.subarray(at, at + size)
}

async function readAll(bytes: AsyncIterable<Uint8Array>): Promise<Uint8Array> {
  const chunks: Uint8Array[] = []
  for await (const chunk of bytes) chunks.push(chunk)
  return concat(chunks)
}

const plain = (bytes: Uint8Array, size = 1000) => readAll(plainBytes(pieces(bytes, size), 'layer'))
const unpack = (bytes: Uint8Array, diffId?: OciDigest, ceilings = defaultExpansion) =>
  readAll(decompressLayer({ bytes: pieces(bytes, 4096), size: bytes.length, diffId, source: 'layer' }, ceilings))

describe('decompressLayer', () => {
  it.each(['gzip', 'zstd', 'none'] as const)('reads %s in pieces of any size', async compression => {
    const { bytes, tar, diffId } = layer(compression)
    for (const size of [1, 7, 512, 1 << 20]) expect(sha256(await plain(bytes, size))).toBe(diffId)
    expect(await unpack(bytes, diffId)).toEqual(tar)
  })

  it('reads several gzip members', async () => {
    const half = text.length >> 1
    const members = concat([gzipSync(text.subarray(0, half)), gzipSync(text.subarray(half)), gzipSync('')])
    for (const size of [1, 4096, 1 << 20]) expect(await plain(members, size)).toEqual(text)
  })

  it.each([
    ['two members', [gzipSync(text.subarray(0, 100)), gzipSync(text.subarray(100))], true],
    ['an empty one behind', [gzipSync(text), gzipSync('')], true],
    ['an empty one in front', [gzipSync(''), gzipSync(text)], true],
    ['an empty one in front, as a stored block', [storedNothing, gzipSync(text)], true],
    ['one', [gzipSync(text)], false],
    ['one, stored', [gzipSync(text, { level: 0 })], false],
    ['one with nothing in it', [gzipSync('')], false],
    ['one of a few bytes', [gzipSync('abc')], false],
  ] as const)('says whether gzip has several members: %s', async (_, members, several) => {
    const packed = concat(members)
    for (const size of [1, 3, 4096, packed.length]) {
      let told = false
      const onSeveralMembers = () => {
        told = true
      }
      const bytes = pieces(packed, size)
      await readAll(
        decompressLayer({ bytes, size: packed.length, diffId: undefined, source: 'layer', onSeveralMembers }),
      )
      expect(told).toBe(several)
    }
  })

  it('reads several zstd frames, with frames to skip in front, between and behind', async () => {
    const frames = [0, 1, 2, 3, 4].map(index =>
      zstdCompressSync(text.subarray((index * text.length) / 5, ((index + 1) * text.length) / 5)),
    )
    const chunked = concat([skippable(3), ...frames.flatMap(frame => [frame, skippable(0)]), skippable(200)])
    for (const size of [1, 3, 4096, 1 << 20]) expect(sha256(await plain(chunked, size))).toBe(sha256(text))
  })

  it('gives the bytes of empty layers', async () => {
    expect(await unpack(new Uint8Array(), sha256(new Uint8Array()))).toEqual(new Uint8Array())
    expect(await unpack(gzipSync(''))).toEqual(new Uint8Array())
  })

  it('compares the diff_id', async () => {
    const { bytes } = layer('gzip')
    const error = await expectToolError('DIGEST_MISMATCH', unpack(bytes, sha256(text)))
    expect(error.where.path).toBe('rootfs/diff_ids')
  })

  it.each(['gzip', 'zstd'] as const)('stops a %s bomb', async compression => {
    const bomb = compression === 'gzip' ? gzipSync(new Uint8Array(8 << 20)) : zstdCompressSync(new Uint8Array(8 << 20))
    await expectToolError('CEILING_REACHED', unpack(bomb))
    expect((await unpack(bomb, undefined, { ratio: 1e6, bytes: 8 << 20 })).length).toBe(8 << 20)
    await expectToolError('CEILING_REACHED', unpack(bomb, undefined, { ratio: 1e6, bytes: (8 << 20) - 1 }))
  })

  it('names compressions that it cannot read', async () => {
    await expectToolError('LAYER_UNSUPPORTED', unpack(new Uint8Array([0xfd, 0x37, 0x7a, 0x58, 0x5a, 0, 1])))
    await expectToolError('LAYER_UNSUPPORTED', unpack(new TextEncoder().encode('BZh91AY')))
  })

  it.each(['gzip', 'zstd'] as const)('refuses %s that is cut anywhere', async compression => {
    const { bytes, diffId } = makeLayer([file('a', text.subarray(0, 2000))], { compression })
    for (let length = 6; length < bytes.length; length += 1) {
      const error = await unpack(bytes.subarray(0, length), diffId).catch(one => one)
      expect(error).toBeInstanceOf(ToolError)
      expect(['LAYER_INVALID', 'DIGEST_MISMATCH']).toContain(error.code)
    }
  })

  it.each(['gzip', 'zstd'] as const)('finds changed bytes in %s', async compression => {
    const { bytes, tar, diffId } = makeLayer([file('a', text.subarray(0, 2000))], { compression })
    for (let index = 0; index < bytes.length; index += 3) {
      const changed = bytes.map((byte, at) => (at === index ? byte ^ 0x10 : byte))
      const result = await unpack(changed, diffId).catch(one => one)
      // bits of the gzip header (time, system) do not change the contents
      if (!(result instanceof ToolError)) expect(result).toEqual(tar)
    }
  })

  // bootc unpacks by the media type (ostree-ext/src/tar/write.rs, filter_tar_async), podman by the first bytes
  it.each([
    ['gzip', [0x1f, 0x8b, 0x08, 0x04, 0, 0, 0, 0, 0, 3]],
    ['zstd', [0x50, 0x2a, 0x4d, 0x18]],
  ] as const)('refuses a tar archive that is %s too, with other files', async (compression, magic) => {
    const inside = layer(compression).bytes
    const hidden = makeTar([file('usr/lib/modules/6.1/vmlinuz', 'MZ evil')], { endBlocks: 0 })
    const junk = makeTar([file('opt/junk', inside)], { endBlocks: 0 }).subarray(0, 512)
    // the field of gzip's extra bytes, or a frame to skip, reaches over the headers of the archive
    const start = magic.length + (compression === 'gzip' ? 2 : 4)
    const length = 512 + hidden.length + junk.length - start
    const first = rawMember('x', '0', '', {
      edit: header => header.set([...magic, length & 0xff, length >> 8, ...(compression === 'gzip' ? [] : [0, 0])]),
    })
    // gzip's own header has gone by
    const bytes = concat([first, hidden, junk, compression === 'gzip' ? inside.subarray(10) : inside])
    const decoder = compression === 'gzip' ? gunzipSync : zstdDecompressSync
    const names = execFileSync('tar', ['--list'], { input: padded(bytes), encoding: 'latin1' })
    expect(names.split('\n')).toContain('usr/lib/modules/6.1/vmlinuz')
    expect(new Uint8Array(decoder(compression === 'gzip' ? bytes : bytes.subarray(start + length)))).toEqual(
      layer(compression).tar,
    )
    const error = await expectToolError('LAYER_INVALID', plain(bytes, 1 << 20))
    expect(error.message).toContain('at once')
    await expectToolError('LAYER_INVALID', plain(bytes, 100))
  })

  it.each(['gzip', 'zstd'] as const)('refuses rubbish behind %s', async compression => {
    const { bytes, diffId } = layer(compression)
    for (const size of [10, 1 << 20])
      await expectToolError(
        'LAYER_INVALID',
        readAll(
          decompressLayer({
            bytes: pieces(concat([bytes, new TextEncoder().encode('rubbish')]), size),
            size: bytes.length,
            diffId,
            source: 'layer',
          }),
        ),
      )
  })

  it('passes a fault of the source on, and stops the source when its reader stops', async () => {
    const fault = new ToolError('REGISTRY_UNREACHABLE', 'gone')
    let closed = 0
    async function* broken(): AsyncGenerator<Uint8Array> {
      try {
        yield layer('gzip').bytes.subarray(0, 900)
        throw fault
      } finally {
        closed += 1
      }
    }
    await expect(readAll(plainBytes(broken(), 'layer'))).rejects.toBe(fault)
    async function* endless(): AsyncGenerator<Uint8Array> {
      try {
        for (;;) yield layer('gzip').bytes
      } finally {
        closed += 1
      }
    }
    for await (const chunk of plainBytes(endless(), 'layer')) {
      expect(chunk.length).toBeGreaterThan(0)
      break
    }
    await expect.poll(() => closed).toBe(2)
  })
})

it('frame borders are where the frames were joined', async () => {
  const frames = [zstdCompressSync(text), skippable(5), zstdCompressSync(''), zstdCompressSync('abc')]
  const found: Uint8Array[] = []
  for await (const piece of splitFrames(pieces(concat(frames), 1 << 20), 'layer')) found.push(piece)
  expect(found.map(piece => piece.length)).toEqual(frames.map(frame => frame.length))
})

describe('windows of zstd', () => {
  /** A stream of unknown length, so that the window is the one that was asked for. */
  async function withWindow(log: number): Promise<Uint8Array> {
    const packer = createZstdCompress({ params: { [constants.ZSTD_c_windowLog]: log } })
    for (let index = 0; index < 100; index += 1) packer.write(text)
    packer.end()
    return await readAll(packer)
  }

  /** `zstd --list --verbose` names it in bytes. */
  function listed(bytes: Uint8Array): string {
    const directory = mkdtempSync(join(tmpdir(), 'windows-'))
    writeFileSync(join(directory, 'x.zst'), bytes)
    const { 1: window = '' } =
      /Window Size: .*\((\d+) B\)/.exec(`${execFileSync('zstd', ['-lv', join(directory, 'x.zst')])}`) ?? []
    rmSync(directory, { recursive: true })
    return window
  }

  it.skipIf(!existsSync('/usr/bin/zstd'))('are what zstd says of the same frames', async () => {
    const frames = [
      zstdCompressSync(text),
      zstdCompressSync('a'),
      zstdCompressSync('a'.repeat(300)),
      // from a pipe, so that their length is not known before
      ...[10, 17, 20, 27].map(log => execFileSync('zstd', ['-c', `--zstd=wlog=${log}`], { input: text })),
    ]
    for (const bytes of frames) {
      const windows: number[] = []
      const onWindow = async (window: number) => void windows.push(window)
      for (const size of [1, 3, 1 << 20]) for await (const _ of splitFrames(pieces(bytes, size), 'x', { onWindow }));
      expect(new Set(windows.map(String))).toEqual(new Set([listed(new Uint8Array(bytes))]))
    }
  })

  it('above 128 MiB are refused before anything is decoded', async () => {
    const read = readAll(plainBytes(pieces(await withWindow(28), 100), 'layer'))
    const error = await expectToolError('CEILING_REACHED', read)
    expect([error.found, error.wanted]).toEqual(['268435456 bytes', 'at most 134217728'])
  })

  it('of 128 MiB are there one at a time', async () => {
    const wide = await withWindow(27)
    const first = plainBytes(pieces(wide, 100), 'first')
    await first.next()
    let read = false
    const second = readAll(plainBytes(pieces(wide, 100), 'second')).then(() => {
      read = true
    })
    expect((await readAll(plainBytes(pieces(await withWindow(20), 100), 'small'))).length).toBeGreaterThan(0)
    expect(read).toBe(false)
    await first.return()
    await second
    expect(read).toBe(true)
  })
})
