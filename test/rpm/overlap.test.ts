// Ranges of versions that meet: ours against rpm's own rpmdsCompare, by its Python binding. Debian package: python3-rpm.

import { execFileSync } from 'node:child_process'
import { expect, it } from 'vitest'
import { type Dependency, formatDependency, overlap } from '../../src/formats/rpm/dependency.ts'

const judge = `
import json, rpm, sys
answers = []
for one, two in json.load(sys.stdin):
    left = rpm.ds(('n', one['sense'], one['version']), rpm.RPMTAG_PROVIDENAME)
    right = rpm.ds(('n', two['sense'], two['version']), rpm.RPMTAG_REQUIRENAME)
    next(left); next(right)
    answers.append(bool(left.Compare(right)))
print(json.dumps(answers))
`

it('30,000 random pairs meet where rpm says so', () => {
  let state = 20261121
  const below = (limit: number): number => {
    state = (Math.imul(state, 1103515245) + 12345) >>> 0
    return (state >>> 8) % limit
  }
  const pick = <T>(items: readonly T[]): T => items[below(items.length)] as T
  const version = () =>
    `${pick(['', '', '0:', '1:', '2:', ':'])}${pick(['1', '1.0', '2', '1~rc1', '1^git', '1.0.0', '10', 'a', '1a'])}${pick(['', '-1', '-2', '-1.el9', '-0', '-1-1'])}`
  const dependency = (): Dependency => {
    const sense = pick([2, 4, 8, 10, 12, 0])
    return { name: 'n', sense, version: sense === 0 ? '' : version() }
  }
  const pairs = Array.from({ length: 30_000 }, () => [dependency(), dependency()] as const)
  const options = { input: JSON.stringify(pairs), encoding: 'utf8', maxBuffer: 2 ** 26 } as const
  const answers = JSON.parse(execFileSync('/usr/bin/python3', ['-c', judge], options)) as boolean[]
  const wrong = pairs.flatMap(([one, two], at) =>
    overlap(one, two) === answers[at]
      ? []
      : [`${formatDependency(one)} and ${formatDependency(two)}: rpm ${answers[at]}`],
  )
  expect(wrong).toEqual([])
  expect(answers.filter(answer => answer).length).toBeGreaterThan(5000)
  expect(answers.filter(answer => !answer).length).toBeGreaterThan(5000)
})
