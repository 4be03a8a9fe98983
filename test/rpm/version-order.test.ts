// Our order of versions against rpm's own.

import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { compareEvr, compareVersions, parseEvr } from '../../src/formats/rpm/version.ts'
import { rpmTable } from '../formats/rpm/rpm-table.ts'
import { versionOrder } from '../formats/rpm/version-order.ts'
import { run, workDirectory } from './programs.ts'

const directory = workDirectory()

/** What rpm says of each pair: one call, the pairs in a file. */
function askRpm(pairs: readonly (readonly [string, string])[]): number[] {
  const path = join(directory, 'pairs')
  writeFileSync(path, pairs.map(pair => `${pair.join(' ')}\n`).join(''))
  const script = `for line in io.lines("${path}") do local a, b = line:match("(%S+) (%S+)") print(rpm.vercmp(a, b) .. ' ') end`
  const answers = run('rpm', '--eval', `%{lua: ${script}}`).trim().split(' ').map(Number)
  expect(answers).toHaveLength(pairs.length)
  return answers
}

const piece = fc.constantFrom(
  '0',
  '1',
  '01',
  '10',
  '9',
  '600',
  'a',
  'B',
  'rc',
  'el9',
  'fc44',
  '.',
  '_',
  '+',
  '~',
  '^',
  '..',
  '~~',
)
const version = fc.array(piece, { minLength: 1, maxLength: 7 }).map(pieces => pieces.join(''))
/** Half of the pairs differ in one piece only. */
const pair = fc.oneof(
  fc.tuple(version, version),
  fc
    .tuple(version, piece, piece, version)
    .map(([head, one, two, tail]) => [head + one + tail, head + two + tail] as [string, string]),
)

describe('order of versions', () => {
  it('is rpm’s on the table', () => {
    const written = versionOrder.filter(([left, , right]) => left !== '' && right !== '')
    expect(askRpm(written.map(([left, , right]) => [left, right]))).toEqual(
      written.map(([, sign]) => (sign === '=' ? 0 : -1)),
    )
  })

  it('is that of rpm’s own table', () => {
    expect(rpmTable).toHaveLength(91)
    const signs = askRpm(rpmTable.map(([left, , right]) => [left, right])).map(sign => ['<', '=', '>'][sign + 1])
    expect(signs).toEqual(rpmTable.map(([, sign]) => sign))
  })

  it('is rpm’s on 100,000 random pairs', () => {
    const pairs = fc.sample(pair, 100_000)
    const ours = pairs.map(([left, right]) => compareVersions(left, right))
    expect(new Set(ours)).toEqual(new Set([-1, 0, 1]))
    const theirs = askRpm(pairs)
    const different = pairs.filter((_, index) => ours[index] !== theirs[index])
    expect(different).toEqual([])
  })

  it('is rpm’s on 2,000 random pairs with epoch and release', () => {
    const evr = fc.tuple(fc.nat({ max: 3 }), version, version).map(([epoch, ver, rel]) => `${epoch}:${ver}-${rel}`)
    const pairs = fc.sample(
      fc.oneof(fc.tuple(evr, evr), fc.tuple(fc.constantFrom('1:5.14.0-1.el9', '5.14.0-1.el9'), evr)),
      2000,
    )
    const ours = pairs.map(([left, right]) => compareEvr(parseEvr(left), parseEvr(right)))
    const theirs = askRpm(pairs)
    expect(pairs.filter((_, index) => ours[index] !== theirs[index])).toEqual([])
  })
})
