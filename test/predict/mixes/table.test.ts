import { describe, expect, it } from 'vitest'
import { predictMixes } from '../../../src/predict/mixes/mixes.ts'
import { mixLines, publicationLines } from '../../../src/predict/mixes/table.ts'
import { type KnownFile, knownImage, knownLevel, predictKnown, sha256, text } from '../../build/mix-parts.ts'

const file = (role: KnownFile['role'], name: string, key: string): KnownFile => ({
  role,
  digest: sha256(text(`${role} ${name}`)),
  key,
})
const digests = ['A', 'B', 'C'].map(name => `registry.example.com/os@sha256:${sha256(text(name))}`)
const history = digests.map((digest, index) =>
  knownImage(
    digest,
    (['shim', 'grub', 'kernel'] as const).map(role => file(role, digest, index < 2 ? 'one' : 'other')),
  ),
)
const predicted = predictMixes({
  history,
  policy: { window: 1, rollback: true, bootLoaderUpdates: 'automatic' },
  limit: 9,
  platforms: [],
  sbatLevel: knownLevel,
  predict: predictKnown,
})

describe('mixes as text', () => {
  const lines = mixLines(digests, predicted)

  it('fit 80 columns', () => {
    for (const line of lines) expect(line.length, line).toBeLessThanOrEqual(80)
  })

  it('hold every value and name every boot by the numbers of its images', () => {
    for (const { values } of predicted.mixes)
      for (const { sha256: value } of values) expect(lines.join('\n')).toContain(value)
    expect(lines).toContain('PCR 4, any platform, Secure Boot on: 5 values')
    expect(lines.join(' ').replace(/ +/g, ' ')).toContain(
      'boot loader 1, kernel 2: the kernel is updated, the boot loader not yet',
    )
  })

  it('name what has no value, and why', () => {
    const rest = lines.slice(lines.indexOf('Mixes without a value')).join(' ').replace(/ +/g, ' ')
    expect(rest).toContain('boot loader 2, kernel 3: shim does not trust the kernel: other (KERNEL_UNSIGNED)')
    expect(rest).toContain('boot loader 3, kernel 2: ')
  })
})

describe('what the operator publishes as text', () => {
  it('is one value a line, warnings last', () => {
    const values = { tpm_pcr4: ['a'.repeat(64), 'b'.repeat(64)], tpm_pcr14: ['c'.repeat(64)] }
    const lines = publicationLines({ values, warnings: ['A and B differ'] })
    expect(lines).toEqual([
      'tpm_pcr4',
      `  ${'a'.repeat(64)}`,
      `  ${'b'.repeat(64)}`,
      'tpm_pcr14',
      `  ${'c'.repeat(64)}`,
      'Warning: A and B differ',
    ])
  })
})
