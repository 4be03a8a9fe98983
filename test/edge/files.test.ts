// Local files: plain ones are read to their end, everything else is refused without waiting.

import { spawnSync } from 'node:child_process'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, it } from 'vitest'
import { readLocalFile } from '../../src/edge/files.ts'
import { expectToolError } from '../build/expect-error.ts'
import { temporaryDirectory } from './temporary-directory.ts'

const directory = temporaryDirectory()

it('reads a plain file, and one of procfs that says size 0', async () => {
  writeFileSync(join(directory, 'plain'), 'text')
  expect(new TextDecoder().decode(await readLocalFile(join(directory, 'plain'), 4))).toBe('text')
  expect((await readLocalFile('/proc/self/status', 1e6)).length).toBeGreaterThan(100)
  await expectToolError('CEILING_REACHED', readLocalFile(join(directory, 'plain'), 3))
})

it('refuses a FIFO that nobody writes to, a device, a directory and nothing', async () => {
  const fifo = join(directory, 'fifo')
  expect(spawnSync('mkfifo', [fifo]).status).toBe(0)
  for (const path of [fifo, '/dev/zero', directory, join(directory, 'gone')])
    await expectToolError('FILE_NOT_FOUND', readLocalFile(path, 100))
})
