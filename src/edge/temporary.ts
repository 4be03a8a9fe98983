// Temporary directories of this run. They are known by name, so that a cancelled run can remove them too.

import { rmSync } from 'node:fs'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

const present = new Set<string>()

/** Gives the work a private empty directory and removes it afterwards, also after a failure. */
export async function withTemporaryDirectory<T>(
  prefix: string,
  work: (directory: string) => Promise<T>,
  parent: string = tmpdir(),
): Promise<T> {
  const directory = await makeTemporaryDirectory(prefix, parent)
  try {
    return await work(directory)
  } finally {
    await removeTemporaryDirectory(directory)
  }
}

/** For whoever cannot wrap its work: `removeTemporaryDirectory` has to follow. */
export async function makeTemporaryDirectory(prefix: string, parent: string = tmpdir()): Promise<string> {
  const directory = await mkdtemp(join(parent, prefix))
  present.add(directory)
  return directory
}

export async function removeTemporaryDirectory(directory: string): Promise<void> {
  await rm(directory, { recursive: true, force: true, maxRetries: 3 })
  present.delete(directory)
}

/** Removes what is there now, as far as that works: for a process that is about to end. */
export function removeTemporaryDirectories(): void {
  for (const directory of present) {
    try {
      rmSync(directory, { recursive: true, force: true, maxRetries: 3 })
    } catch {
      // a file of another user, or a mount; nobody is left to be told
    }
  }
}
