// Dependencies of RPM packages: names with an optional range of versions. rpm, docs/man/rpm-dependencies.7 and lib/rpmds.cc.

import { type HeaderStructure, stringOf } from './header.ts'
import { invalidList, type ListTag, numbersOf, stringsOf } from './header-lists.ts'
import { compareVersions, parseEpoch } from './version.ts'

/** What a package needs or has: `name`, or `name operator [epoch:]version[-release]`. */
export interface Dependency {
  /** A capability, a path, or a boolean expression in parentheses. */
  readonly name: string
  /** Sense bits `less`, `greater`, `equal`; 0 where no version counts. */
  readonly sense: number
  /** '' where no version counts. */
  readonly version: string
}

export interface DependencyLists {
  readonly requires: readonly Dependency[]
  readonly provides: readonly Dependency[]
  readonly conflicts: readonly Dependency[]
  readonly obsoletes: readonly Dependency[]
}

/** RPMSENSE_LESS, _GREATER and _EQUAL (rpmds.h). */
export const senses = { less: 2, greater: 4, equal: 8 } as const
const senseMask = senses.less | senses.greater | senses.equal
/** RPMSENSE_MISSINGOK: an old way to say that the package is only recommended. RPMSENSE_RPMLIB: a feature of rpm itself. */
const ignoredFlags = (1 << 19) | (1 << 24)

const tags = {
  provides: list([1047, 'PROVIDENAME'], [1112, 'PROVIDEFLAGS'], [1113, 'PROVIDEVERSION']),
  requires: list([1049, 'REQUIRENAME'], [1048, 'REQUIREFLAGS'], [1050, 'REQUIREVERSION']),
  conflicts: list([1054, 'CONFLICTNAME'], [1053, 'CONFLICTFLAGS'], [1055, 'CONFLICTVERSION']),
  obsoletes: list([1090, 'OBSOLETENAME'], [1114, 'OBSOLETEFLAGS'], [1115, 'OBSOLETEVERSION']),
} as const

interface DependencyTags {
  readonly names: ListTag
  readonly flags: ListTag
  readonly versions: ListTag
}

function list(names: [number, string], flags: [number, string], versions: [number, string]): DependencyTags {
  const tag = ([number, name]: [number, string]): ListTag => ({ number, name })
  return { names: tag(names), flags: tag(flags), versions: tag(versions) }
}

/**
 * The dependencies that must hold, in the header's order; recommendations and features of rpm are left out. Throws RPM_INVALID when lists
 * have different lengths or an item is not text.
 */
export function dependenciesOf(structure: HeaderStructure): DependencyLists {
  return {
    requires: read(structure, tags.requires),
    provides: read(structure, tags.provides),
    conflicts: read(structure, tags.conflicts),
    obsoletes: read(structure, tags.obsoletes),
  }
}

function read(structure: HeaderStructure, { names, flags, versions }: DependencyTags): Dependency[] {
  const [texts, bits, evrs] = [stringsOf(structure, names), numbersOf(structure, flags), stringsOf(structure, versions)]
  // packages of rpm 3 may have names alone
  const bare = bits.length === 0 && evrs.length === 0
  if (!bare && (bits.length !== texts.length || evrs.length !== texts.length))
    throw invalidList(
      structure,
      names,
      `${texts.length} names, ${bits.length} flags, ${evrs.length} versions`,
      'as many of each',
    )
  return texts.flatMap((name, at) => {
    const flag = bits[at] ?? 0
    if ((flag & ignoredFlags) !== 0 || name.startsWith('rpmlib(')) return []
    const version = evrs[at] ?? ''
    const sense = version === '' ? 0 : flag & senseMask
    return [{ name, sense, version: sense === 0 ? '' : version }]
  })
}

/** Whether the header is that of a package: gpg-pubkey entries of the RPM database have no architecture. */
export function isPackage(structure: HeaderStructure): boolean {
  return stringOf(structure, 1022) !== undefined
}

/** `name`, or `name >= 1:2.0-3`. */
export function formatDependency({ name, sense, version }: Dependency): string {
  return sense === 0 ? name : `${name} ${operatorOf(sense)} ${version}`
}

function operatorOf(sense: number): string {
  return `${sense & senses.less ? '<' : ''}${sense & senses.greater ? '>' : ''}${sense & senses.equal ? '=' : ''}`
}

/**
 * Whether two ranges of one name have a version in common: rpm, lib/rpmds.cc (rpmdsCompare) and rpmio/rpmver.cc (rpmverOverlap). A side
 * without a version has all. A missing epoch is 0; a side without a release has all releases, if its sense has `=`.
 */
export function overlap(one: Dependency, two: Dependency): boolean {
  if (one.name !== two.name) return false
  if (one.sense === 0 || two.sense === 0) return true
  const [left, right] = [parts(one.version), parts(two.version)]
  const order = Math.sign(left.epoch - right.epoch) || compareVersions(left.version, right.version)
  if (order === 0 && left.release !== undefined && right.release !== undefined)
    return sensesMeet(compareVersions(left.release, right.release), one.sense, two.sense)
  if (order === 0 && left.release !== right.release && allReleases(left.release === undefined ? one : two)) return true
  return sensesMeet(order, one.sense, two.sense)
}

function allReleases({ sense }: Dependency): boolean {
  return (sense & senses.equal) !== 0
}

function sensesMeet(order: number, one: number, two: number): boolean {
  const { less, greater, equal } = senses
  if (order < 0) return (one & greater) !== 0 || (two & less) !== 0
  if (order > 0) return (one & less) !== 0 || (two & greater) !== 0
  return (one & two & (less | greater | equal)) !== 0
}

interface VersionParts {
  readonly epoch: number
  readonly version: string
  readonly release: string | undefined
}

/** `[epoch:]version[-release]`: digits before the first colon are an epoch, and the last hyphen begins the release. */
function parts(text: string): VersionParts {
  const match = /^([0-9]*):(.*)$/s.exec(text)
  const rest = match?.[2] ?? text
  const hyphen = rest.lastIndexOf('-')
  return {
    epoch: parseEpoch(match?.[1] ?? '') ?? 0,
    version: hyphen < 0 ? rest : rest.slice(0, hyphen),
    release: hyphen < 0 ? undefined : rest.slice(hyphen + 1),
  }
}

/** Reads `name` or `name operator version`, as it stands within boolean expressions; undefined when it is neither. */
export function parseDependency(text: string): Dependency | undefined {
  const match = /^(\S+)(?:\s+(<=|>=|<|>|=)\s+(\S+))?$/.exec(text.trim())
  const [, name, operator, version] = match ?? []
  if (name === undefined) return undefined
  if (operator === undefined || version === undefined) return { name, sense: 0, version: '' }
  const bit = (sign: string, value: number): number => (operator.includes(sign) ? value : 0)
  return { name, sense: bit('<', senses.less) | bit('>', senses.greater) | bit('=', senses.equal), version }
}
