// What stands in Authorization: challenges of RFC 9110 §11 and the token service of the distribution project (docs/spec/auth/token.md).

import { ToolError } from '../errors.ts'
import type { RegistryCredential, RegistryCredentials } from './registry-credentials.ts'
import { type HttpAnswer, type HttpLimits, type HttpRequest, sendRequest } from './registry-http.ts'
import { collect } from './verified-stream.ts'

export interface Challenge {
  /** Lower case. */
  readonly scheme: string
  /** Names in lower case. */
  readonly parameters: Readonly<Record<string, string>>
}

/** Reads a WWW-Authenticate header with any number of challenges; what is not understood is left out. */
export function parseChallenges(header: string): Challenge[] {
  const challenges: { scheme: string; parameters: Record<string, string> }[] = []
  const token = /([!#$%&'*+.^_`|~0-9A-Za-z-]+)\s*(?:=\s*(?:"((?:[^"\\]|\\.)*)"|([^\s",]*)))?[\s,]*/y
  const text = header.slice(0, 8192)
  while (token.lastIndex < text.length) {
    const match = token.exec(text)
    if (match === null) break
    const [, name = '', quoted, plain] = match
    if (quoted === undefined && plain === undefined) {
      challenges.push({ scheme: name.toLowerCase(), parameters: {} })
    } else {
      const challenge = challenges.at(-1)
      if (challenge) challenge.parameters[name.toLowerCase()] = quoted?.replace(/\\(.)/g, '$1') ?? plain ?? ''
    }
  }
  return challenges
}

/** Sends requests to one registry and answers its challenges. Tokens are kept for the next request with the same purpose. */
export class AuthorizedRequests {
  readonly #registry: string
  readonly #credentials: RegistryCredentials
  readonly #limits: HttpLimits
  readonly #headers = new Map<string, string>()
  readonly #asked = new Map<string, Promise<string | undefined>>()

  constructor(registry: string, credentials: RegistryCredentials, limits: HttpLimits) {
    this.#registry = registry
    this.#credentials = credentials
    this.#limits = limits
  }

  /**
   * `actions` is `pull` or `pull,push`. Only challenges of the registry itself are answered: one of a redirect's target could name a token service
   * that is to collect passwords. Throws REGISTRY_DENIED when 401 or 403 remain, INSECURE_NOT_ALLOWED when an https registry names an http token service.
   */
  async send(repository: string, actions: 'pull' | 'pull,push', request: HttpRequest): Promise<HttpAnswer> {
    const purpose = `repository:${repository}:${actions}`
    const used = this.#headers.get(purpose)
    let answer = await sendRequest({ ...request, authorization: used }, this.#limits)
    if (answer.status === 401 && answer.url.origin === request.url.origin) {
      const challenges = parseChallenges(answer.headers.get('www-authenticate') ?? '')
      await answer.drop()
      const authorization = await this.#renewed(purpose, used, () =>
        this.#authorization(challenges, repository, purpose, this.#tokenLimits(request.url)),
      )
      if (authorization === undefined) throw this.#denied(request, 401)
      answer = await sendRequest({ ...request, authorization }, this.#limits)
    }
    if (answer.status !== 401 && answer.status !== 403) return answer
    await answer.drop()
    throw this.#denied(answer, answer.status)
  }

  /** One new token for all requests that were refused with the old one. */
  async #renewed(
    purpose: string,
    used: string | undefined,
    ask: () => Promise<string | undefined>,
  ): Promise<string | undefined> {
    const known = this.#headers.get(purpose)
    if (known !== used) return known
    const asked = this.#asked.get(purpose) ?? ask().finally(() => this.#asked.delete(purpose))
    this.#asked.set(purpose, asked)
    const authorization = await asked
    if (authorization !== undefined) this.#headers.set(purpose, authorization)
    return authorization
  }

  /** allow-insecure is for registries that have nothing better. */
  #tokenLimits(registry: URL): HttpLimits {
    return { ...this.#limits, allowInsecure: this.#limits.allowInsecure && registry.protocol === 'http:' }
  }

  async #authorization(
    challenges: readonly Challenge[],
    repository: string,
    purpose: string,
    limits: HttpLimits,
  ): Promise<string | undefined> {
    const credential = await this.#credentials.find(this.#registry, repository)
    if (credential?.kind === 'registry-token') return `Bearer ${credential.registryToken}`
    const bearer = challenges.find(one => one.scheme === 'bearer')
    if (bearer !== undefined) return `Bearer ${await this.#token(bearer, credential, purpose, limits)}`
    if (challenges.some(one => one.scheme === 'basic') && credential?.kind === 'password') return basic(credential)
    return undefined
  }

  async #token(
    challenge: Challenge,
    credential: RegistryCredential | undefined,
    purpose: string,
    limits: HttpLimits,
  ): Promise<string> {
    const { realm = '', service, scope } = challenge.parameters
    if (!URL.canParse(realm)) throw this.#tokenFault(realm, 'a challenge without a realm')
    const url = new URL(realm)
    const scopes = (scope ?? purpose).split(' ')
    const answer =
      credential?.kind === 'identity-token'
        ? await this.#oauth(url, credential.identityToken, service, scopes, limits)
        : await this.#plainToken(url, credential, service, scopes, limits)
    if (answer.status === 401 || answer.status === 403) {
      await answer.drop()
      throw this.#denied({ url }, answer.status)
    }
    if (answer.status !== 200) {
      await answer.drop()
      throw this.#tokenFault(url.href, `status ${answer.status}`)
    }
    const text = new TextDecoder().decode(await collect(answer.chunks(), 1024 * 1024, url.href))
    const token = tokenOf(text)
    if (token === undefined) throw this.#tokenFault(url.href, 'an answer without a token')
    return token
  }

  #plainToken(
    url: URL,
    credential: RegistryCredential | undefined,
    service: string | undefined,
    scopes: readonly string[],
    limits: HttpLimits,
  ): Promise<HttpAnswer> {
    const asked = new URL(url)
    if (service !== undefined) asked.searchParams.set('service', service)
    for (const scope of scopes) asked.searchParams.append('scope', scope)
    const authorization = credential?.kind === 'password' ? basic(credential) : undefined
    return sendRequest({ method: 'GET', url: asked, authorization }, limits)
  }

  #oauth(
    url: URL,
    identityToken: string,
    service: string | undefined,
    scopes: readonly string[],
    limits: HttpLimits,
  ): Promise<HttpAnswer> {
    const form = new URLSearchParams({
      grant_type: 'refresh_token',
      refresh_token: identityToken,
      client_id: 'attested-os-update',
      service: service ?? '',
      scope: scopes.join(' '),
    })
    const bytes = new TextEncoder().encode(form.toString())
    return sendRequest(
      {
        method: 'POST',
        url,
        headers: { 'content-type': 'application/x-www-form-urlencoded' },
        body: { size: bytes.length, open: () => ReadableStream.from([bytes]) },
        repeat: true,
      },
      limits,
    )
  }

  #denied(request: { url: URL }, status: number): ToolError {
    const faults = this.#credentials.helperFaults()
    return new ToolError('REGISTRY_DENIED', 'the registry refuses access, or the repository does not exist', {
      found: `status ${status}`,
      where: { source: request.url.origin + request.url.pathname },
      ...(faults.length === 0 ? {} : { hint: `no credentials came from ${faults.join(', ')}` }),
    })
  }

  #tokenFault(source: string, found: string): ToolError {
    return new ToolError('REGISTRY_ERROR', 'the token service of the registry gives no token', {
      found,
      where: { source },
    })
  }
}

function tokenOf(text: string): string | undefined {
  try {
    const { token, access_token: accessToken } = JSON.parse(text)
    const found = token || accessToken
    return typeof found === 'string' && /^[\x21-\x7e]+$/.test(found) ? found : undefined
  } catch {
    return undefined
  }
}

function basic(credential: { readonly username: string; readonly password: string }): string {
  return `Basic ${Buffer.from(`${credential.username}:${credential.password}`).toString('base64')}`
}
