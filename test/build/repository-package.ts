// Package entries for tests that need no files.

import { createHash } from 'node:crypto'
import { parseEvr } from '../../src/formats/rpm/version.ts'
import type { RepositoryPackage } from '../../src/kernel/kernel-packages.ts'

/** A package of a made-up repository; its source package is `kernel` of the same version unless given. */
export function makeRepositoryPackage(
  name: string,
  evrText: string,
  rest: Partial<RepositoryPackage> = {},
  repository = 'https://mirror.example/os',
): RepositoryPackage {
  const evr = parseEvr(evrText)
  const arch = rest.arch ?? 'x86_64'
  const file = `${name}-${evr.version}-${evr.release}.${arch}.rpm`
  return {
    name,
    evr,
    arch,
    checksum: createHash('sha256').update(`${repository}/${file}`).digest('hex'),
    checksumType: 'sha256',
    size: 1000,
    location: `${repository}/${file}`,
    sourceRpm: `kernel-${evr.version}-${evr.release}.src.rpm`,
    ...rest,
  }
}
