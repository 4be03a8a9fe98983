// HTTP as registries need it: redirects by hand, so that no credential reaches another origin; retries; limits on waiting.

import { type ClientRequest, type IncomingMessage, request as requestHttp } from 'node:http'
import { request as requestHttps } from 'node:https'
import { pipeline } from 'node:stream/promises'
import { setTimeout as wait } from 'node:timers/promises'
import { ToolError } from '../errors.ts'
import { type Connections, plainConnections } from './connections.ts'

export interface HttpLimits {
  readonly allowInsecure: boolean
  /** Until the headers of an answer, and between two pieces of its body. Default 60 s. */
  readonly timeoutMs?: number
  /** Waiting for a body this long in all, less than 10 KiB/s on average end it. Default 60 s. */
  readonly slowMs?: number
  /** How often a request is sent at most. Default 4. */
  readonly attempts?: number
  /** Pause before the second attempt; doubles each time. Default 500 ms. */
  readonly pauseMs?: number
  /** Attempts and pauses of one request together: after this time it is not repeated. Default 5 minutes. */
  readonly patienceMs?: number
  /** Authorities and proxies; by default those of the environment. */
  readonly connections?: Connections
  /** host[:port] of URLs whose certificates are not checked. */
  readonly unverifiedHosts?: ReadonlySet<string>
}

export interface HttpRequest {
  readonly method: 'GET' | 'HEAD' | 'POST' | 'PUT' | 'PATCH' | 'DELETE'
  readonly url: URL
  readonly headers?: Readonly<Record<string, string>>
  /** Sent to `url`'s origin only. */
  readonly authorization?: string | undefined
  readonly body?: { readonly size: number; open(): AsyncIterable<Uint8Array> }
  /** false: an attempt that failed is not repeated. */
  readonly repeat?: boolean
}

export interface HttpAnswer {
  readonly status: number
  readonly headers: Headers
  readonly url: URL
  /** The body; each piece within the time limit. To be read or dropped. */
  chunks(): AsyncIterable<Uint8Array>
  drop(): Promise<void>
}

const passing = new Set([429, 500, 502, 503, 504])

/** A status that another attempt may not meet. */
export const isPassingStatus = (status: number): boolean => passing.has(status)

const redirecting = new Set([301, 302, 303, 307, 308])
const redirectCeiling = 5
/** Who is asked to wait longer gives up instead. */
const longestPauseMs = 120_000

/**
 * Sends a request. GET and HEAD follow redirects, lose their Authorization at another origin, and are repeated on 429, 5xx and network faults,
 * as is every request with `repeat`; Retry-After is kept to. Throws REGISTRY_UNREACHABLE when no answer came, INSECURE_NOT_ALLOWED on the way to
 * plain http.
 */
export async function sendRequest(request: HttpRequest, limits: HttpLimits): Promise<HttpAnswer> {
  const attempts = (request.repeat ?? readsOnly(request.method)) ? (limits.attempts ?? 4) : 1
  const patience = startPatience(limits)
  for (let attempt = 1; ; attempt += 1) {
    const last = attempt >= attempts
    try {
      const answer = await follow(request, limits)
      if (last || !isPassingStatus(answer.status)) return answer
      const ms = pause(attempt, limits, answer.headers.get('retry-after'))
      if (!patience.lasts(ms)) return answer
      await answer.drop()
      await wait(ms)
    } catch (error) {
      const ms = pause(attempt, limits, null)
      if (last || !(error instanceof ToolError) || !isPassing(error) || !patience.lasts(ms)) throw error
      await wait(ms)
    }
  }
}

/** The time that attempts and pauses may take together. */
export function startPatience(limits: HttpLimits): { lasts(pauseMs: number): boolean } {
  const end = performance.now() + (limits.patienceMs ?? 300_000)
  return { lasts: pauseMs => pauseMs <= longestPauseMs && performance.now() + pauseMs < end }
}

/** Milliseconds until the next attempt: doubled each time, and never less than Retry-After (RFC 9110 §10.2.3) asks for. */
export function pause(attempt: number, limits: HttpLimits, retryAfter: string | null): number {
  return Math.max(retryAfterMs(retryAfter), (limits.pauseMs ?? 500) * 2 ** (attempt - 1))
}

