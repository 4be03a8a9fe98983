// What the chosen packages would break: requirements, conflicts and obsoletes against the packages of the base image.
// rpm, lib/depends.cc (rpmtsCheck); what rpm-ostree or dnf would find only in the middle of a build.

import { type Dependency, type DependencyLists, formatDependency, overlap } from '../formats/rpm/dependency.ts'
import { formatNevra } from '../formats/rpm/header.ts'
import { isRich, parseRichDependency, type RichDependency } from '../formats/rpm/rich-dependency.ts'
import type { Evr } from '../formats/rpm/version.ts'

/** A package with its dependencies, as its header has them. */
export interface DependentPackage extends DependencyLists {
  readonly name: string
  readonly evr: Evr
  readonly arch: string | null
  /** Which of these absolute paths the package has. */
  readonly owns: (path: string) => boolean
}

/** One dependency that would not hold after the change. */
export interface BrokenDependency {
  /** missing: nothing has it. conflict: something has it that must not be there. */
  readonly kind: 'missing' | 'conflict'
  /** NEVRA of the package that says so. */
  readonly package: string
  /** True when it is one of the base image that the change would break. */
  readonly ofBase: boolean
  /** As rpm writes it. */
  readonly dependency: string
  /** NEVRA of what conflicts, or of the removed package that had what is missing. */
  readonly other?: string
  /** The plain dependencies that would mend it, for looking up who has them. */
  readonly lacking: readonly Dependency[]
}

/**
 * All dependencies that do not hold when `chosen` replace the installed packages of the same names and those that they obsolete. Dependencies of
 * the base that do not hold today are not reported. Chosen first, each in the order of its header.
 */
export function brokenDependencies(
  chosen: readonly DependentPackage[],
  installed: readonly DependentPackage[],
): BrokenDependency[] {
  const names = new Set(chosen.map(({ name }) => name))
  const obsoletes = chosen.flatMap(one => one.obsoletes)
  const gone = (one: DependentPackage) =>
    names.has(one.name) || obsoletes.some(obsolete => overlap(obsolete, ownVersion(one)))
  const kept = installed.filter(one => !gone(one))
  const [after, before] = [new PackageSet([...kept, ...chosen]), new PackageSet(installed)]
  const removed = new PackageSet(installed.filter(gone))
  return [
    ...chosen.flatMap(one => [...broken(one, after, false), ...replacing(one, chosen, false)]),
    ...kept.flatMap(one =>
      broken(one, after, true)
        .filter(({ kind, dependency }) => holdsToday(one, kind, dependency, before))
        .map(fault => withFormerOwner(fault, removed)),
    ),
    ...kept.flatMap(one => replacing(one, chosen, true)),
  ]
}

function ownVersion({ name, evr }: DependentPackage): Dependency {
  return { name, sense: 8, version: `${evr.epoch}:${evr.version}-${evr.release}` }
}

/** Packages that are to be put in although one that is there replaces them. */
function replacing(one: DependentPackage, chosen: readonly DependentPackage[], ofBase: boolean): BrokenDependency[] {
  return one.obsoletes.flatMap(obsolete =>
    chosen
      .filter(other => other !== one && overlap(obsolete, ownVersion(other)))
      .map(other => ({
        kind: 'conflict' as const,
        package: formatNevra(one),
        ofBase,
        dependency: formatDependency(obsolete),
        other: formatNevra(other),
        lacking: [],
      })),
  )
}

function broken(one: DependentPackage, all: PackageSet, ofBase: boolean): BrokenDependency[] {
  const named = { package: formatNevra(one), ofBase }
  const missing = one.requires
    .filter(required => !all.fulfils(required))
    .map(required => ({
      kind: 'missing' as const,
      ...named,
      dependency: formatDependency(required),
      lacking: all.lacking(required),
    }))
  const conflicts = one.conflicts.flatMap(conflict =>
    all
      .allThatFulfil(conflict)
      .filter(other => other !== one)
      .map(other => ({
        kind: 'conflict' as const,
        ...named,
        dependency: formatDependency(conflict),
        other: formatNevra(other),
        lacking: [],
      })),
  )
  return [...missing, ...conflicts]
}

function holdsToday(one: DependentPackage, kind: BrokenDependency['kind'], text: string, before: PackageSet): boolean {
  const list = kind === 'missing' ? one.requires : one.conflicts
  const dependency = list.find(each => formatDependency(each) === text)
  if (dependency === undefined) return true
  if (kind === 'missing') return before.fulfils(dependency)
  return before.allThatFulfil(dependency).every(other => other === one)
}

function withFormerOwner(fault: BrokenDependency, removed: PackageSet): BrokenDependency {
  const [owner] = fault.lacking.flatMap(one => removed.allThatFulfil(one))
  return owner === undefined || fault.other !== undefined ? fault : { ...fault, other: formatNevra(owner) }
}

