// How packages get into the base image: which of three ways, and what that way needs to know (D7, D8b).

import { ToolError } from '../errors.ts'
import type { PinnedReference } from '../formats/oci/reference.ts'
import { parseOwnContainerfile } from './own-containerfile.ts'

/** One downloaded RPM: the package's name and its file name in the build context's `rpms` directory. */
export interface PackageFile {
  readonly name: string
  readonly file: string
}

/** What every way has in common. */
interface LayeredImage {
  /** The un-overridden base image (D7). */
  readonly base: PinnedReference
  /** The base as people know it, usually with its tag. */
  readonly baseName: string
  /** As the base's label says; undefined where it has none that can be taken over. */
  readonly baseVersion: string | undefined
  /** version-release.arch of the kernel that is put in. */
  readonly kernelRelease: string
}

/** Bases with an ostree repository: rpm-ostree replaces packages, and knows no packages that may be there twice. */
export interface RpmOstreePlan extends LayeredImage {
  readonly way: 'rpm-ostree'
  /** Checks the result inside the build and tidies it. */
  readonly closingStep: 'bootc container lint' | 'ostree container commit'
  /** Files of packages that the base has; sorted. */
  readonly replace: readonly string[]
  /** Files of packages that the base does not have; sorted. */
  readonly install: readonly string[]
}

/** Bases without: dnf 4 or dnf 5 installs all files in one transaction. */
export interface DnfPlan extends LayeredImage {
  readonly way: 'dnf'
  readonly program: 'dnf' | 'dnf5'
  /** undefined: the base has no bootc, and `ostree container commit` works beside an ostree repository only. */
  readonly closingStep: 'bootc container lint' | undefined
  /** Files of all packages; sorted. */
  readonly install: readonly string[]
  /** Directory of the base's kernel below usr/lib/modules, in which its initramfs would be left; undefined: the new kernel has the same. */
  readonly leftOver: string | undefined
  /** Time of the transaction in the RPM database, in seconds since 1970; undefined: when it is built. */
  readonly sourceDateEpoch: number | undefined
}

/** The user's own Containerfile. */
export interface OwnPlan extends LayeredImage {
  readonly way: 'containerfile'
  /** As the user wrote it. */
  readonly text: string
}

export type LayeringPlan = RpmOstreePlan | DnfPlan | OwnPlan

export interface LayeringRequest {
  readonly base: PinnedReference
  readonly baseName: string
  readonly baseVersion?: string | undefined
  readonly kernelRelease: string
  /** The kernel's packages and the extra packages. */
  readonly packages: readonly PackageFile[]
  /** Names of the packages in the base's RPM database. */
  readonly installed: ReadonlySet<string>
  /** Directories of kernels below usr/lib/modules of the base. */
  readonly baseKernels?: readonly string[]
  /** Whether the base boots a unified kernel image, in which packages change nothing. */
  readonly hasUnifiedKernel?: boolean
  /** When the base was made, in seconds since 1970. */
  readonly sourceDateEpoch?: number | undefined
  /** Whether the base has a file at a path without a leading slash. */
  readonly baseHas: (path: string) => boolean
  /** The user's own Containerfile, and its path for messages. */
  readonly own?: { readonly text: string; readonly path: string } | undefined
}

/** Nothing that a shell, a Containerfile or a path would read as more than a name. */
const plainFile = /^[A-Za-z0-9][A-Za-z0-9._+~^-]{0,250}\.rpm$/
const plainRelease = /^[A-Za-z0-9][A-Za-z0-9._+~^-]{0,250}$/
const plainName = /^[A-Za-z0-9][A-Za-z0-9._:/@[\]-]{0,600}$/

/**
 * Chooses how the packages are put in: by the user's Containerfile where there is one, else by what the base has.
 * Throws LAYERING_NOT_SUPPORTED for a base that needs a Containerfile of the user, CONTAINERFILE_INVALID for one that is not built on the
 * base, INPUT_INVALID for names that are not plain.
 */
