// The title: what it says of kernel and base follows from the records of every pool, not of the first.

import { describe, expect, it } from 'vitest'
import { renderMachineConfig } from '../../src/propose/machine-config.ts'
import { pullRequestText } from '../../src/propose/pull-request.ts'
import type { ImageRecord } from '../../src/propose/record-schema.ts'
import { proposeChange } from '../../src/propose/repository-change.ts'
import { digestOfSeed, hexOf, makeBaseRecord, makeRecord, makeSettings } from '../build/proposal.ts'

const next = makeRecord('second')
const kernel = next.kernel
const otherBase = { ...makeBaseRecord().base, image: `registry.example.com/coreos/base@${digestOfSeed('base 2')}` }
const withOtherBase = {
  base: { from: 'reference', tag: null, layerDiffIds: { count: 1, chainDigest: digestOfSeed('c') }, ...otherBase },
}

/** The text when the pools have these images now, in order. */
function textAfter(now: readonly ImageRecord[], pools = ['worker', 'master', 'infra'].slice(0, now.length)) {
  const files = new Map(
    now.map((one, index) => [
      `clusters/one/${index}.yaml`,
      renderMachineConfig(`m${index}`, pools[index] ?? '', one.image),
    ]),
  )
  const settings = makeSettings({ pools })
  const change = proposeChange(settings, files, next, [makeBaseRecord(), ...now])
  return pullRequestText(settings, change, next, {
    changeKey: hexOf('k'),
    downgraded: false,
    insecureSources: [],
    size: [],
  })
}

describe('the title', () => {
  it.each<[string, readonly ImageRecord[], string]>([
    ['another base', [makeRecord('a', { kernel, ...withOtherBase })], 'as before, new base (worker)'],
    ['the same base', [makeRecord('a', { kernel })], 'as before, new image (worker)'],
    [
      'a base that is not known',
      [makeRecord('a', { kernel, kind: 'foreign', base: null })],
      'as before, new image (worker)',
    ],
    [
      'another base in one pool of two',
      [makeRecord('a', { kernel, ...withOtherBase }), makeRecord('b', { kernel })],
      'as before, new image (worker, master)',
    ],
  ])('the same kernel and %s', (_, now, text) => {
    const { title, body } = textAfter(now)
    expect(title).toContain(`Kernel 5.14.0-600.el9.x86_64 ${text}:`)
    expect(body).toContain('- Kernel: `5.14.0-600.el9.x86_64`, as before\n')
  })

  it('pools with different kernels: says that they differ, and the text names them', () => {
    const { title, body } = textAfter([makeRecord('a', { kernel }), makeRecord('abc')])
    expect(title).toMatch(/^Kernel 2 different ones → 5\.14\.0-600\.el9\.x86_64 \(worker, master\)/)
    expect(body).toContain('- Kernel: `5.14.0-600.el9.x86_64`, `5.14.0-300.el9.x86_64` → `5.14.0-600.el9.x86_64`')
  })

  it('one pool more: not a new base', () => {
    const { title } = textAfter([makeRecord('a', { kernel })], ['worker', 'master'])
    expect(title).toContain('Kernel 2 different ones → ')
    expect(title).not.toContain('new base')
  })
})