/** Seconds or a date. */
function retryAfterMs(header: string | null): number {
  if (header === null) return 0
  if (/^\d{1,9}$/.test(header)) return Number(header) * 1000
  const date = Date.parse(header)
  return Number.isNaN(date) ? 0 : Math.max(0, date - Date.now())
}

const readsOnly = (method: string): boolean => method === 'GET' || method === 'HEAD'

/** A fault that another attempt may not meet: not one of TLS or of our rules. */
export function isPassing(error: ToolError): boolean {
  return error.code === 'REGISTRY_UNREACHABLE' && !isTlsCode(networkCode(error.cause))
}

/** A connection that ended too early, and not one that we gave up since it was slow. */
export function isBroken(error: unknown): boolean {
  return error instanceof ToolError && isPassing(error) && error.cause !== undefined
}

async function follow(request: HttpRequest, limits: HttpLimits): Promise<HttpAnswer> {
  let { url } = request
  for (let step = 0; ; step += 1) {
    checkScheme(url, limits)
    const authorization = url.origin === request.url.origin ? request.authorization : undefined
    const answer = await sendOnce({ ...request, url, authorization }, limits)
    if (!redirecting.has(answer.status) || !readsOnly(request.method)) return answer
    await answer.drop()
    const location = answer.headers.get('location')
    if (location === null || !URL.canParse(location, url.href) || step === redirectCeiling)
      throw new ToolError('REGISTRY_ERROR', 'the registry redirects to nowhere', {
        found: location === null ? 'no location' : `${step + 1} redirects`,
        wanted: `at most ${redirectCeiling} redirects`,
        where: { source: request.url.href },
      })
    url = new URL(location, url)
  }
}

/** Only https, or http when it is allowed. */
export function checkScheme(url: URL, limits: HttpLimits): void {
  if (url.protocol === 'https:' || (url.protocol === 'http:' && limits.allowInsecure)) return
  throw new ToolError('INSECURE_NOT_ALLOWED', 'the registry is reached by plain http', {
    found: url.protocol,
    wanted: 'https:',
    where: { source: url.origin },
  })
}

async function sendOnce(request: HttpRequest, limits: HttpLimits): Promise<HttpAnswer> {
  const timeoutMs = limits.timeoutMs ?? 60_000
  const controller = new AbortController()
  // a slow line may take its time for a large body: 100 kB/s
  const timer = setTimeout(() => controller.abort(), timeoutMs + (request.body?.size ?? 0) / 100)
  try {
    const exchange = await openExchange(request, limits, controller.signal)
    return answerOf(exchange, request.url, controller, { timeoutMs, slowMs: limits.slowMs ?? 60_000 })
  } catch (cause) {
    throw unreachable(request.url, cause, controller.signal.aborted)
  } finally {
    clearTimeout(timer)
  }
}

interface Exchange {
  readonly outgoing: ClientRequest
  readonly response: IncomingMessage
}

async function openExchange(request: HttpRequest, limits: HttpLimits, signal: AbortSignal): Promise<Exchange> {
  const { url, body } = request
  const agent = (limits.connections ?? plainConnections).agentFor(url, limits.unverifiedHosts?.has(url.host) ?? false)
  const options = {
    method: request.method,
    agent,
    signal,
    headers: {
      'accept-encoding': 'identity',
      'user-agent': 'attested-os-update',
      ...(request.authorization === undefined ? {} : { authorization: request.authorization }),
      ...(body === undefined ? {} : { 'content-length': `${body.size}` }),
      ...request.headers,
    },
  }
  for (let first = true; ; first = false) {
    const outgoing = (url.protocol === 'https:' ? requestHttps : requestHttp)(url, options)
    try {
      const response = await new Promise<IncomingMessage>((resolve, reject) => {
        outgoing.on('response', resolve).on('error', reject)
        if (body === undefined) outgoing.end()
        else pipeline(body.open(), outgoing).catch(reject)
      })
      return { outgoing, response }
    } catch (error) {
      // a kept connection that the server closed in the same moment says nothing about the server; of a body it may have a part
      const stale = first && body === undefined && outgoing.reusedSocket && networkCode(error) === 'ECONNRESET'
      if (!stale || signal.aborted) throw error
    }
  }
}

const leastBytesPerMs = (10 * 1024) / 1000
const smallBody = 64 * 1024

