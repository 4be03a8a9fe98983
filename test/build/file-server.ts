// A small http or https server on the loopback interface that serves files from a map, logs requests, and can misbehave.

import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import { createServer as createSecureServer, type ServerOptions } from 'node:https'
import type { AddressInfo } from 'node:net'

/** What to do instead of serving the file; `attempt` counts requests of one path from 1. */
export interface Misbehaviour {
  readonly status?: number
  readonly headers?: Readonly<Record<string, string>>
  readonly body?: Uint8Array
  /** Send this many bytes of the file, then break the connection. */
  readonly breakAfter?: number
  /** Send this many bytes, then nothing more, with the connection open. */
  readonly stallAfter?: number
  /** Break the connection before any answer. */
  readonly refuse?: boolean
  /** Answer a request for a range with that range (RFC 9110, 14), and give the file this ETag. */
  readonly etag?: string
}

export interface FileServer extends AsyncDisposable {
  /** `http://127.0.0.1:<port>`, with TLS `https://localhost:<port>`; without slash at the end. */
  readonly url: string
  /** Paths asked for, in order, without leading slash. */
  readonly requests: readonly string[]
  /** The Range of each request, and its If-Range. */
  readonly ranges: readonly (readonly [string | undefined, string | undefined])[]
  close(): Promise<void>
}

/** Starts the server on a free port. */
export async function serveFiles(
  files: ReadonlyMap<string, Uint8Array>,
  misbehave: (path: string, attempt: number) => Misbehaviour | undefined = () => undefined,
  tls?: ServerOptions,
): Promise<FileServer> {
  const requests: string[] = []
  const ranges: [string | undefined, string | undefined][] = []
  const listener = (request: IncomingMessage, response: ServerResponse) => {
    const path = pathOf(request)
    requests.push(path)
    const { range, 'if-range': ifRange } = request.headers
    ranges.push([range, ifRange?.toString()])
    const attempt = requests.filter(one => one === path).length
    const wrong = misbehave(path, attempt) ?? {}
    const from =
      wrong.etag !== undefined && ifRange === wrong.etag ? /^bytes=(\d+)-$/.exec(range ?? '')?.[1] : undefined
    answer(response, files.get(path), wrong, from === undefined ? undefined : Number(from))
  }
  const server = tls === undefined ? createServer(listener) : createSecureServer(tls, listener)
  await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve))
  const { port } = server.address() as AddressInfo
  const close = async () => {
    server.closeAllConnections()
    await new Promise<void>(resolve => server.close(() => resolve()))
  }
  const url = tls === undefined ? `http://127.0.0.1:${port}` : `https://localhost:${port}`
  return { url, requests, ranges, close, [Symbol.asyncDispose]: close }
}

function pathOf(request: IncomingMessage): string {
  return decodeURIComponent(new URL(request.url ?? '/', 'http://127.0.0.1').pathname.slice(1))
}

function answer(
  response: ServerResponse,
  file: Uint8Array | undefined,
  wrong: Misbehaviour,
  from: number | undefined,
): void {
  if (wrong.refuse === true) {
    response.destroy()
    return
  }
  const body = wrong.body ?? file
  const part = from !== undefined && body !== undefined && from < body.length
  const status = wrong.status ?? (body === undefined ? 404 : part ? 206 : from === undefined ? 200 : 416)
  const bytes = (part ? body.subarray(from) : body) ?? new Uint8Array()
  const partial = wrong.breakAfter ?? wrong.stallAfter
  const range = part ? { 'content-range': `bytes ${from}-${body.length - 1}/${body.length}` } : {}
  const etag = wrong.etag === undefined ? {} : { etag: wrong.etag }
  response.writeHead(status, { 'content-length': String(bytes.length), ...etag, ...range, ...wrong.headers })
  if (partial === undefined) {
    response.end(bytes)
    return
  }
  response.write(bytes.subarray(0, partial), () => {
    // a client forgets what it has not read yet when the connection breaks
    if (wrong.breakAfter !== undefined) setTimeout(() => response.destroy(), 100)
  })
}
