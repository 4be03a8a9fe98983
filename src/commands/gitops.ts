// The GitOps repository as one run finds it: tree, records and lock, our branch and its pull requests.

import { type BaseBranch, type GitHubRepository, githubApiUrl, isLoopbackApi, openGitHub } from '../edge/github.ts'
import type { Environment } from '../edge/surroundings.ts'
import { ToolError } from '../errors.ts'
import { type Lock, readLock } from '../propose/lock.ts'
import { branchName } from '../propose/names.ts'
import type { Situation } from '../propose/outcome.ts'
import { notRetired, readRecords, type StoredRecord } from '../propose/record.ts'
import type { ImageRecord } from '../propose/record-schema.ts'
import type { Credentials } from '../settings/credentials.ts'
import type { CheckSettings } from '../settings/settings.ts'

export interface GitOpsTree {
  /** GitHub holds the checks of pull requests that the token of a job opens. */
  readonly checksWaitForApproval: boolean
  readonly repository: GitHubRepository
  readonly base: BaseBranch
  /** Path → text of the YAML files below the directory. */
  readonly files: ReadonlyMap<string, string>
  readonly records: readonly StoredRecord[]
  readonly lock: Lock | undefined
}

/** Throws TOKEN_MISSING, GITOPS_NOT_FOUND, BASE_BRANCH_NOT_FOUND, TOKEN_DENIED, GITHUB_ERROR, YAML_INVALID, RECORD_INVALID. */
export async function readGitOps(
  settings: Pick<CheckSettings, 'gitopsRepository' | 'baseBranch' | 'directory'>,
  credentials: Credentials,
  environment: Environment,
): Promise<GitOpsTree> {
  const { gitopsRepository, baseBranch, directory } = settings
  const token = credentials.gitopsToken
  if (token === undefined) throw new ToolError('TOKEN_MISSING', 'the GitOps repository cannot be read without a token')
  if (gitopsRepository === undefined)
    throw new ToolError('SETTING_MISSING', 'gitops-repository is required', { wanted: 'owner/name' })
  const apiUrl = githubApiUrl(environment)
  const pace = isLoopbackApi(apiUrl) ? 'none' : 'github'
  const repository = await openGitHub({ token, repository: gitopsRepository, apiUrl, pace })
  const base = await repository.readBaseBranch(baseBranch)
  const files = await repository.readYamlFiles(base, directory)
  const checksWaitForApproval = credentials.isJobToken
  return {
    repository,
    checksWaitForApproval,
    base,
    files,
    records: readRecords(directory, files),
    lock: readLock(directory, files),
  }
}

/** What decides whether there is anything to say. */
export async function readSituation(tree: GitOpsTree, directory: string): Promise<Situation> {
  const branch = branchName(directory, 'update')
  return {
    branch: await tree.repository.readOwnBranch(branch, tree.base),
    pullRequests: await tree.repository.findPullRequests(branch, tree.base),
    login: await tree.repository.login(),
    lock: tree.lock,
    records: tree.records,
  }
}

/** The record of the image that the lock names for these pools; undefined when there is none, or when they differ. */
export function recordInUse(
  tree: Pick<GitOpsTree, 'records' | 'lock'>,
  pools: readonly string[],
): ImageRecord | undefined {
  const images = new Set(pools.map(pool => tree.lock?.pools[pool]?.image))
  const [image] = images
  if (images.size !== 1 || image === undefined) return undefined
  return notRetired(tree.records).findLast(({ record }) => record.image === image)?.record
}
