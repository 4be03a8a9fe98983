// A small OCI registry on loopback for tests and the demo: distribution-spec 1.1, pull, push, mount, catalogue, tags; it can be made to fail.

import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http'
import { createServer as createTlsServer } from 'node:https'
import type { AddressInfo } from 'node:net'
import { concat, sha256 } from './layer.ts'
import type { MadeImage, MadeIndex } from './oci-layout.ts'
import { RegistryAccess, type RegistryAuth } from './registry-access.ts'
import {
  body,
  errorBody,
  notFound,
  progress,
  refuse,
  type SpoiledBytes,
  send,
  sendBytes,
  sendJson,
  startOf,
} from './registry-answers.ts'

export interface LoggedRequest {
  readonly method: string
  /** Path with query. */
  readonly path: string
  readonly authorization: string | undefined
  /** Only where the request has one. */
  readonly range?: string
}

/** What goes wrong with requests that fit; each rule serves `times` requests. */
export interface RegistryFault extends SpoiledBytes {
  readonly method?: string
  readonly path: RegExp
  times: number
  readonly status?: number
  /** Of the error in the body; DENIED when left out. */
  readonly code?: string
  readonly headers?: Readonly<Record<string, string>>
  /** So many bytes of an upload arrive and are kept, then the connection is cut. */
  readonly keeps?: number
  /** The connection is cut, or never answered. */
  readonly connection?: 'reset' | 'silent'
}

interface Stored {
  readonly mediaType: string
  readonly bytes: Uint8Array
}

export interface RegistryOptions {
  readonly auth?: RegistryAuth
  readonly port?: number
  /** Serves https; PEM. */
  readonly tls?: { readonly key: string; readonly cert: string }
  /** The name that requests reach it by, where it is not 127.0.0.1:port. */
  readonly name?: string
}

export class TestRegistry {
  readonly requests: LoggedRequest[] = []
  readonly faults: RegistryFault[] = []
  readonly #server: Server
  readonly #scheme: string
  readonly #name: string | undefined
  readonly #access: RegistryAccess
  readonly #blobs = new Map<string, Map<string, Uint8Array>>()
  readonly #manifests = new Map<string, Map<string, Stored>>()
  readonly #tags = new Map<string, Map<string, string>>()
  readonly #uploads = new Map<string, Uint8Array[]>()
  #uploadCount = 0

