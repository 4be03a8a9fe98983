// Whether the chosen packages and the base fit together, before anything is built; the repositories are asked who has what is missing.

import type { DownloadOptions } from '../edge/download.ts'
import { fetchRepositories } from '../edge/repository-metadata.ts'
import { type ToolError, throwAll } from '../errors.ts'
import type { Dependency } from '../formats/rpm/dependency.ts'
import type { HeaderStructure } from '../formats/rpm/header.ts'
import { type Provider, readProviders } from '../formats/rpm/primary-provides.ts'
import { repositoryFormats } from '../formats/rpm/repository-formats.ts'
import type { InstalledPackage } from '../image/installed-packages.ts'
import { brokenDependencies } from '../kernel/dependencies.ts'
import { dependencyFaults } from '../kernel/dependency-faults.ts'
import { dependentPackage } from '../kernel/dependent-package.ts'
import type { DownloadedKernel } from './kernel-repositories.ts'
import type { Work } from './update-work.ts'

/**
 * Throws one DEPENDENCY_BROKEN per dependency that would not hold after the build. The user's own Containerfile may take packages away or bring its
 * own, so there they are warnings. An image that something else built has its dependencies behind it.
 */
export async function checkFit(
  { making, base, settings, access, log }: Work,
  { packages }: DownloadedKernel,
): Promise<void> {
  if (making.kind !== 'build') return
  const faults = await findFaults(
    {
      chosen: packages.map(({ structure }) => structure),
      installed: base.contents.packages ?? [],
      arch: base.kernel.arch,
      repositories: settings.kernelRepositories,
    },
    access,
  )
  if (making.plan.way !== 'containerfile') throwAll(faults)
  for (const { message, found, wanted, where } of faults)
    log.warning(`${where.path}: ${message}: found ${found}, wanted ${wanted}`)
}

export interface DependencyQuestion {
  /** Signed main headers of the kernel's and the extra packages. */
  readonly chosen: readonly HeaderStructure[]
  /** Packages of the base, with their headers. */
  readonly installed: readonly InstalledPackage[]
  /** RPM architecture. */
  readonly arch: string
  readonly repositories: readonly string[]
}

/** One DEPENDENCY_BROKEN per dependency that would not hold, with the packages that would mend it. Throws RPM_INVALID, and as `fetchRepositories`. */
export async function findFaults(question: DependencyQuestion, options: DownloadOptions): Promise<ToolError[]> {
  const installed = question.installed.flatMap(({ header }) => (header === undefined ? [] : [dependentPackage(header)]))
  const broken = brokenDependencies(question.chosen.map(dependentPackage), installed)
  const lacking = broken.flatMap(one => one.lacking)
  const providers = lacking.length === 0 ? [] : await findProviders(question.repositories, lacking, options)
  return dependencyFaults(broken, providers, question.arch)
}

/** Reads the metadata once more, since until now nobody knew what to look for. */
async function findProviders(
  repositories: readonly string[],
  lacking: readonly Dependency[],
  options: DownloadOptions,
): Promise<readonly Provider[]> {
  const found: Provider[] = []
  const formats = {
    ...repositoryFormats,
    async *readPrimary(chunks: AsyncIterable<string> | Iterable<string>, _names: ReadonlySet<string>, source: string) {
      for await (const one of readProviders(chunks, lacking, source)) found.push(one)
      yield* []
    },
  }
  await fetchRepositories(repositories, new Set(), formats, options)
  return found
}
