// The main job with real container builds: the services of LoopbackWorld, but docker-registry as the registry, and a record of what a run leaves behind.

import {
  chmodSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { BaseImage } from './base-image.ts'
import type { ActionRun } from './bundle-runner.ts'
import { DockerRegistry, type RegistryState } from './docker-registry.ts'
import { LoopbackWorld, type Snapshot, type WorldOptions } from './loopback-world.ts'
import { obeyedCommands, type WorkflowCommand } from './workflow-commands.ts'

export interface BuildRunResult extends ActionRun {
  readonly obeyed: readonly WorkflowCommand[]
  /** What is left in the directories for temporary files, but for the outputs of the Action; and mounts below them. */
  readonly left: readonly string[]
  /** The variables that podman or buildah were started with, NAME=value, of all their runs. */
  readonly builderEnvironment: readonly string[]
}

export class BuildWorld {
  readonly registry: DockerRegistry
  readonly world: LoopbackWorld
  /** RUNNER_TEMP; as long a path as runners have. */
  readonly #temporary: string
  /** TMPDIR, for this world alone. */
  readonly #short: string
  readonly #wrappers: string

  private constructor(registry: DockerRegistry, world: LoopbackWorld) {
    this.registry = registry
    this.world = world
    this.#temporary = join(registry.directory, 'temporary')
    this.#wrappers = join(registry.directory, 'wrappers')
    this.#short = mkdtempSync(join(tmpdir(), 'bw-'))
    mkdirSync(this.#temporary)
    writeWrappers(this.#wrappers)
  }

  static async start(base: BaseImage, options: Omit<WorldOptions, 'base' | 'registry' | 'build'> = {}) {
    const registry = await DockerRegistry.start()
    await registry.add('coreos', base.image, 'stable')
    const world = await LoopbackWorld.start({ ...options, base, registry: registry.host, build: true })
    return new BuildWorld(registry, world)
  }

  /** Another base, which runs take with `base-image`; the result is that reference. */
  async addBase(base: BaseImage, tag: string): Promise<string> {
    await this.registry.add('coreos', base.image, tag)
    return `${this.registry.host}/coreos:${tag}`
  }

  /** Runs the Action; programs of the wrappers come first in its PATH. */
  async update(
    changes: Readonly<Record<string, string>> = {},
    onStart: (child: { kill(signal: NodeJS.Signals): void }) => void = () => undefined,
    environment: Readonly<Record<string, string>> = {},
  ): Promise<BuildRunResult> {
    const record = join(this.#wrappers, 'environment')
    writeFileSync(record, '')
    const run = await this.world.update(changes, {
      onStart,
      environment: {
        PATH: `${this.#wrappers}:${process.env.PATH}`,
        RUNNER_TEMP: this.#temporary,
        TMPDIR: this.#short,
        GITHUB_TOKEN: 'token-of-the-workflow',
        ACTIONS_RUNTIME_TOKEN: 'token-of-the-runner',
        ...environment,
      },
    })
    return {
      ...run,
      obeyed: obeyedCommands(run.stdout),
      left: this.#left(),
      builderEnvironment: [...new Set(readFileSync(record, 'utf8').split(/[\0\n]/))].filter(line => line !== ''),
    }
  }

  /** The Action hands its larger outputs over as files in `attested-os-update`. */
  #left(): string[] {
    const outputs = join(this.#temporary, 'attested-os-update')
    const files = existsSync(outputs) ? readdirSync(outputs) : []
    return [
      ...readdirSync(this.#temporary).filter(name => name !== 'attested-os-update'),
      ...files.filter(name => name !== 'predictions.json'),
      ...readdirSync(this.#short),
      ...this.#mounts(),
    ]
  }

  /** As the kernel lists them. */
  #mounts(): string[] {
    const lines = readFileSync('/proc/self/mountinfo', 'utf8').split('\n')
    return lines.filter(line => line.includes(this.registry.directory) || line.includes(this.#short))
  }

  /** Everything that a refused run must leave as it is. */
  async state(): Promise<Pick<Snapshot, 'refs' | 'pullRequests'> & RegistryState> {
    const { refs, pullRequests } = this.world.snapshot()
    return { refs, pullRequests, ...(await this.registry.state()) }
  }

  /** Command lines of the programs that run below the directories for temporary files. */
  programs(): readonly string[] {
    return readdirSync('/proc')
      .filter(name => /^\d+$/.test(name))
      .map(name => commandLine(name))
      .filter(line => line.includes(this.#short) || line.includes(this.#temporary))
  }

  async stop(): Promise<void> {
    await this.world.stop()
    await this.registry.stop()
    rmSync(this.#short, { recursive: true, force: true })
  }
}

/** podman and buildah that write down how they were started and then do their work. */
function writeWrappers(directory: string): void {
  mkdirSync(directory)
  for (const name of ['podman', 'buildah']) {
    const program = pathOf(name)
    if (program === undefined) continue
    const wrapper = join(directory, name)
    writeFileSync(wrapper, `#!/bin/sh\ncat "/proc/$$/environ" >> ${directory}/environment\nexec ${program} "$@"\n`)
    chmodSync(wrapper, 0o755)
  }
}

function commandLine(process: string): string {
  try {
    return readFileSync(`/proc/${process}/cmdline`, 'utf8').replaceAll('\0', ' ')
  } catch {
    return ''
  }
}

function pathOf(program: string): string | undefined {
  const directories = (process.env.PATH ?? '').split(':')
  return directories.map(directory => join(directory, program)).find(path => existsSync(path))
}
