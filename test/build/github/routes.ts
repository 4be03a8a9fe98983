// What the double answers to each operation, with the rights of the token in front.

import type { Commit } from './bare-repository.ts'
import { type Answer, type DoubleRepository, problem, type Request, type Right } from './double.ts'
import { answer as filledAnswer, isObject, type Json } from './openapi.ts'

export interface PullRequest {
  readonly number: number
  readonly repository: DoubleRepository
  readonly branch: string
  readonly base: string
  readonly author: string
  readonly draft: boolean
  title: string
  body: string
  state: 'open' | 'merged' | 'closed'
  /** Head when the branch is gone. */
  lastHead: string
}

interface Place {
  readonly request: Request
  readonly repository: DoubleRepository
  readonly pullRequests: PullRequest[]
  readonly url: string
}

interface Route {
  readonly area: 'contents' | 'pullRequests' | 'metadata'
  readonly right: Right
  readonly work: (place: Place) => Answer
}

const routes: Readonly<Record<string, Route>> = {
  'repos/get': { area: 'metadata', right: 'read', work: getRepository },
  'git/get-ref': { area: 'contents', right: 'read', work: getRef },
  'git/create-ref': { area: 'contents', right: 'write', work: createRef },
  'git/update-ref': { area: 'contents', right: 'write', work: updateRef },
  'git/delete-ref': { area: 'contents', right: 'write', work: deleteRef },
  'git/get-commit': { area: 'contents', right: 'read', work: getCommit },
  'git/create-commit': { area: 'contents', right: 'write', work: createCommit },
  'git/get-tree': { area: 'contents', right: 'read', work: getTree },
  'git/create-tree': { area: 'contents', right: 'write', work: createTree },
  'git/create-blob': { area: 'contents', right: 'write', work: createBlob },
  'git/get-blob': { area: 'contents', right: 'read', work: getBlob },
  'repos/compare-commits-with-basehead': { area: 'contents', right: 'read', work: compare },
  'pulls/list': { area: 'pullRequests', right: 'read', work: listPullRequests },
  'pulls/create': { area: 'pullRequests', right: 'write', work: createPullRequest },
  'pulls/update': { area: 'pullRequests', right: 'write', work: updatePullRequest },
}

/** One answer. A repository that the token cannot read is not there; a right that is missing is 403. */
export function respond(request: Request, pullRequests: PullRequest[], url: string): Answer {
  const { operation, repository, token } = request
  if (operation.id === 'users/get-authenticated')
    return token.app
      ? problem(403, 'Resource not accessible by integration')
      : ok(request, 200, { login: token.login, name: token.login, type: 'User' })
  const route = routes[operation.id]
  if (route === undefined || repository === undefined || token.contents === 'none') return problem(404, 'Not Found')
  const granted = route.area === 'metadata' ? 'read' : token[route.area]
  if (granted === 'none' || (route.right === 'write' && granted !== 'write'))
    return problem(403, 'Resource not accessible by integration')
  return route.work({ request, repository, pullRequests, url })
}

function ok(request: Request, status: number, over: unknown): Answer {
  return { status, body: filledAnswer(request.operation, status, over) }
}

const parameter = ({ request }: Place, name: string) => request.parameters.get(name) ?? ''
const member = ({ request }: Place, name: string) => {
  const value = request.body[name]
  return typeof value === 'string' ? value : ''
}

function getRepository({ request, repository: { owner, name, defaultBranch } }: Place): Answer {
  return ok(request, 200, {
    name,
    full_name: `${owner}/${name}`,
    default_branch: defaultBranch,
    owner: { login: owner },
  })
}

function refAnswer({ request, url }: Place, status: number, name: string, sha: string): Answer {
  return ok(request, status, {
    ref: `refs/${name}`,
    url: `${url}/refs`,
    object: { type: 'commit', sha, url: `${url}/c` },
  })
}

function getRef(place: Place): Answer {
  const { git } = place.repository
  if (git.refs() === '') return problem(409, 'Git Repository is empty.')
  const name = parameter(place, 'ref')
  const sha = git.ref(name)
  return sha === undefined ? problem(404, 'Not Found') : refAnswer(place, 200, name, sha)
}

