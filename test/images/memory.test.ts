// Images that are made to exhaust memory, read by the bundle: its own peak stays below 250 MB, or 400 MB with a zstd window of 128 MiB (interface).

import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { gzipSync } from 'node:zlib'
import { afterEach, expect, it } from 'vitest'
import { type LayerToWrite, writeLargeLayout } from '../../bench/image/layout.ts'
import { runCli } from '../build/bundle-runner.ts'
import { concat, file, layerOfTar, makeTar, paxMember, rawMember, sha256 } from '../build/layer.ts'
import { type MadeImage, makeImage, writeLayout } from '../build/oci-layout.ts'
import { grubFiles, grubTree } from '../build/predict-runs.ts'

const mebibyte = 1 << 20
const zeros = new Uint8Array(mebibyte)
const modules = 'usr/lib/modules/6.1'
const boot = makeTar(grubTree(grubFiles('memory')), { endBlocks: 0 })
const bootable: LayerToWrite = { tar: [boot], compression: 'none' }

let scratch = ''
afterEach(() => rmSync(scratch, { recursive: true, force: true }))

interface Answer {
  /** Codes of the refusal; none where the image was read. */
  readonly codes: readonly string[]
  readonly text: string
  /** MB, of the process itself. */
  readonly peak: number
}

/** Writes down what the kernel counted for this process; what Node.js tells counts the process that it was forked from too. */
const preload = `import { readFileSync, writeFileSync } from 'node:fs'
process.on('exit', () => writeFileSync(process.env.PEAK_FILE, readFileSync('/proc/self/status')))`

async function read(layers: Iterable<LayerToWrite>): Promise<Answer> {
  scratch = mkdtempSync(join(tmpdir(), 'memory-'))
  const layout = join(scratch, 'layout')
  await writeLargeLayout(layout, { layers })
  return await readLayout(layout)
}

async function readLayout(layout: string): Promise<Answer> {
  const status = join(scratch, 'status')
  writeFileSync(join(scratch, 'preload.mjs'), preload)
  const { stdout, stderr } = await runCli(['boot-files', '--json', '--quiet', '--image', `oci:${layout}:image`], {
    environment: { NODE_OPTIONS: `--import=${join(scratch, 'preload.mjs')}`, PEAK_FILE: status, TMPDIR: scratch },
  })
  const { errors = [] } = JSON.parse(stdout || '{}') as { errors?: readonly { code: string }[] }
  const kilobytes = Number(/^VmHWM:\s+(\d+) kB$/m.exec(readFileSync(status, 'utf8'))?.[1])
  return { codes: errors.map(({ code }) => code), text: stderr, peak: (kilobytes * 1024) / 1e6 }
}

function expectBounded({ codes, text, peak }: Answer, code: string | undefined, says: string, ceiling = 250): void {
  expect(codes, text).toEqual(code === undefined ? [] : [code])
  expect(text).toContain(says)
  expect(text).not.toMatch(/heap|stack|^\s+at /m)
  // a Node.js that has read nothing has 50 MB
  expect(peak).toBeGreaterThan(40)
  expect(peak).toBeLessThan(ceiling)
}

/** Empty entries with numbers of seven digits at the end of their names, 2048 in a piece. */
function* numbered(count: number, prefix: string, type = '0'): Generator<Uint8Array> {
  const template = rawMember(`${prefix}0000000`, type, '')
  const sum = template.subarray(0, 512).reduce((all, byte, at) => all + (at >= 148 && at < 156 ? 0x20 : byte), 0)
  for (let first = 0; first < count; first += 2048) {
    const piece = new Uint8Array(Math.min(2048, count - first) * 512)
    for (let index = 0; index * 512 < piece.length; index += 1) {
      piece.set(template, index * 512)
      let own = sum
      for (let rest = first + index, at = prefix.length + 6; rest > 0; rest = Math.floor(rest / 10), at -= 1) {
        piece[index * 512 + at] = 0x30 + (rest % 10)
        own += rest % 10
      }
      const octal = own.toString(8).padStart(6, '0')
      for (let at = 0; at < 6; at += 1) piece[index * 512 + 148 + at] = octal.charCodeAt(at)
    }
    yield piece
  }
}

/** A file of many MiB: the header of an empty one, with another size. */
function* large(path: string, mebibytes: number, more = 0, piece: Uint8Array = zeros): Generator<Uint8Array> {
  const size = (mebibytes * mebibyte + more).toString(8).padStart(11, '0')
  yield rawMember(path, '0', '', { edit: header => header.set(Buffer.from(size), 124) })
  for (let index = 0; index < mebibytes; index += 1) yield piece
  if (more > 0) yield new Uint8Array(512)
}

function* repeated(count: number, one: (index: number) => Uint8Array): Generator<Uint8Array> {
  for (let index = 0; index < count; index += 1) yield one(index)
}

/** Each entry with this before it. */
function* inPieces(entries: Iterable<Uint8Array>, before: Uint8Array): Generator<Uint8Array> {
  for (const piece of entries)
    yield concat(
      Array.from({ length: piece.length / 512 }, (_, index) => [
        before,
        piece.subarray(index * 512, (index + 1) * 512),
      ]).flat(),
    )
}
const pax = paxMember([['comment', 'x'.repeat(1000)]])

const gzip = (tar: Iterable<Uint8Array>): LayerToWrite => ({ tar, compression: 'gzip', level: 1 })
/** A piece that compresses to a fiftieth: no bomb. */
const text = new Uint8Array(mebibyte).map((_, at) => (at % 64 === 0 ? (at * 2654435761) >>> 24 : 0x61))

