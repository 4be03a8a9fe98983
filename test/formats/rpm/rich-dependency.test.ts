import { describe, expect, it } from 'vitest'
import { formatDependency } from '../../../src/formats/rpm/dependency.ts'
import { parseRichDependency, type RichDependency } from '../../../src/formats/rpm/rich-dependency.ts'

/** Fully parenthesised, as a person would write it. */
function shown(rich: RichDependency | undefined): string {
  if (rich === undefined) return 'unreadable'
  if (rich.kind === 'one') return formatDependency(rich.dependency)
  const otherwise = rich.else === undefined ? '' : ` else ${shown(rich.else)}`
  return `(${rich.operands.map(shown).join(` ${rich.operator} `)}${otherwise})`
}

describe('parseRichDependency', () => {
  it.each([
    // the examples of rpm, docs/man/rpm-dependencies.7
    ['(pkgA and pkgB)', '(pkgA and pkgB)'],
    ['(pkgA >= 3.2 or pkgB)', '(pkgA >= 3.2 or pkgB)'],
    ['(myPkg-langCZ if langsupportCZ)', '(myPkg-langCZ if langsupportCZ)'],
    ['(myPkg-backend-mariaDB if mariaDB else sqlite)', '(myPkg-backend-mariaDB if mariaDB else sqlite)'],
    ['(pkgA-foo with pkgA-bar)', '(pkgA-foo with pkgA-bar)'],
    ['(pkgA-foo without pkgA-bar)', '(pkgA-foo without pkgA-bar)'],
    ['(myPkg-driverA and driverA unless driverB)', 'unreadable'],
    ['(pkgA or pkgB or pkgC)', '(pkgA or pkgB or pkgC)'],
    ['((pkgA and pkgB) or pkgC)', '((pkgA and pkgB) or pkgC)'],
    // names with parentheses of their own
    ['(kernel(x86-64) = 5.14.0-1.el9 or (a if b(c)))', '(kernel(x86-64) = 5.14.0-1.el9 or (a if b(c)))'],
    ['(linux-firmware >= 20150904-56 if linux-firmware)', '(linux-firmware >= 20150904-56 if linux-firmware)'],
    ['(a)', 'a'],
    ['( a and b )', '(a and b)'],
  ])('%s', (text, wanted) => {
    expect(shown(parseRichDependency(text))).toBe(wanted)
  })

  it.each([
    '',
    '(',
    ')',
    '()',
    'a',
    '(a',
    '(a b)',
    '(a and)',
    '(and a)',
    '(a and b or c)',
    '(a if b if c)',
    '(a without b without c)',
    '(a and b else c)',
    '(a if b else)',
    '(a if b else c else d)',
    '(a if b else c) d',
    '(a >= )',
    '(a ~ 1)',
    `${'('.repeat(40)}a${')'.repeat(40)}`,
    `(${'a and '.repeat(5000)}a)`,
  ])('refuses %j', text => {
    expect(shown(parseRichDependency(text))).toBe('unreadable')
  })

  it('ends on every cut of an expression', () => {
    const text = '((kernel(x86-64) = 5.14.0-1.el9 and b) or (a if b(c) else (d with e without f)))'
    for (let end = 0; end < text.length; end += 1)
      expect(shown(parseRichDependency(text.slice(0, end)))).toBe('unreadable')
  })
})
