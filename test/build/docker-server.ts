// A dockerd of its own for a test: storage, sockets and configuration in a temporary directory, no bridge and no iptables rules.

import { type ChildProcess, spawn, spawnSync } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as wait } from 'node:timers/promises'

export class DockerServer {
  readonly directory: string
  readonly #process: ChildProcess

  private constructor(directory: string, server: ChildProcess) {
    this.directory = directory
    this.#process = server
  }

  /** Variables that lead the docker program of the distribution to this server. */
  get environment(): Record<string, string> {
    return {
      // a docker program elsewhere in PATH may be of another version, without BuildKit
      PATH: `/usr/bin:/bin:/usr/sbin:/sbin`,
      HOME: this.directory,
      DOCKER_HOST: `unix://${this.directory}/socket`,
    }
  }

  /** The server, or the sentence why it cannot run here. */
  static async start(): Promise<DockerServer | string> {
    if (spawnSync('dockerd', ['--version']).error !== undefined) return 'dockerd is not installed'
    const first = await DockerServer.#startWith('overlay2')
    return typeof first === 'string' ? await DockerServer.#startWith('vfs') : first
  }

  static async #startWith(driver: string): Promise<DockerServer | string> {
    const directory = mkdtempSync(join(tmpdir(), 'docker-server-'))
    const log = join(directory, 'log')
    writeFileSync(join(directory, 'daemon.json'), '{}')
    const at = (name: string) => join(directory, name)
    const words = [
      ...['--config-file', at('daemon.json'), '--data-root', at('data'), '--exec-root', at('exec')],
      ...['--pidfile', at('pid'), '--host', `unix://${at('socket')}`],
      ...['--storage-driver', driver, '--iptables=false', '--bridge=none'],
    ]
    const child = spawn('/bin/sh', ['-c', `exec dockerd "$@" > ${log} 2>&1`, 'sh', ...words], { stdio: 'ignore' })
    const server = new DockerServer(directory, child)
    for (let attempt = 0; attempt < 300 && child.exitCode === null; attempt += 1) {
      if (server.docker('version').status === 0) return server
      await wait(100)
    }
    const reason = readFileSync(log, 'utf8').trim().split('\n').at(-1)
    await server.stop()
    return `dockerd does not start: ${reason}`
  }

  docker(...words: string[]) {
    return spawnSync('/usr/bin/docker', words, { env: this.environment, encoding: 'utf8' })
  }

  async stop(): Promise<void> {
    if (this.#process.exitCode === null && this.#process.signalCode === null) {
      const ended = new Promise(done => this.#process.once('exit', done))
      this.#process.kill()
      await ended
    }
    const mounts = readFileSync('/proc/self/mountinfo', 'utf8')
      .split('\n')
      .map(line => line.split(' ')[4] ?? '')
    for (const point of mounts.filter(one => one.startsWith(`${this.directory}/`)).reverse())
      spawnSync('umount', [point])
    rmSync(this.directory, { recursive: true, force: true })
  }
}
