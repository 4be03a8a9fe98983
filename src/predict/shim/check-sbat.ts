// Which files shim refuses for their SBAT generations: rhboot/shim pe.c (verify_sbat_section, before 15.6 handle_sbat), verify.c.

import { ToolError } from '../../errors.ts'
import { compareShimVersions, type ShimVersion } from '../../formats/shim/version.ts'
import type { LoadedFile } from '../loaded-file.ts'
import { type MeasuredSbatLevel, sbatRevokes } from './sbat-level.ts'
import { shimSbatRows } from './sbat-rows.ts'

/** The shim that looks, and the level that it holds; undefined: not known. */
export interface LookingShim {
  readonly version: ShimVersion
  readonly sbatLevel: MeasuredSbatLevel | undefined
}

/** Since then also what other programs ask shim about. */
const looksAtAll = { major: 15, minor: 6 }

/**
 * Refuses what shim refuses. `own`: shim's own rows. `started`: what shim starts itself, which needs the section. `asked`: what GRUB,
 * systemd-boot or a stub ask shim about, which may come without; before 15.6 shim did not look at their rows. Throws SBAT_REVOKED.
 */
export function checkSbat(
  { pe, file }: LoadedFile,
  { version, sbatLevel }: LookingShim,
  what: 'own' | 'started' | 'asked',
): void {
  if (sbatLevel === undefined || (what === 'asked' && compareShimVersions(version, looksAtAll) < 0)) return
  const { level } = sbatLevel
  const [, first = ''] = level.split(/[\n,]/)
  const asked = level.trim().replaceAll('\n', ' ')
  const rows = shimSbatRows(pe, version, 'SBAT_REVOKED')
  if (rows === undefined) {
    if (what === 'asked') return
    throw new ToolError('SBAT_REVOKED', 'shim refuses a file without SBAT section', {
      found: 'no section .sbat that shim takes',
      wanted: `generations not below ${asked}`,
      where: { source: file.path },
    })
  }
  const revoked = sbatRevokes(rows, level)
  if (revoked === undefined) return
  throw new ToolError('SBAT_REVOKED', `SBAT level ${first} revokes the file`, {
    found: `${revoked.component}, generation ${revoked.generation}`,
    wanted: `not below ${asked}`,
    where: { source: file.path, path: '.sbat' },
    hint: 'take a newer build of the file',
  })
}
