// Octokit as this tool uses it: paced, patient with rate limits, silent, and with faults as ToolErrors. docs.github.com/rest.

import { getOctokit } from '@actions/github'
import { defaults } from '@actions/github/lib/utils'
import { retry } from '@octokit/plugin-retry'
import { throttling } from '@octokit/plugin-throttling'
import { type ErrorCode, ToolError } from '../../errors.ts'

export interface GitHubOptions {
  readonly token: string
  readonly repository: { readonly owner: string; readonly name: string }
  /** Without a trailing slash: https://api.github.com, or https://HOST/api/v3. */
  readonly apiUrl: string
  /** `none` sends requests without the pauses that GitHub asks for, and tries again sooner: for servers that are not GitHub. */
  readonly pace?: 'github' | 'none'
  /** First pause before a request is tried again, in ms; it grows with the square of the number of tries. */
  readonly retryDelay?: number
  /** How long one try of a request may take, in ms. */
  readonly timeout?: number
}

export type Octokit = ReturnType<typeof getOctokit>

/** What every part of the client needs. */
export interface Api {
  readonly octokit: Octokit
  readonly owner: string
  readonly repo: string
  readonly token: string
  /** How messages name the repository. */
  readonly source: string
}

/** Waiting longer for a rate limit than this many seconds is not worth a runner. */
const longestWait = 300

/** API of GITHUB_API_URL, else of GITHUB_SERVER_URL, else github.com. */
export function githubApiUrl(environment: Readonly<Record<string, string | undefined>>): string {
  const api = environment.GITHUB_API_URL
  if (api !== undefined && api !== '') return api.replace(/\/+$/, '')
  const server = (environment.GITHUB_SERVER_URL ?? '').replace(/\/+$/, '')
  return server === '' || server === 'https://github.com' ? 'https://api.github.com' : `${server}/api/v3`
}

/** A server on this machine is no GitHub: it asks for no pauses. */
export function isLoopbackApi(apiUrl: string): boolean {
  return /^https?:\/\/(?:127\.\d+\.\d+\.\d+|localhost|\[::1\])(?::\d+)?(?:\/|$)/.test(apiUrl)
}

export function openApi(options: GitHubOptions): Api {
  const { owner, name } = options.repository
  const wait = (after: number, _request: object, _octokit: object, tries: number) => tries < 2 && after <= longestWait
  const octokit = getOctokit(
    options.token,
    {
      baseUrl: options.apiUrl,
      request: { ...defaults.request, fetch: fetchWithin(options.timeout ?? 60_000) },
      log: { debug: silent, info: silent, warn: silent, error: silent },
      throttle: { enabled: options.pace !== 'none', onRateLimit: wait, onSecondaryRateLimit: wait },
      retry: {
        doNotRetry: [400, 401, 403, 404, 410, 422, 429, 451],
        retryAfterBaseValue: options.retryDelay ?? (options.pace === 'none' ? 100 : 1000),
      },
    },
    throttling,
    retry,
  )
  return { octokit, owner, repo: name, token: options.token, source: `${owner}/${name}` }
}

function silent(): void {}

/** The toolkit's fetch, which knows the runner's proxy settings, with an end. */
function fetchWithin(timeout: number): typeof fetch {
  const proxied = (defaults.request?.fetch ?? fetch) as typeof fetch
  return (url, init) => proxied(url, { ...init, signal: AbortSignal.timeout(timeout) })
}

/** What an answer means for one request. Codes that are not given are GITHUB_ERROR. */
export interface Meaning {
  /** What was being done, for the message: `reading the branch`. */
  readonly doing: string
  /** The right that this request needs, as GitHub names it. */
  readonly right: 'contents: read' | 'contents: write' | 'pull-requests: read' | 'pull-requests: write'
  /** What 404 means; writes answer it when the token lacks the right. */
  readonly notFound?: ErrorCode
}

/** The HTTP status of a failed request, or undefined for anything else. */
export function statusOf(error: unknown): number | undefined {
  return typeof error === 'object' && error !== null && 'status' in error && typeof error.status === 'number'
    ? error.status
    : undefined
}

/** Runs one request; its faults become ToolErrors without the token in them. */
export async function asked<T>(api: Api, meaning: Meaning, request: () => Promise<T>): Promise<T> {
  try {
    return await request()
  } catch (error) {
    throw error instanceof ToolError ? error : faultOf(api, meaning, error)
  }
}

export function faultOf(api: Api, { doing, right, notFound }: Meaning, error: unknown): ToolError {
  const status = statusOf(error)
  if (status === undefined) throw error
  if (!wasAnswered(error))
    return new ToolError('GITHUB_ERROR', `GitHub does not answer when ${doing}`, {
      found: answerOf(api, undefined, error),
      where: { source: api.source },
      hint: 'see whether GITHUB_API_URL is right and reachable from here; try again later',
    })
  const details = { found: answerOf(api, status, error), where: { source: api.source } }
  const limited = status === 429 || (status === 403 && isLimited(error))
  if (status === 401 || (status === 403 && !limited))
    return new ToolError('TOKEN_DENIED', `GitHub refuses ${doing}`, {
      ...details,
      wanted: status === 401 ? 'a valid token' : right,
      hint: `the token needs ${right} on ${api.source}; see docs/permissions.md`,
    })
  if (status === 404)
    return new ToolError(notFound ?? 'TOKEN_DENIED', `GitHub finds nothing when ${doing}`, {
      ...details,
      wanted: right,
    })
  return new ToolError('GITHUB_ERROR', `GitHub answers with an error when ${doing}`, {
    ...details,
    ...(limited ? { hint: 'the rate limit of the token is used up; try again later' } : {}),
  })
}

/** Octokit gives network faults status 500, without a response. */
function wasAnswered(error: unknown): boolean {
  return typeof error === 'object' && error !== null && 'response' in error && error.response !== undefined
}

function answerOf(api: Api, status: number | undefined, error: unknown): string {
  const message = error instanceof Error ? error.message : ''
  return `${status === undefined ? '' : `status ${status}: `}${message.replaceAll(api.token, '***')}`.slice(0, 400)
}

function isLimited(error: unknown): boolean {
  if (typeof error !== 'object' || error === null || !('response' in error)) return false
  const { response } = error
  if (typeof response !== 'object' || response === null || !('headers' in response)) return false
  const headers = response.headers as Readonly<Record<string, unknown>>
  return headers['retry-after'] !== undefined || headers['x-ratelimit-remaining'] === '0'
}
