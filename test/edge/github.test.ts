// The GitHub client against a double with real git behind it, judged by GitHub's own API description.

import { once } from 'node:events'
import { cpSync, mkdtempSync, rmSync } from 'node:fs'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { type GitHubRepository, githubApiUrl, openGitHub, type Proposal } from '../../src/edge/github.ts'
import { ToolError } from '../../src/errors.ts'
import { formatCommitMessage } from '../../src/propose/commit-message.ts'
import { BareRepository } from '../build/github/bare-repository.ts'
import { type GitHubDouble, startGitHubDouble } from '../build/github/double.ts'
import { hexOf } from '../build/proposal.ts'

const branch = 'attested-os-update/clusters-one/update'
const start = {
  'README.md': 'fleet\n',
  'clusters/one/a.yaml': '\ufeffa: 1\r\n',
  'clusters/one/deep/b.yml': 'b: "é😀"\n',
  'clusters/one/c.json': '{}\n',
  'clusters/two/d.yaml': 'd: 1\n',
}
const right = { contents: 'write', pullRequests: 'write' } as const
const tokens = {
  bot: { login: 'fleet-bot', app: false, ...right },
  app: { login: 'app[bot]', app: true, ...right },
  reader: { login: 'reader', app: false, contents: 'read', pullRequests: 'read' },
  noPulls: { login: 'fleet-bot', app: true, contents: 'write', pullRequests: 'read' },
  stranger: { login: 'stranger', app: false, contents: 'none', pullRequests: 'none' },
} as const

let directory: string
let empty: BareRepository
let plain: BareRepository
let git: BareRepository
let double: GitHubDouble

beforeAll(() => {
  directory = mkdtempSync(join(tmpdir(), 'github-'))
  BareRepository.create(join(directory, 'start.git'), start)
  empty = BareRepository.create(join(directory, 'empty.git'), {})
  plain = new BareRepository(join(directory, 'plain.git'))
  cpSync(join(directory, 'start.git'), plain.directory, { recursive: true })
})

beforeEach(async () => {
  git = new BareRepository(join(directory, 'fleet.git'))
  cpSync(join(directory, 'start.git'), git.directory, { recursive: true })
  double = await startGitHubDouble(
    [
      { owner: 'acme', name: 'fleet', git, defaultBranch: 'main' },
      { owner: 'acme', name: 'empty', git: empty, defaultBranch: 'main' },
      { owner: 'acme', name: 'plain', git: plain, defaultBranch: 'main', drafts: false },
    ],
    tokens,
  )
})

afterEach(async () => {
  await double.stop()
  rmSync(git.directory, { recursive: true, force: true })
  expect(double.violations).toEqual([])
})

afterAll(() => rmSync(directory, { recursive: true, force: true }))

const open = (token: string = 'bot', name = 'fleet') =>
  openGitHub({ token, repository: { owner: 'acme', name }, apiUrl: double.url, pace: 'none', retryDelay: 1 })

async function faultOf(work: Promise<unknown>): Promise<unknown> {
  return await work.then(
    () => undefined,
    (error: unknown) => error,
  )
}

async function proposal(github: GitHubRepository, changes: Partial<Proposal> = {}): Promise<Proposal> {
  const base = await github.readBaseBranch(undefined)
  const own = await github.readOwnBranch(branch, base)
  const [pull] = await github.findPullRequests(branch, base)
  return {
    branch,
    base,
    own,
    openPullRequest: pull?.state === 'open' ? pull.number : undefined,
    files: [{ path: 'clusters/one/new.yaml', content: 'new: 1\n' }],
    commitMessage: formatCommitMessage('Subject', 'Body', hexOf('one')),
    title: 'Title',
    body: 'Text',
    draft: true,
    ...changes,
  }
}

const send = async (github: GitHubRepository, changes: Partial<Proposal> = {}) =>
  await github.propose(await proposal(github, changes))

