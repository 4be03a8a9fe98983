import { describe, expect, it } from 'vitest'
import { resolveLocation } from '../../../src/formats/rpm/location.ts'

const repository = 'https://mirror.example/9-stream/BaseOS/x86_64/os'
const resolve = (href: string, xmlBase: string | null = null, insecure = false) =>
  resolveLocation(repository, { href, xmlBase }, insecure)

describe('resolveLocation', () => {
  it.each([
    ['Packages/a-1-1.x86_64.rpm', `${repository}/Packages/a-1-1.x86_64.rpm`],
    ['./a.rpm', `${repository}/a.rpm`],
    ['a^b~c+d.rpm', `${repository}/a%5Eb~c+d.rpm`],
    ['a%5eb.rpm', `${repository}/a%5eb.rpm`],
    ['a?b#c.rpm', `${repository}/a%3Fb%23c.rpm`],
    ['..a/b...rpm', `${repository}/..a/b...rpm`],
  ])('%s stays below the repository', (href, url) => {
    expect(resolve(href)).toBe(url)
    expect(resolveLocation(`${repository}/`, { href, xmlBase: null }, false)).toBe(url)
  })

  it.each([
    '../a.rpm',
    'a/../../b.rpm',
    'a/../b.rpm',
    '/etc/passwd',
    '//evil.example/a.rpm',
    'https://evil.example/a.rpm',
    'file:///etc/passwd',
    'javascript:x',
    '%2e%2e/a.rpm',
    '.%2E/a.rpm',
    'a%2f..%2f..%2fb.rpm',
    '..\\a.rpm',
    'a%5c..%5cb.rpm',
    'a\u0000.rpm',
    'a\nb.rpm',
    'a//b.rpm',
    'a/',
    '',
    '%',
    '%ff.rpm',
    `${'a'.repeat(5000)}.rpm`,
  ])('refuses %j', href => {
    expect(() => resolve(href)).toThrow(expect.objectContaining({ code: 'REPOSITORY_INVALID' }))
  })

  it('follows xml:base over https, below that base', () => {
    expect(resolve('p/a.rpm', 'https://cdn.example/deep')).toBe('https://cdn.example/deep/p/a.rpm')
    expect(() => resolve('../a.rpm', 'https://cdn.example/deep')).toThrow(
      expect.objectContaining({ code: 'REPOSITORY_INVALID' }),
    )
  })

  it.each([
    'file:///srv',
    'ftp://a.example/',
    'relative/path',
    'https://user@a.example/',
    'https://a.example/?x=',
    'https://a.example/#',
  ])('refuses xml:base %s', base => {
    const bad = base.endsWith('#') ? `${base}x` : base
    expect(() => resolve('a.rpm', bad, true)).toThrow(expect.objectContaining({ code: 'REPOSITORY_INVALID' }))
  })

  it('refuses xml:base over http unless allowed', () => {
    expect(() => resolve('a.rpm', 'http://a.example/')).toThrow(
      expect.objectContaining({ code: 'INSECURE_NOT_ALLOWED' }),
    )
    expect(resolve('a.rpm', 'http://a.example/', true)).toBe('http://a.example/a.rpm')
  })
})
