// Epoch, version and release of an RPM, and their order: rpm, rpmio/rpmvercmp.cc and docs/man/rpm-version.7.

import { ToolError } from '../../errors.ts'

/** Epoch is 0 where the package has none. */
export interface Evr {
  readonly epoch: number
  readonly version: string
  readonly release: string
}

export type Order = -1 | 0 | 1

/** `epoch:version-release`, without `0:`. */
export function formatEvr(evr: Evr): string {
  return `${evr.epoch === 0 ? '' : `${evr.epoch}:`}${evr.version}-${evr.release}`
}

/** What a version or a release may hold; `-` separates the two. */
const part = /^[A-Za-z0-9._+~^]{1,256}$/
const epochPattern = /^[0-9]{1,10}$/

/** An epoch as written in metadata or by a user: a 32-bit number, or undefined. */
export function parseEpoch(text: string): number | undefined {
  const value = epochPattern.test(text) ? Number(text) : Number.NaN
  return value <= 0xffffffff ? value : undefined
}

/** True when the text can stand as version or as release of a package. */
export function isVersionPart(text: string): boolean {
  return part.test(text)
}

/**
 * Reads `[epoch:]version-release`. Throws INPUT_INVALID; `source` says where the text stands.
 */
export function parseEvr(text: string, source?: string): Evr {
  const match = /^(?:([^:]*):)?([^:-]+)-([^:-]+)$/.exec(text)
  const epoch = parseEpoch(match?.[1] ?? '0')
  const [version, release] = [match?.[2] ?? '', match?.[3] ?? '']
  if (epoch === undefined || !isVersionPart(version) || !isVersionPart(release))
    throw new ToolError('INPUT_INVALID', 'not a package version', {
      found: text,
      wanted: '[epoch:]version-release',
      where: source === undefined ? {} : { source },
    })
  return { epoch, version, release }
}

/**
 * Order of two versions or two releases as rpm has it: separators do not count; `~` comes before everything, also before
 * the end; `^` comes after the end but before anything else; then runs of digits or letters, digits after letters.
 */
export function compareVersions(left: string, right: string): Order {
  const a = tokens(left)
  const b = tokens(right)
  for (let index = 0; ; index += 1) {
    const one = a[index]
    const two = b[index]
    if (one === undefined && two === undefined) return 0
    const order = compareTokens(one, two)
    if (order !== 0) return order
  }
}

/** By epoch, then version, then release. */
export function compareEvr(left: Evr, right: Evr): Order {
  if (left.epoch !== right.epoch) return left.epoch < right.epoch ? -1 : 1
  return compareVersions(left.version, right.version) || compareVersions(left.release, right.release)
}

/** `~`, `^`, or a run of digits or of letters. */
function tokens(text: string): readonly string[] {
  return text.match(/~|\^|[0-9]+|[A-Za-z]+/g) ?? []
}

/** The kinds in their order; the end of a version stands between `~` and `^`. */
function rank(token: string | undefined): number {
  if (token === '~') return 0
  if (token === undefined) return 1
  if (token === '^') return 2
  return isNumber(token) ? 4 : 3
}

function compareTokens(one: string | undefined, two: string | undefined): Order {
  const [left, right] = [rank(one), rank(two)]
  if (left !== right) return left < right ? -1 : 1
  if (one === undefined || two === undefined) return 0
  if (isNumber(one)) return compareNumbers(withoutZeros(one), withoutZeros(two))
  return compareText(one, two)
}

function isNumber(token: string): boolean {
  return /^[0-9]/.test(token)
}

function withoutZeros(digits: string): string {
  return digits.replace(/^0+/, '')
}

function compareNumbers(one: string, two: string): Order {
  if (one.length !== two.length) return one.length < two.length ? -1 : 1
  return compareText(one, two)
}

/** The operands are ASCII, so this is byte order. */
function compareText(one: string, two: string): Order {
  if (one === two) return 0
  return one < two ? -1 : 1
}
