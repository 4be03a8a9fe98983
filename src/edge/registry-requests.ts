// One registry: its base URL, requests below one repository, blobs that survive a broken connection.

import { setTimeout as wait } from 'node:timers/promises'
import { ToolError } from '../errors.ts'
import type { Descriptor } from '../formats/oci/descriptor.ts'
import { isLoopback } from './connections.ts'
import { AuthorizedRequests } from './registry-authorization.ts'
import type { RegistryCredentials } from './registry-credentials.ts'
import {
  type HttpAnswer,
  type HttpLimits,
  type HttpRequest,
  isPassing,
  isTlsCode,
  networkCode,
  pause,
  sendRequest,
} from './registry-http.ts'

export type RepositoryRequest = Omit<HttpRequest, 'url' | 'authorization'> &
  ({ readonly path: string } | { readonly url: URL })

export class RepositoryRequests {
  readonly registry: string
  readonly limits: HttpLimits
  readonly #insecure: boolean
  readonly #unverifiedHosts = new Set<string>()
  readonly #credentials: RegistryCredentials
  readonly #authorized: AuthorizedRequests
  #base: Promise<URL> | undefined
  #plain = false

  /** `insecure`: registries.conf lets this registry have plain http or a certificate that nobody trusts. */
  constructor(registry: string, credentials: RegistryCredentials, limits: HttpLimits, insecure: boolean) {
    this.registry = registry
    this.#insecure = insecure
    const allowInsecure = limits.allowInsecure || insecure
    this.limits = { ...limits, allowInsecure, unverifiedHosts: this.#unverifiedHosts }
    this.#credentials = credentials
    this.#authorized = new AuthorizedRequests(registry, credentials, this.limits)
  }

  /** `path` is below /v2/<repository>/. Throws REGISTRY_DENIED on 401 and 403; other statuses are the caller's. */
  async send(repository: string, actions: 'pull' | 'pull,push', request: RepositoryRequest): Promise<HttpAnswer> {
    const url = 'url' in request ? request.url : new URL(`/v2/${repository}/${request.path}`, await this.base())
    if (url.origin === (await this.base()).origin)
      return await this.#authorized.send(repository, actions, { ...request, url })
    // an upload may go to another origin, which gets no credentials of ours
    return await sendRequest({ ...request, url }, this.limits)
  }

  /** Whether this registry was asked by plain http, or without a look at its certificate. */
  get plain(): boolean {
    return this.#plain || this.#unverifiedHosts.size > 0
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
    if (isLoopback(plain.hostname) && !this.#insecure) return await this.#probed(plain)
    try {
      return await this.#probed(secure)
    } catch (error) {
      if (!(error instanceof ToolError)) throw error
      if (this.#insecure && error.code === 'REGISTRY_UNREACHABLE' && isTlsCode(networkCode(error.cause))) {
        this.#unverifiedHosts.add(secure.host)
        return await this.#probed(secure)
      }
      // whoever can refuse connections to the https port must not get the password by http
      const refused = networkCode(error.cause) === 'ECONNREFUSED' && !(await this.#credentials.knows(this.registry))
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

  /**
   * A blob's bytes, not yet verified. A connection that breaks is continued where it broke; a registry that cannot do that is read from the start
   * again, and what was given already is passed over: whoever verifies the digest sees every byte once. `start`: bytes that came from elsewhere.
   */
  async *blob(
    repository: string,
    blob: Descriptor,
    source: string,
    start = 0,
  ): AsyncGenerator<Uint8Array, void, undefined> {
    const resume = new Resumption(this.limits)
    let received = start
    for (;;) {
      const from = resume.byRange ? received : 0
      const answer = await this.send(repository, 'pull', {
        method: 'GET',
        path: `blobs/${blob.digest}`,
        ...(from === 0 ? {} : { headers: { range: `bytes=${from}-` } }),
      })
      const continued = answer.status === 206 && startOf(answer) === from
      if (from > 0 && !continued && (answer.status === 206 || answer.status === 416)) {
        await answer.drop()
        resume.byRange = false
        continue
      }
      if (answer.status !== 200 && !continued) {
        await answer.drop()
        throw answer.status === 404
          ? new ToolError('IMAGE_NOT_FOUND', 'the registry lacks a part of the image', {
              where: { source, path: blob.digest },
            })
          : this.error(answer, source)
      }
      let skip = continued && from > 0 ? 0 : received
      try {
        for await (const chunk of answer.chunks()) {
          const fresh = chunk.subarray(Math.min(skip, chunk.length))
          skip -= chunk.length - fresh.length
          received += fresh.length
          if (fresh.length > 0) yield fresh
        }
        return
      } catch (error) {
        // only the end of the message was lost
        if (received === blob.size) return
        await resume.after(error, received)
      }
    }
  }

  /** For a status that no step expects. */
  error(answer: HttpAnswer, source: string): ToolError {
    const later = answer.headers.get('retry-after')
    return new ToolError('REGISTRY_ERROR', 'the registry answers with an error', {
      found: `status ${answer.status} for ${answer.url.pathname}${later === null ? '' : `, retry after ${later}`}`,
      where: { source },
    })
  }
}

/** Bytes after which a connection was worth its attempt. */
const progress = 1024 * 1024
const mostBreaks = 64

/** How often a stream that breaks may go on. */
class Resumption {
  /** False once the registry showed that it cannot. */
  byRange = true
  readonly #limits: HttpLimits
  #breaks = 0
  #fruitless = 0
  #received = 0

  constructor(limits: HttpLimits) {
    this.#limits = limits
  }

  /** Waits before the next attempt; throws the error when there should be none. */
  async after(error: unknown, received: number): Promise<void> {
    this.#breaks += 1
    this.#fruitless = received - this.#received >= progress ? 1 : this.#fruitless + 1
    this.#received = received
    const over = this.#fruitless >= (this.#limits.attempts ?? 4) || this.#breaks >= mostBreaks
    if (over || !(error instanceof ToolError) || !isPassing(error)) throw error
    await wait(pause(this.#fruitless, this.#limits, null))
  }
}

function startOf(answer: HttpAnswer): number {
  return Number(/^bytes (\d+)-/.exec(answer.headers.get('content-range') ?? '')?.[1] ?? Number.NaN)
}