interface BodyLimits {
  readonly timeoutMs: number
  readonly slowMs: number
}

function answerOf(
  { outgoing, response }: Exchange,
  url: URL,
  controller: AbortController,
  { timeoutMs, slowMs }: BodyLimits,
): HttpAnswer {
  // whoever reads the body gets the error; without a reader it is nobody's
  response.on('error', () => undefined)
  async function* chunks(): AsyncGenerator<Uint8Array, void, undefined> {
    const reader: AsyncIterator<Uint8Array> = response[Symbol.asyncIterator]()
    let ended = false
    // only the time that the registry takes, not that of our reader
    let waited = 0
    let received = 0
    try {
      for (;;) {
        const asked = performance.now()
        const timer = setTimeout(() => controller.abort(), timeoutMs)
        const { done, value } = await reader
          .next()
          .catch(cause => {
            throw unreachable(url, cause, controller.signal.aborted)
          })
          .finally(() => clearTimeout(timer))
        if (done) {
          ended = true
          return
        }
        waited += performance.now() - asked
        received += value.length
        if (waited > slowMs && received < waited * leastBytesPerMs) throw tooSlow(url, received, waited)
        yield value
      }
    } finally {
      // a reader that stops early must not leave the connection open
      if (!ended) response.destroy()
    }
  }
  return {
    status: response.statusCode ?? 0,
    headers: headersOf(response),
    url,
    chunks,
    async drop() {
      // a small body is read to its end, so that the connection serves the next request
      const small = Number(response.headers['content-length'] ?? Number.NaN) <= smallBody
      // nobody waits for the rest of an upload that was answered before its end
      if (!small || !outgoing.writableFinished) response.destroy()
      else for await (const _ of chunks());
    },
  }
}

function headersOf(response: IncomingMessage): Headers {
  const headers = new Headers()
  for (const [name, values] of Object.entries(response.headersDistinct))
    for (const value of values ?? []) headers.append(name, value)
  return headers
}

function tooSlow(url: URL, received: number, waited: number): ToolError {
  return new ToolError('REGISTRY_UNREACHABLE', 'the registry sends too slowly', {
    found: `${received} bytes in ${Math.round(waited / 1000)} s`,
    wanted: 'at least 10 KiB/s on average',
    where: { source: url.origin },
  })
}

function unreachable(url: URL, cause: unknown, timedOut: boolean): unknown {
  const own = inChain(cause, one => one instanceof ToolError)
  if (own !== undefined) return own
  const code = networkCode(cause)
  if (url.protocol === 'https:' && isNotTls(code))
    return new ToolError('INSECURE_NOT_ALLOWED', 'the registry answers, but not with TLS', {
      found: 'plain http, it seems',
      wanted: 'https',
      where: { source: url.origin },
      cause,
    })
  return new ToolError('REGISTRY_UNREACHABLE', 'the registry does not answer', {
    found: timedOut ? 'no answer in time' : (code ?? 'a network error'),
    where: { source: url.origin },
    cause,
  })
}

/** The system's or TLS's code in the chain of causes. */
export function networkCode(error: unknown): string | undefined {
  const coded = inChain(error, one => typeof (one as NodeJS.ErrnoException).code === 'string')
  return coded instanceof ToolError ? undefined : (coded as NodeJS.ErrnoException | undefined)?.code
}

function inChain(error: unknown, fits: (one: Error) => boolean): Error | undefined {
  for (let at = error, depth = 0; at instanceof Error && depth < 5; at = at.cause, depth += 1) if (fits(at)) return at
  return undefined
}

/** What OpenSSL says when the other side does not speak TLS. */
const isNotTls = (code: string | undefined): boolean =>
  code === 'ERR_SSL_WRONG_VERSION_NUMBER' || code === 'ERR_SSL_PACKET_LENGTH_TOO_LONG' || code === 'EPROTO'

/** The certificate or the handshake is refused. */
export const isTlsCode = (code: string | undefined): boolean =>
  code !== undefined &&
  /^(?:ERR_SSL|ERR_TLS|CERT_|CRL_|INVALID_(?:CA|PURPOSE)|UNABLE_TO|SELF_SIGNED|DEPTH_ZERO|PATH_LENGTH|HOSTNAME_MISMATCH|ERROR_IN_C|EPROTO)/.test(
    code,
  )
