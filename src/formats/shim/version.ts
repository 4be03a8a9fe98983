// shim's own version: section .data.ident, rhboot/shim version.c.in. The generation in .sbat is another number.

import { ToolError } from '../../errors.ts'

export interface ShimVersion {
  readonly major: number
  readonly minor: number
}

/** Throws SHIM_UNSUPPORTED when the section names no version. */
export function parseShimVersion(section: Uint8Array, source: string): ShimVersion {
  const text = Buffer.from(section.subarray(0, 4096)).toString('latin1')
  const [, major, minor] = text.match(/\$Version: ([0-9]{1,4})\.([0-9]{1,4})\b[^$\n]*\$/) ?? []
  if (major === undefined || minor === undefined)
    throw new ToolError('SHIM_UNSUPPORTED', 'shim does not name its version', {
      wanted: '$Version: … $ in .data.ident',
      where: { source, path: '.data.ident' },
    })
  return { major: Number(major), minor: Number(minor) }
}

/** Negative when `a` is older than `b`. */
export function compareShimVersions(a: ShimVersion, b: ShimVersion): number {
  return a.major - b.major || a.minor - b.minor
}

export function formatShimVersion({ major, minor }: ShimVersion): string {
  return `${major}.${minor}`
}
