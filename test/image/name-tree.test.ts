// The tree of names against a plain map with whole paths as keys.

import fc from 'fast-check'
import { expect, it } from 'vitest'
import { NameTree, noName, rootOfNames } from '../../src/image/name-tree.ts'

const part = fc.oneof(fc.constantFrom('a', 'b', 'usr', 'lib', 'ä', '\u{1f600}', '\ufffd'), fc.string({ minLength: 1 }))
const path = fc.array(
  part.filter(one => !one.includes('/') && Buffer.from(one).toString() === one),
  { minLength: 1, maxLength: 5 },
)

function enter(tree: NameTree, parts: readonly string[]): number {
  let at = rootOfNames
  for (const one of parts) {
    const found = tree.find(at, one)
    at = found === noName ? tree.add(at, one) : found
  }
  return at
}

it('finds what was put in, and nothing else', () => {
  fc.assert(
    fc.property(fc.array(fc.tuple(path, fc.option(fc.string()))), fc.array(path), (entries, others) => {
      const tree = new NameTree('layer')
      const wanted = new Map<string, string | null>()
      for (const [parts, link] of entries) {
        const target = link === null ? null : Buffer.from(link).toString()
        const name = enter(tree, parts)
        if (target !== null) tree.setTarget(name, target)
        for (let length = 1; length < parts.length; length += 1) {
          const above = parts.slice(0, length).join('/')
          wanted.set(above, wanted.get(above) ?? null)
        }
        const whole = parts.join('/')
        wanted.set(whole, target ?? wanted.get(whole) ?? null)
      }
      expect(tree.count).toBe(wanted.size + 1)
      for (const [whole, target] of wanted) {
        const name = tree.findPath(whole)
        expect([tree.pathOf(name), tree.kind(name)]).toEqual([whole, target === null ? 'directory' : 'symlink'])
        if (target !== null) expect(tree.targetOf(name)).toBe(target)
      }
      for (const other of others.map(parts => parts.join('/')))
        expect(tree.findPath(other) !== noName).toBe(wanted.has(other))
    }),
  )
})

it('holds many names', () => {
  const tree = new NameTree('layer')
  const parents = Array.from({ length: 300 }, (_, index) => tree.add(rootOfNames, `directory-${index}`))
  for (const parent of parents) for (let index = 0; index < 300; index += 1) tree.add(parent, `${index}`)
  for (const [index, parent] of parents.entries()) {
    expect(tree.findPath(`directory-${index}/${index}`)).toBe(tree.find(parent, `${index}`))
    expect(tree.pathOf(tree.find(parent, '299'))).toBe(`directory-${index}/299`)
    expect(tree.find(parent, '300')).toBe(noName)
  }
})
