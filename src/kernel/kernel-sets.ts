// Groups the packages of several repositories into kernels: all packages of one version from one source package.

import { ToolError } from '../errors.ts'
import { compareEvr, type Evr, formatEvr } from '../formats/rpm/version.ts'
import type { RepositoryPackage } from './kernel-packages.ts'

/** The packages of one repository; a FetchedRepository fits. */
export interface RepositoryPackages {
  readonly packages: readonly RepositoryPackage[]
}

/** One kernel as far as the repositories have it. */
export interface KernelSet {
  readonly evr: Evr
  /** In the order of the names asked for. */
  readonly packages: readonly RepositoryPackage[]
  /** Names that no repository has for this kernel. */
  readonly missing: readonly string[]
}

/**
 * The kernels of all repositories, newest first, one per version. The packages of a kernel come from one repository; from
 * several only when none has them all, and only with the same source package. Of equals the first repository wins.
 * Throws CEILING_REACHED above 5,000 versions, or 100 source packages of one.
 */
export function kernelSets(
  repositories: readonly RepositoryPackages[],
  names: readonly string[],
  arch: string,
): KernelSet[] {
  const wanted = new Set(names)
  const versions = new Map<string, { readonly evr: Evr; readonly own: RepositoryPackage[][] }>()
  for (const [index, { packages }] of repositories.entries())
    for (const one of packages) {
      if (one.arch !== arch || !wanted.has(one.name)) continue
      const text = formatEvr(one.evr)
      const found = versions.get(text) ?? { evr: one.evr, own: repositories.map(() => []) }
      found.own[index]?.push(one)
      versions.set(text, found)
      if (versions.size > versionCeiling) throw tooMany('versions of the kernel', versionCeiling)
    }
  return [...versions.values()]
    .map(({ evr, own }) => bestSet(own, names, evr))
    .sort((a, b) => compareEvr(b.evr, a.evr) || a.missing.length - b.missing.length)
}

/** A distribution keeps all kernels of a release: some hundreds. */
const versionCeiling = 5000

/** One, or two where repositories rebuild it. */
const sourceCeiling = 100

function tooMany(what: string, ceiling: number): ToolError {
  return new ToolError('CEILING_REACHED', `the RPM repositories have too many ${what}`, {
    found: `more than ${ceiling}`,
    wanted: `at most ${ceiling}`,
    where: { path: 'kernel-repositories' },
  })
}

/** `same`: the packages of one version, per repository. */
function bestSet(same: readonly (readonly RepositoryPackage[])[], names: readonly string[], evr: Evr): KernelSet {
  const sources = [...new Set(same.flat().map(one => one.sourceRpm))]
  if (sources.length > sourceCeiling) throw tooMany('source packages of one kernel version', sourceCeiling)
  const candidates = sources.flatMap(source => {
    const ofSource = same.map(packages => packages.filter(one => one.sourceRpm === source))
    // without a source package nothing shows that packages of two repositories were built together
    return source === null ? ofSource : [...ofSource, ofSource.flat()]
  })
  const sets = candidates.map(packages => setOf(packages, names, evr))
  const [first, ...others] = sets
  return others.reduce(
    (best, next) => (next.missing.length < best.missing.length ? next : best),
    first ?? setOf([], names, evr),
  )
}

function setOf(packages: readonly RepositoryPackage[], names: readonly string[], evr: Evr): KernelSet {
  const found = names.map(name => packages.find(one => one.name === name))
  return {
    evr,
    packages: found.filter(one => one !== undefined),
    missing: names.filter((_, index) => found[index] === undefined),
  }
}
