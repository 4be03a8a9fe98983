// What the setting kernel-version asks for: the newest, one version, one version-release, or bounds as rpm compares them.

import { ToolError } from '../errors.ts'
import { compareEvr, compareVersions, type Evr, isVersionPart, parseEpoch } from '../formats/rpm/version.ts'

/** A version with the parts that were written; what is undefined is not compared. */
export interface PartialEvr {
  readonly epoch: number | undefined
  readonly version: string
  readonly release: string | undefined
}

export type Operator = '<' | '<=' | '=' | '>=' | '>'

export interface Bound {
  readonly operator: Operator
  readonly evr: PartialEvr
}

export type KernelRequest =
  | { readonly kind: 'latest' }
  | { readonly kind: 'bounds'; readonly text: string; readonly bounds: readonly Bound[] }

const boundPattern = /^(<=|>=|==|<|>|=)?\s*(?:([0-9]+):)?([^-\s:]+)(?:-([^-\s:]+))?$/
const maxBounds = 16

/**
 * Reads `latest`, `5.14.0`, `5.14.0-600.el9`, or comparisons that must all hold, like `>=5.14.0-600 <5.14.0-700`, apart by
 * spaces or commas. Throws SETTING_INVALID.
 */
export function parseKernelRequest(text: string): KernelRequest {
  const trimmed = text.trim()
  if (trimmed === 'latest') return { kind: 'latest' }
  const words = trimmed
    .replaceAll(/([<>=])\s+/g, '$1')
    .split(/[\s,]+/)
    .filter(word => word !== '')
  const bounds = words.map(word => parseBound(word, text))
  const exact = bounds.filter(({ operator }) => operator === '=')
  if (bounds.length === 0 || bounds.length > maxBounds || (exact.length > 0 && bounds.length > 1)) throw invalid(text)
  return { kind: 'bounds', text: words.join(' '), bounds }
}

function parseBound(word: string, whole: string): Bound {
  const match = boundPattern.exec(word)
  const [, sign, epochText, version = '', release] = match ?? []
  const epoch = epochText === undefined ? undefined : parseEpoch(epochText)
  const readable = match !== null && isVersionPart(version) && (release === undefined || isVersionPart(release))
  if (!readable || (epochText !== undefined && epoch === undefined)) throw invalid(whole)
  return { operator: operatorOf(sign), evr: { epoch, version, release } }
}

function operatorOf(sign: string | undefined): Operator {
  return sign === '<' || sign === '<=' || sign === '>=' || sign === '>' ? sign : '='
}

function invalid(text: string): ToolError {
  return new ToolError('SETTING_INVALID', 'kernel-version cannot be read', {
    found: text,
    wanted: 'latest, a version, version-release, or comparisons like >=5.14.0-600 <5.14.0-700',
    where: { path: 'kernel-version' },
  })
}

/** True when the request names one exact version-release. */
export function namesOneRelease(request: KernelRequest): boolean {
  return (
    request.kind === 'bounds' &&
    request.bounds.some(({ operator, evr }) => operator === '=' && evr.release !== undefined)
  )
}

/** True when the kernel fits; `arch` lets `uname -r` text with the architecture at its end be used as it is. */
export function fitsRequest(request: KernelRequest, evr: Evr, arch: string): boolean {
  return request.kind === 'latest' || request.bounds.every(bound => fitsBound(bound, evr, arch))
}

function fitsBound({ operator, evr: wanted }: Bound, evr: Evr, arch: string): boolean {
  const order = compareWritten(evr, wanted, arch)
  if (operator === '=') return order === 0
  if (operator === '<') return order < 0
  if (operator === '<=') return order <= 0
  return operator === '>' ? order > 0 : order >= 0
}

/** As rpm compares with a dependency: a missing epoch is that of the package, a missing release is not compared. */
function compareWritten(evr: Evr, wanted: PartialEvr, arch: string): number {
  const epoch = wanted.epoch ?? evr.epoch
  if (wanted.release === undefined) {
    return evr.epoch === epoch ? compareVersions(evr.version, wanted.version) : evr.epoch - epoch
  }
  const suffix = `.${arch}`
  const release = wanted.release.endsWith(suffix) ? wanted.release.slice(0, -suffix.length) : wanted.release
  return compareEvr(evr, { epoch, version: wanted.version, release })
}
