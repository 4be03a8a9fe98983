// A GitHub API on loopback in front of real bare git repositories. Requests and answers are checked against GitHub's own description.

import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import type { BareRepository } from './bare-repository.ts'
import { checkAnswer, checkBody, checkQuery, type Json, type Operation, operations } from './openapi.ts'
import { type PullRequest, respond } from './routes.ts'

export type Right = 'none' | 'read' | 'write'

export interface Token {
  /** Whose commits and pull requests these become. */
  readonly login: string
  /** Tokens of Apps, GITHUB_TOKEN among them, may not ask who they are. */
  readonly app: boolean
  readonly contents: Right
  readonly pullRequests: Right
}

export interface DoubleRepository {
  readonly owner: string
  readonly name: string
  readonly git: BareRepository
  readonly defaultBranch: string
  /** Some plans of GitHub have no draft pull requests. */
  readonly drafts?: boolean
}

export interface LoggedRequest {
  readonly method: string
  readonly path: string
  readonly operation: string
  readonly status: number
}

/** What happens instead of, or before, one matching request. */
export interface Fault {
  readonly operation: string
  /** Answered instead of doing the work; undefined: only `before` runs. */
  readonly status?: number
  readonly headers?: Readonly<Record<string, string>>
  /** Runs before the request is handled: somebody else is quicker. */
  readonly before?: () => void
  /** Does the work and then answers with `status`: the answer got lost. */
  readonly worksAllTheSame?: boolean
}

export interface GitHubDouble {
  readonly url: string
  /** Every request so far, oldest first. */
  readonly log: readonly LoggedRequest[]
  /** Where client or double broke GitHub's description; must stay empty. */
  readonly violations: readonly string[]
  readonly pullRequests: readonly PullRequest[]
  /** Requests that would write, as `METHOD path`. */
  writes(): string[]
  /** One fault for the next request of its operation; several for one operation queue up. */
  inject(fault: Fault): void
  /** Closes a pull request; merging makes a merge commit on its base branch. */
  close(number: number, how: 'merged' | 'closed'): void
  stop(): Promise<void>
}

export interface Request {
  readonly operation: Operation
  readonly parameters: ReadonlyMap<string, string>
  readonly query: URLSearchParams
  readonly body: Json
  readonly token: Token
  readonly repository: DoubleRepository | undefined
}

export interface Answer {
  readonly status: number
  readonly body?: unknown
  readonly headers?: Readonly<Record<string, string>>
}

const longestBody = 64 * 1024 * 1024

/** Starts the double. `tokens`: secret → what it may do. */
export async function startGitHubDouble(
  repositories: readonly DoubleRepository[],
  tokens: Readonly<Record<string, Token>>,
): Promise<GitHubDouble> {
  const log: LoggedRequest[] = []
  const violations: string[] = []
  const faults: Fault[] = []
  const pullRequests: PullRequest[] = []

  const handle = async (incoming: IncomingMessage): Promise<Answer> => {
    const url = new URL(incoming.url ?? '/', 'http://double')
    const method = incoming.method ?? 'GET'
    const text = await readBody(incoming)
    const operation = operations.find(one => one.method === method && one.pattern.test(url.pathname))
    const note = (answer: Answer): Answer => {
      log.push({
        method,
        path: decodeURIComponent(url.pathname),
        operation: operation?.id ?? 'none',
        status: answer.status,
      })
      return answer
    }
    if (operation === undefined) {
      violations.push(`no operation for ${method} ${url.pathname}`)
      return note(problem(404, 'Not Found'))
    }
    const token = tokens[/^(?:token|bearer) (.+)$/i.exec(incoming.headers.authorization ?? '')?.[1] ?? '']
    if (token === undefined) return note(problem(401, 'Bad credentials'))
    const body: unknown = text === '' ? undefined : JSON.parse(text)
    const broken = [...checkQuery(operation, url.searchParams), ...checkBody(operation, body)]
    violations.push(...broken)
    if (broken.length > 0) return note(problem(422, broken.join('; ')))

    const parameters = parametersOf(operation, url.pathname)
    const repository = repositories.find(
      ({ owner, name }) => owner === parameters.get('owner') && name === parameters.get('repo'),
    )
    const request = { operation, parameters, query: url.searchParams, body: (body ?? {}) as Json, token, repository }
    const index = faults.findIndex(one => one.operation === operation.id)
    const [fault] = index < 0 ? [] : faults.splice(index, 1)
    fault?.before?.()
    if (fault?.status !== undefined && fault.worksAllTheSame !== true)
      return note({ ...problem(fault.status, 'injected'), headers: fault.headers ?? {} })
    const answer = respond(request, pullRequests, address())
    if (answer.status < 300) violations.push(...checkAnswer(operation, answer.status, answer.body))
    return note(fault?.status === undefined ? answer : problem(fault.status, 'the answer got lost'))
  }

  const server = createServer((incoming, outgoing) => {
    handle(incoming).then(
      answer => send(outgoing, answer),
      (error: unknown) => {
        violations.push(`the double failed: ${error instanceof Error ? error.stack : String(error)}`)
        send(outgoing, problem(500, 'the double failed'))
      },
    )
  })
  const address = (): string => `http://127.0.0.1:${(server.address() as AddressInfo).port}`
  await new Promise<void>(done => server.listen(0, '127.0.0.1', done))

  return {
    url: address(),
    log,
    violations,
    pullRequests,
    writes: () => log.filter(({ method }) => method !== 'GET').map(({ method, path }) => `${method} ${path}`),
    inject: fault => faults.push(fault),
    close: (number, how) => closePullRequest(pullRequests, number, how),
    stop: () =>
      new Promise<void>(done => {
        server.closeAllConnections()
        server.close(() => done())
      }),
  }
}

export function problem(status: number, message: string): Answer {
  return { status, body: { message, documentation_url: 'https://docs.github.com/rest', status: String(status) } }
}

function parametersOf(operation: Operation, path: string): Map<string, string> {
  const values = operation.pattern.exec(path)?.slice(1) ?? []
  return new Map(operation.names.map((name, index) => [name, decodeURIComponent(values[index] ?? '')]))
}

async function readBody(incoming: IncomingMessage): Promise<string> {
  const parts: Buffer[] = []
  let length = 0
  for await (const part of incoming) {
    const bytes = part as Buffer
    length += bytes.length
    if (length > longestBody) throw new Error('body too long')
    parts.push(bytes)
  }
  return Buffer.concat(parts).toString('utf8')
}

function send(outgoing: ServerResponse, { status, body, headers }: Answer): void {
  outgoing.writeHead(status, { 'content-type': 'application/json; charset=utf-8', ...headers })
  outgoing.end(body === undefined ? undefined : JSON.stringify(body))
}

function closePullRequest(all: PullRequest[], number: number, how: 'merged' | 'closed'): void {
  const found = all.find(one => one.number === number)
  if (found === undefined) throw new Error(`no pull request ${number}`)
  const { git } = found.repository
  const head = git.ref(`heads/${found.branch}`) ?? found.lastHead
  const base = git.ref(`heads/${found.base}`)
  found.lastHead = head
  found.state = how
  if (how === 'closed' || base === undefined) return
  const tree = git.text('merge-tree', '--write-tree', base, head)
  const merge = git.writeCommit(tree, [base, head], `Merge pull request #${number}`, 'alice')
  git.moveRef(`heads/${found.base}`, merge, base)
}
