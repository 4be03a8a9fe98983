// Who may do what at the registry of the tests: anonymous, Basic, or Bearer with a token endpoint (distribution-spec; docs "token authentication").

import { randomBytes } from 'node:crypto'
import type { IncomingMessage, ServerResponse } from 'node:http'

export interface RegistryAuth {
  readonly kind: 'basic' | 'bearer'
  readonly username: string
  readonly password: string
  /** Bearer only: tokens for `pull` are given to everybody. */
  readonly anonymousPull?: boolean
}

/** Checks requests, and answers them itself with 401 when they may not pass. */
export class RegistryAccess {
  readonly #auth: RegistryAuth | undefined
  readonly #tokens = new Map<string, ReadonlySet<string>>()

  constructor(auth: RegistryAuth | undefined) {
    this.#auth = auth
  }

  /** `scope` is `repository:<name>:<pull or push>`, or '' for the base endpoint. */
  passes(request: IncomingMessage, response: ServerResponse, origin: string, scope: string): boolean {
    if (this.#auth === undefined) return true
    const header = request.headers.authorization ?? ''
    if (this.#auth.kind === 'basic') {
      if (this.#isUser(header)) return true
      return refuse(response, `Basic realm="test"`)
    }
    const granted = header.startsWith('Bearer ') ? this.#tokens.get(header.slice('Bearer '.length)) : undefined
    if (granted?.has(scope) || (granted !== undefined && scope === '')) return true
    const asked = scope === '' ? '' : `,scope="${scope.replace(/:push$/, ':pull,push')}"`
    return refuse(response, `Bearer realm="${origin}/token",service="test-registry"${asked}`)
  }

  expireTokens(): void {
    this.#tokens.clear()
  }

  /** GET /token: scopes are granted to the user, pull also to nobody when that is allowed; else a token without rights. */
  giveToken(request: IncomingMessage, response: ServerResponse, url: URL): void {
    const header = request.headers.authorization
    const known = this.#isUser(header ?? '')
    if (header !== undefined && !known) {
      response.writeHead(401).end()
      return
    }
    const granted = new Set<string>()
    for (const scope of url.searchParams.getAll('scope').flatMap(text => text.split(' '))) {
      const colon = scope.lastIndexOf(':')
      for (const action of scope.slice(colon + 1).split(','))
        if (known || (action === 'pull' && this.#auth?.anonymousPull === true))
          granted.add(`${scope.slice(0, colon)}:${action}`)
    }
    const token = randomBytes(16).toString('hex')
    this.#tokens.set(token, granted)
    response.writeHead(200, { 'content-type': 'application/json' })
    response.end(JSON.stringify({ token, access_token: token, expires_in: 300 }))
  }

  #isUser(header: string): boolean {
    const { username, password } = this.#auth ?? {}
    return header === `Basic ${Buffer.from(`${username}:${password}`).toString('base64')}`
  }
}

function refuse(response: ServerResponse, challenge: string): false {
  response.writeHead(401, { 'www-authenticate': challenge, 'content-type': 'application/json' })
  response.end(JSON.stringify({ errors: [{ code: 'UNAUTHORIZED', message: 'authentication required' }] }))
  return false
}
