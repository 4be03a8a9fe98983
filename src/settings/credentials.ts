// Secrets of one run. They go to edge/ only; whoever prints them prints stars.

export class Credentials {
  readonly #gitopsToken: string | undefined
  readonly #pullSecret: string | undefined
  readonly #kubeconfig: string | undefined
  readonly #clientCertificate: string | undefined
  readonly #clientKey: string | undefined

  /** The token is the one that GitHub makes for each job: pull requests that it opens have their checks held back. */
  readonly isJobToken: boolean

  constructor(secrets: {
    readonly gitopsToken?: string | undefined
    readonly jobToken?: string | undefined
    readonly pullSecret?: string | undefined
    readonly kubeconfig?: string | undefined
    readonly clientCertificate?: string | undefined
    readonly clientKey?: string | undefined
  }) {
    this.#gitopsToken = secrets.gitopsToken
    this.#pullSecret = secrets.pullSecret
    this.#clientCertificate = secrets.clientCertificate
    this.#kubeconfig = secrets.kubeconfig
    this.#clientKey = secrets.clientKey
    this.isJobToken = secrets.gitopsToken !== undefined && secrets.gitopsToken === secrets.jobToken
  }

  /** Token for the GitOps repository's API. */
  get gitopsToken(): string | undefined {
    return this.#gitopsToken
  }

  /** Registry credentials: JSON, or the path of a file with it. */
  get pullSecret(): string | undefined {
    return this.#pullSecret
  }

  /** Credentials of a cluster: the text of a kubeconfig, or a path, or several as KUBECONFIG has them. */
  get kubeconfig(): string | undefined {
    return this.#kubeconfig
  }

  /** For the kernel repositories: PEM, or the path of a file with it; given together with its key. */
  get clientCertificate(): string | undefined {
    return this.#clientCertificate
  }

  /** As `clientCertificate`. */
  get clientKey(): string | undefined {
    return this.#clientKey
  }

  toJSON(): { gitopsToken: string | null } {
    return { gitopsToken: this.#gitopsToken === undefined ? null : '***' }
  }

  toString(): string {
    return JSON.stringify(this)
  }
}