  constructor({ auth, tls, name }: RegistryOptions) {
    this.#access = new RegistryAccess(auth)
    this.#name = name
    this.#scheme = tls === undefined ? 'http' : 'https'
    const listener = (request: IncomingMessage, response: ServerResponse): void => {
      this.#answer(request, response).catch(error => {
        if (!response.headersSent) response.writeHead(500)
        response.end(String(error))
      })
    }
    this.#server = tls === undefined ? createServer(listener) : createTlsServer(tls, listener)
  }

  get port(): number {
    return (this.#server.address() as AddressInfo).port
  }

  /** host:port, as image references have it. */
  get host(): string {
    return this.#name ?? `127.0.0.1:${this.port}`
  }

  get origin(): string {
    return `${this.#scheme}://${this.host}`
  }

  /** Tokens that were given so far are good for nothing from now on. */
  expireTokens(): void {
    this.#access.expireTokens()
  }

  async listen(port: number): Promise<void> {
    await new Promise<void>((resolve, reject) => {
      this.#server.once('error', reject)
      this.#server.listen(port, '127.0.0.1', resolve)
    })
  }

  async close(): Promise<void> {
    this.#server.closeAllConnections()
    await new Promise<void>(resolve => this.#server.close(() => resolve()))
  }

  /** Puts an image or index into a repository without a request. */
  add(repository: string, made: MadeImage | MadeIndex, tag?: string): void {
    const manifests = partOf(this.#manifests, repository)
    for (const image of 'images' in made ? made.images : [made]) {
      manifests.set(image.digest, { mediaType: image.mediaType, bytes: image.manifest })
      for (const [digest, bytes] of image.blobs) partOf(this.#blobs, repository).set(digest, bytes)
    }
    manifests.set(made.digest, { mediaType: made.mediaType, bytes: made.manifest })
    if (tag !== undefined) partOf(this.#tags, repository).set(tag, made.digest)
  }

  /** All that is stored, for comparing before and after. */
  contents(): { repository: string; tags: Record<string, string>; manifests: string[]; blobs: string[] }[] {
    const names = new Set([...this.#blobs.keys(), ...this.#manifests.keys(), ...this.#tags.keys()])
    return [...names].sort().map(repository => ({
      repository,
      tags: Object.fromEntries([...part(this.#tags, repository)].sort()),
      manifests: [...part(this.#manifests, repository).keys()].sort(),
      blobs: [...part(this.#blobs, repository).keys()].sort(),
    }))
  }

  /** The bytes of a blob. */
  blob(repository: string, digest: string): Uint8Array | undefined {
    return this.#blobs.get(repository)?.get(digest)
  }

  /** The bytes of a manifest by tag or digest. */
  manifest(repository: string, name: string): Uint8Array | undefined {
    const digest = part(this.#tags, repository).get(name) ?? name
    return part(this.#manifests, repository).get(digest)?.bytes
  }

  async #answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const url = new URL(request.url ?? '/', this.origin)
    const method = request.method ?? 'GET'
    const { authorization, range } = request.headers
    const path = `${url.pathname}${url.search}`
    this.requests.push({ method, path, authorization, ...(range === undefined ? {} : { range }) })
    const fault = this.faults.find(
      one => one.times > 0 && (one.method ?? method) === method && one.path.test(url.pathname),
    )
    if (fault !== undefined) {
      fault.times -= 1
      if (fault.connection === 'silent') return
      if (fault.connection === 'reset') return void request.socket.destroy()
      if (fault.status !== undefined) {
        request.resume()
        return void response
          .writeHead(fault.status, fault.headers)
          .end(errorBody(fault.code ?? 'DENIED', 'the test says so'))
      }
    }
    if (url.pathname === '/token') return this.#access.giveToken(request, response, url)
    const [, name = '', kind = '', rest = ''] =
      /^\/v2\/(.+?)\/(manifests|blobs\/uploads|blobs|tags\/list)\/?(.*)$/.exec(url.pathname) ?? []
    const writes = !['GET', 'HEAD'].includes(method)
    const scope = name === '' ? '' : `repository:${name}:${writes ? 'push' : 'pull'}`
    if (!this.#access.passes(request, response, this.origin, scope)) return void request.resume()
    if (url.pathname === '/v2/') return send(response, 200, 'application/json', '{}')
    if (url.pathname === '/v2/_catalog')
      return sendJson(response, { repositories: this.contents().map(row => row.repository) })
    if (kind === 'tags/list') return sendJson(response, { name, tags: [...part(this.#tags, name).keys()].sort() })
    if (kind === 'manifests') return this.#manifestRequest(request, response, method, name, rest, fault)
    if (kind === 'blobs') return this.#blobRequest(request, response, method, name, rest, fault)
    if (kind === 'blobs/uploads') return this.#uploadRequest(request, response, method, name, rest, url, fault)
    notFound(response, 'NAME_UNKNOWN')
  }

  async #manifestRequest(
    request: IncomingMessage,
    response: ServerResponse,
    method: string,
    name: string,
    key: string,
    fault: RegistryFault | undefined,
  ): Promise<void> {
    if (method === 'PUT') {
      const bytes = await body(request)
      const digest = sha256(bytes)
      if (key.startsWith('sha256:') && key !== digest) return refuse(response, 'DIGEST_INVALID', digest)
      const missing = this.#missing(name, bytes)
      if (missing !== undefined) return refuse(response, 'MANIFEST_BLOB_UNKNOWN', missing)
      const mediaType = request.headers['content-type'] ?? ''
      partOf(this.#manifests, name).set(digest, { mediaType, bytes })
      if (!key.startsWith('sha256:')) partOf(this.#tags, name).set(key, digest)
      response.writeHead(201, { location: `/v2/${name}/manifests/${digest}`, 'docker-content-digest': digest }).end()
      return
    }
    const digest = part(this.#tags, name).get(key) ?? key
    const stored = part(this.#manifests, name).get(digest)
    if (stored === undefined) return notFound(response, 'MANIFEST_UNKNOWN')
    sendBytes(request, response, stored.bytes, stored.mediaType, digest, fault)
  }

  /** The first blob or manifest that a manifest names and the repository does not hold. */
  #missing(name: string, bytes: Uint8Array): string | undefined {
    const manifest = JSON.parse(new TextDecoder().decode(bytes)) as {
      config?: { digest: string }
      layers?: { digest: string }[]
      manifests?: { digest: string }[]
    }
    const blobs = [...(manifest.config ? [manifest.config] : []), ...(manifest.layers ?? [])]
    return (
      blobs.find(row => !part(this.#blobs, name).has(row.digest))?.digest ??
      manifest.manifests?.find(row => !part(this.#manifests, name).has(row.digest))?.digest
    )
  }

  #blobRequest(
    request: IncomingMessage,
    response: ServerResponse,
    method: string,
    name: string,
    digest: string,
    fault: RegistryFault | undefined,
  ): void {
    const bytes = part(this.#blobs, name).get(digest)
    if (bytes === undefined) notFound(response, 'BLOB_UNKNOWN')
    else if (['GET', 'HEAD'].includes(method))
      sendBytes(request, response, bytes, 'application/octet-stream', digest, fault)
    else response.writeHead(405).end()
  }

  async #uploadRequest(
    request: IncomingMessage,
    response: ServerResponse,
    method: string,
    name: string,
    id: string,
    url: URL,
    fault: RegistryFault | undefined,
  ): Promise<void> {
    const digest = url.searchParams.get('digest')
    if (method === 'POST') {
      const mounted = url.searchParams.get('mount') ?? ''
      const from = part(this.#blobs, url.searchParams.get('from') ?? '').get(mounted)
      if (from !== undefined) return this.#store(response, name, mounted, from)
      if (digest !== null) return this.#store(response, name, digest, await body(request))
      this.#uploadCount += 1
      const session = `upload-${this.#uploadCount}`
      this.#uploads.set(session, [])
      return progress(response, name, session, 0)
    }
    const parts = this.#uploads.get(id)
    if (parts === undefined) return notFound(response, 'BLOB_UPLOAD_UNKNOWN')
    if (method === 'GET') return progress(response, name, id, length(parts), 204)
    if (method === 'DELETE') {
      this.#uploads.delete(id)
      return void response.writeHead(204).end()
    }
    const range = /^(\d+)-\d+$/.exec(request.headers['content-range'] ?? '')
    if (range !== null && Number(range[1]) !== length(parts)) {
      request.resume()
      return progress(response, name, id, length(parts), 416)
    }
    if (fault?.keeps !== undefined) {
      parts.push(await startOf(request, fault.keeps))
      return void request.socket.destroy()
    }
    parts.push(await body(request))
    if (method === 'PATCH') return progress(response, name, id, length(parts))
    this.#uploads.delete(id)
    this.#store(response, name, digest ?? '', concat(parts))
  }

  #store(response: ServerResponse, name: string, digest: string, bytes: Uint8Array): void {
    if (sha256(bytes) !== digest) {
      refuse(response, 'DIGEST_INVALID', digest)
      return
    }
    partOf(this.#blobs, name).set(digest, bytes)
    response.writeHead(201, { location: `/v2/${name}/blobs/${digest}`, 'docker-content-digest': digest }).end()
  }
}

/** Starts a registry on a free port of 127.0.0.1; `close()` ends it. */
export async function startRegistry(options: RegistryOptions = {}): Promise<TestRegistry> {
  const registry = new TestRegistry(options)
  await registry.listen(options.port ?? 0)
  return registry
}

/** The part of one repository for writing; made when it is new. */
function partOf<T>(all: Map<string, Map<string, T>>, repository: string): Map<string, T> {
  const found = all.get(repository) ?? new Map<string, T>()
  all.set(repository, found)
  return found
}

/** The part of one repository for reading. */
function part<T>(all: Map<string, Map<string, T>>, repository: string): ReadonlyMap<string, T> {
  return all.get(repository) ?? new Map<string, T>()
}

const length = (parts: readonly Uint8Array[]): number => parts.reduce((sum, one) => sum + one.length, 0)
