// What is new between the kernel in use and the chosen one, for readers of the pull request: changelog and advisories.

import type { Log } from '../edge/log.ts'
import { readAdvisories } from '../edge/repository-metadata.ts'
import type { PackageOptions } from '../edge/rpm-repository.ts'
import { ToolError } from '../errors.ts'
import { readChangelog } from '../formats/rpm/changelog.ts'
import { repositoryFormats } from '../formats/rpm/repository-formats.ts'
import type { Advisory } from '../formats/rpm/updateinfo.ts'
import { advisoriesWithin, type KernelStep } from '../kernel/advisories.ts'
import { type KernelChanges, kernelChanges } from '../kernel/changelog.ts'
import { standingOf } from '../propose/standing.ts'
import type { DownloadedKernel } from './kernel-repositories.ts'
import type { Work } from './update-work.ts'

export interface KernelNews {
  /** From the signed header of kernel-core; undefined where the chosen kernel is not newer. */
  readonly kernelChanges: KernelChanges | undefined
  /** From unsigned metadata of the repositories. */
  readonly advisories: readonly Advisory[]
}

/** News since the kernel in use, else since that of the base. Throws RPM_INVALID. */
export async function kernelNews(work: Work, { packages }: DownloadedKernel): Promise<KernelNews> {
  const { settings, situation, base, choice } = work
  const core = packages.find(one => one.package.name === 'kernel-core')
  const current = standingOf(situation, settings.pools).inUse ?? base.kernel.evr
  const changes = core && kernelChanges(readChangelog(core.structure), current, choice.kernel.evr)
  if (changes === undefined) return { kernelChanges: undefined, advisories: [] }
  const step = { current, chosen: choice.kernel.evr, arch: base.kernel.arch }
  return { kernelChanges: changes, advisories: await findAdvisories(work, step) }
}

/** Those of all kernel repositories, each id once. A fault in them stops nothing: none, and a warning. */
export async function findAdvisories(
  {
    settings,
    access,
    log,
  }: Pick<Work, 'settings'> & { readonly access: PackageOptions; readonly log: Pick<Log, 'warning'> },
  step: KernelStep,
): Promise<readonly Advisory[]> {
  try {
    const found = await readAdvisories(settings.kernelRepositories, repositoryFormats, access, (text, source) =>
      advisoriesWithin(text, step, source),
    )
    return [...new Map(found.flat().map(one => [one.id, one])).values()]
  } catch (error) {
    if (!(error instanceof ToolError)) throw error
    log.warning(`the advisories of the kernel repositories are left out: ${error.code}: ${error.message}`)
    return []
  }
}
