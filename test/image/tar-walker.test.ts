// Archives as GNU tar writes them in each of its formats, read the same as modern-tar reads them, in pieces of any size.

import { execFileSync } from 'node:child_process'
import { linkSync, mkdirSync, mkdtempSync, symlinkSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { unpackTar } from 'modern-tar'
import { describe, expect, it } from 'vitest'
import type { TarEntry } from '../../src/image/tar-headers.ts'
import { walkTar } from '../../src/image/tar-walker.ts'
import { expectToolError } from '../build/expect-error.ts'
import { concat, directory, file, hardLink, makeTar, sha256, symlink } from '../build/layer.ts'
import { temporaryDirectory } from '../edge/temporary-directory.ts'

const top = temporaryDirectory()

interface ReadEntry extends TarEntry {
  readonly sha256: string
}

async function walked(tar: Uint8Array, pieceSize: number, ceiling?: number): Promise<ReadEntry[]> {
  async function* pieces() {
    for (let at = 0; at < tar.length; at += pieceSize) yield tar.subarray(at, at + pieceSize)
  }
  const entries: ReadEntry[] = []
  const read = (entry: TarEntry) => {
    const parts: Uint8Array[] = []
    return {
      take: (piece: Uint8Array) => parts.push(new Uint8Array(piece)),
      end: () => entries.push({ ...entry, sha256: sha256(concat(parts)) }),
    }
  }
  await walkTar(pieces(), 'archive', read, ceiling)
  return entries
}

async function unpacked(tar: Uint8Array): Promise<ReadEntry[]> {
  const entries = await unpackTar(tar, { strict: true })
  return entries.map(({ header, data }) => ({
    name: header.name,
    type: (header.type ?? 'file') as TarEntry['type'],
    linkName: header.type === 'link' || header.type === 'symlink' ? (header.linkname ?? '') : '',
    size: header.size ?? 0,
    mode: header.mode ?? -1,
    uid: header.uid ?? -1,
    gid: header.gid ?? -1,
    time: Math.floor((header.mtime?.getTime() ?? 0) / 1000),
    sha256: sha256(data ?? new Uint8Array()),
  }))
}

function treeOnDisk(longest: number): string {
  const root = mkdtempSync(join(top, 'tree-'))
  const deep = join(root, 'usr', 'a'.repeat(longest), 'b'.repeat(longest))
  mkdirSync(deep, { recursive: true })
  for (const size of [0, 1, 511, 512, 513, 70_000]) writeFileSync(join(deep, `file-${size}`), Buffer.alloc(size, 'x'))
  linkSync(join(deep, 'file-513'), join(root, 'hard'))
  symlinkSync(`usr/${'a'.repeat(longest)}/file-1`, join(root, 'soft'))
  symlinkSync('nowhere', join(root, 'ünïcode'))
  execFileSync('mkfifo', [join(root, 'pipe')])
  return root
}

describe('archives of GNU tar', () => {
  it.each([
    ['v7', 20],
    ['ustar', 60],
    ['gnu', 120],
    ['oldgnu', 120],
    ['posix', 120],
  ] as const)('%s', async (format, longest) => {
    const words = ['--create', `--format=${format}`, '--numeric-owner', '--sort=name', '-C', treeOnDisk(longest), '.']
    // v7 has no pipes
    const bytes = execFileSync('tar', format === 'v7' ? ['--exclude=./pipe', ...words] : words, { maxBuffer: 1 << 24 })
    const tar = new Uint8Array(bytes)
    const wanted = await unpacked(tar)
    expect(wanted.length).toBeGreaterThan(10)
    for (const size of [1, 512, 1000, 4096, tar.length]) expect(await walked(tar, size)).toEqual(wanted)
  })
})

it('owners in pax headers', async () => {
  const tar = makeTar([file('a', 'x', { pax: { uid: '3000000', gid: '4000000' } }), file('b', 'x')])
  const wanted = await unpacked(tar)
  expect(wanted.map(({ uid, gid }) => [uid, gid])).toEqual([
    [3_000_000, 4_000_000],
    [0, 0],
  ])
  expect(await walked(tar, 512)).toEqual(wanted)
})

it('contents reach their reader whole or not at all', async () => {
  const tar = makeTar([file('a', 'x'.repeat(1500)), symlink('b', 'a'), directory('c'), hardLink('d', 'a')])
  const wanted = await unpacked(tar)
  expect(await walked(tar, 700)).toEqual(wanted)
  for (const length of [512, 513, 2011]) await expectToolError('LAYER_INVALID', walked(tar.subarray(0, length), 700))
  // without its padding
  expect(await walked(tar.subarray(0, 2012), 700)).toEqual(wanted.slice(0, 1))
})

it('as many entries as are allowed', async () => {
  const tar = makeTar([file('a', ''), file('b', ''), file('c', '')])
  expect(await walked(tar, 512, 3)).toHaveLength(3)
  await expectToolError('CEILING_REACHED', walked(tar, 512, 2))
})

it('only zeros behind the end', async () => {
  const tar = makeTar([file('a', '')])
  expect(await walked(concat([tar, new Uint8Array(10_240)]), 1000)).toHaveLength(1)
  await expectToolError('LAYER_INVALID', walked(concat([tar, new Uint8Array(5000), new Uint8Array([1])]), 1000))
  await expectToolError('LAYER_INVALID', walked(concat([tar.subarray(0, 1024), tar]), 1000))
})
