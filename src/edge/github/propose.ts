// One tree, one commit, one move of the branch, one pull request: writing to GitHub without a clone (design D16).

import { ToolError } from '../../errors.ts'
import type { OwnBranch } from '../../propose/outcome.ts'
import type { FileChange } from '../../propose/repository-change.ts'
import { type Api, asked, faultOf, statusOf } from './api.ts'

export interface Proposal {
  readonly branch: string
  /** What the change was computed from. */
  readonly base: { readonly name: string; readonly head: string; readonly tree: string }
  /** Our branch as it was read; undefined when there is none. */
  readonly own: OwnBranch | undefined
  /** Number of the open pull request of that branch. */
  readonly openPullRequest: number | undefined
  readonly files: readonly FileChange[]
  readonly commitMessage: string
  readonly title: string
  readonly body: string
  readonly draft: boolean
}

export interface ProposalResult {
  readonly commit: string
  /** Whether GitHub signed the commit; null when no commit was needed. */
  readonly commitVerified: boolean | null
  readonly pullRequest: { readonly number: number; readonly url: string; readonly draft: boolean }
}

const writing = { doing: 'writing the commit', right: 'contents: write' } as const
const moving = { doing: 'moving the branch', right: 'contents: write' } as const
const opening = { doing: 'opening the pull request', right: 'pull-requests: write' } as const

/**
 * Commits the files on our branch and opens the pull request, or updates the open one. Nothing is ever forced.
 * Throws TOKEN_DENIED, BRANCH_MOVED, GITHUB_ERROR. A branch that was made here is deleted again when no pull request can be opened.
 */
export async function propose(api: Api, proposal: Proposal): Promise<ProposalResult> {
  await checkHead(api, proposal)
  await checkOpen(api, proposal)
  const written = await writeCommit(api, proposal)
  if (written.commit !== proposal.own?.head) await moveBranch(api, proposal, written.commit)
  try {
    return { ...written, pullRequest: await writePullRequest(api, proposal) }
  } catch (error) {
    if (proposal.own === undefined) await deleteBranch(api, proposal.branch, written.commit, error)
    throw error
  }
}

/** The commit that the branch names now, or undefined. */
export async function headOf(api: Api, branch: string): Promise<string | undefined> {
  const { owner, repo } = api
  try {
    const { data } = await api.octokit.rest.git.getRef({ owner, repo, ref: `heads/${branch}` })
    return data.object.sha
  } catch (error) {
    // 409: a repository without any commit.
    if (statusOf(error) === 404 || statusOf(error) === 409) return undefined
    throw faultOf(api, { doing: `reading branch ${branch}`, right: 'contents: read' }, error)
  }
}

async function checkHead(api: Api, { branch, own }: Proposal): Promise<void> {
  const head = await headOf(api, branch)
  if (head !== own?.head) throw branchMoved(branch, own?.head, head)
}

/** A pull request that was merged or closed while the image was built must not get another text. */
async function checkOpen(api: Api, { branch, base, openPullRequest }: Proposal): Promise<void> {
  if (openPullRequest === undefined) return
  const open = await findOpen(api, branch, base.name)
  if (open?.number === openPullRequest) return
  throw new ToolError('BRANCH_MOVED', `pull request ${openPullRequest} was merged or closed while this ran`, {
    found: open === undefined ? 'no open pull request' : `pull request ${open.number}`,
    wanted: `pull request ${openPullRequest}, open`,
    where: { source: api.source },
  })
}

async function writeCommit(
  api: Api,
  { base, own, files, commitMessage }: Proposal,
): Promise<Pick<ProposalResult, 'commit' | 'commitVerified'>> {
  const { owner, repo } = api
  const entries = files.map(({ path, content }) => ({
    path,
    mode: '100644' as const,
    type: 'blob' as const,
    ...(content === null ? { sha: null } : { content }),
  }))
  const tree = await asked(api, writing, () =>
    api.octokit.rest.git.createTree({ owner, repo, base_tree: base.tree, tree: entries }),
  )
  const baseMoved = own !== undefined && own.mergeBase !== base.head
  // The branch holds exactly this already: a run that stopped before its pull request.
  if (own !== undefined && !baseMoved && own.tree === tree.data.sha) return { commit: own.head, commitVerified: null }
  const parents = own === undefined ? [base.head] : baseMoved ? [own.head, base.head] : [own.head]
  const commit = await asked(api, writing, () =>
    api.octokit.rest.git.createCommit({ owner, repo, message: commitMessage, tree: tree.data.sha, parents }),
  )
  return { commit: commit.data.sha, commitVerified: commit.data.verification.verified }
}

