// How commands of a build are kept apart from host and network: tried out, not guessed from versions (D8).

import { constants } from 'node:fs'
import { access, mkdir, writeFile } from 'node:fs/promises'
import { delimiter, isAbsolute, join } from 'node:path'
import { type CommandOptions, type CommandResult, runCommand } from './command.ts'
import type { ContainersName } from './containers-build.ts'
import type { PrivateStorage } from './storage.ts'

/**
 * oci: a container by the OCI runtime; rootless: the same, made by a user who is not root; chroot: no container, for hosts where the runtime
 * cannot work.
 */
export type Isolation = 'oci' | 'rootless' | 'chroot'
export type BuildNetwork = 'none' | 'host'

/** One way to run the commands of a build. */
export interface Confinement {
  readonly isolation: Isolation
  readonly network: BuildNetwork
  /** What stands before the builder: a network namespace around all of it. */
  readonly prefix: readonly string[]
  readonly options: readonly string[]
}

/** OCI runtimes by name; which one a builder takes by itself is its own configuration. */
const runtimeNames = ['crun', 'runc'] as const

/** Paths of the OCI runtimes that are installed. */
export async function findRuntimes(path = ''): Promise<readonly string[]> {
  const directories = [...path.split(delimiter), '/usr/sbin', '/sbin'].filter(directory => isAbsolute(directory))
  const found: string[] = []
  for (const name of runtimeNames)
    for (const directory of directories) {
      const program = join(directory, name)
      if (!(await isExecutable(program))) continue
      found.push(program)
      break
    }
  return found
}

async function isExecutable(path: string): Promise<boolean> {
  return await access(path, constants.X_OK).then(
    () => true,
    () => false,
  )
}

/**
 * Best first: the builder's own OCI runtime, then those that are installed besides. chroot isolation knows no --network=none, so there the whole
 * builder goes into an empty network namespace.
 */
export function confinements(
  name: ContainersName,
  storage: PrivateStorage,
  rootless: boolean,
  runtimes: readonly string[] = [],
): readonly Confinement[] {
  const user = rootless ? [name, ...storage.options, 'unshare'] : []
  const namespace = [...user, 'unshare', '--net', '--']
  const chroot = ['--isolation=chroot']
  const container = { isolation: rootless ? 'rootless' : 'oci', network: 'none', prefix: [] } as const
  return [
    { ...container, options: ['--network=none'] },
    ...runtimes.map(runtime => ({ ...container, options: [`--runtime=${runtime}`, '--network=none'] })),
    { isolation: 'chroot', network: 'none', prefix: namespace, options: chroot },
    { isolation: 'chroot', network: 'host', prefix: [], options: [...chroot, '--network=host'] },
  ]
}

/** What the log says where a build is less apart from this machine than a container is. */
export function warningsOf(
  { isolation, network }: Pick<Confinement, 'isolation' | 'network'>,
  rootless: boolean,
): string[] {
  return [
    ...(isolation === 'chroot' && !rootless
      ? [
          'the commands of the build run as root in a chroot, not in a container: no container runtime works on this machine; they see its processes and devices',
        ]
      : []),
    ...(network === 'host'
      ? ['the build was not cut off from the network: no way without network works on this machine']
      : []),
  ]
}

/**
 * The first way in which `RUN true` on the base really works. The base is in the storage already.
 * The last result stands for all failures when none works.
 */
export async function findConfinement(
  name: ContainersName,
  storage: PrivateStorage,
  base: string,
  options: CommandOptions & { readonly rootless: boolean; readonly workDirectory: string },
): Promise<{ confinement: Confinement } | { failure: CommandResult | undefined }> {
  const context = join(options.workDirectory, 'probe')
  await mkdir(context, { recursive: true })
  const containerfile = join(context, 'Containerfile')
  await writeFile(containerfile, `FROM ${base}\nRUN true\n`)
  const runtimes = await findRuntimes(options.environment.PATH)
  let failure: CommandResult | undefined
  for (const confinement of confinements(name, storage, options.rootless, runtimes)) {
    const command = [...buildCommand(name, storage, confinement), '--file', containerfile, context]
    const result = await runCommand(command, { environment: options.environment })
    if (result?.exitCode === 0) return { confinement }
    failure = result
  }
  return { failure }
}

/** The start of a build: neither cache nor pull, and no proxies for its commands. */
export function buildCommand(name: ContainersName, storage: PrivateStorage, confinement: Confinement): string[] {
  return [
    ...confinement.prefix,
    name,
    ...storage.options,
    'build',
    ...confinement.options,
    '--pull=never',
    '--layers=false',
    '--no-cache',
    '--http-proxy=false',
    '--format=oci',
  ]
}
