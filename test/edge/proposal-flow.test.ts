// From nothing to a merged pull request and on: created, unchanged, updated, merged, rejected; decisions and writes together.

import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { type GitHubRepository, openGitHub } from '../../src/edge/github.ts'
import { readLock } from '../../src/propose/lock.ts'
import { branchName } from '../../src/propose/names.ts'
import { decideOutcome } from '../../src/propose/outcome.ts'
import { pullRequestText } from '../../src/propose/pull-request.ts'
import { readRecords } from '../../src/propose/record.ts'
import type { ImageRecord } from '../../src/propose/record-schema.ts'
import { proposeChange } from '../../src/propose/repository-change.ts'
import { BareRepository } from '../build/github/bare-repository.ts'
import { type GitHubDouble, startGitHubDouble } from '../build/github/double.ts'
import { hexOf, makeBaseRecord, makeRecord, makeSettings } from '../build/proposal.ts'

const settings = makeSettings()
const branch = branchName(settings.directory, 'update')
let directory: string
let git: BareRepository
let double: GitHubDouble
let github: GitHubRepository

beforeAll(async () => {
  directory = mkdtempSync(join(tmpdir(), 'flow-'))
  git = BareRepository.create(join(directory, 'fleet.git'), { 'README.md': 'fleet\n' })
  const bot = { login: 'bot', app: false, contents: 'write', pullRequests: 'write' } as const
  double = await startGitHubDouble([{ owner: 'acme', name: 'fleet', git, defaultBranch: 'main' }], { bot })
  const repository = { owner: 'acme', name: 'fleet' }
  github = await openGitHub({ token: 'bot', repository, apiUrl: double.url, pace: 'none' })
})

afterAll(async () => {
  await double.stop()
  rmSync(directory, { recursive: true, force: true })
})

/** One run of `update` from its GitOps files on. */
async function run(record: ImageRecord): Promise<string> {
  const changeKey = record.changeKey ?? ''
  const base = await github.readBaseBranch(settings.baseBranch)
  const files = await github.readYamlFiles(base, settings.directory)
  const [own, pullRequests, login] = await Promise.all([
    github.readOwnBranch(branch, base),
    github.findPullRequests(branch, base),
    github.login(),
  ])
  const lock = readLock(settings.directory, files)
  const records = readRecords(settings.directory, files)
  const decision = decideOutcome({ branch: own, pullRequests, login, lock, records }, changeKey, settings.pools)
  if (decision.outcome === 'unchanged' || decision.outcome === 'rejected') return decision.outcome
  const change = proposeChange(settings, files, record, [makeBaseRecord()])
  const facts = { changeKey, downgraded: false, insecureSources: [], size: [], checksWaitForApproval: false }
  const text = pullRequestText(settings, change, record, facts)
  const openPullRequest = decision.pullRequest?.number
  await github.propose({ ...text, branch, base, own, openPullRequest, files: change.files })
  return decision.outcome
}

describe('one change after another', () => {
  const [first, second, third] = [makeRecord('first'), makeRecord('second'), makeRecord('third one')]

  it('created: values, records and image in one commit', async () => {
    expect(await run(first)).toBe('created')
    expect(git.text('rev-list', '--count', `main..${branch}`)).toBe('1')
    const names = git.text('diff', '--name-only', 'main', branch)
    expect(names).toContain(`reference-values/osimg-${hexOf('first').slice(0, 32)}.yaml`)
    expect(names).toContain('machine-config/99-worker-os-image.yaml')
    expect(double.pullRequests[0]?.body).toContain('## PCR values')
  })

  it('unchanged: nothing is written', async () => {
    const [refs, writes] = [git.refs(), double.writes().length]
    expect(await run(first)).toBe('unchanged')
    expect([git.refs(), double.writes().length]).toEqual([refs, writes])
  })

  it('updated again when the branch moved but the text could not be written', async () => {
    double.inject({ operation: 'pulls/update', status: 403 })
    await expect(run(second)).rejects.toMatchObject({ code: 'TOKEN_DENIED' })
    expect(git.text('log', '-1', '--format=%B', branch)).toContain(hexOf('key second'))
    expect(double.pullRequests[0]?.body).not.toContain(hexOf('key second'))
    expect(await run(second)).toBe('updated')
    expect(double.pullRequests[0]?.body).toContain(hexOf('key second'))
    expect(await run(second)).toBe('unchanged')
    expect(await run(first)).toBe('updated')
  })

  it('updated: the same branch and pull request, without what was never merged', async () => {
    expect(await run(second)).toBe('updated')
    expect(double.pullRequests).toHaveLength(1)
    expect(double.pullRequests[0]?.title).toContain('5.14.0-600.el9.x86_64')
    expect(git.text('diff', '--name-only', 'main', branch)).not.toContain(hexOf('first').slice(0, 32))
  })

  it('merged: unchanged, then created for the next', async () => {
    double.close(1, 'merged')
    expect(await run(second)).toBe('unchanged')
    expect(await run(third)).toBe('created')
    expect(git.text('diff', '--name-status', 'main', branch).match(/^M\t.*99-worker-os-image\.yaml$/m)).not.toBeNull()
  })

  it('closed: rejected until the key changes', async () => {
    double.close(2, 'closed')
    const refs = git.refs()
    expect(await run(third)).toBe('rejected')
    expect(git.refs()).toBe(refs)
    expect(await run(makeRecord('fourth'))).toBe('created')
  })

  it('a foreign commit stops it', async () => {
    git.commitFiles(branch, { 'x.txt': 'x\n' }, 'Mine')
    const refs = git.refs()
    await expect(run(makeRecord('fifth one'))).rejects.toMatchObject({ code: 'BRANCH_HAS_FOREIGN_COMMITS' })
    expect(git.refs()).toBe(refs)
    expect(double.violations).toEqual([])
  })
})
