// How often a GRUB build measures the kernel into PCR 4 (docs/pcrs.md, "GRUB builds"). Unknown builds are refused.

import { ToolError } from '../errors.ts'
import { findSection, type PeFile } from '../formats/pe/pe.ts'
import { parseSbat, type SbatRow } from '../formats/shim/sbat.ts'

export interface GrubBuild {
  /** For people: `Debian GRUB 2.06`. */
  readonly name: string
  /** Kernel events in PCR 4 with Secure Boot on. With Secure Boot off there are none in all builds listed. */
  readonly kernelEvents: number
  /** How we know. */
  readonly knownBy: 'booted' | 'source'
}

/** Debian's builds that were booted, by upstream version. */
const debianBuilds: Readonly<Record<string, number>> = { '2.06': 2, '2.12': 1 }

/** Upstream versions of Red Hat's builds whose source was read, first and last. */
const redHatRange = [206, 212] as const

/** Tells a build by the rows of `.sbat`. A `grub.debian` row wins over a `grub.rh` row. Throws GRUB_UNKNOWN. */
export function knownGrubBuild(grub: PeFile): GrubBuild {
  const section = findSection(grub, '.sbat')
  if (section === undefined) throw unknown(grub.source, 'no .sbat section')
  const rows = parseSbat(section.data, grub.source, 'GRUB_UNKNOWN')
  const version = rows.find(row => row.component === 'grub')?.version
  if (version === undefined) throw unknown(grub.source, 'no row for grub in .sbat')
  const build = has(rows, 'grub.debian')
    ? debianBuild(version)
    : has(rows, 'grub.rh')
      ? redHatBuild(version)
      : undefined
  if (build === undefined) throw unknown(grub.source, describe(rows, version))
  return build
}

function debianBuild(version: string): GrubBuild | undefined {
  const kernelEvents = Object.hasOwn(debianBuilds, version) ? debianBuilds[version] : undefined
  return kernelEvents === undefined ? undefined : { name: `Debian GRUB ${version}`, kernelEvents, knownBy: 'booted' }
}

function redHatBuild(version: string): GrubBuild | undefined {
  const [, major, minor] = version.match(/^([0-9])\.([0-9]{2})$/) ?? []
  if (major === undefined || minor === undefined) return undefined
  const number = Number(`${major}${minor}`)
  const [first, last] = redHatRange
  if (number < first || number > last) return undefined
  return { name: `Red Hat GRUB ${version}`, kernelEvents: 1, knownBy: 'source' }
}

function has(rows: readonly SbatRow[], component: string): boolean {
  return rows.some(row => row.component === component)
}

function describe(rows: readonly SbatRow[], version: string): string {
  const vendors = rows.map(row => row.component).filter(component => component.startsWith('grub.'))
  return `version ${version}, rows ${vendors.length === 0 ? 'of no vendor' : vendors.join(', ')}`
}

function unknown(source: string, found: string): ToolError {
  return new ToolError('GRUB_UNKNOWN', 'it is not known how often this GRUB measures the kernel', {
    found,
    wanted: 'grub.debian with 2.06 or 2.12, or grub.rh with 2.06 to 2.12',
    where: { source, path: '.sbat' },
  })
}
