// How packages get into the base image: the way, the closing step, and which packages are replaced or added (D7, D8b).

import { ToolError } from '../errors.ts'
import type { PinnedReference } from '../formats/oci/reference.ts'

/** Checks the result inside the build and tidies it. */
export type ClosingStep = 'bootc container lint' | 'ostree container commit'

/** One downloaded RPM: the package's name and its file name in the build context's `rpms` directory. */
export interface PackageFile {
  readonly name: string
  readonly file: string
}

export interface LayeringPlan {
  /** The un-overridden base image (D7). */
  readonly base: PinnedReference
  /** The base as people know it, usually with its tag. */
  readonly baseName: string
  /** version-release.arch of the kernel that is put in. */
  readonly kernelRelease: string
  readonly closingStep: ClosingStep
  /** Files of packages that the base has; sorted. */
  readonly replace: readonly string[]
  /** Files of packages that the base does not have; sorted. */
  readonly install: readonly string[]
}

export interface LayeringRequest {
  readonly base: PinnedReference
  readonly baseName: string
  readonly kernelRelease: string
  /** The kernel's packages and the extra packages. */
  readonly packages: readonly PackageFile[]
  /** Names of the packages in the base's RPM database. */
  readonly installed: ReadonlySet<string>
  /** Whether the base has a file at a path without a leading slash. */
  readonly baseHas: (path: string) => boolean
}

/** Nothing that a shell, a Containerfile or a path would read as more than a name. */
const plainFile = /^[A-Za-z0-9][A-Za-z0-9._+~^-]{0,250}\.rpm$/
const plainRelease = /^[A-Za-z0-9][A-Za-z0-9._+~^-]{0,250}$/
const plainName = /^[A-Za-z0-9][A-Za-z0-9._:/@[\]-]{0,600}$/

/**
 * Chooses how the packages are put in. `rpm-ostree override replace` wants packages that are there; others go through
 * `rpm-ostree install` (rpm-ostree, src/app/rpmostree-override-builtins.cxx: --install takes names only in a container).
 * Throws LAYERING_NOT_SUPPORTED for a base where rpm-ostree would refuse to work, INPUT_INVALID for names that are not plain.
 */
export function planLayering(request: LayeringRequest): LayeringPlan {
  const { base, baseName, kernelRelease, packages, installed, baseHas } = request
  refuseOtherWays(baseHas, baseName)
  expectPlain('the name of the base image', baseName, plainName)
  expectPlain('the release of the kernel', kernelRelease, plainRelease)
  const seen = new Set<string>()
  for (const { file } of packages) {
    expectPlain('the file name of a package', file, plainFile)
    if (seen.has(file)) throw new ToolError('INPUT_INVALID', 'two packages have one file name', { found: file })
    seen.add(file)
  }
  const files = (there: boolean): string[] =>
    packages
      .filter(({ name }) => installed.has(name) === there)
      .map(({ file }) => file)
      .sort()
  const replace = files(true)
  if (replace.length === 0)
    throw new ToolError('INPUT_INVALID', 'the base image has none of the packages to replace', {
      found: packages.map(({ name }) => name).join(', ') || 'no package',
      wanted: 'the packages of its kernel',
      where: { source: baseName },
    })
  return { base, baseName, kernelRelease, closingStep: closingStepFor(baseHas), replace, install: files(false) }
}

/** rpm-ostree takes its container branch only beside an ostree repository (bootc, ostree-ext/src/container_utils.rs). */
function refuseOtherWays(baseHas: (path: string) => boolean, baseName: string): void {
  const missing = ['usr/bin/rpm-ostree', 'sysroot/ostree/repo/config'].filter(path => !baseHas(path))
  if (missing.length === 0) return
  throw new ToolError('LAYERING_NOT_SUPPORTED', 'rpm-ostree cannot replace packages in this base image', {
    found: `no ${missing.join(', no ')}`,
    wanted: 'rpm-ostree and its ostree repository in the image',
    where: { source: baseName },
  })
}

function closingStepFor(baseHas: (path: string) => boolean): ClosingStep {
  return baseHas('usr/bin/bootc') ? 'bootc container lint' : 'ostree container commit'
}

function expectPlain(what: string, found: string, pattern: RegExp): void {
  if (!pattern.test(found))
    throw new ToolError('INPUT_INVALID', `${what} has characters that a build file cannot carry safely`, {
      found,
      wanted: 'letters, digits and . _ + ~ ^ -',
    })
}
