// A build with podman or buildah: private storage, pull, probe, build, export as an OCI layout (D7, D8, D10).

import { mkdir, readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { formatPinnedReference } from '../../formats/oci/reference.ts'
import { cleanEnvironment, runCommand, withoutProxies } from './command.ts'
import { buildCommand, type Confinement, findConfinement, warningsOf } from './confinement.ts'
import { builderFailure } from './failure.ts'
import { preparePull, removePull } from './pull-access.ts'
import { type BuildRequest, type BuildResult, buildArguments } from './request.ts'
import { makeRunDirectory, openPrivateStorage, type PrivateStorage, removePrivateStorages } from './storage.ts'

export type ContainersName = 'podman' | 'buildah'

/** The user's own container storage is not touched, and the private one is removed, also after a failure. Throws as `buildImage`. */
export async function buildWithContainers(
  name: ContainersName,
  version: string,
  request: BuildRequest,
): Promise<BuildResult> {
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
    const { isolation, network } = confinement
    return { builder: name, version, isolation, network, localImageId, warnings: warningsOf(confinement, rootless) }
  } finally {
    await removePrivateStorages(name, place, { environment, rootless })
  }
}

async function pull(
  name: ContainersName,
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
  // gone before commands of the image run: in a chroot they could look for it
  const result = await runCommand(command, options).finally(() => removePull(directory))
  if (result?.exitCode === 0) return
  throw builderFailure('IMAGE_NOT_FOUND', `${name} cannot pull the base image`, result, base)
}

async function build(
  name: ContainersName,
  storage: PrivateStorage,
  confinement: Confinement,
  request: BuildRequest,
  environment: Readonly<Record<string, string>>,
): Promise<string> {
  const containerfile = join(storage.directory, 'Containerfile')
  const identity = join(storage.directory, 'image-id')
  const source = formatPinnedReference(request.base)
  await writeFile(containerfile, request.containerfile)
  const command = [
    ...buildCommand(name, storage, confinement),
    ...(request.sourceDateEpoch === undefined ? [] : [`--timestamp=${request.sourceDateEpoch}`]),
    ...buildArguments(request, source),
    '--iidfile',
    identity,
    '--file',
    containerfile,
    request.contextDirectory,
  ]
  const options = { environment: withoutProxies(environment), write: request.write }
  const result = await runCommand(command, options)
  if (result?.exitCode !== 0)
    throw builderFailure('BUILD_FAILED', `${name} cannot build the layered image`, result, source)
  return (await readFile(identity, 'utf8')).trim()
}

async function exportLayout(
  name: ContainersName,
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
