// Chooses the kernel packages to layer: repository metadata, the base's kernel and the user's request → KernelPackages.

import { ToolError, throwAll } from '../errors.ts'
import { compareEvr, type Evr, formatEvr } from '../formats/rpm/version.ts'
import { type BaseKernel, hasDist, type InstalledPackage, kernelRelease } from './base-kernel.ts'
import { chooseExtraPackages } from './extra-packages.ts'
import type { KernelPackages } from './kernel-packages.ts'
import { fitsRequest, type KernelRequest, namesOneRelease } from './kernel-request.ts'
import { type KernelSet, kernelSets, type RepositoryPackages } from './kernel-sets.ts'

export interface KernelQuestion {
  readonly base: BaseKernel
  /** Packages of the base: an extra package may not be older. */
  readonly installed?: readonly InstalledPackage[]
  /** In the order of the setting. */
  readonly repositories: readonly RepositoryPackages[]
  readonly request: KernelRequest
  /** undefined: that of the base's kernel. */
  readonly dist: string | undefined
  readonly extraPackages: readonly string[]
  /** Lets a request that names versions go below the base's kernel; `latest` never does. */
  readonly allowDowngrade: boolean
}

export interface KernelChoice {
  readonly kernel: KernelPackages
  /** The chosen kernel compared with the base's. */
  readonly change: 'newer' | 'same' | 'older'
  /** True when the kernel is to be layered: it is newer, or a downgrade was asked for. */
  readonly update: boolean
  /** Kernels newer than the chosen one that fit but lack packages, newest first. */
  readonly incomplete: readonly IncompleteKernel[]
  /** The newest kernel of this dist tag that the repositories have at all, whatever was asked for; null: none. */
  readonly newest: Evr | null
}

export interface IncompleteKernel {
  readonly evr: Evr
  readonly missing: readonly string[]
}

/** What a repository offers when it is not fit to be chosen: the error, and what lacks. */
export interface NoKernel {
  readonly problem: ToolError
  readonly incomplete: readonly IncompleteKernel[]
  /** As in KernelChoice. */
  readonly newest: Evr | null
}

/** The names of packages that the repositories have to be asked for. */
export function namesToFetch(base: BaseKernel, extraPackages: readonly string[]): ReadonlySet<string> {
  return new Set([...base.names, ...extraPackages])
}

/**
 * The newest complete kernel that fits request and dist tag, with the extra packages. Throws KERNEL_NOT_FOUND,
 * KERNEL_INCOMPLETE, DOWNGRADE_REFUSED, EXTRA_PACKAGE_NOT_FOUND, KERNEL_VARIANT_NOT_SUPPORTED.
 */
export function chooseKernel(question: KernelQuestion): KernelChoice {
  const answer = findKernel(question)
  if ('problem' in answer) throw answer.problem
  return answer
}

/** As `chooseKernel`, but a kernel that is not there is an answer. Throws only for extra packages. */
export function findKernel(question: KernelQuestion): KernelChoice | NoKernel {
  const { base, request } = question
  const all = kernelSets(question.repositories, base.names, base.arch)
  const dist = wantedDist(question)
  const ofDist = all.filter(({ evr }) => dist === null || hasDist(evr.release, dist))
  const newest = ofDist[0]?.evr ?? null
  const fitting = ofDist.filter(({ evr }) => fitsRequest(request, evr, base.arch))
  const chosen = fitting.find(({ missing }) => missing.length === 0)
  const incomplete = fitting
    .slice(0, chosen === undefined ? undefined : fitting.indexOf(chosen))
    .map(({ evr, missing }) => ({ evr, missing }))
  if (chosen === undefined) return { problem: noKernel(question, all, fitting[0]), incomplete, newest }
  const order = compareEvr(chosen.evr, base.evr)
  if (order < 0 && request.kind === 'bounds' && !question.allowDowngrade)
    return { problem: downgrade(question, chosen.evr), incomplete, newest }
  return {
    kernel: packagesOf(question, chosen),
    change: order > 0 ? 'newer' : order < 0 ? 'older' : 'same',
    update: order > 0 || (order < 0 && request.kind === 'bounds'),
    incomplete,
    newest,
  }
}

/** An exact version-release names its dist tag itself, so the base's tag does not count then. */
function wantedDist({ dist, base, request }: KernelQuestion): string | null {
  return dist ?? (namesOneRelease(request) ? null : base.dist)
}

function packagesOf(question: KernelQuestion, { evr, packages }: KernelSet): KernelPackages {
  const { arch, names } = question.base
  const asked = question.extraPackages.filter(name => !names.includes(name))
  const { found, errors } = chooseExtraPackages(asked, question.repositories, { evr, arch }, question.installed)
  throwAll(errors)
  return { evr, arch, release: kernelRelease(evr, arch), packages, extraPackages: found }
}

function noKernel(question: KernelQuestion, all: readonly KernelSet[], partial: KernelSet | undefined): ToolError {
  const { request, base } = question
  const text = request.kind === 'latest' ? 'latest' : request.text
  if (partial !== undefined)
    return new ToolError('KERNEL_INCOMPLETE', `kernel ${formatEvr(partial.evr)} lacks packages in the repositories`, {
      found: partial.packages.map(({ name }) => name).join(' '),
      wanted: partial.missing.join(' '),
    })
  const newest = all[0]
  const dist = wantedDist(question)
  return new ToolError('KERNEL_NOT_FOUND', `no kernel in the repositories fits ${text}`, {
    found: newest === undefined ? `no ${base.names.join(', ')} for ${base.arch}` : `newest is ${formatEvr(newest.evr)}`,
    wanted: `kernel-version ${text}${dist === null ? '' : `, dist tag ${dist}`}, architecture ${base.arch}`,
    hint: 'check kernel-version, dist and kernel-repositories',
  })
}

function downgrade({ base, request }: KernelQuestion, evr: Evr): ToolError {
  const text = request.kind === 'latest' ? 'latest' : request.text
  return new ToolError(
    'DOWNGRADE_REFUSED',
    `the newest kernel that fits ${text} is older than that of the base image`,
    {
      found: formatEvr(evr),
      wanted: `newer than ${formatEvr(base.evr)}`,
    },
  )
}
