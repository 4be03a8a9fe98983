// The setting extra-packages: packages that are layered besides the kernel.

import { ToolError } from '../errors.ts'
import { formatNevra } from '../formats/rpm/header.ts'
import { compareEvr, type Evr, formatEvr } from '../formats/rpm/version.ts'
import { type InstalledPackage, isKernelVariant } from './base-kernel.ts'
import type { RepositoryPackage } from './kernel-packages.ts'
import type { RepositoryPackages } from './kernel-sets.ts'

export interface ExtraPackages {
  readonly found: readonly RepositoryPackage[]
  readonly errors: readonly ToolError[]
}

/**
 * The newest package of each name for the architecture or noarch; of equals the first repository wins. A name that begins
 * with `kernel-` is taken at the version of the chosen kernel only. Any other that is older than what the base has is an error: metadata is not
 * signed, and an old package is genuine too.
 */
export function chooseExtraPackages(
  names: readonly string[],
  repositories: readonly RepositoryPackages[],
  kernel: { readonly evr: Evr; readonly arch: string },
  installed: readonly InstalledPackage[] = [],
): ExtraPackages {
  const found: RepositoryPackage[] = []
  const errors: ToolError[] = []
  const all = repositories.flatMap(({ packages }) => packages)
  for (const name of new Set(names)) {
    const bound = name.startsWith('kernel-')
    const newest = all
      .filter(one => one.name === name && (one.arch === kernel.arch || one.arch === 'noarch'))
      .filter(({ evr }) => !bound || compareEvr(evr, kernel.evr) === 0)
      .reduce<RepositoryPackage | undefined>(newer, undefined)
    const there = bound ? undefined : installed.find(one => one.name === name && isOlder(newest, one))
    if (isKernelVariant(name)) errors.push(variant(name))
    else if (newest === undefined) errors.push(notFound(name, bound ? kernel.evr : undefined))
    else if (there !== undefined) errors.push(older(newest, there))
    else found.push(newest)
  }
  return { found, errors }
}

function newer(best: RepositoryPackage | undefined, next: RepositoryPackage): RepositoryPackage {
  return best !== undefined && compareEvr(next.evr, best.evr) <= 0 ? best : next
}

function isOlder(chosen: RepositoryPackage | undefined, there: InstalledPackage): boolean {
  return chosen !== undefined && compareEvr(chosen.evr, there.evr) < 0
}

function older(chosen: RepositoryPackage, there: InstalledPackage): ToolError {
  return new ToolError('DOWNGRADE_REFUSED', 'an extra package is older than the one that the base image has', {
    found: formatNevra(chosen),
    wanted: `${formatNevra(there)} or newer`,
    where: { path: 'extra-packages' },
    hint: 'take it out of extra-packages, or name a repository that has a newer one',
  })
}

function variant(name: string): ToolError {
  return new ToolError('KERNEL_VARIANT_NOT_SUPPORTED', 'extra-packages asks for another kernel', {
    found: name,
    wanted: 'packages beside the default kernel',
    where: { path: 'extra-packages' },
  })
}

function notFound(name: string, evr: Evr | undefined): ToolError {
  return new ToolError('EXTRA_PACKAGE_NOT_FOUND', `no repository has the extra package ${name}`, {
    wanted: evr === undefined ? name : `${name} of version ${formatEvr(evr)}`,
    where: { path: 'extra-packages' },
    hint: 'check its name, and add the repository that has it to kernel-repositories',
  })
}
