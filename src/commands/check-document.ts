// The document that `check` prints: is there a newer kernel, is there a newer base image.

import type { OciDigest } from '../formats/oci/digest.ts'
import { compareEvr, type Evr, formatEvr } from '../formats/rpm/version.ts'
import type { BaseKernel } from '../kernel/base-kernel.ts'
import type { IncompleteKernel, KernelChoice, NoKernel } from '../kernel/choose-kernel.ts'

/** What is known when `check` has asked everybody. */
export interface CheckFacts {
  readonly base: BaseKernel
  /** From `findKernel`. */
  readonly kernel: KernelChoice | NoKernel
  /** Base image that the image in use was built on, by the lock or its record; null where there is none yet. */
  readonly recordedBase: OciDigest | null
  /** Kernel of the image in use, by its record; null where there is none yet: then the base's kernel counts. */
  readonly recordedKernel: Evr | null
  /** What `base-image` names now. */
  readonly newestBase: OciDigest
  /** false: the settings name one image, so there is never a newer one. */
  readonly baseFollowed: boolean
  readonly held: Held | null
  /** Expiration of the reference values, in milliseconds since 1970; null where the target has none. */
  readonly valuesExpire: number | null
  /** Milliseconds since 1970. */
  readonly now: number
}

/** A kernel or an image that a rollback took out of use. */
export interface Held {
  readonly kernel: Evr | null
  readonly image: string | null
  /** ISO 8601. */
  readonly since: string
  readonly reason: string
}

export interface CheckDocument {
  readonly schemaVersion: 1
  readonly updateAvailable: boolean
  readonly kernel: {
    /** EVR.arch of the image in use, or of the base. */
    readonly current: string
    /** EVR.arch; null when no kernel of the repositories can be taken. */
    readonly newest: string | null
    readonly packages: readonly CheckPackage[]
    /** Kernels that are newer than `newest` but not whole in the repositories. */
    readonly missing: readonly { readonly kernel: string; readonly packages: readonly string[] }[]
  }
  readonly base: {
    readonly current: OciDigest | null
    readonly newest: OciDigest
    /** false: a base by digest, or that of the lock; no newer one is looked for. */
    readonly followed: boolean
  }
  readonly held: { kernel: string | null; image: string | null; since: string; reason: string } | null
  readonly expiring: readonly { readonly target: 'trustee'; readonly expiration: string; readonly daysLeft: number }[]
}

interface CheckPackage {
  readonly name: string
  /** null where the repository gives another checksum than SHA-256. */
  readonly sha256: string | null
  readonly location: string
}

const day = 24 * 60 * 60 * 1000
/** Days before the expiration of reference values from which `check` speaks of it. */
const expiringDays = 30

/** Assembles the document of `check`; no fault: a kernel that cannot be taken is null. */
export function checkDocument(facts: CheckFacts): CheckDocument {
  const { base, kernel, held } = facts
  const choice = 'problem' in kernel ? null : kernel
  const packages = choice === null ? [] : [...choice.kernel.packages, ...choice.kernel.extraPackages]
  const version = (evr: Evr) => `${formatEvr(evr)}.${base.arch}`
  return {
    schemaVersion: 1,
    updateAvailable: (choice !== null && isNewKernel(choice, facts)) || isNewBase(facts),
    kernel: {
      current: version(facts.recordedKernel ?? base.evr),
      newest: choice === null ? null : version(choice.kernel.evr),
      packages: packages.map(({ name, checksum, checksumType, location }) => ({
        name,
        sha256: checksumType === 'sha256' ? checksum : null,
        location,
      })),
      missing: kernel.incomplete.map(({ evr, missing }: IncompleteKernel) => ({
        kernel: version(evr),
        packages: missing,
      })),
    },
    base: { current: facts.recordedBase, newest: facts.newestBase, followed: facts.baseFollowed },
    held: held === null ? null : { ...held, kernel: held.kernel === null ? null : version(held.kernel) },
    expiring: expiring(facts),
  }
}

/** A downgrade that was asked for counts until it is done; anything else has to be newer than what is in use. */
function isNewKernel({ kernel, change, update }: KernelChoice, { base, recordedKernel, held }: CheckFacts): boolean {
  if (!update) return false
  const order = compareEvr(kernel.evr, recordedKernel ?? base.evr)
  if (change === 'older') return order !== 0
  return order > 0 && (held === null || held.kernel === null || compareEvr(kernel.evr, held.kernel) > 0)
}

function isNewBase({ recordedBase, newestBase }: CheckFacts): boolean {
  return recordedBase !== null && recordedBase !== newestBase
}

function expiring({ valuesExpire, now }: CheckFacts): CheckDocument['expiring'] {
  if (valuesExpire === null) return []
  const daysLeft = Math.floor((valuesExpire - now) / day)
  if (daysLeft > expiringDays) return []
  return [{ target: 'trustee', expiration: new Date(valuesExpire).toISOString(), daysLeft }]
}

/** The document as sentences for people. `problem` is the message of why no kernel can be taken. */
export function checkText(document: CheckDocument, problem: string | null): string {
  const { kernel, base, held } = document
  const lines = [
    document.updateAvailable ? 'An update is available.' : 'There is nothing to update.',
    kernelLine(document, problem),
    ...kernel.missing.map(
      ({ kernel: name, packages }) => `Kernel ${name} is not whole yet: ${packages.join(', ')} missing.`,
    ),
    baseLine(base),
    ...(base.followed ? [] : ['The base image is fixed by the settings: a newer one is not looked for.']),
    ...(held === null
      ? []
      : [`Held since ${held.since}: ${held.kernel ?? held.image ?? 'everything'} (${held.reason}).`]),
    ...document.expiring.map(({ expiration, daysLeft }) =>
      daysLeft < 0
        ? `The reference values expired on ${expiration}.`
        : `The reference values expire on ${expiration}, in ${daysLeft} days.`,
    ),
  ]
  return `${lines.join('\n')}\n`
}

function kernelLine({ kernel }: CheckDocument, problem: string | null): string {
  if (kernel.newest === null)
    return `Kernel: ${kernel.current} in use; none can be taken${problem === null ? '' : `: ${problem}`}.`
  return kernel.newest === kernel.current
    ? `Kernel: ${kernel.current} in use, the repositories have no newer one.`
    : `Kernel: ${kernel.current} in use, ${kernel.newest} in the repositories.`
}

function baseLine({ current, newest }: CheckDocument['base']): string {
  if (current === null) return `Base image: ${newest}; no image was proposed yet.`
  return current === newest ? `Base image: ${newest}, unchanged.` : `Base image: ${current} in use, now ${newest}.`
}