describe('reading', () => {
  it('gives the YAML files below the directory, byte for byte', async () => {
    const github = await open()
    const base = await github.readBaseBranch(undefined)
    expect(base).toEqual({ name: 'main', head: git.ref('heads/main'), tree: git.text('rev-parse', 'main^{tree}') })
    expect(await github.readYamlFiles(base, 'clusters/one')).toEqual(
      new Map([
        ['clusters/one/a.yaml', '\ufeffa: 1\r\n'],
        ['clusters/one/deep/b.yml', 'b: "é😀"\n'],
      ]),
    )
    expect([...(await github.readYamlFiles(base, '')).keys()]).toHaveLength(3)
    expect(await github.readYamlFiles(base, 'clusters/new')).toEqual(new Map())
    expect(await github.readOwnBranch(branch, base)).toBeUndefined()
    expect(await github.findPullRequests(branch, base)).toEqual([])
    expect(double.writes()).toEqual([])
  })

  it('knows the login of a user token, not of an App', async () => {
    expect(await (await open()).login()).toBe('fleet-bot')
    expect(await (await open('app')).login()).toBeUndefined()
  })

  it('refuses what it cannot see through', async () => {
    const link = git.writeTree(git.ref('heads/main'), [
      { path: 'clusters/one/l.yaml', mode: '120000', content: '../two/d.yaml' },
      { path: 'clusters/alias', mode: '120000', content: 'one' },
      { path: 'latin/a.yaml', mode: '100644', content: Uint8Array.of(0x61, 0x3a, 0x20, 0xe9) },
      { path: 'long/a.yaml', mode: '100644', content: 'a'.repeat(1024 * 1024 + 1) },
    ])
    const sha = git.writeCommit(link, [git.ref('heads/main') ?? ''], 'Links', 'alice')
    git.moveRef('heads/links', sha, undefined)
    const github = await open()
    const base = await github.readBaseBranch('links')
    const read = (where: string) => faultOf(github.readYamlFiles(base, where))
    expect(await read('clusters/one')).toMatchObject({ code: 'LAYOUT_NOT_SUPPORTED', found: 'clusters/one/l.yaml' })
    expect(await read('clusters/alias')).toMatchObject({ code: 'SETTING_INVALID', found: 'alias is a symbolic link' })
    expect(await read('README.md')).toMatchObject({ code: 'SETTING_INVALID', found: 'README.md is a file' })
    expect(await read('latin')).toMatchObject({ code: 'YAML_INVALID', where: { source: 'latin/a.yaml' } })
    expect(await read('long')).toMatchObject({ code: 'CEILING_REACHED', where: { source: 'long/a.yaml' } })
  })

  it.each([
    ['no such repository', 'bot', 'none', 'GITOPS_NOT_FOUND'],
    ['a token that cannot see it', 'stranger', 'fleet', 'GITOPS_NOT_FOUND'],
    ['a wrong token', 'ghp_not_a_token', 'fleet', 'TOKEN_DENIED'],
  ])('%s', async (_, token, name, code) => {
    const fault = await faultOf(open(token, name))
    expect(fault).toMatchObject({ code, where: { source: `acme/${name}` } })
    expect(JSON.stringify(fault) + String(fault)).not.toContain('ghp_not_a_token')
  })

  it('a base branch that does not exist, and a repository without commits', async () => {
    const wanted = { code: 'BASE_BRANCH_NOT_FOUND' }
    expect(await faultOf((await open()).readBaseBranch('nope'))).toMatchObject({ ...wanted, wanted: 'nope' })
    expect(await faultOf((await open('bot', 'empty')).readBaseBranch(undefined))).toMatchObject(wanted)
  })
})

