// Debian's docker-registry (the distribution project) on a free port of the loopback interface; configuration and storage in a temporary directory.

import { type ChildProcess, execFile, spawn } from 'node:child_process'
import { mkdtemp, readdir, rm, writeFile } from 'node:fs/promises'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as wait } from 'node:timers/promises'
import { promisify } from 'node:util'
import { type MadeImage, writeLayout } from './oci-layout.ts'

const run = promisify(execFile)

/** What a registry holds; equal before and after when nothing was written. */
export interface RegistryState {
  /** Repository → tag → digest, as the registry itself answers: `_catalog`, `tags/list`, manifests. */
  readonly catalogue: Readonly<Record<string, Readonly<Record<string, string>>>>
  /** Paths in its storage: blobs and manifests without tag are seen here only. */
  readonly stored: readonly string[]
}

export interface Login {
  readonly user: string
  readonly password: string
}

export class DockerRegistry {
  /** 127.0.0.1:port */
  readonly host: string
  /** For files of the test too; removed by `stop`. */
  readonly directory: string
  readonly #server: ChildProcess
  readonly #login: Login | undefined

  private constructor(host: string, directory: string, server: ChildProcess, login: Login | undefined) {
    this.host = host
    this.directory = directory
    this.#server = server
    this.#login = login
  }

  /** Ends it and removes what no tag leads to, as its administrators do it. Nothing answers afterwards. */
  async collectGarbage(): Promise<string> {
    await this.#end()
    const words = ['garbage-collect', '--delete-untagged', join(this.directory, 'config.yml')]
    return (await run('docker-registry', words)).stdout
  }

  /** The same storage again: of a registry that was ended, or a second one that takes no writes. */
  async again(storage: object = {}): Promise<DockerRegistry> {
    const host = `127.0.0.1:${await freePort()}`
    const directory = await mkdtemp(join(tmpdir(), 'docker-registry-'))
    const filesystem = { rootdirectory: join(this.directory, 'store') }
    const config = { version: 0.1, log: { level: 'error' }, storage: { filesystem, ...storage }, http: { addr: host } }
    return await DockerRegistry.#run(host, directory, config)
  }

  /** With a password only its user gets in, for reading too; with PEM files it serves https. */
  static async start(
    login?: Login,
    tls?: { readonly key: string; readonly certificate: string },
  ): Promise<DockerRegistry> {
    const directory = await mkdtemp(join(tmpdir(), 'docker-registry-'))
    const host = `127.0.0.1:${await freePort()}`
    const passwords = join(directory, 'htpasswd')
    if (login !== undefined)
      await writeFile(passwords, (await run('htpasswd', ['-nbB', login.user, login.password])).stdout)
    const config = {
      version: 0.1,
      log: { level: 'error' },
      storage: { filesystem: { rootdirectory: join(directory, 'store') } },
      http: { addr: host, ...(tls === undefined ? {} : { tls }) },
      ...(login === undefined ? {} : { auth: { htpasswd: { realm: 'test', path: passwords } } }),
    }
    return await DockerRegistry.#run(host, directory, config, login)
  }

  static async #run(
    host: string,
    directory: string,
    config: object,
    login?: { readonly user: string; readonly password: string },
  ): Promise<DockerRegistry> {
    await writeFile(join(directory, 'config.yml'), JSON.stringify(config))
    const server = spawn('docker-registry', ['serve', join(directory, 'config.yml')], { stdio: 'ignore' })
    const registry = new DockerRegistry(host, directory, server, login)
    try {
      await registry.#answers()
    } catch (error) {
      await registry.stop()
      throw error
    }
    return registry
  }

  async #answers(): Promise<void> {
    for (let attempt = 0; attempt < 200; attempt += 1) {
      // also a registry with https answers plain http, by 400
      if (await fetch(`http://${this.host}/v2/`).catch(() => undefined)) return
      await wait(50)
    }
    throw new Error('docker-registry does not start')
  }

  /** Puts an image in by skopeo, under its own digest. */
  async add(repository: string, image: MadeImage, tag: string): Promise<void> {
    const layout = await mkdtemp(join(this.directory, 'layout-'))
    await writeLayout(image, layout)
    const target = `docker://${this.host}/${repository}:${tag}`
    const credentials = this.#login === undefined ? [] : ['--dest-creds', `${this.#login.user}:${this.#login.password}`]
    const options = ['--quiet', '--preserve-digests', '--dest-tls-verify=false', ...credentials]
    await run('skopeo', ['copy', ...options, `oci:${layout}`, target])
    await rm(layout, { recursive: true })
  }

  /** Manifest or blob as JSON. */
  async json(path: string): Promise<Record<string, unknown>> {
    const accept = 'application/vnd.oci.image.manifest.v1+json'
    const answer = await fetch(`http://${this.host}/v2/${path}`, { headers: { accept } })
    if (!answer.ok) throw new Error(`${path}: ${answer.status}`)
    return (await answer.json()) as Record<string, unknown>
  }

  async state(): Promise<RegistryState> {
    const catalogue: Record<string, Record<string, string>> = {}
    const { repositories } = (await this.json('_catalog?n=1000')) as { repositories: string[] }
    for (const repository of repositories) {
      const own: Record<string, string> = {}
      catalogue[repository] = own
      const { tags } = (await this.json(`${repository}/tags/list`)) as { tags: string[] | null }
      for (const tag of [...(tags ?? [])].sort()) own[tag] = await this.#digestOf(repository, tag)
    }
    const stored = await readdir(join(this.directory, 'store'), { recursive: true }).catch(() => [])
    return { catalogue, stored: stored.sort() }
  }

  async #digestOf(repository: string, tag: string): Promise<string> {
    const accept = 'application/vnd.oci.image.manifest.v1+json'
    const url = `http://${this.host}/v2/${repository}/manifests/${tag}`
    const { headers } = await fetch(url, { method: 'HEAD', headers: { accept } })
    return headers.get('docker-content-digest') ?? 'none'
  }

  async stop(): Promise<void> {
    await this.#end()
    await rm(this.directory, { recursive: true, force: true })
  }

  async #end(): Promise<void> {
    if (this.#server.exitCode === null && this.#server.signalCode === null) {
      const ended = new Promise(done => this.#server.once('exit', done).once('error', done))
      if (this.#server.kill()) await ended
    }
  }
}

async function freePort(): Promise<number> {
  const probe = createServer()
  await new Promise<void>(done => probe.listen(0, '127.0.0.1', done))
  const address = probe.address()
  await new Promise(done => probe.close(done))
  if (address === null || typeof address === 'string') throw new Error('no port')
  return address.port
}
