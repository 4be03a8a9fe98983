// One GET request with redirects and timeouts, as a stream of the bytes on the wire. RFC 9110.
// node:http and not fetch, which would undo the Content-Encoding that some servers set for .gz files.

import { type IncomingMessage, request as requestHttp } from 'node:http'
import { request as requestHttps } from 'node:https'
import { ToolError } from '../errors.ts'
import { type ClientCertificate, refusedCertificate } from './client-certificate.ts'
import { type Connections, plainConnections } from './connections.ts'

export interface HttpResponse {
  /** The first byte of the body is this one of the file: that of the range asked for, or 0. */
  readonly from: number
  /** Says, when it comes back, that the file is still the same: a strong ETag, or Last-Modified (RFC 9110, 13.1.5). */
  readonly validator: string | undefined
  readonly body: AsyncIterable<Uint8Array>
  /** Drops the connection when the body was not read to its end. */
  close(): void
}

export interface RequestOptions {
  /** Allows plain http. */
  readonly allowInsecure: boolean
  /** Is told the origin of every plain http URL to which a redirect led. */
  readonly noteInsecure?: ((origin: string) => void) | undefined
  /** Authorities and proxies; by default those of the environment. */
  readonly connections?: Connections | undefined
  /** The rest of a file of which the bytes before `from` are there. A server may answer with the whole file. */
  readonly range?: { readonly from: number; readonly validator: string | undefined } | undefined
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
  const connections = options.connections ?? plainConnections
  let at = url
  try {
    let range = options.range
    for (let redirects = 0; redirects <= maxRedirects; redirects += 1) {
      refuseInsecure(at, url, options.allowInsecure)
      if (at !== url && at.startsWith('http:')) options.noteInsecure?.(new URL(at).origin)
      const response = await get(at, abort.signal, connections, rangeHeaders(range))
      clock.touch()
      const status = response.statusCode ?? 0
      const from = status === 200 ? 0 : status === 206 ? startOf(response, range?.from) : undefined
      if (from !== undefined)
        return { from, validator: validatorOf(response), body: bytesOf(response, url, clock), close }
      const whole = range !== undefined && (status === 416 || status === 206)
      const next = whole ? at : redirectTarget(status, response, at)
      if (next === undefined) throw wrongStatus(url, status, connections.clientFor(new URL(at)))
      response.destroy()
      if (whole) range = undefined
      at = next
    }
    throw unreachable(url, `more than ${maxRedirects} redirects`, false)
  } catch (error) {
    close()
    if (error instanceof ToolError || error instanceof ResponseFault) throw error
    const client = connections.clientFor(new URL(at))
    const code = codeOf(error)
    if (client !== undefined && rejectsCertificate(client, code)) throw refusedCertificate(client, url, code)
    if (/alert (?:certificate required|handshake failure)/.test(code)) throw unreachable(url, code, false, subscribers)
    throw unreachable(url, clock.expired() ?? code, true)
  }
}

/** With TLS 1.3 a server may also just hang up after it has seen the certificate. */
function rejectsCertificate(client: ClientCertificate, code: string): boolean {
  return (
    /alert .*(?:certificate|unknown ca|handshake failure|access denied)/.test(code) ||
    (/^(?:ECONNRESET|EPIPE)/.test(code) && client.notNow() !== undefined)
  )
}

const subscribers = 'a repository for subscribers needs kernel-repository-client-certificate'

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

function get(
  url: string,
  signal: AbortSignal,
  connections: Connections,
  range: Readonly<Record<string, string>>,
): Promise<IncomingMessage> {
  const start = url.startsWith('https:') ? requestHttps : requestHttp
  const headers = { accept: '*/*', 'accept-encoding': 'identity', 'user-agent': 'attested-os-update', ...range }
  return new Promise((resolve, reject) => {
    start(url, { headers, signal, agent: connections.agentFor(new URL(url), false) }, resolve)
      .on('error', reject)
      .end()
  })
}

function rangeHeaders(range: RequestOptions['range']): Readonly<Record<string, string>> {
  if (range === undefined) return {}
  return { range: `bytes=${range.from}-`, ...(range.validator === undefined ? {} : { 'if-range': range.validator }) }
}

/** Where a part begins, if that is where it should. */
function startOf({ headers }: IncomingMessage, from: number | undefined): number | undefined {
  return from !== undefined && headers['content-range']?.startsWith(`bytes ${from}-`) === true ? from : undefined
}

function validatorOf({ headers }: IncomingMessage): string | undefined {
  return headers.etag?.startsWith('"') === true ? headers.etag : headers['last-modified']
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

function wrongStatus(url: string, status: number, client: ClientCertificate | undefined): Error {
  const denied = [401, 403].includes(status)
  // 400, 495 and 496: nginx, ngx_http_ssl_module
  if (client !== undefined && (denied || [400, 495, 496].includes(status)))
    return refusedCertificate(client, url, `HTTP status ${status}`)
  if (denied) return unreachable(url, `HTTP status ${status}`, false, subscribers)
  return unreachable(url, `HTTP status ${status}`, status >= 500 || status === 408 || status === 429)
}

function unreachable(url: string, found: string, again: boolean, hint?: string): ResponseFault {
  const reason = new ToolError('REPOSITORY_UNREACHABLE', 'cannot download a file of an RPM repository', {
    found,
    wanted: 'HTTP status 200 and the whole file',
    where: { source: url },
    ...(hint === undefined ? {} : { hint }),
  })
  return new ResponseFault(reason, again)
}

function codeOf(error: unknown): string {
  if (!(error instanceof Error)) return 'a broken connection'
  // OpenSSL's line of error: only its reason is for people
  const reason = /:SSL routines:[^:]*:([^:]+):/.exec(error.message)?.[1]
  if (reason !== undefined) return `TLS: ${reason}`
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
