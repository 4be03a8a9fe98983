// A directory for one test file, removed at its end.

import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll } from 'vitest'

/** Makes the directory at once. */
export function temporaryDirectory(): string {
  const directory = mkdtempSync(join(tmpdir(), 'attested-os-update-test-'))
  afterAll(() => rmSync(directory, { recursive: true, force: true }))
  return directory
}
