// A container storage of its own in the work directory, so that the user's images stay as they are; removed after the build.

import { mkdir, mkdtemp, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type CommandOptions, type CommandResult, runCommand } from './command.ts'

export type BuilderName = 'podman' | 'buildah'

/** Directories of one build. */
export interface StoragePlaces {
  /** For images; large. */
  readonly directory: string
  /** For sockets and locks. podman refuses a runroot of more than 50 characters (containers/podman, libpod/options.go). */
  readonly runDirectory: string
}

/** Makes the short directory; it is removed with the storages. */
export async function makeRunDirectory(): Promise<string> {
  const temporary = tmpdir()
  return await mkdtemp(join(temporary.length <= 20 ? temporary : '/tmp', 'aou-'))
}

/** Where one build keeps its images; drivers as containers-storage names them. */
export interface PrivateStorage {
  readonly directory: string
  readonly driver: 'overlay' | 'vfs'
  /** Global options that lead podman or buildah to it. */
  readonly options: readonly string[]
}

const drivers = ['overlay', 'vfs'] as const

export function privateStorage(
  name: BuilderName,
  places: StoragePlaces,
  driver: PrivateStorage['driver'],
): PrivateStorage {
  const directory = join(places.directory, driver)
  return {
    directory,
    driver,
    options: [
      '--root',
      join(directory, 'root'),
      '--runroot',
      join(places.runDirectory, driver),
      '--storage-driver',
      driver,
      ...(name === 'podman' ? ['--tmpdir', join(directory, 'libpod')] : []),
    ],
  }
}

/** Makes the storage with overlay, or with vfs where overlay cannot be mounted. The second member is the last failure. */
export async function openPrivateStorage(
  name: BuilderName,
  places: StoragePlaces,
  options: CommandOptions,
): Promise<{ storage: PrivateStorage } | { failure: CommandResult | undefined }> {
  let failure: CommandResult | undefined
  for (const driver of drivers) {
    const storage = privateStorage(name, places, driver)
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
 * Ends the process that rootless podman leaves behind, unmounts what is left and removes all storages of these places.
 * Files of other user IDs are removed from within the builder's user namespace.
 */
export async function removePrivateStorages(
  name: BuilderName,
  places: StoragePlaces,
  options: CommandOptions & { readonly rootless: boolean },
): Promise<void> {
  const environment = options.environment
  const { directory, runDirectory } = places
  if (options.rootless) {
    const own = privateStorage(name, places, 'overlay')
    await runCommand([name, ...own.options, 'unshare', 'rm', '-rf', ...storageParts(places)], { environment })
    await endPauseProcesses(directory)
  } else {
    for (const place of [directory, runDirectory])
      for (const point of (await mountsBelow(place)).reverse())
        await runCommand(['umount', '--lazy', point], { environment })
  }
  for (const place of [directory, runDirectory]) await rm(place, { recursive: true, force: true, maxRetries: 3 })
}

function storageParts({ directory, runDirectory }: StoragePlaces): string[] {
  return drivers.flatMap(driver => [join(directory, driver, 'root'), join(runDirectory, driver)])
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