/** Packages that are there together, found by what they provide. */
class PackageSet {
  readonly #packages: readonly DependentPackage[]
  readonly #byName = new Map<string, { readonly provided: Dependency; readonly owner: DependentPackage }[]>()

  constructor(packages: readonly DependentPackage[]) {
    this.#packages = packages
    for (const owner of packages)
      for (const provided of owner.provides) {
        const same = this.#byName.get(provided.name)
        if (same === undefined) this.#byName.set(provided.name, [{ provided, owner }])
        else same.push({ provided, owner })
      }
  }

  /** Whether a dependency, also a boolean one, holds. An expression that cannot be read does not. */
  fulfils(dependency: Dependency): boolean {
    if (!isRich(dependency.name)) return this.#owners(dependency).length > 0
    const rich = parseRichDependency(dependency.name)
    return rich !== undefined && this.#holds(rich)
  }

  /** The packages that have what a plain dependency names, or, for a boolean one that holds, what it names first. */
  allThatFulfil(dependency: Dependency): readonly DependentPackage[] {
    if (!isRich(dependency.name)) return this.#owners(dependency)
    const rich = parseRichDependency(dependency.name)
    if (rich === undefined || !this.#holds(rich)) return []
    return rich.kind === 'expression' && rich.operator === 'with'
      ? [...this.#together(rich)]
      : plainParts(rich)
          .flatMap(part => this.#owners(part))
          .slice(0, 1)
  }

  /** The plain parts of a dependency that nothing here has. */
  lacking(dependency: Dependency): readonly Dependency[] {
    if (!isRich(dependency.name)) return [dependency]
    const rich = parseRichDependency(dependency.name)
    return rich === undefined ? [] : plainParts(rich).filter(part => this.#owners(part).length === 0)
  }

  #owners(dependency: Dependency): readonly DependentPackage[] {
    const found = (this.#byName.get(dependency.name) ?? [])
      .filter(({ provided }) => overlap(provided, dependency))
      .map(({ owner }) => owner)
    if (!dependency.name.startsWith('/')) return [...new Set(found)]
    const names = spellings(dependency.name)
    const files = this.#packages.filter(one => names.some(name => one.owns(name)))
    return [...new Set([...found, ...files])]
  }

  #holds(rich: RichDependency): boolean {
    if (rich.kind === 'one') return this.#owners(rich.dependency).length > 0
    const [first, second] = rich.operands
    if (first === undefined || second === undefined) return false
    const otherwise = (value: boolean) => (rich.else === undefined ? value : this.#holds(rich.else))
    if (rich.operator === 'and') return rich.operands.every(one => this.#holds(one))
    if (rich.operator === 'or') return rich.operands.some(one => this.#holds(one))
    if (rich.operator === 'if') return this.#holds(second) ? this.#holds(first) : otherwise(true)
    if (rich.operator === 'unless') return this.#holds(second) ? otherwise(false) : this.#holds(first)
    return this.#together(rich).size > 0
  }

  /** The packages that have what `with` and `without` ask of one package. */
  #together(rich: RichDependency): ReadonlySet<DependentPackage> {
    if (rich.kind === 'one') return new Set(this.#owners(rich.dependency))
    const [first, ...others] = rich.operands.map(one => this.#together(one))
    const all = first ?? new Set<DependentPackage>()
    if (rich.operator === 'or') return new Set([all, ...others].flatMap(set => [...set]))
    if (rich.operator === 'without') return new Set([...all].filter(one => !others.some(set => set.has(one))))
    return new Set([...all].filter(one => others.every(set => set.has(one))))
  }
}

/** The parts that help when they are added: not the conditions of `if` and `unless`, and nothing that must be absent. */
function plainParts(rich: RichDependency): readonly Dependency[] {
  if (rich.kind === 'one') return [rich.dependency]
  const all = rich.operator === 'and' || rich.operator === 'or' || rich.operator === 'with'
  const counted = all ? rich.operands : rich.operands.slice(0, 1)
  return [...counted, ...(rich.else === undefined ? [] : [rich.else])].flatMap(plainParts)
}

const mergedDirectories = /^\/(?:usr\/)?(bin|sbin|lib|lib64)\//

/** The names of one path where /bin and its like are links into /usr, and /usr/sbin may be one to /usr/bin. */
function spellings(path: string): readonly string[] {
  const directory = mergedDirectories.exec(path)
  if (directory === null) return [path]
  const rest = path.slice(directory[0].length)
  const names = directory[1] === 'bin' || directory[1] === 'sbin' ? ['bin', 'sbin'] : [directory[1] ?? '']
  return names.flatMap(name => [`/usr/${name}/${rest}`, `/${name}/${rest}`])
}
