// What a run finds around itself: variables, clock, a directory for temporary files, the run's address.

import { mkdir } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { withTemporaryDirectory } from './temporary.ts'

export type Environment = Readonly<Record<string, string | undefined>>

/** The variables of this process. */
export function environment(): Environment {
  return { ...process.env }
}

/** The time now, in whole seconds, as records write it: 2026-11-21T02:00:00Z. */
export function timeNow(): string {
  return `${new Date().toISOString().slice(0, 19)}Z`
}

/** Version of this program. */
export function toolVersion(): string {
  return process.env.ATTESTED_OS_UPDATE_VERSION ?? 'development'
}

/** Address of the workflow run, null outside GitHub Actions. */
export function runUrl({ GITHUB_SERVER_URL, GITHUB_REPOSITORY, GITHUB_RUN_ID }: Environment): string | null {
  return GITHUB_SERVER_URL && GITHUB_REPOSITORY && GITHUB_RUN_ID
    ? `${GITHUB_SERVER_URL}/${GITHUB_REPOSITORY}/actions/runs/${GITHUB_RUN_ID}`
    : null
}

/** Gives the work a private empty directory and removes it afterwards, also after a failure. */
export async function withScratchDirectory<T>(work: (directory: string) => Promise<T>): Promise<T> {
  return await withTemporaryDirectory('attested-os-update-', work, process.env.RUNNER_TEMP || tmpdir())
}

/** Makes a directory and those above it. */
export async function makeDirectory(path: string): Promise<void> {
  await mkdir(path, { recursive: true })
}
