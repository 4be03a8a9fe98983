// A build with docker: its server keeps images and runs commands, BuildKit builds, `docker save` gives the image (D7, D8, D10).

import { randomBytes } from 'node:crypto'
import { mkdir, readFile, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { ToolError } from '../../errors.ts'
import { formatPinnedReference } from '../../formats/oci/reference.ts'
import { type CommandResult, runCommand, withoutProxies } from './command.ts'
import { layoutOfSaved } from './docker-archive.ts'
import { dockerEnvironment, prepareDockerConfig } from './docker-server.ts'
import { builderFailure } from './failure.ts'
import { type BuildRequest, type BuildResult, buildArguments } from './request.ts'

type Environment = Readonly<Record<string, string>>

/**
 * Images that this build brings into the server are removed again; an image of the base that was there stays. BuildKit's cache is the
 * server's own, and what it keeps of a build is for the server to collect. Throws as `buildImage`.
 */
export async function buildWithDocker(version: string, request: BuildRequest): Promise<BuildResult> {
  const directory = join(request.workDirectory, 'builder')
  const temporary = join(directory, 'tmp')
  await mkdir(temporary, { recursive: true, mode: 0o700 })
  const base = formatPinnedReference(request.base)
  const name = `attested-os-update:${randomBytes(8).toString('hex')}`
  const probe = `${name}-probe`
  let brought: readonly string[] = [name, probe]
  const config = await prepareDockerConfig(request.access, request.base, directory, request.environment)
  const environment = { ...dockerEnvironment(request.environment), TMPDIR: temporary, DOCKER_CONFIG: config }
  try {
    if ((await inspect(base, environment))?.exitCode !== 0) {
      brought = [name, probe, base]
      await pull(base, request, environment)
    }
    const lower = await diffIdsOf(base, environment)
    await tryToRun(base, probe, directory, environment)
    const localImageId = await build(base, name, directory, request, environment)
    const archive = join(directory, 'saved.tar')
    const saved = await runCommand(['docker', 'save', '--output', archive, name], { environment, write: request.write })
    if (saved?.exitCode !== 0) throw builderFailure('BUILD_FAILED', 'docker cannot export the layered image', saved)
    await layoutOfSaved(archive, request.layoutDirectory, { lower, time: request.sourceDateEpoch })
    return { builder: 'docker', version, isolation: 'oci', network: 'none', localImageId, warnings: [] }
  } finally {
    for (const one of brought) await runCommand(['docker', 'image', 'rm', one], { environment, cleaning: true })
    await rm(directory, { recursive: true, force: true, maxRetries: 3 })
  }
}

async function inspect(image: string, environment: Environment): Promise<CommandResult | undefined> {
  return await runCommand(['docker', 'image', 'inspect', '--format', '{{json .RootFS.Layers}}', image], { environment })
}

async function pull(base: string, request: BuildRequest, environment: Environment): Promise<void> {
  const result = await runCommand(['docker', 'pull', base], { environment, write: request.write })
  if (result?.exitCode === 0) return
  const { access, insecureRegistry } = request
  const failure = builderFailure('IMAGE_NOT_FOUND', 'docker cannot pull the base image', result, base)
  const unheard = [
    ...(access?.registriesConf === undefined ? [] : ['registries-conf']),
    ...(access?.caBundle === undefined ? [] : ['ca-bundle']),
    ...(insecureRegistry ? ['allow-insecure'] : []),
  ]
  if (
    unheard.length === 0 ||
    /not found|manifest unknown|unauthorized|denied|authentication|no basic auth/i.test(failure.found ?? '')
  )
    throw failure
  throw new ToolError(failure.code, failure.message, {
    ...(failure.found === undefined ? {} : { found: failure.found }),
    where: failure.where,
    hint: `the server of docker pulls by its own configuration, not by ${unheard.join(' and ')}: configure it (daemon.json, /etc/docker/certs.d), or use podman`,
  })
}

async function diffIdsOf(base: string, environment: Environment): Promise<readonly string[]> {
  const result = await inspect(base, environment)
  try {
    return JSON.parse(result?.output ?? '') as string[]
  } catch {
    throw builderFailure('BUILD_FAILED', 'docker does not say which layers the base image has', result, base)
  }
}

/** A command in the base without network, and a bind mount from the context, which only BuildKit knows. */
async function tryToRun(base: string, name: string, directory: string, environment: Environment): Promise<void> {
  const context = join(directory, 'probe')
  const containerfile = join(context, 'Containerfile')
  await mkdir(context, { recursive: true })
  await writeFile(containerfile, `FROM ${base}\nRUN --mount=type=bind,target=/run/probe true\n`)
  const command = [...buildCommand(name), '--file', containerfile, context]
  const result = await runCommand(command, { environment: withoutProxies(environment) })
  if (result?.exitCode === 0) return
  throw builderFailure('BUILDER_NOT_FOUND', 'docker cannot run a command in the base image', result, base)
}

/** Neither cache nor network; the base is there already. */
function buildCommand(name: string): string[] {
  return ['docker', 'build', '--network=none', '--no-cache', '--pull=false', '--tag', name]
}

async function build(
  base: string,
  name: string,
  directory: string,
  request: BuildRequest,
  environment: Environment,
): Promise<string> {
  const containerfile = join(directory, 'Containerfile')
  const identity = join(directory, 'image-id')
  await writeFile(containerfile, request.containerfile)
  const words = [...buildArguments(request, base), '--iidfile', identity, '--file', containerfile]
  const command = [...buildCommand(name), ...words, request.contextDirectory]
  const result = await runCommand(command, { environment: withoutProxies(environment), write: request.write })
  if (result?.exitCode !== 0)
    throw builderFailure('BUILD_FAILED', 'docker cannot build the layered image', result, base)
  return (await readFile(identity, 'utf8')).trim()
}
