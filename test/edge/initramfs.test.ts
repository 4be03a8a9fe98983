// Names in an initramfs as dracut and the kernel know it: plain archives in front, gzip, zstd or xz behind.

import { gzipSync, zstdCompressSync } from 'node:zlib'
import { describe, expect, it } from 'vitest'
import { listInitramfs } from '../../src/edge/initramfs.ts'
import { ToolError } from '../../src/errors.ts'
import { makeInitramfs } from '../build/boot-files.ts'
import { makeCpio } from '../build/cpio.ts'
import { expectToolError } from '../build/expect-error.ts'
import { concat } from '../build/layer.ts'
import { makeXz } from '../build/xz.ts'

const entry = (path: string, size = 10) => ({ path, mode: 0o100644, mtime: 0, content: new Uint8Array(size).fill(65) })
const early = makeCpio([entry('early_cpio', 2), entry('kernel/x86/microcode/GenuineIntel.bin', 1001)])
const main = makeCpio([entry('./init'), entry('usr/lib/modules/6.1/modules.dep'), entry('/etc/x', 300_000)])
const names = ['init', 'usr/lib/modules/6.1/modules.dep', 'etc/x']
const padding = new Uint8Array(512 - (early.length % 512))

describe('listInitramfs', () => {
  it.each([
    ['plain', (bytes: Uint8Array) => bytes],
    ['gzip', (bytes: Uint8Array) => gzipSync(bytes)],
    ['zstd', (bytes: Uint8Array) => zstdCompressSync(bytes)],
    [
      'several zstd frames',
      (bytes: Uint8Array) => concat([bytes.subarray(0, 999), bytes.subarray(999)].map(part => zstdCompressSync(part))),
    ],
  ])('reads %s, with and without an archive in front, and zeros behind', async (_name, compress) => {
    const compressed = compress(main)
    expect(await listInitramfs(compressed, 'initramfs')).toEqual(names)
    const all = await listInitramfs(concat([early, padding, compressed, new Uint8Array(700)]), 'initramfs')
    expect(all).toEqual(['early_cpio', 'kernel/x86/microcode/GenuineIntel.bin', ...names])
  })

  it('reads what the maker of boot files makes', async () => {
    const found = await listInitramfs(makeInitramfs({ release: '6.1.0-56' }), 'initramfs')
    expect(found).toContain('usr/lib/modules/6.1.0-56/modules.dep')
  })

  it('refuses what is no archive', async () => {
    for (const bytes of [
      new Uint8Array(),
      new Uint8Array(5000),
      new TextEncoder().encode('not an archive'),
      gzipSync('no'),
    ])
      await expectToolError('INITRAMFS_INVALID', listInitramfs(bytes, 'initramfs'))
    await expectToolError('INITRAMFS_INVALID', listInitramfs(gzipSync(gzipSync(main)), 'initramfs'))
  })

  it.each([
    ['plain', main],
    ['gzip', gzipSync(main)],
    ['zstd', zstdCompressSync(main)],
  ])('refuses %s that is cut', async (_name, bytes) => {
    // the last bytes are the trailer's padding
    for (let length = 0; length < bytes.length - 8; length += Math.max(1, Math.floor(bytes.length / 50))) {
      const error = await listInitramfs(bytes.subarray(0, length), 'initramfs').catch(one => one)
      expect(error).toBeInstanceOf(ToolError)
      expect(error.code).toBe('INITRAMFS_INVALID')
    }
  })
})

it('reads xz', async () => {
  expect(await listInitramfs(makeXz(main), 'initramfs')).toEqual(names)
})
