// Secrets of one run. They go to edge/ only; whoever prints them prints stars.

export class Credentials {
  readonly #gitopsToken: string | undefined

  constructor(secrets: { readonly gitopsToken?: string | undefined }) {
    this.#gitopsToken = secrets.gitopsToken
  }

  /** Token for the GitOps repository's API. */
  get gitopsToken(): string | undefined {
    return this.#gitopsToken
  }

  toJSON(): { gitopsToken: string | null } {
    return { gitopsToken: this.#gitopsToken === undefined ? null : '***' }
  }

  toString(): string {
    return JSON.stringify(this)
  }
}
