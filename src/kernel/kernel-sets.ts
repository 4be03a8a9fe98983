// Groups the packages of several repositories into kernels: all packages of one version from one source package.

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
 */
export function kernelSets(
  repositories: readonly RepositoryPackages[],
  names: readonly string[],
  arch: string,
): KernelSet[] {
  const own = repositories.map(({ packages }) => packages.filter(one => one.arch === arch && names.includes(one.name)))
  const versions = new Map(own.flat().map(({ evr }) => [formatEvr(evr), evr]))
  return [...versions.values()]
    .map(evr => bestSet(own, names, evr))
    .sort((a, b) => compareEvr(b.evr, a.evr) || a.missing.length - b.missing.length)
}

function bestSet(own: readonly (readonly RepositoryPackage[])[], names: readonly string[], evr: Evr): KernelSet {
  const text = formatEvr(evr)
  const same = own.map(packages => packages.filter(one => formatEvr(one.evr) === text))
  const sources = [...new Set(same.flat().map(one => one.sourceRpm))]
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
