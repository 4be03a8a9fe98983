// Uploading one blob: one PUT where nothing goes wrong; after a fault on from where the registry is, or from the start. OCI distribution-spec 1.1, "Pushing a blob".

import { setTimeout as wait } from 'node:timers/promises'
import { ToolError } from '../errors.ts'
import type { Descriptor } from '../formats/oci/descriptor.ts'
import type { ImageSource } from '../image/image-source.ts'
import type { ProgressItem } from './progress.ts'
import { type HttpAnswer, type HttpLimits, isPassing, isPassingStatus, pause, startPatience } from './registry-http.ts'
import type { RepositoryRequest } from './registry-requests.ts'
import { collect } from './verified-stream.ts'

/** The repository that the blob goes to. */
export interface UploadTarget {
  readonly limits: HttpLimits
  /** registry/repository, for errors. */
  readonly source: string
  send(request: RepositoryRequest): Promise<HttpAnswer>
  hasBlob(blob: Descriptor): Promise<boolean>
}

/** An upload that the registry opened, and how much of the blob it has. */
interface Session {
  readonly url: URL
  readonly received: number
}

/** Below this it is not worth asking how far an upload came; above, a break that came this far was worth its attempt. */
const worthwhile = 1024 * 1024
const mostBreaks = 64
const octets = { 'content-type': 'application/octet-stream' }

/**
 * The stream's own check ends the request when the bytes are wrong, so that no wrong blob becomes complete. Throws PUSH_REFUSED when the registry
 * does not take it, REGISTRY_UNREACHABLE when it stays away.
 */
export async function uploadBlob(
  target: UploadTarget,
  blob: Descriptor,
  image: ImageSource,
  item: ProgressItem,
): Promise<void> {
  const { limits } = target
  const patience = startPatience(limits)
  let session: Session | undefined
  let furthest = 0
  for (let fruitless = 0, breaks = 1; ; breaks += 1) {
    const retry = await attempt(target, blob, image, item, session)
    if (retry === 'done') return
    session = retry.session === undefined ? undefined : await whereIs(target, retry.session, blob)
    const received = session?.received ?? 0
    fruitless = received - furthest >= worthwhile ? 0 : fruitless + 1
    furthest = Math.max(furthest, received)
    const ms = pause(Math.max(1, fruitless), limits, retry.later)
    if (fruitless >= (limits.attempts ?? 4) || breaks >= mostBreaks || !patience.lasts(ms)) throw retry.error
    await wait(ms)
    // the answer may have been all that was lost
    if (session === undefined && (await target.hasBlob(blob))) return
  }
}

/** What may be tried again, and what stands if it may not. */
interface Retry {
  readonly error: ToolError
  /** An upload that broke off and may be there still. */
  readonly session: URL | undefined
  /** Retry-After. */
  readonly later: string | null
}

/** Throws what no other attempt would change. */
async function attempt(
  target: UploadTarget,
  blob: Descriptor,
  image: ImageSource,
  item: ProgressItem,
  session: Session | undefined,
): Promise<Retry | 'done'> {
  let url = session?.url
  try {
    if (url === undefined) {
      const started = await target.send({ method: 'POST', path: 'blobs/uploads/' })
      if (started.status !== 202) return await judged(target, started, blob, undefined)
      await started.drop()
      url = locationOf(started, target.source)
    }
    const from = session?.received ?? 0
    const rest = () => counting(image.openLayer(blob), item, from)
    let answer: HttpAnswer
    if (from > 0 && from < blob.size) {
      const headers = { ...octets, 'content-range': `${from}-${blob.size - 1}` }
      answer = await target.send({ method: 'PATCH', url, headers, body: { size: blob.size - from, open: rest } })
      if (answer.status !== 202) return await judged(target, answer, blob, url)
      await answer.drop()
      url = locationOf(answer, target.source)
    }
    const body = from === 0 ? { size: blob.size, open: rest } : nothing
    answer = await target.send({ method: 'PUT', url: closing(url, blob), headers: octets, body })
    if (answer.status !== 201) return await judged(target, answer, blob, url, from > 0)
    await answer.drop()
    return 'done'
  } catch (error) {
    if (!(error instanceof ToolError) || !isPassing(error)) throw error
    return { error, session: url, later: null }
  }
}

