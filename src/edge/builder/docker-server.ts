// The docker program and the server behind it: whether both are there, and a configuration of its own for one build. docker(1), config.json.

import { mkdir, readFile, symlink, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import type { PinnedReference } from '../../formats/oci/reference.ts'
import { cleanEnvironment, runCommand } from './command.ts'
import { authFileText, type PullAccess } from './pull-access.ts'
import type { Builder } from './request.ts'

type Environment = Readonly<Record<string, string | undefined>>

/** Variables that say where the server is. */
const serverVariables = /^DOCKER_(?:HOST|CONTEXT|TLS|TLS_VERIFY|CERT_PATH|API_VERSION|CONFIG)$/

/** What the docker program gets of an environment: BuildKit is asked for, attestations are not. */
export function dockerEnvironment(environment: Environment): Record<string, string> {
  const server = Object.entries(environment).flatMap(([name, value]) =>
    value !== undefined && serverVariables.test(name) ? [[name, value]] : [],
  )
  return {
    ...cleanEnvironment(environment),
    ...Object.fromEntries(server),
    DOCKER_BUILDKIT: '1',
    BUILDKIT_PROGRESS: 'plain',
    BUILDX_NO_DEFAULT_ATTESTATIONS: '1',
    DOCKER_CLI_HINTS: 'false',
  }
}

/** docker with the version of its server; a text when it is installed and no server answers; undefined when it is not installed. */
export async function findDocker(environment: Environment): Promise<Builder | string | undefined> {
  const own = dockerEnvironment(environment)
  const program = await runCommand(['docker', '--version'], { environment: own })
  if (program?.exitCode !== 0) return undefined
  if (!program.output.startsWith('Docker version')) return 'docker is another program under this name'
  const server = await runCommand(['docker', 'version', '--format', '{{.Server.Version}}'], { environment: own })
  const version = server?.output.trim() ?? ''
  if (server?.exitCode === 0 && version !== '') return { name: 'docker', version }
  return `docker has no server: ${server?.lastLines.at(-1)?.trim() ?? 'no answer'}`
}

/** Parts of a configuration that say where server and plugins are. Its proxies would become arguments of the build, its logins are not needed. */
const keptKeys = ['currentContext', 'cliPluginsExtraDirs'] as const
const keptDirectories = ['contexts', 'cli-plugins'] as const

/** Makes a directory for DOCKER_CONFIG below `directory`, which only this user can read: the only login is that of `access` for the base. */
export async function prepareDockerConfig(
  access: PullAccess | undefined,
  base: PinnedReference,
  directory: string,
  environment: Environment,
): Promise<string> {
  const place = join(directory, 'docker')
  await mkdir(place, { recursive: true, mode: 0o700 })
  const users = environment.DOCKER_CONFIG ?? join(environment.HOME ?? '/', '.docker')
  const text = await readFile(join(users, 'config.json'), 'utf8').catch(() => '{}')
  const kept = keptOf(text)
  // not the pull secret whole: commands of a build that get out of it would find what is for other registries
  const auths = access === undefined ? undefined : authFileText({ ...access, pullSecret: undefined }, base)
  const own = { ...kept, ...(auths === undefined ? {} : JSON.parse(auths)) }
  await writeFile(join(place, 'config.json'), JSON.stringify(own), { mode: 0o600 })
  for (const name of keptDirectories) await symlink(join(users, name), join(place, name))
  return place
}

function keptOf(text: string): object {
  try {
    const config = JSON.parse(text) as Record<string, unknown>
    return Object.fromEntries(keptKeys.flatMap(key => (config[key] === undefined ? [] : [[key, config[key]]])))
  } catch {
    // a configuration that docker itself complains about
    return {}
  }
}
