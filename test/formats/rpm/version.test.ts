import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { ToolError } from '../../../src/errors.ts'
import { compareEvr, compareVersions, formatEvr, isVersionPart, parseEvr } from '../../../src/formats/rpm/version.ts'
import { rpmTable } from './rpm-table.ts'
import { versionOrder } from './version-order.ts'

const text = fc.string({ unit: fc.constantFrom(...'0019aAzZ.._~^+'), maxLength: 10 })

describe('compareVersions', () => {
  it.each(versionOrder)('%s %s %s', (left, sign, right) => {
    const wanted = sign === '=' ? 0 : -1
    expect(compareVersions(left, right)).toBe(wanted)
    expect(compareVersions(right, left)).toBe(wanted === 0 ? 0 : 1)
  })

  it.each(rpmTable)('in rpm’s own tests: %s %s %s', (left, sign, right) => {
    expect(compareVersions(left, right)).toBe({ '<': -1, '=': 0, '>': 1 }[sign])
  })

  it('is a total order', () => {
    fc.assert(
      fc.property(text, text, text, (a, b, c) => {
        expect(compareVersions(a, a)).toBe(0)
        expect(compareVersions(a, b) + compareVersions(b, a)).toBe(0)
        const sorted = [a, b, c].sort(compareVersions)
        expect(compareVersions(sorted[0] ?? '', sorted[2] ?? '')).toBeLessThanOrEqual(0)
        if (compareVersions(a, b) === 0) expect(compareVersions(a, c)).toBe(compareVersions(b, c))
      }),
      { numRuns: 2000 },
    )
  })
})

describe('compareEvr', () => {
  const evr = (epoch: number, version: string, release: string) => ({ epoch, version, release })
  it('goes by epoch, then version, then release', () => {
    expect(compareEvr(evr(1, '1', '1'), evr(0, '9', '9'))).toBe(1)
    expect(compareEvr(evr(0, '5.9', '9'), evr(0, '5.14', '1'))).toBe(-1)
    expect(compareEvr(evr(0, '5.14', '9.el9'), evr(0, '5.14', '10.el9'))).toBe(-1)
    expect(compareEvr(evr(2, '5.14', '9'), evr(2, '5.14', '9'))).toBe(0)
    expect(compareEvr(evr(10, '1', '1'), evr(9, '1', '1'))).toBe(1)
  })
})

describe('parseEvr', () => {
  it('reads what formatEvr writes', () => {
    fc.assert(
      fc.property(fc.nat(), text.filter(isVersionPart), text.filter(isVersionPart), (epoch, version, release) => {
        const evr = { epoch, version, release }
        expect(parseEvr(formatEvr(evr))).toEqual(evr)
      }),
    )
    expect(parseEvr('5.14.0-600.el9')).toEqual({ epoch: 0, version: '5.14.0', release: '600.el9' })
  })

  it.each(['', '1', '1-', '-1', 'x:1-1', '4294967296:1-1', '1-1-1', '1/../2-3', '1-ä', ':1-1'])('refuses %j', bad => {
    expect(() => parseEvr(bad)).toThrow(ToolError)
  })
})
