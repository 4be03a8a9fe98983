// What may follow what is in use: holds and kernels that are older.

import { describe, expect, it } from 'vitest'
import { parseEvr } from '../../src/formats/rpm/version.ts'
import type { Lock } from '../../src/propose/lock.ts'
import { emptyLock } from '../../src/propose/lock.ts'
import type { StoredRecord } from '../../src/propose/record.ts'
import { heldBack, isOlder, standingOf } from '../../src/propose/standing.ts'
import { makeRecord } from '../build/proposal.ts'

const stored = (image: string, release: string): StoredRecord => {
  const record = makeRecord('standing')
  const packages = record.kernel.packages.map(one => ({ ...one, version: '5.14.0', release }))
  return { path: `${release}.yaml`, record: { ...record, image, kernel: { ...record.kernel, packages } } }
}
const image = (letter: string) => `r.example.com/node@sha256:${letter.repeat(64)}`
const records = [stored(image('a'), '605.el9'), stored(image('b'), '611.el9')]
const pool = (letter: string) => ({ image: image(letter), platforms: [], inheritedBy: [] })
const lock = (held?: Lock['held']): Lock => ({
  ...emptyLock('2026-11-21'),
  pools: { worker: pool('a'), master: pool('b') },
  ...(held === undefined ? {} : { held }),
})
const since = { since: '2026-11-20', reason: 'it panics' }

describe('kernels in use', () => {
  it('is the newest of the pools that are asked for', () => {
    expect(standingOf({ lock: lock(), records }, ['worker']).inUse?.release).toBe('605.el9')
    expect(standingOf({ lock: lock(), records }, ['worker', 'master']).inUse?.release).toBe('611.el9')
    expect(standingOf({ lock: undefined, records }, ['worker']).inUse).toBeUndefined()
  })

  it('knows what is older', () => {
    const standing = standingOf({ lock: lock(), records }, ['master'])
    expect(isOlder(parseEvr('5.14.0-605.el9'), standing)).toBe(true)
    expect(isOlder(parseEvr('5.14.0-611.el9'), standing)).toBe(false)
    expect(isOlder(parseEvr('5.14.0-620.el9'), standing)).toBe(false)
  })
})

describe('a hold', () => {
  it.each([
    ['a kernel', { kernel: '5.14.0-611.el9' }],
    ['an image whose record says its kernel', { image: image('b') }],
  ])('by %s keeps that kernel and older ones out', (_, what) => {
    const standing = standingOf({ lock: lock({ ...since, ...what }), records }, ['worker'])
    expect(heldBack(parseEvr('5.14.0-611.el9'), standing)).toContain('it panics')
    expect(heldBack(parseEvr('5.14.0-608.el9'), standing)).toContain('5.14.0-611.el9')
    expect(heldBack(parseEvr('5.14.0-612.el9'), standing)).toBeUndefined()
  })

  it('of something that is not known keeps everything out', () => {
    const standing = standingOf({ lock: lock({ ...since, image: image('c') }), records }, ['worker'])
    expect(heldBack(parseEvr('9.0-1'), standing)).toContain('everything')
  })
})
