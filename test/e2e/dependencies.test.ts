// Kernels that need what the base image does not have: found before the build, with the package that would mend it.

import { mkdirSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { makeBaseImage } from '../build/base-image.ts'
import { makeKernelRpms } from '../build/kernel-rpms.ts'
import { LoopbackWorld } from '../build/loopback-world.ts'
import { expectRefused } from '../build/refusal.ts'
import { makeRpm, type RpmInput } from '../build/rpm.ts'

const seed = 'dependencies'
let world: LoopbackWorld
let environment: Readonly<Record<string, string>>
beforeAll(async () => {
  world = await LoopbackWorld.start({ base: await makeBaseImage({ seed }), build: true })
  const kernel = makeKernelRpms({ seed, version: '5.14.0', release: '605.el9' }).map(({ name, input }) =>
    name === 'kernel-core' ? makeRpm({ ...input, requires: ['linux-firmware'] }) : makeRpm(input),
  )
  const firmware: RpmInput = { name: 'linux-firmware', version: '20261101', release: '1.el9' }
  world.publishRepository({ packages: [...kernel, makeRpm(firmware)] })
  // a dry run without a builder ends where the build would begin
  environment = { PATH: join(world.directory, 'no programs') }
  mkdirSync(environment.PATH ?? '')
})
afterAll(() => world.stop())

it('a kernel that needs more than the base has is refused, and the error names what to add', async () => {
  await expectRefused(world, {
    inputs: { 'dry-run': 'true' },
    options: { environment },
    code: 'DEPENDENCY_BROKEN',
    words: [
      'a chosen package needs what would not be there',
      'linux-firmware',
      'kernel-core-5.14.0-605.el9.x86_64',
      'add to extra-packages: linux-firmware (20261101-1.el9)',
    ],
  })
})

it('with that package beside it the kernel is taken', async () => {
  const inputs = { 'dry-run': 'true', 'extra-packages': 'linux-firmware' }
  const run = await world.update(inputs, { environment })
  expect(run.exitCode, run.stdout).toBe(0)
  expect(run.outputs.outcome).toBe('dry-run')
  expect(run.stdout).toContain('linux-firmware')
})
