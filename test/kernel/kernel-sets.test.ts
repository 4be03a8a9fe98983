// Grouping at the size of a hostile repository; which set is chosen is in choose-kernel.test.ts.

import { expect, it } from 'vitest'
import type { RepositoryPackage } from '../../src/kernel/kernel-packages.ts'
import { kernelSets } from '../../src/kernel/kernel-sets.ts'
import { expectToolError } from '../build/expect-error.ts'

const packageOf = (name: string, number: number, sourceRpm = `kernel-${number}.src.rpm`): RepositoryPackage => ({
  name,
  evr: { epoch: 0, version: `6.${number}`, release: '1.el9' },
  arch: 'x86_64',
  checksum: '',
  checksumType: 'sha256',
  size: 1,
  location: '',
  sourceRpm,
})
const many = (count: number) => ({
  packages: Array.from({ length: count }, (_, number) => packageOf('kernel-core', number)),
})

it('takes thousands of versions without looking at each for each', () => {
  const started = performance.now()
  const sets = kernelSets([many(5000), many(5000)], ['kernel', 'kernel-core'], 'x86_64')
  expect(performance.now() - started).toBeLessThan(1000)
  expect(sets).toHaveLength(5000)
  expect(sets[0]?.evr.version).toBe('6.4999')
  expect(sets[0]?.missing).toEqual(['kernel'])
})

it('refuses more versions than the ceiling', async () => {
  const error = await expectToolError('CEILING_REACHED', () => kernelSets([many(5001)], ['kernel-core'], 'x86_64'))
  expect(error.found).toBe('more than 5000')
})

it('takes thousands of packages of one version, each from another source', async () => {
  const packages = Array.from({ length: 4000 }, (_, number) => packageOf('kernel-core', 1, `kernel-${number}.src.rpm`))
  const started = performance.now()
  await expectToolError('CEILING_REACHED', () => kernelSets([{ packages }], ['kernel-core'], 'x86_64'))
  expect(performance.now() - started).toBeLessThan(1000)
})
