// One GET request with redirects and timeouts, as a stream of the bytes on the wire. RFC 9110.
// node:http and not fetch, which would undo the Content-Encoding that some servers set for .gz files.

import { type IncomingMessage, request as requestHttp } from 'node:http'
import { request as requestHttps } from 'node:https'
import { ToolError } from '../errors.ts'
import { type Connections, plainConnections } from './connections.ts'

export interface HttpResponse {
  readonly body: AsyncIterable<Uint8Array>
  /** Drops the connection when the body was not read to its end. */
  close(): void
}

export interface RequestOptions {
  /** Allows plain http. */
  readonly allowInsecure: boolean
  /** Authorities and proxies; by default those of the environment. */
  readonly connections?: Connections | undefined
  /** Milliseconds without a byte. */
  readonly stall: number
  /** Milliseconds for the whole answer. */
  readonly total: number
}

/** Why there is no answer, and whether the next attempt may have one. */
export class ResponseFault extends Error {
  readonly reason: ToolError
  readonly again: boolean

  constructor(reason: ToolError, again: boolean) {
    super(reason.message, { cause: reason })
    this.reason = reason
    this.again = again
  }
}

const maxRedirects = 5

/**
 * Asks for `url`. Redirects are followed, but to plain http only where that is allowed. Throws `ResponseFault` with
 * REPOSITORY_UNREACHABLE (the body does so too), and INSECURE_NOT_ALLOWED.
 */
export async function openResponse(url: string, options: RequestOptions): Promise<HttpResponse> {
  const abort = new AbortController()
  const clock = watch(abort, options)
  const close = () => {
    clock.stop()
    abort.abort()
  }
  try {
    let at = url
    for (let redirects = 0; redirects <= maxRedirects; redirects += 1) {
      refuseInsecure(at, url, options.allowInsecure)
      const response = await get(at, abort.signal, options.connections ?? plainConnections)
      clock.touch()
      const status = response.statusCode ?? 0
      if (status === 200) return { body: bytesOf(response, url, clock), close }
      const next = redirectTarget(status, response, at)
      if (next === undefined) throw wrongStatus(url, status)
      response.destroy()
      at = next
    }
    throw unreachable(url, `more than ${maxRedirects} redirects`, false)
  } catch (error) {
    close()
    if (error instanceof ToolError || error instanceof ResponseFault) throw error
    throw unreachable(url, clock.expired() ?? codeOf(error), true)
  }
}

async function* bytesOf(response: IncomingMessage, url: string, clock: Clock): AsyncGenerator<Uint8Array> {
  try {
    for await (const chunk of response) {
      clock.touch()
      yield chunk as Uint8Array
    }
  } catch (error) {
    throw unreachable(url, clock.expired() ?? codeOf(error), true)
  }
}

function get(url: string, signal: AbortSignal, connections: Connections): Promise<IncomingMessage> {
  const start = url.startsWith('https:') ? requestHttps : requestHttp
  const headers = { accept: '*/*', 'accept-encoding': 'identity', 'user-agent': 'attested-os-update' }
  return new Promise((resolve, reject) => {
    start(url, { headers, signal, agent: connections.agentFor(new URL(url), false) }, resolve)
      .on('error', reject)
      .end()
  })
}

function redirectTarget(status: number, response: IncomingMessage, from: string): string | undefined {
  const location = response.headers.location
  if (![301, 302, 303, 307, 308].includes(status) || location === undefined) return undefined
  return URL.parse(location, from)?.href
}

function refuseInsecure(url: string, asked: string, allowInsecure: boolean): void {
  const scheme = URL.parse(url)?.protocol
  if (scheme === 'https:' || (scheme === 'http:' && allowInsecure)) return
  if (scheme !== 'http:') throw unreachable(asked, `a redirect to ${scheme ?? 'no URL'}`, false)
  throw new ToolError('INSECURE_NOT_ALLOWED', 'an RPM repository uses plain http', {
    found: url,
    wanted: 'https://',
    where: { source: asked },
  })
}

function wrongStatus(url: string, status: number): ResponseFault {
  return unreachable(url, `HTTP status ${status}`, status >= 500 || status === 408 || status === 429)
}

function unreachable(url: string, found: string, again: boolean): ResponseFault {
  const reason = new ToolError('REPOSITORY_UNREACHABLE', 'cannot download a file of an RPM repository', {
    found,
    wanted: 'HTTP status 200 and the whole file',
    where: { source: url },
  })
  return new ResponseFault(reason, again)
}

function codeOf(error: unknown): string {
  if (!(error instanceof Error)) return 'a broken connection'
  const code = 'code' in error && typeof error.code === 'string' ? error.code : ''
  return [code, error.message].filter(text => text !== '').join(': ') || error.name
}

interface Clock {
  touch(): void
  stop(): void
  /** Says which time ran out, if one did. */
  expired(): string | undefined
}

function watch(abort: AbortController, { stall, total }: RequestOptions): Clock {
  let reason: string | undefined
  const expire = (text: string) => () => {
    reason = text
    abort.abort()
  }
  const stalled = expire(`no byte for ${stall / 1000} s`)
  let stallTimer = setTimeout(stalled, stall)
  const totalTimer = setTimeout(expire(`not finished after ${total / 1000} s`), total)
  return {
    touch() {
      clearTimeout(stallTimer)
      stallTimer = setTimeout(stalled, stall)
    },
    stop() {
      clearTimeout(stallTimer)
      clearTimeout(totalTimer)
    },
    expired: () => reason,
  }
}