function createRef(place: Place): Answer {
  const { git } = place.repository
  const [full, sha] = [member(place, 'ref'), member(place, 'sha')]
  const name = full.replace(/^refs\//, '')
  if (!git.isRefName(full) || git.typeOf(sha) !== 'commit') return problem(422, 'Object does not exist')
  return git.moveRef(name, sha, undefined) ? refAnswer(place, 201, name, sha) : problem(422, 'Reference already exists')
}

function updateRef(place: Place): Answer {
  const { git } = place.repository
  const [name, sha] = [parameter(place, 'ref'), member(place, 'sha')]
  const head = git.ref(name)
  if (head === undefined || git.typeOf(sha) !== 'commit') return problem(422, 'Reference does not exist')
  if (place.request.body.force !== true && !git.isAncestor(head, sha))
    return problem(422, 'Update is not a fast forward')
  return git.moveRef(name, sha, head) ? refAnswer(place, 200, name, sha) : problem(409, 'Conflict')
}

function deleteRef(place: Place): Answer {
  const { git } = place.repository
  const name = parameter(place, 'ref')
  if (git.ref(name) === undefined || !git.deleteRef(name)) return problem(422, 'Reference does not exist')
  return { status: 204 }
}

function commitAnswer(place: Place, status: number, commit: Commit): Answer {
  const { tree, parents, author, message, sha } = commit
  return ok(place.request, status, {
    sha,
    message,
    author,
    committer: author,
    tree: { sha: tree },
    parents: parents.map(parent => ({ sha: parent })),
    // Commits that the API makes for an App without a stated author are signed by GitHub.
    verification: { verified: place.request.token.app, reason: place.request.token.app ? 'valid' : 'unsigned' },
  })
}

function getCommit(place: Place): Answer {
  const { git } = place.repository
  const sha = parameter(place, 'commit_sha')
  return git.typeOf(sha) === 'commit' ? commitAnswer(place, 200, git.commit(sha)) : problem(404, 'Not Found')
}

function createCommit(place: Place): Answer {
  const { git } = place.repository
  const { body, token } = place.request
  const parents = Array.isArray(body.parents) ? body.parents.map(String) : []
  const tree = member(place, 'tree')
  if (git.typeOf(tree) !== 'tree' || parents.some(parent => git.typeOf(parent) !== 'commit'))
    return problem(422, 'Tree or parent does not exist')
  return commitAnswer(place, 201, git.commit(git.writeCommit(tree, parents, member(place, 'message'), token.login)))
}

function treeAnswer(place: Place, status: number, sha: string, recursive: boolean): Answer {
  const tree = place.repository.git.tree(sha, recursive).map(entry => ({
    path: entry.path,
    mode: entry.mode,
    type: entry.type,
    sha: entry.sha,
    ...(entry.size === undefined ? {} : { size: entry.size }),
  }))
  return ok(place.request, status, { sha, url: `${place.url}/tree`, truncated: false, tree })
}

function getTree(place: Place): Answer {
  const sha = parameter(place, 'tree_sha')
  const found = place.repository.git.typeOf(sha)
  if (found !== 'tree' && found !== 'commit') return problem(404, 'Not Found')
  return treeAnswer(place, 200, sha, place.request.query.has('recursive'))
}

function createTree(place: Place): Answer {
  const { git } = place.repository
  const base = member(place, 'base_tree')
  if (base !== '' && git.typeOf(base) === undefined) return problem(422, 'base_tree does not exist')
  const entries = (Array.isArray(place.request.body.tree) ? place.request.body.tree : []).filter(isObject)
  const changes = entries.map((entry: Json) => {
    const [content, sha] = [entry.content, entry.sha]
    return {
      path: String(entry.path),
      mode: String(entry.mode ?? '100644'),
      content: typeof content === 'string' ? content : typeof sha === 'string' ? { sha } : null,
    }
  })
  return treeAnswer(place, 201, git.writeTree(base === '' ? undefined : base, changes), false)
}

function getBlob(place: Place): Answer {
  const { git } = place.repository
  const sha = parameter(place, 'file_sha')
  if (git.typeOf(sha) !== 'blob') return problem(404, 'Not Found')
  const content = git.blob(sha)
  return ok(place.request, 200, {
    sha,
    size: content.length,
    encoding: 'base64',
    // GitHub breaks the text into lines.
    content: `${content.toString('base64').replace(/.{60}/g, '$&\n')}\n`,
    url: `${place.url}/blob`,
  })
}

/** An object that no tree names: nobody sees it. */
function createBlob(place: Place): Answer {
  const encoding = member(place, 'encoding') === 'base64' ? 'base64' : 'utf8'
  const sha = place.repository.git.writeBlob(Buffer.from(member(place, 'content'), encoding))
  return ok(place.request, 201, { sha, url: `${place.url}/blob` })
}

function compare(place: Place): Answer {
  const { git } = place.repository
  const [base = '', head = ''] = parameter(place, 'basehead')
    .split('...')
    .map(name => git.ref(`heads/${name}`) ?? name)
  const mergeBase = git.mergeBase(base, head)
  if (mergeBase === undefined) return problem(404, 'Not Found')
  const all = git.commitsBetween(base, head)
  const perPage = Number(place.request.query.get('per_page') ?? 30)
  const page = Number(place.request.query.get('page') ?? 1)
  const commits = all.slice((page - 1) * perPage, page * perPage).map(sha => {
    const { author, message, tree } = git.commit(sha)
    return { sha, commit: { message, author, tree: { sha: tree } }, author: { login: author.name }, parents: [] }
  })
  const behind = git.commitsBetween(head, base).length
  return ok(place.request, 200, {
    status: behind === 0 ? (all.length === 0 ? 'identical' : 'ahead') : all.length === 0 ? 'behind' : 'diverged',
    ahead_by: all.length,
    behind_by: behind,
    total_commits: all.length,
    base_commit: { sha: base },
    merge_base_commit: { sha: mergeBase },
    commits,
  })
}

function pullRequestBody(place: Place, one: PullRequest): Json {
  const { git, owner } = one.repository
  const sha = git.ref(`heads/${one.branch}`) ?? one.lastHead
  const closed = one.state === 'open' ? null : '2026-11-21T00:00:00Z'
  return {
    number: one.number,
    title: one.title,
    body: one.body,
    state: one.state === 'open' ? 'open' : 'closed',
    draft: one.draft,
    html_url: `${place.url}/${owner}/${one.repository.name}/pull/${one.number}`,
    user: { login: one.author },
    closed_at: closed,
    merged_at: one.state === 'merged' ? closed : null,
    head: { ref: one.branch, sha, label: `${owner}:${one.branch}` },
    base: { ref: one.base, sha: git.ref(`heads/${one.base}`) ?? sha, label: `${owner}:${one.base}` },
  }
}

function listPullRequests(place: Place): Answer {
  const { query } = place.request
  const state = query.get('state') ?? 'open'
  const found = place.pullRequests
    .filter(one => one.repository === place.repository)
    .filter(one => state === 'all' || (state === 'open') === (one.state === 'open'))
    .filter(one => query.get('head') === null || query.get('head') === `${one.repository.owner}:${one.branch}`)
    .filter(one => query.get('base') === null || query.get('base') === one.base)
    .sort((a, b) => b.number - a.number)
    .slice(0, Number(query.get('per_page') ?? 30))
  return ok(
    place.request,
    200,
    found.map(one => pullRequestBody(place, one)),
  )
}

function createPullRequest(place: Place): Answer {
  const { repository, pullRequests, request } = place
  const [branch, base] = [member(place, 'head').replace(`${repository.owner}:`, ''), member(place, 'base')]
  const [head, onto] = [repository.git.ref(`heads/${branch}`), repository.git.ref(`heads/${base}`)]
  const draft = request.body.draft === true
  const exists = pullRequests.some(one => one.state === 'open' && one.branch === branch && one.base === base)
  const refused = head === undefined || onto === undefined || exists || (draft && repository.drafts === false)
  if (refused || repository.git.commitsBetween(onto, head).length === 0) return problem(422, 'Validation Failed')
  if (member(place, 'body').length > 65_536) return problem(422, 'Validation Failed')
  const created: PullRequest = {
    number: pullRequests.length + 1,
    repository,
    branch,
    base,
    author: request.token.login,
    draft,
    title: member(place, 'title'),
    body: member(place, 'body'),
    state: 'open',
    lastHead: head,
  }
  pullRequests.push(created)
  return ok(request, 201, pullRequestBody(place, created))
}

function updatePullRequest(place: Place): Answer {
  const number = Number(parameter(place, 'pull_number'))
  const found = place.pullRequests.find(one => one.number === number && one.repository === place.repository)
  if (found === undefined) return problem(403, 'Forbidden')
  found.title = member(place, 'title') || found.title
  found.body = member(place, 'body') || found.body
  return ok(place.request, 200, pullRequestBody(place, found))
}
