// Builds a layered image with podman or buildah: private storage, pull, probe, build, export as an OCI layout (D7, D8, D10).

import { mkdir, readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { ToolError } from '../errors.ts'
import { formatPinnedReference, type PinnedReference } from '../formats/oci/reference.ts'
import type { BuilderChoice } from '../settings/settings.ts'
import { cleanEnvironment, type OutputWriter, runCommand, withoutProxies } from './builder/command.ts'
import {
  type BuildNetwork,
  buildCommand,
  type Confinement,
  findConfinement,
  type Isolation,
} from './builder/confinement.ts'
import { builderFailure } from './builder/failure.ts'
import { type PullAccess, preparePull } from './builder/pull-access.ts'
import {
  type BuilderName,
  makeRunDirectory,
  openPrivateStorage,
  type PrivateStorage,
  removePrivateStorages,
} from './builder/storage.ts'

export type { OutputWriter } from './builder/command.ts'

/** A container builder that is installed. */
export interface Builder {
  readonly name: BuilderName
  readonly version: string
}

export interface BuildRequest {
  /** What may be used, best first; the first that can run a command in the base image builds. */
  readonly builders: readonly Builder[]
  readonly base: PinnedReference
  /** Build context; the Containerfile's bind mounts come from here. */
  readonly contextDirectory: string
  /** Text of the Containerfile. */
  readonly containerfile: string
  /** Gets the image as an OCI layout; must not exist or be empty. */
  readonly layoutDirectory: string
  /** An existing directory for storage and temporary files; what the build puts there is removed again. Its path has no colon. */
  readonly workDirectory: string
  /** The registry of the base was found to have no https and is allowed: a pull that fails is no reason to go without TLS. */
  readonly insecureRegistry: boolean
  /** How to reach the registry where it is not as the builder does by itself. */
  readonly access?: PullAccess
  /** Times in image and layer, in seconds since 1970; undefined leaves them as they come. */
  readonly sourceDateEpoch: number | undefined
  /** The variables of this process; the builder sees only what `cleanEnvironment` lets through. */
  readonly environment: Readonly<Record<string, string | undefined>>
  readonly write: OutputWriter
}

export interface BuildResult {
  readonly builder: BuilderName
  readonly version: string
  readonly isolation: Isolation
  /** host: no way without network worked on this machine. Log and pull request say so. */
  readonly network: BuildNetwork
  /** The builder's name for the image. Not a digest that a registry knows (D1). */
  readonly localImageId: string
}

/** The builders that are installed, podman first. Throws BUILDER_NOT_FOUND when the choice leaves none. */
export async function findBuilders(
  choice: BuilderChoice,
  environment: Readonly<Record<string, string | undefined>>,
): Promise<readonly Builder[]> {
  const names = choice === 'auto' ? (['podman', 'buildah'] as const) : [choice]
  const found: Builder[] = []
  for (const name of names) {
    const result = await runCommand([name, '--version'], { environment: cleanEnvironment(environment) })
    if (result?.exitCode === 0) found.push({ name, version: /\d+(?:\.\d+)+\S*/.exec(result.output)?.[0] ?? 'unknown' })
  }
  if (found.length === 0)
    throw new ToolError('BUILDER_NOT_FOUND', 'no container builder can be started', { wanted: names.join(' or ') })
  return found
}

/**
 * Builds the image and writes it to `layoutDirectory`. The user's own container storage is not touched, and the private
 * one is removed, also after a failure. Throws BUILD_FAILED with the last lines of the builder, BUILDER_NOT_FOUND when no
 * builder can run a command in the base image, IMAGE_NOT_FOUND when it cannot pull the base.
 */
export async function buildImage(request: BuildRequest): Promise<BuildResult> {
  let failure: unknown
  for (const builder of request.builders) {
    try {
      return await buildWith(builder, request)
    } catch (error) {
      if (!(error instanceof ToolError) || error.code !== 'BUILDER_NOT_FOUND') throw error
      failure = error
      request.write(Buffer.from(`${builder.name} is not used: ${error.message}: ${error.found ?? ''}\n`))
    }
  }
  throw failure ?? new ToolError('BUILDER_NOT_FOUND', 'no container builder is given')
}

async function buildWith(builder: Builder, request: BuildRequest): Promise<BuildResult> {
  const { name, version } = builder
  const directory = join(request.workDirectory, 'builder')
  const temporary = join(directory, 'tmp')
  await mkdir(temporary, { recursive: true, mode: 0o700 })
  const place = { directory, runDirectory: await makeRunDirectory() }
  const environment = { ...cleanEnvironment(request.environment), TMPDIR: temporary }
  const rootless = process.getuid?.() !== 0
  try {
    const opened = await openPrivateStorage(name, place, { environment })
    if ('failure' in opened)
      throw builderFailure('BUILDER_NOT_FOUND', `${name} cannot store images here`, opened.failure)
    const { storage } = opened
    const base = formatPinnedReference(request.base)
    await pull(name, storage, request, environment, directory)
    const probe = { environment: withoutProxies(environment), rootless, workDirectory: directory }
    const found = await findConfinement(name, storage, base, probe)
    if ('failure' in found)
      throw builderFailure('BUILDER_NOT_FOUND', `${name} cannot run a command in the base image`, found.failure, base)
    const { confinement } = found
    const localImageId = await build(name, storage, confinement, request, environment)
    await exportLayout(name, storage, localImageId, request, environment)
    return { builder: name, version, isolation: confinement.isolation, network: confinement.network, localImageId }
  } finally {
    await removePrivateStorages(name, place, { environment, rootless })
  }
}

async function pull(
  name: BuilderName,
  storage: PrivateStorage,
  request: BuildRequest,
  environment: Readonly<Record<string, string>>,
  directory: string,
): Promise<void> {
  const base = formatPinnedReference(request.base)
  const insecure = request.insecureRegistry ? ['--tls-verify=false'] : []
  const access = request.access === undefined ? undefined : await preparePull(request.access, request.base, directory)
  const command = [name, ...storage.options, 'pull', ...insecure, ...(access?.options ?? []), base]
  const options = { environment: { ...environment, ...access?.environment }, write: request.write }
  const result = await runCommand(command, options)
  if (result?.exitCode === 0) return
  throw builderFailure('IMAGE_NOT_FOUND', `${name} cannot pull the base image`, result, base)
}

async function build(
  name: BuilderName,
  storage: PrivateStorage,
  confinement: Confinement,
  request: BuildRequest,
  environment: Readonly<Record<string, string>>,
): Promise<string> {
  const containerfile = join(storage.directory, 'Containerfile')
  const identity = join(storage.directory, 'image-id')
  await writeFile(containerfile, request.containerfile)
  const command = [
    ...buildCommand(name, storage, confinement),
    ...(request.sourceDateEpoch === undefined ? [] : [`--timestamp=${request.sourceDateEpoch}`]),
    '--iidfile',
    identity,
    '--file',
    containerfile,
    request.contextDirectory,
  ]
  const options = { environment: withoutProxies(environment), write: request.write }
  const result = await runCommand(command, options)
  const source = formatPinnedReference(request.base)
  if (result?.exitCode !== 0)
    throw builderFailure('BUILD_FAILED', `${name} cannot build the layered image`, result, source)
  return (await readFile(identity, 'utf8')).trim()
}

async function exportLayout(
  name: BuilderName,
  storage: PrivateStorage,
  localImageId: string,
  request: BuildRequest,
  environment: Readonly<Record<string, string>>,
): Promise<void> {
  await mkdir(request.layoutDirectory, { recursive: true })
  const target = `oci:${request.layoutDirectory}:layered`
  const command = [name, ...storage.options, 'push', '--quiet', '--format=oci', localImageId, target]
  const result = await runCommand(command, { environment, write: request.write })
  if (result?.exitCode !== 0) throw builderFailure('BUILD_FAILED', `${name} cannot export the layered image`, result)
}
