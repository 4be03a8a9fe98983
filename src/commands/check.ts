// `check`: asks registry, repositories and, where a token is given, the GitOps repository; writes nothing.

import { environment, timeNow } from '../edge/surroundings.ts'
import { inStep, type ToolError } from '../errors.ts'
import { formatPinnedReference } from '../formats/oci/reference.ts'
import { parseEvr } from '../formats/rpm/version.ts'
import type { Lock } from '../propose/lock.ts'
import { baseDigestOf } from '../propose/record.ts'
import { standingOf } from '../propose/standing.ts'
import { configMapPath, expiration } from '../propose/trustee-config-map.ts'
import type { CheckSettings } from '../settings/settings.ts'
import { findKernelFor, readBase } from './base-kernel.ts'
import { checkDocument, checkText, type Held } from './check-document.ts'
import type { Command } from './command.ts'
import { type GitOpsTree, readGitOps, recordInUse } from './gitops.ts'
import { registryOf } from './open-image.ts'
import { repositoryAccess, tellAges, tellWentBack } from './repository-access.ts'

export const checkCommand: Command<'check'> = async (settings, credentials, log) => {
  const env = environment()
  const known = settings.gitopsRepository !== undefined && credentials.gitopsToken !== undefined
  if (!known) log.info('no GitOps repository or token given: compared with the base image, not with what is in use')
  const gitops = known
    ? await inStep('GitOps repository', () => readGitOps(settings, credentials, env))
    : { records: [], lock: undefined, files: undefined }
  const record = recordInUse(gitops, settings.pools)
  const recordedKernel = record === undefined ? null : (standingOf(gitops, settings.pools).inUse ?? null)
  const sources = { credentials, gitops: known ? gitops : undefined }
  const base = await readBase(settings, await registryOf(env, settings, credentials), log.progress, sources)
  const access = await repositoryAccess(env, settings, credentials, log)
  const { answer: kernel, repositories } = await findKernelFor(base, settings, access)
  tellAges(repositories, settings.repositoryMaxAge, log)
  tellWentBack(kernel.newest, recordedKernel, log)
  const document = checkDocument({
    base: base.kernel,
    kernel,
    recordedBase: (record && baseDigestOf(record)) ?? null,
    recordedKernel,
    newestBase: base.pinned.digest,
    baseFollowed: base.followed,
    held: heldOf(gitops.lock),
    valuesExpire: expiryOf(gitops, settings),
    now: Date.parse(timeNow()),
  })
  const problem = 'problem' in kernel ? sentenceOf(kernel.problem) : null
  return {
    outputs: {
      'update-available': String(document.updateAvailable),
      'base-image': formatPinnedReference(base.pinned),
      ...(document.kernel.newest === null ? {} : { 'kernel-version': document.kernel.newest }),
    },
    document,
    text: checkText(document, problem).trimEnd(),
    exitCode: 0,
  }
}

function heldOf(lock: Lock | undefined): Held | null {
  if (lock?.held === undefined) return null
  const { kernel, image, since, reason } = lock.held
  return { kernel: kernel === undefined ? null : parseEvr(kernel), image: image ?? null, since, reason }
}

/** Only values for Trustee expire, and those stand in the ConfigMap. */
function expiryOf(
  { lock, files }: { readonly lock: Lock | undefined; readonly files: GitOpsTree['files'] | undefined },
  { directory, valueLifetime }: CheckSettings,
): number | null {
  if (lock === undefined || files?.has(configMapPath(directory)) !== true) return null
  return Date.parse(expiration(lock.valuesFrom, valueLifetime))
}

/** Why no kernel can be taken, with what the repositories have and what was asked of them. */
function sentenceOf({ message, found, wanted }: ToolError): string {
  return [message, ...(found === undefined ? [] : [found]), ...(wanted === undefined ? [] : [`wanted ${wanted}`])].join(
    '; ',
  )
}
