// Distances from the literature, and that suggestions are near or absent.

import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { inputs } from '../../src/settings/inputs.ts'
import { editDistance, nearest } from '../../src/settings/suggest.ts'

describe('editDistance', () => {
  it.each([
    // Levenshtein's usual examples, and the swap that makes it Damerau's; "CA" and "ABC" tell optimal string alignment (3) from the full distance (2).
    ['kitten', 'sitting', 3],
    ['saturday', 'sunday', 3],
    ['pools', 'polos', 1],
    ['ca', 'abc', 3],
    ['', 'abc', 3],
    ['same', 'same', 0],
  ])('%s to %s is %i', (left, right, distance) => {
    expect(editDistance(left, right)).toBe(distance)
    expect(editDistance(right, left)).toBe(distance)
  })
})

describe('nearest', () => {
  it('finds every setting again after one slip', () => {
    for (const name of inputs.keys()) {
      if (name.length < 4) continue
      const middle = Math.floor(name.length / 2)
      expect(nearest(name.slice(0, middle) + name.slice(middle + 1), inputs.keys()), name).toBeDefined()
      expect(nearest(name.toUpperCase().replaceAll('-', '_'), inputs.keys())).toBe(name)
    }
  })

  it('suggests nothing for what is far from all, or very long', () => {
    expect(nearest('frobnicate', inputs.keys())).toBeUndefined()
    expect(nearest('p'.repeat(1_000_000), inputs.keys())).toBeUndefined()
  })

  it('never suggests a word that is not known', () => {
    const known = [...inputs.keys()]
    fc.assert(fc.property(fc.string(), word => [...known, undefined].includes(nearest(word, known))))
  })
})
