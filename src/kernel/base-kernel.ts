// The kernel that a base image has, from its RPM database: its version, and which packages it is made of.

import { ToolError } from '../errors.ts'
import { formatNevra, type RpmHeader } from '../formats/rpm/header.ts'
import { compareEvr, type Evr } from '../formats/rpm/version.ts'

/** What choosing needs to know of an installed package; a header of the RPM database fits. */
export type InstalledPackage = Pick<RpmHeader, 'name' | 'evr' | 'arch'>

export interface BaseKernel {
  readonly evr: Evr
  /** RPM architecture. */
  readonly arch: string
  /** What `uname -r` prints. */
  readonly release: string
  /** Names of the packages that are replaced together, sorted. */
  readonly names: readonly string[]
  /** el9, el9_6, fc44; null where the release has none. */
  readonly dist: string | null
}

const variant = /^kernel-(?:rt|64k)(?:-|$)/
const member = /^kernel(?:-core|-modules(?:-.+)?)?$/

/** True for kernel-rt…, kernel-64k… */
export function isKernelVariant(name: string): boolean {
  return variant.test(name)
}

/**
 * Finds the kernel of the base among its installed packages: `kernel`, `kernel-core` and `kernel-modules…` of one version
 * and architecture. Throws KERNEL_VARIANT_NOT_SUPPORTED, KERNEL_NOT_FOUND, KERNEL_NOT_UNIQUE, ARCHITECTURE_NOT_SUPPORTED;
 * `source` is the image.
 */
export function baseKernelOf(installed: readonly InstalledPackage[], arch: string, source?: string): BaseKernel {
  const where = { ...(source === undefined ? {} : { source }), path: 'RPM database' }
  const variants = installed.filter(({ name }) => isKernelVariant(name))
  if (variants.length > 0)
    throw new ToolError('KERNEL_VARIANT_NOT_SUPPORTED', 'the base image has a kernel that is not the default one', {
      found: variants.map(formatNevra).join(' '),
      wanted: 'kernel-core',
      where,
    })
  const cores = installed.filter(({ name }) => name === 'kernel-core')
  const [core, second] = cores
  if (core === undefined)
    throw new ToolError('KERNEL_NOT_FOUND', 'the base image has no package kernel-core', {
      wanted: 'kernel-core',
      where,
    })
  if (second !== undefined)
    throw new ToolError('KERNEL_NOT_UNIQUE', 'the base image has more than one kernel installed', {
      found: cores.map(formatNevra).join(' '),
      wanted: 'one kernel-core',
      where,
    })
  if (core.arch !== arch)
    throw new ToolError('ARCHITECTURE_NOT_SUPPORTED', 'the kernel of the base image has another architecture', {
      found: formatNevra(core),
      wanted: arch,
      where,
    })
  const names = installed
    .filter(one => member.test(one.name) && one.arch === arch && compareEvr(one.evr, core.evr) === 0)
    .map(one => one.name)
  return {
    evr: core.evr,
    arch,
    release: kernelRelease(core.evr, arch),
    names: [...new Set(names)].sort(),
    dist: distOf(core.evr.release),
  }
}

/** What `uname -r` prints for a kernel package. */
export function kernelRelease(evr: Evr, arch: string): string {
  return `${evr.version}-${evr.release}.${arch}`
}

const distPattern = /(?:^|\.)((?:eln|el|fc)[0-9]+(?:_[0-9]+)?)(?=\.|$)/

/** The dist tag in a release, like el9 in 600.el9 and el9_6 in 570.12.1.el9_6; null where there is none. */
export function distOf(release: string): string | null {
  return distPattern.exec(release)?.[1] ?? null
}

/** True when the release has exactly this dist tag, with or without its dot. */
export function hasDist(release: string, dist: string): boolean {
  return `.${release}.`.includes(`.${dist.replace(/^\./, '')}.`)
}
