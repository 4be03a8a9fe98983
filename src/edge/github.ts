// A GitOps repository on GitHub, by its REST API: what is there, and one proposal. docs.github.com/rest.

import { ToolError } from '../errors.ts'
import type { OwnBranch, PullRequestSeen } from '../propose/outcome.ts'
import { type Api, asked, faultOf, type GitHubOptions, openApi, statusOf } from './github/api.ts'
import { headOf, type Proposal, type ProposalResult, propose } from './github/propose.ts'
import { readYamlFiles } from './github/read-files.ts'
import { checkRights } from './github/rights.ts'

export { type GitHubOptions, githubApiUrl, isLoopbackApi } from './github/api.ts'
export type { Proposal, ProposalResult } from './github/propose.ts'

export interface BaseBranch {
  readonly name: string
  readonly head: string
  readonly tree: string
}

/** One repository, opened with one token. Every method throws TOKEN_DENIED and GITHUB_ERROR besides what it names. */
export interface GitHubRepository {
  readonly defaultBranch: string
  /** Login of the token; undefined for tokens of Apps, GITHUB_TOKEN among them. */
  login(): Promise<string | undefined>
  /** Throws BASE_BRANCH_NOT_FOUND. */
  readBaseBranch(name: string | undefined): Promise<BaseBranch>
  /** Path → text of the YAML files below the directory. */
  readYamlFiles(base: BaseBranch, directory: string): Promise<Map<string, string>>
  readOwnBranch(name: string, base: BaseBranch): Promise<OwnBranch | undefined>
  /** Pull requests from our branch to the base branch, newest first. */
  findPullRequests(branch: string, base: BaseBranch): Promise<PullRequestSeen[]>
  /** Asks whether the token may write contents and pull requests, without leaving anything behind. */
  checkRights(base: BaseBranch): Promise<void>
  /** Throws BRANCH_MOVED. */
  propose(proposal: Proposal): Promise<ProposalResult>
}

const reading = { doing: 'reading the repository', right: 'contents: read', notFound: 'GITOPS_NOT_FOUND' } as const
const listing = { doing: 'listing pull requests', right: 'pull-requests: read' } as const

/** Opens the repository. Throws GITOPS_NOT_FOUND when there is none, or when the token cannot see it. */
export async function openGitHub(options: GitHubOptions): Promise<GitHubRepository> {
  const api = openApi(options)
  const { owner, repo } = api
  const { data } = await asked(api, reading, () => api.octokit.rest.repos.get({ owner, repo }))
  return {
    defaultBranch: data.default_branch,
    login: () => readLogin(api),
    readBaseBranch: name => readBaseBranch(api, name ?? data.default_branch),
    readYamlFiles: (base, directory) => readYamlFiles(api, base.tree, directory),
    readOwnBranch: (name, base) => readOwnBranch(api, name, base),
    findPullRequests: (branch, base) => findPullRequests(api, branch, base),
    checkRights: base => checkRights(api, base.name),
    propose: proposal => propose(api, proposal),
  }
}

async function readLogin(api: Api): Promise<string | undefined> {
  try {
    const { data } = await api.octokit.rest.users.getAuthenticated()
    return data.login
  } catch (error) {
    if (statusOf(error) === 403) return undefined
    throw faultOf(api, { doing: 'asking who the token is', right: 'contents: read' }, error)
  }
}

async function readBaseBranch(api: Api, name: string): Promise<BaseBranch> {
  const head = await headOf(api, name)
  if (head === undefined)
    throw new ToolError('BASE_BRANCH_NOT_FOUND', `there is no branch ${name}`, {
      found: 'no such branch',
      wanted: name,
      where: { source: api.source, path: 'base-branch' },
    })
  return { name, head, tree: (await readCommit(api, head)).tree }
}

async function readCommit(api: Api, commit_sha: string): Promise<{ tree: string; message: string }> {
  const { owner, repo } = api
  const { data } = await asked(api, reading, () => api.octokit.rest.git.getCommit({ owner, repo, commit_sha }))
  return { tree: data.tree.sha, message: data.message }
}

async function readOwnBranch(api: Api, name: string, base: BaseBranch): Promise<OwnBranch | undefined> {
  const head = await headOf(api, name)
  if (head === undefined) return undefined
  const { owner, repo } = api
  const { tree } = await readCommit(api, head)
  const { data } = await asked(api, reading, () =>
    api.octokit.rest.repos.compareCommitsWithBasehead({
      owner,
      repo,
      basehead: `${base.head}...${head}`,
      per_page: 100,
    }),
  )
  const commits = data.commits.map(({ sha, commit, author }) => ({
    sha,
    message: commit.message,
    author: author !== null && 'login' in author && typeof author.login === 'string' ? author.login : null,
  }))
  const complete = commits.length === data.total_commits
  return { head, tree, mergeBase: data.merge_base_commit.sha, commits: complete ? commits : undefined }
}

async function findPullRequests(api: Api, branch: string, base: BaseBranch): Promise<PullRequestSeen[]> {
  const { owner, repo } = api
  const { data } = await asked(api, listing, () =>
    api.octokit.rest.pulls.list({
      owner,
      repo,
      head: `${owner}:${branch}`,
      base: base.name,
      state: 'all',
      sort: 'created',
      direction: 'desc',
      per_page: 20,
    }),
  )
  return await Promise.all(
    data.map(async ({ number, html_url, state, merged_at, head, body }): Promise<PullRequestSeen> => {
      const closed = merged_at === null ? 'closed' : 'merged'
      return {
        number,
        url: html_url,
        state: state === 'open' ? 'open' : closed,
        body: body ?? '',
        headMessage: state === 'closed' && merged_at === null ? await messageOf(api, head.sha) : null,
      }
    }),
  )
}

/** Commits of a deleted branch stay readable as long as the pull request does; null when this one is gone all the same. */
async function messageOf(api: Api, commit_sha: string): Promise<string | null> {
  const { owner, repo } = api
  try {
    return (await api.octokit.rest.git.getCommit({ owner, repo, commit_sha })).data.message
  } catch (error) {
    if (statusOf(error) === 404) return null
    throw faultOf(api, reading, error)
  }
}
