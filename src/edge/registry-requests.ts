// One registry: its base URL, requests below one repository, blobs that survive a broken connection.

import { setTimeout as wait } from 'node:timers/promises'
import { ToolError } from '../errors.ts'
import type { Descriptor } from '../formats/oci/descriptor.ts'
import { AuthorizedRequests } from './registry-authorization.ts'
import type { RegistryCredentials } from './registry-credentials.ts'
import {
  type HttpAnswer,
  type HttpLimits,
  type HttpRequest,
  isPassing,
  networkCode,
  pause,
  sendRequest,
} from './registry-http.ts'

export type RepositoryRequest = Omit<HttpRequest, 'url' | 'authorization'> &
  ({ readonly path: string } | { readonly url: URL })

export class RepositoryRequests {
  readonly registry: string
  readonly limits: HttpLimits
  readonly #credentials: RegistryCredentials
  readonly #authorized: AuthorizedRequests
  #base: Promise<URL> | undefined
  #plain = false

  constructor(registry: string, credentials: RegistryCredentials, limits: HttpLimits) {
    this.registry = registry
    this.limits = limits
    this.#credentials = credentials
    this.#authorized = new AuthorizedRequests(registry, credentials, limits)
  }

  /** `path` is below /v2/<repository>/. Throws REGISTRY_DENIED on 401 and 403; other statuses are the caller's. */
  async send(repository: string, actions: 'pull' | 'pull,push', request: RepositoryRequest): Promise<HttpAnswer> {
    const url = 'url' in request ? request.url : new URL(`/v2/${repository}/${request.path}`, await this.base())
    if (url.origin === (await this.base()).origin)
      return await this.#authorized.send(repository, actions, { ...request, url })
    // an upload may go to another origin, which gets no credentials of ours
    return await sendRequest({ ...request, url }, this.limits)
  }

  /** Whether plain http is what this registry was asked by. */
  get plain(): boolean {
    return this.#plain
  }

  /** https, or http where that is allowed and the host has no TLS: it says so, or refuses connections and no credentials are for it. */
  base(): Promise<URL> {
    this.#base ??= this.#findBase()
    return this.#base
  }

  async #findBase(): Promise<URL> {
    const name = this.registry === 'docker.io' ? 'registry-1.docker.io' : this.registry
    const plain = new URL(`http://${name}`)
    const secure = new URL(`https://${name}`)
    if (!this.limits.allowInsecure) return await this.#probed(secure)
    if (isLoopback(plain.hostname)) return await this.#probed(plain)
    try {
      return await this.#probed(secure)
    } catch (error) {
      if (!(error instanceof ToolError)) throw error
      // whoever can refuse connections to the https port must not get the password by http
      const refused = networkCode(error.cause) === 'ECONNREFUSED' && !this.#credentials.knows(this.registry)
      const noTls = error.code === 'INSECURE_NOT_ALLOWED' || refused
      if (!noTls) throw error
      return await this.#probed(plain)
    }
  }

  async #probed(base: URL): Promise<URL> {
    const answer = await sendRequest({ method: 'GET', url: new URL('/v2/', base) }, this.limits)
    await answer.drop()
    this.#plain = base.protocol === 'http:'
    return base
  }

  /** A blob's bytes, not yet verified. A connection that breaks is continued where it broke. */
  async *blob(repository: string, blob: Descriptor, source: string): AsyncGenerator<Uint8Array, void, undefined> {
    let received = 0
    for (let attempt = 1; ; attempt += 1) {
      const answer = await this.send(repository, 'pull', {
        method: 'GET',
        path: `blobs/${blob.digest}`,
        ...(received === 0 ? {} : { headers: { range: `bytes=${received}-` } }),
      })
      const continued = answer.status === 206 && startOf(answer) === received
      if (answer.status !== 200 && !continued) {
        await answer.drop()
        throw answer.status === 404
          ? new ToolError('IMAGE_NOT_FOUND', 'the registry lacks a part of the image', {
              where: { source, path: blob.digest },
            })
          : this.error(answer, source)
      }
      let skip = continued ? 0 : received
      try {
        for await (const chunk of answer.chunks()) {
          const fresh = chunk.subarray(Math.min(skip, chunk.length))
          skip -= chunk.length - fresh.length
          received += fresh.length
          if (fresh.length > 0) yield fresh
        }
        return
      } catch (error) {
        if (attempt >= (this.limits.attempts ?? 4) || !(error instanceof ToolError) || !isPassing(error)) throw error
        await wait(pause(attempt, this.limits, null))
      }
    }
  }

  /** For a status that no step expects. */
  error(answer: HttpAnswer, source: string): ToolError {
    return new ToolError('REGISTRY_ERROR', 'the registry answers with an error', {
      found: `status ${answer.status} for ${answer.url.pathname}`,
      where: { source },
    })
  }
}

function startOf(answer: HttpAnswer): number {
  return Number(/^bytes (\d+)-/.exec(answer.headers.get('content-range') ?? '')?.[1] ?? Number.NaN)
}

export function isLoopback(hostname: string): boolean {
  return hostname === 'localhost' || hostname === '[::1]' || /^127\.\d+\.\d+\.\d+$/.test(hostname)
}
