import { describe, expect, it } from 'vitest'
import { insecureRepositories } from '../../src/kernel/insecure-repositories.ts'
import { repositoryAge } from '../../src/kernel/repository-age.ts'

const now = Date.UTC(2026, 10, 21, 12) / 1000
const age = (timestamp: number | null) => repositoryAge({ url: 'https://a.example/os', timestamp }, 30, now)

describe('repositoryAge', () => {
  it.each([
    [0, '2026-11-21, 0 days old', false],
    [86_400, '2026-11-20, 1 day old', false],
    [30 * 86_400, '2026-10-22, 30 days old', false],
    [30 * 86_400 + 1, '2026-10-22, 30 days old; repository-max-age is 30', true],
    // a clock that is behind
    [-86_400, '2026-11-22, 0 days old', false],
  ])('%d seconds', (seconds, text, isOld) => {
    expect(age(now - seconds)).toEqual({ text: `the repository https://a.example/os is from ${text}`, isOld })
  })

  it('a repository that says nothing is not old', () => {
    expect(age(null)).toEqual({ text: expect.stringContaining('does not say'), isOld: false })
  })
})

describe('insecureRepositories', () => {
  const bound = { boundByMetalink: true } as const
  it.each<[string, readonly string[], readonly { location: string; boundByMetalink?: true }[], readonly string[]]>([
    ['https', ['https://a/x'], [{ location: 'https://a/x/k.rpm' }], []],
    ['http', ['http://a/x'], [{ location: 'http://a/x/k.rpm' }], ['http://a/x']],
    ['http mirrors of an https metalink', ['metalink=https://a/m'], [{ location: 'http://b/k.rpm', ...bound }], []],
    [
      'http mirrors of a list',
      ['mirrorlist=https://a/m'],
      [{ location: 'http://b/k.rpm' }, { location: 'http://b/l.rpm' }],
      ['http://b'],
    ],
    ['a list by http', ['metalink=http://a/m'], [{ location: 'https://b/k.rpm' }], ['metalink=http://a/m']],
  ])('%s', (_, repositories, packages, expected) => {
    expect(insecureRepositories(repositories, packages)).toEqual(expected)
  })
})
