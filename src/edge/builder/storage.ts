// A container storage of its own in the work directory, so that the user's images stay as they are; removed after the build.

import { mkdir, readFile, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { type CommandOptions, type CommandResult, runCommand } from './command.ts'

export type BuilderName = 'podman' | 'buildah'

/** Where one build keeps its images; drivers as containers-storage names them. */
export interface PrivateStorage {
  readonly directory: string
  readonly driver: 'overlay' | 'vfs'
  /** Global options that lead podman or buildah to it. */
  readonly options: readonly string[]
}

const drivers = ['overlay', 'vfs'] as const

export function privateStorage(name: BuilderName, directory: string, driver: PrivateStorage['driver']): PrivateStorage {
  return {
    directory,
    driver,
    options: [
      '--root',
      join(directory, 'root'),
      '--runroot',
      join(directory, 'run'),
      '--storage-driver',
      driver,
      ...(name === 'podman' ? ['--tmpdir', join(directory, 'libpod')] : []),
    ],
  }
}

/** Makes the storage with overlay, or with vfs where overlay cannot be mounted. The second member is the last failure. */
export async function openPrivateStorage(
  name: BuilderName,
  directory: string,
  options: CommandOptions,
): Promise<{ storage: PrivateStorage } | { failure: CommandResult | undefined }> {
  let failure: CommandResult | undefined
  for (const driver of drivers) {
    const own = join(directory, driver)
    await mkdir(own, { recursive: true, mode: 0o700 })
    const storage = privateStorage(name, own, driver)
    const result = await runCommand([name, ...storage.options, 'images', '--quiet'], {
      environment: options.environment,
    })
    if (result?.exitCode === 0) return { storage }
    failure = result
  }
  return { failure }
}

/**
 * Ends the process that rootless podman leaves behind, unmounts what is left and removes all storages below `directory`.
 * Files of other user IDs are removed from within the builder's user namespace.
 */
export async function removePrivateStorages(
  name: BuilderName,
  directory: string,
  options: CommandOptions & { readonly rootless: boolean },
): Promise<void> {
  const environment = options.environment
  if (options.rootless) {
    const own = privateStorage(name, join(directory, 'overlay'), 'overlay')
    await runCommand([name, ...own.options, 'unshare', 'rm', '-rf', ...storageParts(directory)], {
      environment,
      cleaning: true,
    })
    await endPauseProcesses(directory)
  } else {
    for (const point of (await mountsBelow(directory)).reverse())
      await runCommand(['umount', '--lazy', point], { environment, cleaning: true })
  }
  await rm(directory, { recursive: true, force: true, maxRetries: 3 })
}

function storageParts(directory: string): string[] {
  return drivers.flatMap(driver => ['root', 'run'].map(part => join(directory, driver, part)))
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
