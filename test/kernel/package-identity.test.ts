import { describe, expect, it } from 'vitest'
import { parseRpm } from '../../src/formats/rpm/rpm-file.ts'
import { checkIdentity } from '../../src/kernel/package-identity.ts'
import { makeRepositoryPackage } from '../build/repository-package.ts'
import { makeRpm } from '../build/rpm.ts'

const { header } = parseRpm(
  makeRpm({ name: 'kernel-core', version: '5.14.0', release: '601.el9', sourceRpm: 'kernel-5.14.0-601.el9.src.rpm' }),
  'x',
)

describe('checkIdentity', () => {
  it('accepts the package that the metadata names', () => {
    checkIdentity(header, makeRepositoryPackage('kernel-core', '5.14.0-601.el9'))
  })

  it.each([
    ['name', makeRepositoryPackage('kernel', '5.14.0-601.el9')],
    ['version', makeRepositoryPackage('kernel-core', '5.14.1-601.el9', { sourceRpm: header.sourceRpm })],
    [
      'release that rpm calls equal',
      makeRepositoryPackage('kernel-core', '5.14.0-0601.el9', { sourceRpm: header.sourceRpm }),
    ],
    ['epoch', makeRepositoryPackage('kernel-core', '1:5.14.0-601.el9', { sourceRpm: header.sourceRpm })],
    ['architecture', makeRepositoryPackage('kernel-core', '5.14.0-601.el9', { arch: 'aarch64' })],
    ['source package', makeRepositoryPackage('kernel-core', '5.14.0-601.el9', { sourceRpm: 'other.src.rpm' })],
    ['no source package', makeRepositoryPackage('kernel-core', '5.14.0-601.el9', { sourceRpm: null })],
  ])('refuses another %s', (_, wanted) => {
    expect(() => checkIdentity(header, wanted)).toThrow(
      expect.objectContaining({
        code: 'RPM_IDENTITY_MISMATCH',
        found: expect.stringContaining('kernel-core-5.14.0-601.el9.x86_64'),
      }),
    )
  })
})
