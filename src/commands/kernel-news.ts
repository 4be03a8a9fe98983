// Advisories between the kernel in use and the chosen one. They are for readers of the pull request only, so a fault in them stops nothing.

import type { Log } from '../edge/log.ts'
import { readAdvisories } from '../edge/repository-metadata.ts'
import { ToolError } from '../errors.ts'
import { repositoryFormats } from '../formats/rpm/repository-formats.ts'
import type { Advisory } from '../formats/rpm/updateinfo.ts'
import { advisoriesWithin, type KernelStep } from '../kernel/advisories.ts'
import type { Facts } from './update-work.ts'

/** Those of all kernel repositories, each id once; none, and a warning, where they cannot be read. */
export async function findAdvisories(
  { settings, access, log }: Pick<Facts, 'settings' | 'access'> & { readonly log: Pick<Log, 'warning'> },
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