export function planLayering(request: LayeringRequest): LayeringPlan {
  const { base, baseName, kernelRelease, packages, baseHas, own } = request
  expectPlain('the name of the base image', baseName, plainName)
  expectPlain('the release of the kernel', kernelRelease, plainRelease)
  const seen = new Set<string>()
  for (const { file } of packages) {
    expectPlain('the file name of a package', file, plainFile)
    if (seen.has(file)) throw new ToolError('INPUT_INVALID', 'two packages have one file name', { found: file })
    seen.add(file)
  }
  const version = request.baseVersion
  const baseVersion = version !== undefined && plainRelease.test(version) ? version : undefined
  const image = { base, baseName, baseVersion, kernelRelease }
  if (own !== undefined) {
    parseOwnContainerfile(own.text, own.path)
    return { ...image, way: 'containerfile', text: own.text }
  }
  const why = withoutWay(request)
  if (why !== undefined)
    throw new ToolError('LAYERING_NOT_SUPPORTED', 'no way is known to put packages into this base image', {
      ...why,
      where: { source: baseName },
    })
  return { ...image, ...(hasOstree(baseHas) ? rpmOstreeWay(request) : dnfWay(request)) }
}

/** rpm-ostree takes its container branch only beside an ostree repository (bootc, ostree-ext/src/container_utils.rs). */
const ostreeFiles = ['usr/bin/rpm-ostree', 'sysroot/ostree/repo/config'] as const
const dnfPrograms = ['dnf', 'dnf5'] as const
const bootc = 'usr/bin/bootc'

const hasOstree = (baseHas: LayeringRequest['baseHas']): boolean => ostreeFiles.every(path => baseHas(path))

function withoutWay({ baseHas, hasUnifiedKernel }: LayeringRequest): { found: string; wanted: string } | undefined {
  if (hasUnifiedKernel === true)
    return {
      found: 'a unified kernel image',
      wanted: 'a Containerfile of yours (containerfile) that makes a new one with the new kernel',
    }
  if (hasOstree(baseHas) || dnfPrograms.some(name => baseHas(`usr/bin/${name}`))) return undefined
  const missing = [...ostreeFiles, 'usr/bin/dnf'].filter(path => !baseHas(path))
  return { found: `no ${missing.join(', no ')}`, wanted: 'rpm-ostree and its ostree repository in the image, or dnf' }
}

/**
 * `rpm-ostree override replace` wants packages that are there; others go through `rpm-ostree install` (rpm-ostree,
 * src/app/rpmostree-override-builtins.cxx: --install takes names only in a container).
 */
function rpmOstreeWay(request: LayeringRequest) {
  const { installed, baseHas, baseName, packages } = request
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
  const closingStep = baseHas(bootc) ? ('bootc container lint' as const) : ('ostree container commit' as const)
  return { way: 'rpm-ostree' as const, closingStep, replace, install: files(false) }
}

function dnfWay({ baseHas, packages, baseKernels = [], kernelRelease, sourceDateEpoch }: LayeringRequest) {
  const [old] = baseKernels
  const leftOver = baseKernels.length === 1 && old !== kernelRelease && plainRelease.test(old ?? '') ? old : undefined
  return {
    way: 'dnf' as const,
    program: dnfPrograms.find(name => baseHas(`usr/bin/${name}`)) ?? 'dnf',
    closingStep: baseHas(bootc) ? ('bootc container lint' as const) : undefined,
    install: packages.map(({ file }) => file).sort(),
    leftOver,
    sourceDateEpoch,
  }
}

function expectPlain(what: string, found: string, pattern: RegExp): void {
  if (!pattern.test(found))
    throw new ToolError('INPUT_INVALID', `${what} has characters that a build file cannot carry safely`, {
      found,
      wanted: 'letters, digits and . _ + ~ ^ -',
    })
}
