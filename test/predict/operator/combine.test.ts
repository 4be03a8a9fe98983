import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { combineAsOperator } from '../../../src/predict/operator/combine.ts'
import {
  isOperatorEventId,
  type OperatorEvent,
  type OperatorEventId,
  operatorEventIds,
} from '../../../src/predict/operator/events.ts'

interface RecordedCase {
  readonly images: readonly (readonly [string, string, number, string][])[]
  readonly sets: readonly (readonly [number, string][])[]
  readonly conflicts: readonly string[]
}

const recorded: readonly RecordedCase[] = JSON.parse(
  readFileSync(join(import.meta.dirname, '../../../fixtures/compute-pcrs/combined.json'), 'utf8'),
)

function eventOf([id, name, pcr, hash]: readonly [string, string, number, string]): OperatorEvent {
  if (!isOperatorEventId(id)) throw new Error(`no such event: ${id}`)
  return { id, name, pcr, hash }
}

describe('combinations, as compute-pcrs itself made them', () => {
  it.each(recorded.map((one, index) => ({ ...one, index, count: one.images.length })))(
    'case $index: $count images',
    ({ images, sets, conflicts }) => {
      const combined = combineAsOperator(images.map(events => events.map(eventOf)))
      expect(combined.sets.map(set => set.map(({ id, value }) => [id, value]))).toEqual(sets)
      expect(combined.dropped.map(({ event }) => event)).toEqual(conflicts)
    },
  )

  it('are cases with and without conflicts, of one to three images', () => {
    expect(new Set(recorded.map(({ images }) => images.length))).toEqual(new Set([1, 2, 3]))
    expect(recorded.filter(({ conflicts }) => conflicts.length > 0).length).toBeGreaterThan(10)
  })
})

/** An event whose digest stands for one variant of a part. */
function event(id: OperatorEventId, variant: string): OperatorEvent {
  return { name: 'EV', pcr: Number(/\d+/.exec(id)?.[0]), hash: Buffer.from(`${id} ${variant}`).toString('hex'), id }
}

function image(parts: Partial<Record<OperatorEventId, string>>): OperatorEvent[] {
  return operatorEventIds.flatMap(id => (parts[id] === undefined ? [] : [event(id, parts[id])]))
}

/** The variant of each event in each combination. */
function variantsOf(images: readonly (readonly OperatorEvent[])[]): string[] {
  return combineAsOperator(images).sets.map(set =>
    set
      .flatMap(({ events }) => events)
      .map(({ hash }) => Buffer.from(hash, 'hex').toString().split(' ')[1])
      .join(''),
  )
}

const boot = (variant: string) => ({ Pcr4Shim: variant, Pcr4Grub: variant })

describe('rules of the combination', () => {
  it('a new kernel gives two values', () => {
    const images = ['a', 'b'].map(Pcr4Vmlinuz => image({ Pcr4EfiCall: '-', ...boot('-'), Pcr4Vmlinuz }))
    expect(variantsOf(images)).toEqual(['---a', '---b'])
  })

  it('boot loader and kernel mix; shim and GRUB, and the certificates that go with them, stay together', () => {
    const images = ['a', 'b'].map(v =>
      image({ ...boot(v), Pcr4Vmlinuz: v, Pcr7SecureBoot: '-', Pcr7ShimCert: v, Pcr7SbatLevel: '-' }),
    )
    expect(variantsOf(images)).toEqual(['aaa-a-', 'aab-a-', 'bba-b-', 'bbb-b-'])
  })

  it('events that need a part of each image are given up with a warning each time', () => {
    const images = ['a', 'b'].map(v => image({ Pcr4Shim: v, Pcr7SecureBoot: v, Pcr7ShimCert: v }))
    expect(variantsOf(images)).toEqual(['aaa', 'bbb'])
    const conflict = { event: 'Pcr7ShimCert', images: [0, 1] }
    expect(combineAsOperator(images).dropped).toEqual([conflict, conflict])
  })

  it('an event of one image only is taken wherever it may be: the other image loses its own value', () => {
    const [on, off] = [image({ ...boot('a'), Pcr4Vmlinuz: 'a' }), image(boot('b'))]
    expect(variantsOf([on, off])).toEqual(['aaa', 'bba'])
    expect(variantsOf([off])).toEqual(['bb'])
  })

  it('events of one image only stay with the state of Secure Boot that has them', () => {
    const off = image({ Pcr7SecureBoot: '0', Pcr7SbatLevel: '0' })
    const on = image({ Pcr7SecureBoot: '1', Pcr7ShimCert: '1', Pcr7SbatLevel: '1' })
    expect(variantsOf([off, on])).toEqual(['00', '111'])
  })

  it('four images mix in pairs', () => {
    const images = ['1a', '1b', '2c', '2d'].map(([shim = '', kernel = '']) =>
      image({ Pcr4Shim: shim, Pcr4Vmlinuz: kernel }),
    )
    expect(variantsOf(images).sort()).toEqual(['1a', '1b', '1c', '1d', '2a', '2b', '2c', '2d'])
  })

  it('three images never mix, so three parts that change at three times leave values out', () => {
    const images = [
      image({ Pcr4Shim: 'a', Pcr4Vmlinuz: 'a', Pcr14MokList: 'a' }),
      image({ Pcr4Shim: 'b', Pcr4Vmlinuz: 'b', Pcr14MokList: 'b' }),
      image({ Pcr4Shim: 'c', Pcr4Vmlinuz: 'c', Pcr14MokList: 'c' }),
    ]
    const variants = variantsOf(images)
    expect(variants).toHaveLength(3 * 8 - 3)
    expect(variants).not.toContain('abc')
  })

  it('one image is taken as it is, in its own order, with both events of one identifier; in a pair the last counts', () => {
    const twice = [event('Pcr4Vmlinuz', 'x'), event('Pcr4Vmlinuz', 'y'), event('Pcr4Shim', 's')]
    expect(variantsOf([twice])).toEqual(['xys'])
    expect(variantsOf([twice, twice])).toEqual(['sy'])
  })

  it('another name for one digest makes the same value twice', () => {
    const named = (name: string) => [{ ...event('Pcr4Separator', '-'), name }]
    const { sets } = combineAsOperator([named('EV_SEPARATOR'), named('separator')])
    expect(sets).toHaveLength(2)
    expect(new Set(sets.map(([pcr]) => pcr?.value)).size).toBe(1)
  })

  it('no image gives nothing, an image without events neither', () => {
    expect(combineAsOperator([])).toEqual({ sets: [], dropped: [] })
    expect(combineAsOperator([[], []]).sets).toEqual([])
    expect(variantsOf([[], image({ Pcr4Shim: 'a' })])).toEqual(['a'])
  })
})
