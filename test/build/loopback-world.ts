// Everything that `update` talks to, on loopback and in a temporary directory: OCI registry, RPM repository, GitHub API double with a real git
// repository. The Action under test is the one in dist/, run as the runner runs it.

import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join, relative } from 'node:path'
import { assembleLayeredImage, type BaseImage } from './base-image.ts'
import { type ActionRun, type RunOptions, runAction } from './bundle-runner.ts'
import { type FileServer, type Misbehaviour, serveFiles } from './file-server.ts'
import { BareRepository } from './github/bare-repository.ts'
import { type GitHubDouble, startGitHubDouble, type Token } from './github/double.ts'
import type { PackagedRpm } from './kernel-rpms.ts'
import { writeLayout } from './oci-layout.ts'
import { startRegistry, type TestRegistry } from './registry.ts'
import type { RegistryAuth } from './registry-access.ts'
import { makeRepository, type RepositoryInput } from './rpm-repository.ts'

export const tokens = {
  'good-token': { login: 'kernel-bot[bot]', app: true, contents: 'write', pullRequests: 'write' },
  'read-only-token': { login: 'reader', app: false, contents: 'read', pullRequests: 'read' },
  'no-pull-requests-token': { login: 'half', app: false, contents: 'write', pullRequests: 'read' },
  'blind-token': { login: 'stranger', app: false, contents: 'none', pullRequests: 'none' },
} as const satisfies Record<string, Token>

export interface WorldOptions {
  readonly base: BaseImage
  /** Files of the GitOps repository before the first run. */
  readonly files?: Readonly<Record<string, string>>
  /** Another registry than ours, as host:port; the caller has put the base there as coreos:stable. */
  readonly registry?: string
  /** Who may do what at our own registry; everybody may do everything when left out. */
  readonly auth?: RegistryAuth
  /** A container builder makes the images; otherwise they are assembled and handed over as `image`. */
  readonly build?: boolean
}

/** What must not change when a run is refused. */
export interface Snapshot {
  readonly registry: unknown
  readonly refs: string
  readonly pullRequests: string
}

export class LoopbackWorld {
  readonly directory: string
  /** TMPDIR of runs without a builder, so that tests see what they leave. */
  readonly temporary: string
  readonly registry: TestRegistry
  readonly repository: FileServer
  readonly github: GitHubDouble
  readonly git: BareRepository
  /** Changed by tests: how the RPM repository misbehaves. */
  misbehave: (path: string) => Misbehaviour | undefined = () => undefined
  base: BaseImage
  readonly #files: Map<string, Uint8Array>
  readonly #host: string
  readonly #build: boolean
  #packages: readonly PackagedRpm[] = []

  private constructor(
    options: WorldOptions,
    parts: {
      directory: string
      registry: TestRegistry
      repository: FileServer
      github: GitHubDouble
      git: BareRepository
    },
    files: Map<string, Uint8Array>,
  ) {
    this.directory = parts.directory
    this.temporary = join(parts.directory, 'tmp')
    mkdirSync(this.temporary)
    this.registry = parts.registry
    this.repository = parts.repository
    this.github = parts.github
    this.git = parts.git
    this.base = options.base
    this.#files = files
    this.#host = options.registry ?? parts.registry.host
    this.#build = options.build ?? false
    if (options.registry === undefined) parts.registry.add('coreos', options.base.image, 'stable')
  }

  static async start(options: WorldOptions): Promise<LoopbackWorld> {
    const directory = mkdtempSync(join(tmpdir(), 'attested-os-update-world-'))
    const git = BareRepository.create(
      join(directory, 'gitops.git'),
      options.files ?? { 'README.md': '# Cluster\n', 'clusters/one/namespace.yaml': 'kind: Namespace\n' },
    )
    const files = new Map<string, Uint8Array>()
    const world: { value?: LoopbackWorld } = {}
    const [registry, repository, github] = await Promise.all([
      startRegistry(options.auth === undefined ? {} : { auth: options.auth }),
      serveFiles(files, path => world.value?.misbehave(path)),
      startGitHubDouble([{ owner: 'example', name: 'gitops', git, defaultBranch: 'main' }], tokens),
    ])
    world.value = new LoopbackWorld(options, { directory, registry, repository, github, git }, files)
    return world.value
  }

  /** A world for the length of one piece of work. */
  static async during<T>(options: WorldOptions, work: (world: LoopbackWorld) => Promise<T>): Promise<T> {
    const world = await LoopbackWorld.start(options)
    try {
      return await work(world)
    } finally {
      await world.stop()
    }
  }

  /** The repository offers these packages from now on. */
  publish(packages: readonly PackagedRpm[], more: Omit<RepositoryInput, 'packages'> = {}): void {
    this.publishRepository({ ...more, packages: packages.map(({ bytes }) => bytes) })
    this.#packages = packages
  }

  publishRepository(input: RepositoryInput): void {
    this.#files.clear()
    for (const [path, bytes] of makeRepository(input)) this.#files.set(path, bytes)
  }

  /** The repository offers the files of this directory from now on. */
  publishDirectory(directory: string): void {
    this.#files.clear()
    for (const entry of readdirSync(directory, { recursive: true, withFileTypes: true })) {
      const path = join(entry.parentPath, entry.name)
      if (entry.isFile()) this.#files.set(relative(directory, path), new Uint8Array(readFileSync(path)))
    }
  }

  /** The inputs of the workflow, with `changes` over them; an empty text removes one. */
  inputs(changes: Readonly<Record<string, string>> = {}): Record<string, string> {
    const all = {
      command: 'update',
      'base-image': `${this.#host}/coreos:stable`,
      'kernel-repositories': this.repository.url,
      'image-repository': `${this.#host}/team/node-image`,
      'gitops-repository': 'example/gitops',
      directory: 'clusters/one',
      pools: 'worker',
      namespace: 'trusted-execution-clusters',
      rollout: 'one-pr',
      'allow-unsigned-packages': 'true',
      'allow-insecure': 'true',
      'gitops-token': 'good-token',
      ...changes,
    }
    return Object.fromEntries(Object.entries(all).filter(([, value]) => value !== ''))
  }

  /** Runs the Action. Without a builder the image of `packages` (the published ones) is assembled first. */
  async update(
    changes: Readonly<Record<string, string>> = {},
    { packages = this.#packages, ...options }: RunOptions & { readonly packages?: readonly PackagedRpm[] } = {},
  ): Promise<ActionRun> {
    const image = this.#build || 'image' in changes ? {} : { image: await this.assemble(packages) }
    const temporary = this.#build ? {} : { TMPDIR: this.temporary }
    return await runAction(this.inputs({ ...image, ...changes }), {
      ...options,
      environment: { GITHUB_API_URL: this.github.url, ...temporary, ...options.environment },
    })
  }

  /** The layered image of these packages, as an OCI layout. */
  async assemble(packages: readonly PackagedRpm[], base = this.base): Promise<string> {
    const directory = mkdtempSync(join(this.directory, 'layout-'))
    await writeLayout(assembleLayeredImage({ base, replace: packages }), directory, 'layered')
    return `oci:${directory}:layered`
  }

  snapshot(): Snapshot {
    const pullRequests = JSON.stringify(this.github.pullRequests)
    return { registry: structuredClone(this.registry.contents()), refs: this.git.refs(), pullRequests }
  }

  async stop(): Promise<void> {
    await Promise.all([this.registry.close(), this.repository.close(), this.github.stop()])
    rmSync(this.directory, { recursive: true, force: true })
  }
}