it.each<[string, string | undefined, string, () => LayerToWrite[]]>([
  ['two million entries and one', 'CEILING_REACHED', 'at most 2000000', () => [gzip(numbered(2_000_001, 'opt/'))]],
  [
    'six hundred thousand modules of a kernel',
    'CEILING_REACHED',
    'layer sha256:',
    () => [gzip(numbered(600_000, `${modules}/kernel/`))],
  ],
  [
    'a million directories in two layers',
    undefined,
    '',
    () => [
      bootable,
      gzip(numbered(500_000, 'opt/directories-with-names/', '5')),
      gzip(numbered(500_000, 'srv/others-', '5')),
    ],
  ],
  [
    'paths of almost 4 KiB where boot files are, fifteen thousand',
    'CEILING_REACHED',
    'layer sha256:',
    () => [
      gzip(
        repeated(15_000, index =>
          concat([
            rawMember('././@LongLink', 'L', `${modules}/${`${`${index}-`.padEnd(249, 'x')}/`.repeat(16)}\0`, {
              dialect: 'gnu',
            }),
            rawMember('x', '5', ''),
          ]),
        ),
      ),
    ],
  ],
  [
    'whiteouts of long names where boot files are, forty thousand',
    'CEILING_REACHED',
    'layer sha256:',
    () => [
      gzip(
        repeated(40_000, index =>
          concat([
            rawMember('././@LongLink', 'L', `${modules}/.wh.${`${index}`.padEnd(2000, 'x')}\0`, { dialect: 'gnu' }),
            rawMember('x', '0', ''),
          ]),
        ),
      ),
    ],
  ],
  [
    'a path above 4 KiB',
    'CEILING_REACHED',
    '4096',
    () => [gzip([makeTar([file(`opt/${'a/'.repeat(2100)}x`, '')], { dialect: 'gnu' })])],
  ],
  ['a gzip bomb', 'CEILING_REACHED', '200', () => [gzip(large('opt/zeros', 1500))]],
  ['a zstd bomb', 'CEILING_REACHED', '200', () => [{ tar: large('opt/zeros', 1500), compression: 'zstd' }]],
  [
    'an initramfs of 512 MiB',
    undefined,
    '',
    () => [bootable, { tar: large('usr/lib/modules/6.1/initramfs.img', 512), compression: 'none' }],
  ],
  [
    'a kernel above 512 MiB',
    'CEILING_REACHED',
    `at most ${512 * mebibyte} bytes`,
    () => [{ tar: large(`${modules}/vmlinuz`, 1, 511 * mebibyte + 1), compression: 'none' }],
  ],
  [
    'pax headers without end: a hundred thousand of 1 KB',
    undefined,
    '',
    () => [bootable, gzip(inPieces(numbered(100_000, 'opt/'), pax))],
  ],
  [
    'a pax header of 64 MiB',
    'CEILING_REACHED',
    'layer sha256:',
    () => [gzip([...large('PaxHeaders/x', 64, 0, text)].map((piece, at) => (at === 0 ? asPax(piece) : piece)))],
  ],
])('%s', async (_, code, says, layers) => {
  expectBounded(await read(layers()), code, says)
})

/** The header of a file as one of pax records. */
function asPax(header: Uint8Array): Uint8Array {
  const size = Buffer.from(header.subarray(124, 135))
  return rawMember('PaxHeaders/x', 'x', '', { edit: own => own.set(size, 124) })
}

it('zstd windows of 128 MiB, in two layers', async () => {
  const layer = (name: string): LayerToWrite => ({
    tar: large(`opt/${name}`, 200, 0, text),
    compression: 'zstd',
    windowLog: 27,
  })
  expectBounded(await read([bootable, layer('a'), layer('b')]), undefined, '', 400)
})

it('a zstd window of 256 MiB', async () => {
  const tar = large('opt/a', 8, 0, text)
  expectBounded(await read([bootable, { tar, compression: 'zstd', windowLog: 28 }]), 'CEILING_REACHED', 'window')
})

it('a gzip file of a million members', async () => {
  const member = new Uint8Array(gzipSync(new Uint8Array(0)))
  const thousand = concat(Array.from({ length: 1000 }, () => member))
  const tar = concat([boot, new Uint8Array(1024)])
  const first = new Uint8Array(gzipSync(tar))
  const bytes = concat([first, ...Array.from({ length: 1000 }, () => thousand)])
  expectBounded(
    await readImage(makeImage({ layers: [{ ...layerOfTar(tar), bytes, digest: sha256(bytes) }] })),
    undefined,
    '',
  )
})

const spaces = new Uint8Array(64 * mebibyte).fill(0x20)
it.each<[string, (image: MadeImage) => MadeImage]>([
  ['manifest', image => ({ ...image, manifest: spaces, digest: sha256(spaces) })],
  ['config', image => ({ ...image, ...withConfig(image) })],
])('a %s of 64 MiB', async (_, change) => {
  const image = makeImage({ layers: [layerOfTar(concat([boot, new Uint8Array(1024)]))] })
  expectBounded(await readImage(change(image)), 'CEILING_REACHED', 'at most 4194304')
})

function withConfig({ manifest, configDigest, config, blobs }: MadeImage): Partial<MadeImage> {
  const digest = sha256(spaces)
  const text = new TextDecoder().decode(manifest).replace(configDigest, digest)
  const changed = new TextEncoder().encode(text.replace(`"size":${config.length}`, `"size":${spaces.length}`))
  return { manifest: changed, digest: sha256(changed), blobs: new Map([...blobs, [digest, spaces]]) }
}

async function readImage(image: MadeImage): Promise<Answer> {
  scratch = mkdtempSync(join(tmpdir(), 'memory-'))
  await writeLayout(image, join(scratch, 'layout'), 'image')
  return await readLayout(join(scratch, 'layout'))
}
