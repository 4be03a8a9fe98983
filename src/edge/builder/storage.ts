// A container storage of its own in the work directory, so that the user's images stay as they are; removed after the build.

import { mkdir, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { makeTemporaryDirectory, removeTemporaryDirectory } from '../temporary.ts'
import { type CommandOptions, type CommandResult, runCommand } from './command.ts'
import type { ContainersName } from './containers-build.ts'

/** Directories of one build; both are removed after it. */
export interface StoragePlace {
  readonly directory: string
  /** For mounts and locks: podman refuses a path above 50 characters (libpod/options.go, WithStorageConfig). */
  readonly runDirectory: string
}

/** Where one build keeps its images; drivers as containers-storage names them. */
export interface PrivateStorage {
  readonly directory: string
  readonly driver: 'overlay' | 'vfs'
  /** Global options that lead podman or buildah to it. */
  readonly options: readonly string[]
}

const drivers = ['overlay', 'vfs'] as const

const longestRunDirectory = 50

/** Makes a directory with a short path. The work directory of a GitHub runner is longer than podman takes. */
export async function makeRunDirectory(temporary = tmpdir()): Promise<string> {
  const prefix = 'image-build-'
  const length = join(temporary, prefix).length + 'XXXXXX/overlay'.length
  return await makeTemporaryDirectory(prefix, length <= longestRunDirectory ? temporary : '/tmp')
}

export function privateStorage(
  name: ContainersName,
  place: StoragePlace,
  driver: PrivateStorage['driver'],
): PrivateStorage {
  const directory = join(place.directory, driver)
  return {
    directory,
    driver,
    options: [
      '--root',
      join(directory, 'root'),
      '--runroot',
      join(place.runDirectory, driver),
      '--storage-driver',
      driver,
      ...(name === 'podman' ? ['--tmpdir', join(directory, 'libpod')] : []),
    ],
  }
}

/** Makes the storage with overlay, or with vfs where overlay cannot be mounted. The second member is the last failure. */
export async function openPrivateStorage(
  name: ContainersName,
  place: StoragePlace,
  options: CommandOptions,
): Promise<{ storage: PrivateStorage } | { failure: CommandResult | undefined }> {
  let failure: CommandResult | undefined
  for (const driver of drivers) {
    const storage = privateStorage(name, place, driver)
    await mkdir(storage.directory, { recursive: true, mode: 0o700 })
    const result = await runCommand([name, ...storage.options, 'images', '--quiet'], {
      environment: options.environment,
    })
    if (result?.exitCode === 0) return { storage }
    failure = result
  }
  return { failure }
}

/**
 * Ends the process that rootless podman leaves behind, unmounts what is left and removes all storages of the place.
 * Files of other user IDs are removed from within the builder's user namespace.
 */
export async function removePrivateStorages(
  name: ContainersName,
  place: StoragePlace,
  options: CommandOptions & { readonly rootless: boolean },
): Promise<void> {
  const environment = options.environment
  const { directory, runDirectory } = place
  if (options.rootless) {
    const own = privateStorage(name, place, 'overlay')
    const roots = drivers.map(driver => join(directory, driver, 'root'))
    await runCommand([name, ...own.options, 'unshare', 'rm', '-rf', ...roots, runDirectory], {
      environment,
      cleaning: true,
    })
    await endPauseProcesses(directory)
  } else {
    const points = [...(await mountsBelow(directory)), ...(await mountsBelow(runDirectory))]
    for (const point of points.reverse()) await runCommand(['umount', '--lazy', point], { environment, cleaning: true })
  }
  await rm(directory, { recursive: true, force: true, maxRetries: 3 })
  await removeTemporaryDirectory(runDirectory)
}

/** podman keeps a process per temporary directory that holds the user namespace open: its number is in pause.pid. */
async function endPauseProcesses(directory: string): Promise<void> {
  for (const driver of drivers) {
    const text = await readFile(join(directory, driver, 'libpod', 'pause.pid'), 'utf8').catch(() => '')
    const number = Number(text.trim())
    if (!Number.isSafeInteger(number) || number < 2) continue
    try {
      process.kill(number)
    } catch {
      // it has ended by itself
    }
  }
}

/** Mount points below a directory, outer ones first: proc(5), /proc/pid/mountinfo. */
async function mountsBelow(directory: string): Promise<string[]> {
  const text = await readFile('/proc/self/mountinfo', 'utf8').catch(() => '')
  return text
    .split('\n')
    .map(line =>
      (line.split(' ')[4] ?? '').replace(/\\([0-7]{3})/g, (_, octal) => String.fromCharCode(parseInt(octal, 8))),
    )
    .filter(point => point.startsWith(`${directory}/`))
    .sort()
}
