// The answers of the registry of the tests, and reading what a client sends.

import type { IncomingMessage, ServerResponse } from 'node:http'
import { concat } from './layer.ts'

export async function body(request: IncomingMessage): Promise<Uint8Array> {
  const parts: Uint8Array[] = []
  for await (const chunk of request) parts.push(chunk as Uint8Array)
  return concat(parts)
}

/** The first bytes of a body; the rest is not read. */
export async function startOf(request: IncomingMessage, size: number): Promise<Uint8Array> {
  const parts: Uint8Array[] = []
  let missing = size
  for await (const chunk of request.iterator({ destroyOnReturn: false })) {
    const part = (chunk as Uint8Array).subarray(0, missing)
    parts.push(part)
    missing -= part.length
    if (missing === 0) break
  }
  return concat(parts)
}

export const errorBody = (code: string, message: string): string => JSON.stringify({ errors: [{ code, message }] })

export function notFound(response: ServerResponse, code: string): void {
  send(response, 404, 'application/json', errorBody(code, 'not found'))
}

export function refuse(response: ServerResponse, code: string, detail: string): void {
  send(response, 400, 'application/json', errorBody(code, detail))
}

export function sendJson(response: ServerResponse, value: unknown): void {
  send(response, 200, 'application/json', JSON.stringify(value))
}

export function send(response: ServerResponse, status: number, type: string, text: string): void {
  response.writeHead(status, { 'content-type': type, 'content-length': Buffer.byteLength(text) }).end(text)
}

export function progress(
  response: ServerResponse,
  name: string,
  session: string,
  received: number,
  status = 202,
): void {
  response.writeHead(status, {
    location: `/v2/${name}/blobs/uploads/${session}`,
    range: `0-${Math.max(0, received - 1)}`,
    'docker-upload-uuid': session,
    'content-length': 0,
  })
  response.end()
}

/** How an answer with bytes is spoiled. */
export interface SpoiledBytes {
  /** The body breaks off after half of its bytes, stops there without an end, has one byte changed or one too many, or drips. */
  readonly body?: 'truncated' | 'stalled' | 'wrong' | 'longer'
  /** Range is ignored, refused with 416, or answered with the bytes from another place. */
  readonly range?: 'ignored' | 'refused' | 'moved'
}

export function sendBytes(
  request: IncomingMessage,
  response: ServerResponse,
  whole: Uint8Array,
  type: string,
  digest: string,
  spoiled: SpoiledBytes = {},
): void {
  let bytes = whole
  if (spoiled.body === 'wrong') bytes = whole.map((byte, index) => (index === whole.length >> 1 ? byte ^ 1 : byte))
  if (spoiled.body === 'longer') bytes = concat([whole, new Uint8Array(1)])
  const asked = /^bytes=(\d+)-$/.exec(request.headers.range ?? '')
  const range = spoiled.range === 'ignored' ? null : asked
  const start = range === null ? 0 : Number(range[1]) - (spoiled.range === 'moved' ? 1 : 0)
  if (range !== null && (spoiled.range === 'refused' || start >= bytes.length)) {
    response.writeHead(416, { 'content-range': `bytes */${whole.length}`, 'content-length': 0 }).end()
    return
  }
  const partial = range !== null
  if (partial) bytes = bytes.subarray(start)
  response.writeHead(partial ? 206 : 200, {
    'content-type': type,
    'content-length': bytes.length,
    'docker-content-digest': digest,
    ...(partial ? { 'content-range': `bytes ${start}-${whole.length - 1}/${whole.length}` } : {}),
  })
  const half = bytes.subarray(0, bytes.length >> 1)
  if (request.method === 'HEAD') response.end()
  else if (spoiled.body === 'truncated') response.write(half, () => request.socket.destroy())
  else if (spoiled.body === 'stalled') response.write(half)
  else response.end(bytes)
}
