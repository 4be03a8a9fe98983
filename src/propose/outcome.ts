// Whether there is anything to say: own branch, base branch, open and closed pull requests against the change key. Interface §4.

import { ToolError } from '../errors.ts'
import { bodyHasKey, changeKeyOf } from './commit-message.ts'
import type { Lock } from './lock.ts'
import { notRetired, type StoredRecord } from './record.ts'

/** One commit of a branch. `author` is the login on the forge where it is known. */
export interface BranchCommit {
  readonly sha: string
  readonly message: string
  readonly author: string | null
}

/** Our branch as it is now. */
export interface OwnBranch {
  readonly head: string
  readonly tree: string
  readonly mergeBase: string
  /** Commits that the base branch does not have, oldest first; undefined when there are too many to list. */
  readonly commits: readonly BranchCommit[] | undefined
}

/** A pull request from our branch to the base branch. */
export interface PullRequestSeen {
  readonly number: number
  readonly url: string
  readonly state: 'open' | 'merged' | 'closed'
  /** Its text as it stands now; '' when it has none. */
  readonly body: string
  /** Message of its head commit; null when that commit cannot be read any more. */
  readonly headMessage: string | null
}

export interface Situation {
  readonly branch: OwnBranch | undefined
  /** Newest first. */
  readonly pullRequests: readonly PullRequestSeen[]
  /** Login of the token; undefined when it cannot be known (tokens of Apps). */
  readonly login: string | undefined
  readonly lock: Lock | undefined
  readonly records: readonly StoredRecord[]
}

export type Decision =
  | { readonly outcome: 'unchanged' | 'rejected'; readonly pullRequest: PullRequestSeen | undefined }
  /** Something is to be written: a new pull request, or a new commit for the open one. */
  | { readonly outcome: 'created' | 'updated'; readonly pullRequest: PullRequestSeen | undefined }

/**
 * What to do about a change with this key for these pools.
 * Throws BRANCH_HAS_FOREIGN_COMMITS when a commit of the branch is not ours and something would have to be written.
 */
export function decideOutcome(situation: Situation, changeKey: string, pools: readonly string[]): Decision {
  if (pools.length > 0 && pools.every(pool => poolHas(situation, pool, changeKey)))
    return { outcome: 'unchanged', pullRequest: undefined }
  const open = situation.pullRequests.find(({ state }) => state === 'open')
  refuseForeign(situation)
  const head = situation.branch?.commits?.at(-1)
  const committed = head !== undefined && changeKeyOf(head.message) === changeKey
  // A run that moved the branch and then could not write the text leaves the text of the change before it.
  if (open !== undefined && committed && bodyHasKey(open.body, changeKey))
    return { outcome: 'unchanged', pullRequest: open }
  if (open !== undefined) return { outcome: 'updated', pullRequest: open }
  const rejected = situation.pullRequests.find(
    ({ state, headMessage }) => state === 'closed' && headMessage !== null && changeKeyOf(headMessage) === changeKey,
  )
  return rejected === undefined
    ? { outcome: 'created', pullRequest: undefined }
    : { outcome: 'rejected', pullRequest: rejected }
}

function poolHas({ lock, records }: Situation, pool: string, changeKey: string): boolean {
  const image = lock?.pools[pool]?.image
  return notRetired(records).some(({ record }) => record.image === image && record.changeKey === changeKey)
}

function refuseForeign({ branch, login }: Situation): void {
  if (branch === undefined) return
  const foreign = branch.commits?.find(commit => !isOurs(commit, login))
  if (branch.commits !== undefined && foreign === undefined) return
  if (foreign === undefined)
    throw new ToolError('BRANCH_HAS_FOREIGN_COMMITS', 'the branch holds more commits than can be looked at', {
      found: 'more commits than GitHub lists at once',
      wanted: 'only commits with a Change-Key trailer, made with this token',
      hint: 'delete the branch after its pull request was merged or closed; the next run makes a new one',
    })
  throw new ToolError('BRANCH_HAS_FOREIGN_COMMITS', 'the branch holds commits that are not ours', {
    found: `commit ${foreign.sha.slice(0, 12)} by ${foreign.author?.slice(0, 100) ?? 'an author without a login'}`,
    wanted: `only commits with a Change-Key trailer, made ${login === undefined ? 'by an App' : `by ${login}`}`,
  })
}

/** Anybody can copy a trailer. A token of an App cannot say who it is, but commits by Apps have authors that no person can be. */
function isOurs({ message, author }: BranchCommit, login: string | undefined): boolean {
  const madeByUs = login === undefined ? author?.endsWith('[bot]') === true : author === login
  return madeByUs && changeKeyOf(message) !== undefined
}