const nothing = { size: 0, open: () => ReadableStream.from<Uint8Array>([]) }

function closing(url: URL, { digest }: Descriptor): URL {
  const closed = new URL(url)
  closed.searchParams.set('digest', digest)
  return closed
}

/** An answer that is not the one hoped for. `resumed`: the registry may have put other bytes together than we sent. */
async function judged(
  target: UploadTarget,
  answer: HttpAnswer,
  { digest }: Descriptor,
  session: URL | undefined,
  resumed = false,
): Promise<Retry> {
  const { status } = answer
  const later = answer.headers.get('retry-after')
  const { error, code } = await refusalOf(answer, target.source, digest)
  if (isPassingStatus(status)) return { error, session, later }
  const lost = status === 416 || /^BLOB_UPLOAD_/.test(code) || (status === 404 && code === '') || resumed
  if (session === undefined || !lost) throw error
  return { error, session: undefined, later }
}

/** How much of an upload the registry has; undefined when it should begin anew. */
async function whereIs(target: UploadTarget, url: URL, blob: Descriptor): Promise<Session | undefined> {
  if (blob.size < worthwhile) return undefined
  try {
    const answer = await target.send({ method: 'GET', url })
    await answer.drop()
    const received = Number(/^(?:bytes=)?0-(\d+)$/.exec(answer.headers.get('range') ?? '')?.[1] ?? 0) + 1
    if (answer.status !== 204 || received < worthwhile || received > blob.size) return undefined
    return { url: answer.headers.has('location') ? locationOf(answer, target.source) : url, received }
  } catch (error) {
    if (error instanceof ToolError) return undefined
    throw error
  }
}

/** Counts all bytes and gives those from `from` on. An upload that breaks off counts for nothing. */
async function* counting(
  bytes: AsyncIterable<Uint8Array>,
  item: ProgressItem,
  from: number,
): AsyncGenerator<Uint8Array> {
  let sent = 0
  try {
    for await (const chunk of bytes) {
      const fresh = chunk.subarray(Math.min(chunk.length, Math.max(0, from - sent)))
      sent += chunk.length
      item.add(chunk.length)
      if (fresh.length > 0) yield fresh
    }
    sent = 0
  } finally {
    item.add(-sent)
  }
}

/** Throws PUSH_REFUSED when the answer does not say where the upload goes on. */
export function locationOf(answer: HttpAnswer, source: string): URL {
  const location = answer.headers.get('location') ?? ''
  if (location !== '' && URL.canParse(location, answer.url.href)) return new URL(location, answer.url)
  throw refusal(`status ${answer.status}`, source, 'no upload location')
}

const errorCeiling = 64 * 1024

/** The error of an answer that refuses, and the registry's first code for it: distribution-spec 1.1, "Error codes". */
export async function refusalOf(
  answer: HttpAnswer,
  source: string,
  path: string,
): Promise<{ readonly error: ToolError; readonly code: string }> {
  const { code, message } = await firstError(answer, source)
  const later = answer.headers.get('retry-after')
  const words = [
    `status ${answer.status}`,
    ...(code === '' ? [] : [message === '' ? code : `${code}: ${message}`]),
    ...(later === null ? [] : [`retry after ${later.slice(0, 40)}`]),
  ]
  return { error: refusal(words.join(', '), source, path), code }
}

async function firstError(answer: HttpAnswer, source: string): Promise<{ code: string; message: string }> {
  const words = (value: unknown): string => (typeof value === 'string' ? value.slice(0, 200) : '')
  try {
    const text = Buffer.from(await collect(answer.chunks(), errorCeiling, source)).toString('utf8')
    const [first] = (JSON.parse(text) as { errors: readonly { code?: unknown; message?: unknown }[] }).errors
    return { code: words(first?.code), message: words(first?.message) }
  } catch {
    // whatever else stands there, the status is the answer
    return { code: '', message: '' }
  } finally {
    await answer.drop()
  }
}

function refusal(found: string, source: string, path: string): ToolError {
  return new ToolError('PUSH_REFUSED', 'the registry refuses the push', {
    found,
    wanted: 'status 201 or 202',
    where: { source, path },
  })
}
