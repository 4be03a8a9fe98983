// Times of a layer, looked at by the system's tar.

import { spawnSync } from 'node:child_process'
import { mkdirSync, mkdtempSync, rmSync, symlinkSync, utimesSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { withTime } from '../../src/edge/builder/layer-times.ts'
import { cuts, flips } from '../build/damage.ts'
import { expectToolError } from '../build/expect-error.ts'
import { concat } from '../build/layer.ts'

const time = 1_767_225_600
let directory: string
beforeAll(() => {
  directory = mkdtempSync(join(tmpdir(), 'layer-times-'))
  const long = join(directory, 'tree', 'a-long-name-'.repeat(10), 'and-below-'.repeat(12))
  mkdirSync(long, { recursive: true })
  writeFileSync(join(directory, 'tree', 'file'), 'contents')
  writeFileSync(join(long, 'deep'), 'x'.repeat(1025))
  writeFileSync(join(directory, 'tree', 'old'), '')
  utimesSync(join(directory, 'tree', 'old'), 1.5, 1.5)
  symlinkSync('file', join(directory, 'tree', 'link'))
})
afterAll(() => rmSync(directory, { recursive: true }))

function tar(words: readonly string[], input?: Uint8Array): Buffer {
  const { status, stdout, stderr } = spawnSync('tar', words, { input, maxBuffer: 1024 ** 2 * 16 })
  if (status !== 0) throw new Error(`tar: ${stderr}`)
  return stdout
}

async function stamped(archive: Uint8Array, seconds = time, piece = 700): Promise<Uint8Array> {
  async function* pieces() {
    for (let at = 0; at < archive.length; at += piece) yield archive.subarray(at, at + piece)
  }
  const parts: Uint8Array[] = []
  for await (const part of withTime(pieces(), seconds)) parts.push(part)
  return concat(parts)
}

const listed = (archive: Uint8Array) =>
  tar(['--list', '--verbose', '--utc', '--full-time', '--numeric-owner', '-f', '-'], archive)
    .toString()
    .trimEnd()
    .split('\n')
const timeOf = (line: string) => / (\d{4}-\d\d-\d\d \d\d:\d\d:\d\d\S*) /.exec(line)?.[1]

describe.each(['ustar', 'pax', 'gnu', 'posix'])('a tar archive in format %s', format => {
  const pax = format === 'pax' || format === 'posix' ? ['--pax-option=atime:=1.25,LIBARCHIVE.creationtime:=7'] : []
  const made = () => {
    const tree = join(directory, 'tree')
    // ustar has no room for the long names
    const names = format === 'ustar' ? ['file', 'link', 'old'] : ['.']
    return new Uint8Array(
      tar(['--create', `--format=${format}`, ...pax, '--sort=name', '-C', tree, '-f', '-', ...names]),
    )
  }

  it('gets one time for all its entries, and is the same otherwise', async () => {
    const archive = made()
    const changed = await stamped(archive)
    const without = (lines: readonly string[]) =>
      lines.map(line => line.replace(timeOf(line) ?? '?', '').replace(/ +/g, ' '))
    expect(new Set(listed(changed).map(timeOf))).toEqual(new Set(['2026-01-01 00:00:00']))
    expect(without(listed(changed))).toEqual(without(listed(archive)))
    expect(tar(['--extract', '--to-stdout', '-f', '-'], changed)).toEqual(
      tar(['--extract', '--to-stdout', '-f', '-'], archive),
    )
  })

  it('is the same for any time that it had, however it is cut', async () => {
    const first = await stamped(made())
    utimesSync(join(directory, 'tree', 'file'), 1e9, 1e9)
    expect(Buffer.compare(await stamped(made(), time, 513), first)).toBe(0)
    expect(Buffer.compare(await stamped(first, time, 1), first)).toBe(0)
  })
})

describe('what is no tar archive', () => {
  it('is refused wherever it ends, but between two entries', async () => {
    const archive = new Uint8Array(tar(['--create', '--format=pax', '-C', join(directory, 'tree'), '-f', '-', 'file']))
    for (const cut of cuts(archive.subarray(0, 2560), 2560)) {
      const work = stamped(cut)
      const whole = await work.then(
        () => true,
        () => false,
      )
      if (whole) expect(cut.length % 512, `${cut.length} bytes`).toBe(0)
      else await expectToolError('BUILD_FAILED', stamped(cut))
    }
  })

  it('is refused, or passed on, with any byte changed', async () => {
    const archive = new Uint8Array(tar(['--create', '--format=pax', '-C', join(directory, 'tree'), '-f', '-', 'file']))
    for (const { bytes } of flips(archive.subarray(0, 2048)))
      await stamped(bytes).catch(error => expect(error).toMatchObject({ code: 'BUILD_FAILED' }))
  })

  it('is refused with a size that is no number', async () => {
    const archive = new Uint8Array(tar(['--create', '-C', join(directory, 'tree'), '-f', '-', 'file']))
    archive.set(Buffer.from('12x'), 124)
    const error = await expectToolError('BUILD_FAILED', stamped(archive))
    expect(error.found).toBe('a size that is no number')
  })
})