describe('proposing', () => {
  it('one commit on the base, one draft pull request, verified for an App', async () => {
    const github = await open('app')
    const main = git.ref('heads/main')
    const result = await send(github)
    expect(result).toMatchObject({ commitVerified: true, pullRequest: { number: 1, draft: true } })
    const commit = git.commit(result.commit)
    expect(commit.parents).toEqual([main])
    expect(git.ref(`heads/${branch}`)).toBe(result.commit)
    expect(git.text('diff', '--name-status', 'main', branch)).toBe('A\tclusters/one/new.yaml')
    expect(double.writes()).toEqual([
      'POST /repos/acme/fleet/git/trees',
      'POST /repos/acme/fleet/git/commits',
      'POST /repos/acme/fleet/git/refs',
      'POST /repos/acme/fleet/pulls',
    ])
    expect(double.pullRequests).toMatchObject([{ title: 'Title', body: 'Text', base: 'main', branch, state: 'open' }])
    const base = await github.readBaseBranch(undefined)
    expect(await github.readOwnBranch(branch, base)).toMatchObject({
      head: result.commit,
      mergeBase: main,
      commits: [{ sha: result.commit, author: 'app[bot]', message: expect.stringContaining('Change-Key: ') }],
    })
    expect(await github.findPullRequests(branch, base)).toMatchObject([
      { number: 1, state: 'open', headMessage: null, body: 'Text' },
    ])
  })

  it('a second change goes on the same branch and pull request; the tree is always base and our files', async () => {
    const github = await open()
    const first = await send(github)
    const second = await send(github, {
      files: [{ path: 'clusters/one/other.yaml', content: 'o: 1\n' }],
      title: 'Second',
      body: 'More',
    })
    expect(git.commit(second.commit).parents).toEqual([first.commit])
    expect(git.text('diff', '--name-status', 'main', branch)).toBe('A\tclusters/one/other.yaml')
    expect(double.pullRequests).toMatchObject([{ number: 1, title: 'Second', body: 'More' }])
  })

  it('removes a file', async () => {
    await send(await open(), { files: [{ path: 'clusters/one/a.yaml', content: null }] })
    expect(git.text('diff', '--name-status', 'main', branch)).toBe('D\tclusters/one/a.yaml')
  })

  it('takes in a base branch that moved on', async () => {
    const github = await open()
    const first = await send(github)
    const moved = git.commitFiles('main', { 'clusters/two/d.yaml': 'd: 2\n' }, 'Somebody else')
    const second = await send(github, { files: [{ path: 'clusters/one/new.yaml', content: 'new: 2\n' }] })
    expect(git.commit(second.commit).parents).toEqual([first.commit, moved])
    expect(git.text('diff', '--name-status', 'main', branch)).toBe('A\tclusters/one/new.yaml')
    expect(git.isAncestor('main', branch) || git.mergeBase('main', branch) === moved).toBe(true)
  })

  it('starts again on a merged branch, and sees merged and closed pull requests', async () => {
    const github = await open()
    await send(github)
    double.close(1, 'merged')
    const base = await github.readBaseBranch(undefined)
    expect(await github.findPullRequests(branch, base)).toMatchObject([{ number: 1, state: 'merged' }])
    const second = await send(github, { files: [{ path: 'clusters/one/more.yaml', content: 'm: 1\n' }] })
    expect(second.pullRequest.number).toBe(2)
    expect(git.text('diff', '--name-status', 'main', branch)).toBe('A\tclusters/one/more.yaml')
    double.close(2, 'closed')
    git.deleteRef(`heads/${branch}`)
    expect(await github.findPullRequests(branch, base)).toMatchObject([
      { number: 2, state: 'closed', headMessage: expect.stringContaining('Change-Key: ') },
      { number: 1, state: 'merged' },
    ])
  })

  it('opens the pull request for a branch that holds the change already', async () => {
    const github = await open()
    const first = await send(github)
    double.close(1, 'closed')
    const second = await send(github)
    expect(second).toMatchObject({ commit: first.commit, commitVerified: null, pullRequest: { number: 2 } })
  })

  it('no drafts on this plan: an ordinary pull request', async () => {
    const result = await send(await open('bot', 'plain'))
    expect(result.pullRequest).toMatchObject({ number: 1, draft: false })
  })

  it('lists at most a hundred commits of a branch', async () => {
    const github = await open()
    await send(github)
    const head = git.ref(`heads/${branch}`) ?? ''
    let last = head
    for (let index = 0; index < 100; index++)
      last = git.writeCommit(git.commit(head).tree, [last], `c ${index}`, 'alice')
    git.moveRef(`heads/${branch}`, last, head)
    const own = await github.readOwnBranch(branch, await github.readBaseBranch(undefined))
    expect(own).toMatchObject({ head: last, commits: undefined })
  }, 60_000)
})

