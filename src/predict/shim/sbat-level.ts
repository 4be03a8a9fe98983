// Which SBAT level shim measures into PCR 7, and whom it revokes: rhboot/shim sbat.c and sbat_var.S, tags 15.3 to 16.1.

import { ToolError } from '../../errors.ts'
import { findSection, type PeFile } from '../../formats/pe/pe.ts'
import {
  findCompiledLevels,
  originalLevel,
  parseSbatLevel,
  parseSbatLevelSection,
  type SbatLevel,
  type SbatLevels,
} from '../../formats/shim/sbat-level.ts'
import { compareShimVersions, formatShimVersion, type ShimVersion } from '../../formats/shim/version.ts'
import type { SbatGeneration } from './sbat-rows.ts'

/** What a shim binary says of SBAT levels. */
export interface ShimSbatFacts {
  readonly source: string
  readonly version: ShimVersion
  /** From its .sbatlevel section, which builds since 15.7 have. */
  readonly levels: SbatLevels | undefined
  /** Texts among the data of a build without the section. */
  readonly compiledIn: readonly string[]
}

export interface MeasuredSbatLevel {
  /** With its last line end, as it is measured. */
  readonly level: string
  readonly because: string
}

const [secondVersion, dateSince, sectionSince, resetSince] = [
  { major: 15, minor: 4 },
  { major: 15, minor: 6 },
  { major: 15, minor: 7 },
  { major: 15, minor: 8 },
]

/** Reads them from the binary. Throws SHIM_UNSUPPORTED for a section that cannot be read. */
export function shimSbatFacts(shim: PeFile, version: ShimVersion): ShimSbatFacts {
  const { source } = shim
  const section = findSection(shim, '.sbatlevel')
  if (section !== undefined)
    return { source, version, levels: parseSbatLevelSection(section.data, source), compiledIn: [] }
  const texts = shim.sections.flatMap(({ data }) => findCompiledLevels(data, source))
  return { source, version, levels: undefined, compiledIn: [...new Set(texts)] }
}

/** Whether the binary alone tells its level; older builds have to be searched for it. */
export function tellsOwnLevel({ version, levels }: ShimSbatFacts): boolean {
  return levels !== undefined && compareShimVersions(version, sectionSince) >= 0
}

/** The first version kept its level in another variable. */
export function sbatVariableName(version: ShimVersion): 'SBAT' | 'SbatLevel' {
  return compareShimVersions(version, secondVersion) < 0 ? 'SBAT' : 'SbatLevel'
}

/**
 * `secureBoot`: that of the firmware; MokSBState is read later. `nvram`: the level on the machine before this boot,
 * undefined for none. Throws PLATFORM_INSUFFICIENT for a shim before 15.7 whose own level cannot be told from the
 * binary and matters, SHIM_UNSUPPORTED for a newer one without .sbatlevel, PLATFORM_INVALID for an `nvram` that would have to be compared and is no level.
 */
export function measuredSbatLevel(
  shim: ShimSbatFacts,
  secureBoot: boolean,
  nvram: string | undefined,
): MeasuredSbatLevel {
  const { version, levels } = shim
  const name = `shim ${formatShimVersion(version)}`
  if (compareShimVersions(version, sectionSince) < 0) return measuredByOldShim(shim, name, nvram)
  if (levels === undefined)
    throw new ToolError('SHIM_UNSUPPORTED', 'shim has no section .sbatlevel', {
      found: name,
      wanted: 'a section .sbatlevel, which builds since 15.7 have',
      where: { source: shim.source },
    })
  if (!secureBoot && compareShimVersions(version, resetSince) >= 0)
    return { level: originalLevel, because: `${name} goes back to the first level when Secure Boot is off` }
  return keptOrSet(levels.automatic, nvram, `the automatic level of ${name}`)
}

function keptOrSet(own: string, nvram: string | undefined, what: string): MeasuredSbatLevel {
  if (nvram !== undefined && nvram !== own && isKept(nvram, own))
    return { level: nvram, because: `the level that the machine has already; ${what} is not newer` }
  return { level: own, because: what }
}

/** sbat.c, preserve_sbat_uefi_variable: the larger version wins, else the date, compared as text; equal dates keep. */
function isKept(nvram: string, own: string): boolean {
  if (nvram.length < originalLevel.length) return false
  const [current, candidate] = [readLevel(nvram), readLevel(own)]
  const longer = current.version.length - candidate.version.length
  if (longer > 0 || (longer === 0 && current.version > candidate.version)) return true
  return current.date >= candidate.date
}

/** 15.3 always writes its own, 15.4 and 15.5 keep any, 15.6 keeps what is not older; Secure Boot plays no part. */
function measuredByOldShim(shim: ShimSbatFacts, name: string, nvram: string | undefined): MeasuredSbatLevel {
  const { version, compiledIn } = shim
  const [only, ...others] = compiledIn
  const own = others.length === 0 ? only : undefined
  const isFirst = sbatVariableName(version) === 'SBAT'
  const keepsAny = !isFirst && compareShimVersions(version, dateSince) < 0
  const kept =
    nvram !== undefined &&
    !isFirst &&
    (keepsAny || (compiledIn.length > 0 && compiledIn.every(text => isKept(nvram, text))))
  if (kept) return { level: nvram, because: `the level that the machine has already, which ${name} keeps` }
  if (own !== undefined) return { level: own, because: `the level that ${name} was built with` }
  throw new ToolError('PLATFORM_INSUFFICIENT', 'it is not known which SBAT level shim sets', {
    found: `${name} without a section .sbatlevel, ${compiledIn.length} levels in its data, ${nvram === undefined ? 'none' : nvram.split('\n', 1)[0]} on the machine`,
    wanted: 'one level in the binary, or a newer one on the machine',
    where: { source: shim.source },
    hint: 'give the level of the machine: SbatLevelRT or sbatLevel in the platform profile',
  })
}

/** shim reads generations with atoi into 16 bits. */
const generationBits = 0xffff

/**
 * The first row whose component the level asks a newer generation of; undefined when shim takes the file. For shim's own
 * rows too: it refuses to run when they are revoked. A component that the level does not name is never revoked, and of
 * two lines for one component the first counts. Only under Secure Boot. Throws PLATFORM_INVALID for a text that is no level.
 */
export function sbatRevokes(rows: readonly SbatGeneration[], level: string): SbatGeneration | undefined {
  const revocations = levelRows(level)
  return rows.find(row => {
    const line = revocations.find(({ component }) => component === row.component)
    return line !== undefined && (row.generation & generationBits) < (line.generation & generationBits)
  })
}

/** The first line, `sbat,1,…`, is one of them. */
function levelRows(level: string): SbatLevel['revocations'] {
  const { version, revocations } = readLevel(level)
  return [{ component: 'sbat', generation: Number(version) }, ...revocations]
}

/** A text that is no level must not pass as one that revokes nothing, nor as one that shim would not keep. */
function readLevel(text: string): SbatLevel {
  const level = parseSbatLevel(text)
  if (level !== undefined) return level
  throw new ToolError('PLATFORM_INVALID', 'cannot read an SBAT level', {
    found: JSON.stringify(text.slice(0, 60)),
    wanted: 'sbat,version,date and lines of component,generation',
  })
}
