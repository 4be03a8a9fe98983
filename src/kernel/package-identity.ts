// A downloaded RPM must be the package that the metadata names: file names and metadata are not signed, headers can be.

import { ToolError } from '../errors.ts'
import { formatNevra, type RpmHeader } from '../formats/rpm/header.ts'
import type { RepositoryPackage } from './kernel-packages.ts'

/**
 * Compares name, epoch, version, release, architecture and source package, as text and not by rpm's order. Throws
 * RPM_IDENTITY_MISMATCH.
 */
export function checkIdentity(header: RpmHeader, wanted: RepositoryPackage): void {
  const found = identity(header)
  const expected = identity(wanted)
  if (found === expected) return
  throw new ToolError('RPM_IDENTITY_MISMATCH', 'an RPM file is not the package that the repository names', {
    found,
    wanted: expected,
    where: { source: wanted.location },
    hint: 'do not use this repository until it is known why',
  })
}

function identity(named: RpmHeader | RepositoryPackage): string {
  return `${formatNevra(named)} from ${named.sourceRpm ?? 'no source package'}`
}