describe('rights of the token', () => {
  it.each([
    ['bot', undefined],
    ['app', undefined],
    ['reader', 'contents: write'],
    ['noPulls', 'pull-requests: write'],
  ])('%s: missing is %s; nothing is left behind', async (token, missing) => {
    const github = await open(token)
    const base = await github.readBaseBranch(undefined)
    const before = git.refs()
    const fault = await faultOf(github.checkRights(base))
    if (missing === undefined) expect(fault).toBeUndefined()
    else expect(fault).toMatchObject({ code: 'TOKEN_DENIED', wanted: missing })
    expect(git.refs()).toBe(before)
    expect(double.pullRequests).toEqual([])
  })
})

describe('faults', () => {
  const refsBefore = () => git.refs()

  it('a token without contents: write', async () => {
    const github = await open('reader')
    const before = refsBefore()
    expect(await faultOf(send(github))).toMatchObject({
      code: 'TOKEN_DENIED',
      wanted: 'contents: write',
      hint: expect.stringContaining('contents: write on acme/fleet'),
    })
    expect(git.refs()).toBe(before)
    expect(double.pullRequests).toEqual([])
  })

  it('a token without pull-requests: write leaves no branch', async () => {
    const github = await open('noPulls')
    const before = refsBefore()
    expect(await faultOf(send(github))).toMatchObject({ code: 'TOKEN_DENIED', wanted: 'pull-requests: write' })
    expect(git.refs()).toBe(before)
  })

  it.each([500, 422])('a pull request that cannot be opened (%i) leaves no branch', async status => {
    const github = await open()
    const before = refsBefore()
    for (let tries = 0; tries < 5; tries++) double.inject({ operation: 'pulls/create', status })
    expect(await faultOf(send(github))).toMatchObject({ code: 'GITHUB_ERROR' })
    expect(git.refs()).toBe(before)
  })

  it('says so when that branch cannot be deleted again', async () => {
    const github = await open('noPulls')
    for (let tries = 0; tries < 5; tries++) double.inject({ operation: 'git/delete-ref', status: 500 })
    expect(await faultOf(send(github))).toMatchObject({
      code: 'TOKEN_DENIED',
      hint: expect.stringContaining(`branch ${branch} could not be deleted again`),
    })
  })

  it.each<[string, string, () => void]>([
    ['made', 'git/create-ref', () => git.moveRef(`heads/${branch}`, git.ref('heads/main') ?? '', undefined)],
    ['made before', 'git/create-tree', () => git.moveRef(`heads/${branch}`, git.ref('heads/main') ?? '', undefined)],
  ])('somebody %s the branch meanwhile', async (_, operation, before) => {
    const github = await open()
    double.inject({ operation, before })
    expect(await faultOf(send(github))).toMatchObject({ code: 'BRANCH_MOVED', hint: 'run again' })
    expect(git.ref(`heads/${branch}`)).toBe(git.ref('heads/main'))
  })

  it('somebody pushes to the branch meanwhile: nothing of it is lost', async () => {
    const github = await open()
    await send(github)
    let pushed = ''
    const push = () => {
      pushed = git.commitFiles(branch, { 'clusters/one/mine.yaml': 'm: 1\n' }, 'Mine')
    }
    const files = [{ path: 'clusters/one/x.yaml', content: 'x: 1\n' }]
    double.inject({ operation: 'git/update-ref', before: push })
    expect(await faultOf(send(github, { files }))).toMatchObject({ code: 'BRANCH_MOVED' })
    expect(git.ref(`heads/${branch}`)).toBe(pushed)
    const stale = await proposal(github, { files })
    push()
    expect(await faultOf(github.propose(stale))).toMatchObject({ code: 'BRANCH_MOVED', found: pushed })
  })

  it.each(['git/create-ref', 'pulls/create'])('an answer of %s that got lost does the work once', async operation => {
    const github = await open()
    double.inject({ operation, status: 502, worksAllTheSame: true })
    expect(await send(github)).toMatchObject({ pullRequest: { number: 1 } })
    expect(double.pullRequests).toHaveLength(1)
  })

  it('one server error is tried again, four are reported', async () => {
    const github = await open()
    double.inject({ operation: 'git/get-ref', status: 503 })
    const base = await github.readBaseBranch(undefined)
    for (let tries = 0; tries < 4; tries++) double.inject({ operation: 'git/get-tree', status: 503 })
    expect(await faultOf(github.readYamlFiles(base, ''))).toMatchObject({
      code: 'GITHUB_ERROR',
      found: expect.stringContaining('status 503'),
    })
  })

  it('waits for a rate limit that ends soon, at the pace that GitHub asks for', async () => {
    double.inject({
      operation: 'repos/get',
      status: 403,
      headers: { 'x-ratelimit-remaining': '0', 'x-ratelimit-reset': '1' },
    })
    const options = { token: 'bot', repository: { owner: 'acme', name: 'fleet' }, apiUrl: double.url }
    expect((await openGitHub(options)).defaultBranch).toBe('main')
    expect(double.log.map(({ status }) => status)).toEqual([403, 200])
  })

  it('a used-up rate limit is no missing right', async () => {
    const github = await open()
    double.inject({ operation: 'git/get-ref', status: 403, headers: { 'x-ratelimit-remaining': '0' } })
    expect(await faultOf(github.readBaseBranch(undefined))).toMatchObject({
      code: 'GITHUB_ERROR',
      hint: expect.stringContaining('rate limit'),
    })
  })

  it('a server that never answers', async () => {
    const silent = createServer(() => {}).listen(0, '127.0.0.1')
    await once(silent, 'listening')
    const apiUrl = `http://127.0.0.1:${(silent.address() as AddressInfo).port}`
    const repository = { owner: 'acme', name: 'fleet' }
    const opened = openGitHub({ token: 'bot', repository, apiUrl, pace: 'none', retryDelay: 1, timeout: 50 })
    expect(await faultOf(opened)).toMatchObject({ code: 'GITHUB_ERROR' })
    silent.close()
    silent.closeAllConnections()
  })

  it('a server that is not there', async () => {
    const gone = openGitHub({
      token: 'bot',
      repository: { owner: 'acme', name: 'fleet' },
      apiUrl: 'http://127.0.0.1:9',
      pace: 'none',
      retryDelay: 1,
    })
    const fault = await faultOf(gone)
    expect(fault).toBeInstanceOf(ToolError)
    expect(fault).toMatchObject({ code: 'GITHUB_ERROR', message: expect.stringContaining('does not answer') })
    expect((fault as ToolError).found).not.toContain('status')
  })
})

describe('githubApiUrl', () => {
  it.each([
    [{}, 'https://api.github.com'],
    [{ GITHUB_SERVER_URL: 'https://github.com' }, 'https://api.github.com'],
    [{ GITHUB_SERVER_URL: 'https://git.example.com/' }, 'https://git.example.com/api/v3'],
    [{ GITHUB_SERVER_URL: 'https://a', GITHUB_API_URL: 'http://127.0.0.1:1/' }, 'http://127.0.0.1:1'],
  ])('%j', (environment, url) => {
    expect(githubApiUrl(environment)).toBe(url)
  })
})