/** A retried request may have done its work the first time, so a refusal is judged by what the branch is now. */
async function moveBranch(api: Api, { branch, own }: Proposal, sha: string): Promise<void> {
  const { owner, repo } = api
  try {
    if (own === undefined) await api.octokit.rest.git.createRef({ owner, repo, ref: `refs/heads/${branch}`, sha })
    else await api.octokit.rest.git.updateRef({ owner, repo, ref: `heads/${branch}`, sha, force: false })
  } catch (error) {
    const status = statusOf(error)
    if (status !== 422 && status !== 409) throw faultOf(api, moving, error)
    const head = await headOf(api, branch)
    if (head === sha) return
    throw head === own?.head ? faultOf(api, moving, error) : branchMoved(branch, own?.head, head)
  }
}

async function writePullRequest(api: Api, proposal: Proposal): Promise<ProposalResult['pullRequest']> {
  const { owner, repo } = api
  const { title, body, openPullRequest } = proposal
  if (openPullRequest === undefined) return await createPullRequest(api, proposal, proposal.draft)
  const { data } = await asked(api, { ...opening, doing: 'updating the pull request' }, () =>
    api.octokit.rest.pulls.update({ owner, repo, pull_number: openPullRequest, title, body }),
  )
  return { number: data.number, url: data.html_url, draft: data.draft ?? false }
}

async function createPullRequest(api: Api, proposal: Proposal, draft: boolean): Promise<ProposalResult['pullRequest']> {
  const { owner, repo } = api
  const { branch, base, title, body } = proposal
  try {
    const request = { owner, repo, head: branch, base: base.name, title, body, draft }
    const { data } = await api.octokit.rest.pulls.create(request)
    return { number: data.number, url: data.html_url, draft: data.draft ?? false }
  } catch (error) {
    if (statusOf(error) !== 422) throw faultOf(api, opening, error)
    const open = await findOpen(api, branch, base.name)
    if (open !== undefined) return open
    // Not every plan of GitHub has drafts, and 422 is all that it says then.
    if (draft) return await createPullRequest(api, proposal, false)
    throw faultOf(api, opening, error)
  }
}

async function findOpen(api: Api, branch: string, base: string): Promise<ProposalResult['pullRequest'] | undefined> {
  const { owner, repo } = api
  const { data } = await asked(api, opening, () =>
    api.octokit.rest.pulls.list({ owner, repo, head: `${owner}:${branch}`, base, state: 'open' }),
  )
  const [found] = data
  return found === undefined ? undefined : { number: found.number, url: found.html_url, draft: found.draft ?? false }
}

/** Only the branch as it was made here; one that somebody moved meanwhile stays. */
async function deleteBranch(api: Api, branch: string, commit: string, cause: unknown): Promise<void> {
  const { owner, repo } = api
  try {
    if ((await headOf(api, branch)) === commit)
      await api.octokit.rest.git.deleteRef({ owner, repo, ref: `heads/${branch}` })
  } catch {
    const why = cause instanceof ToolError ? cause : undefined
    throw new ToolError(why?.code ?? 'GITHUB_ERROR', why?.message ?? 'the pull request could not be opened', {
      ...(why?.found === undefined ? {} : { found: why.found }),
      ...(why?.wanted === undefined ? {} : { wanted: why.wanted }),
      where: { source: api.source },
      hint: `branch ${branch} could not be deleted again; delete it by hand${why?.hint === undefined ? '' : `. ${why.hint}`}`,
    })
  }
}

function branchMoved(branch: string, wanted: string | undefined, found: string | undefined): ToolError {
  return new ToolError('BRANCH_MOVED', `branch ${branch} was changed while this ran`, {
    found: found ?? 'no branch',
    wanted: wanted ?? 'no branch',
  })
}
