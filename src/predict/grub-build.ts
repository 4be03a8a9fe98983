// How often a GRUB build measures the kernel into PCR 4 (docs/pcrs.md, "GRUB builds"). Unknown builds are refused.

import { ToolError } from '../errors.ts'
import { findSection, machineX64, type PeFile } from '../formats/pe/pe.ts'
import { parseSbat, type SbatRow } from '../formats/shim/sbat.ts'
import type { Conditions } from './conditions.ts'
import type { LoadedFile } from './loaded-file.ts'

export interface GrubBuild {
  /** For people: `Debian GRUB 2.06`. */
  readonly name: string
  /** Kernel events in PCR 4 with Secure Boot on. With Secure Boot off there are none in all builds listed. */
  readonly kernelEvents: number
  /** How we know; `profile`: the platform profile says so. */
  readonly knownBy: 'booted' | 'source' | 'profile'
}

interface Known extends Pick<GrubBuild, 'kernelEvents' | 'knownBy'> {
  /** Rows of these builds beside `sbat` and `grub`; another one is the mark of another vendor's build. */
  readonly rows: RegExp
}

/** Debian's builds that were booted, by upstream version. */
const debianBuilds: Readonly<Record<string, Known>> = {
  '2.06': { kernelEvents: 2, knownBy: 'booted', rows: /^grub\.(?:debian\d*|rh)$/ },
  '2.12': { kernelEvents: 1, knownBy: 'booted', rows: /^grub\.(?:debian\d*|peimage|rh)$/ },
}

/** Red Hat's builds whose source was read (Fedora, RHEL, CentOS Stream), by upstream version. */
const redHat: Known = { kernelEvents: 1, knownBy: 'source', rows: /^grub\.(?:rh|rhel\d*|redhat|fedora|centos)$/ }
const redHatBuilds: Readonly<Record<string, Known>> = { '2.06': redHat, '2.12': redHat }

/**
 * Tells a build by the rows of `.sbat`. A `grub.debian` row wins over a `grub.rh` row. For a build that is not known the platform
 * profile may tell how often it measures the kernel. Throws GRUB_UNKNOWN.
 */
export function grubBuild(grub: PeFile, told: number | undefined): GrubBuild {
  try {
    return knownGrubBuild(grub)
  } catch (error) {
    if (!(error instanceof ToolError) || error.code !== 'GRUB_UNKNOWN' || told === undefined) throw error
    return { name: 'this GRUB', kernelEvents: told, knownBy: 'profile' }
  }
}

/** Throws GRUB_UNKNOWN. */
export function knownGrubBuild(grub: PeFile): GrubBuild {
  if (grub.machine !== machineX64) throw unknown(grub.source, 'a build for arm64, of which none was read or booted')
  const section = findSection(grub, '.sbat')
  if (section === undefined) throw unknown(grub.source, 'no .sbat section')
  const rows = parseSbat(section.data, grub.source, 'GRUB_UNKNOWN')
  const versions = rows.filter(row => row.component === 'grub').map(row => row.version)
  const [version, second] = versions
  if (version === undefined) throw unknown(grub.source, 'no row for grub in .sbat')
  if (second !== undefined) throw unknown(grub.source, `several rows for grub in .sbat: ${versions.join(', ')}`)
  const build = has(rows, 'grub.debian')
    ? knownBuild('Debian', debianBuilds, version, rows)
    : has(rows, 'grub.rh')
      ? knownBuild('Red Hat', redHatBuilds, version, rows)
      : undefined
  if (build === undefined) throw unknown(grub.source, describe(rows, version))
  return build
}

function knownBuild(
  vendor: string,
  builds: Readonly<Record<string, Known>>,
  version: string,
  rows: readonly SbatRow[],
): GrubBuild | undefined {
  const known = Object.hasOwn(builds, version) ? builds[version] : undefined
  const others = rows.map(row => row.component).filter(component => component !== 'sbat' && component !== 'grub')
  if (known === undefined || !others.every(component => known.rows.test(component))) return undefined
  return { name: `${vendor} GRUB ${version}`, kernelEvents: known.kernelEvents, knownBy: known.knownBy }
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
    wanted: 'grub.debian or grub.rh with 2.06 or 2.12, and no row of another vendor',
    where: { source, path: '.sbat' },
    hint: 'a platform profile can tell: grubMeasuresKernel in its platform.yaml; see docs/pcrs.md',
  })
}

/**
 * One phrase for each time that GRUB measures the kernel into PCR 4. Throws GRUB_UNKNOWN; what a profile tells of a build that is not known
 * holds for the Secure Boot state of that profile alone.
 */
export function grubKernelLoads({ pe }: LoadedFile, { platform, state }: Conditions): readonly string[] {
  const told = platform?.secureBoot === state.secureBoot ? platform.grubMeasuresKernel : undefined
  const { name, kernelEvents, knownBy } = grubBuild(pe, told)
  const times = knownBy === 'profile' || state.shimVerifies ? kernelEvents : 0
  return Array.from({ length: times }, (_, index) => (index === 0 ? 'loaded by GRUB' : `measured again by ${name}`))
}
