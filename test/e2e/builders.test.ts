// Machines on which no container builder works: what the bundled Action says, and that a dry run still shows the build.

import { chmodSync, mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { makeBaseImage } from '../build/base-image.ts'
import { makeKernelRpms } from '../build/kernel-rpms.ts'
import { LoopbackWorld } from '../build/loopback-world.ts'

const seed = 'builders'
let world: LoopbackWorld
beforeAll(async () => {
  world = await LoopbackWorld.start({ base: await makeBaseImage({ seed }), build: true })
  world.publish(makeKernelRpms({ seed, version: '5.14.0', release: '605.el9' }))
})
afterAll(() => world.stop())

/** A directory of programs, as the whole PATH. */
function programs(name: string, scripts: Readonly<Record<string, string>>): { readonly PATH: string } {
  const directory = join(world.directory, name)
  mkdirSync(directory)
  for (const [program, script] of Object.entries(scripts)) {
    writeFileSync(join(directory, program), `#!/bin/sh\n${script}\n`)
    chmodSync(join(directory, program), 0o755)
  }
  return { PATH: directory }
}

const broken =
  'if [ "$1" = --version ]; then echo version 9.9.9; else echo "::error::no user namespaces" >&2; exit 125; fi'

describe.each([
  { machine: 'without a builder', scripts: {}, reason: 'no container builder can be started' },
  {
    machine: 'with builders that cannot work',
    scripts: { podman: broken, buildah: broken },
    reason: 'buildah cannot store images here',
  },
])('a machine $machine', ({ machine, scripts, reason }) => {
  it('ends a dry run before the build, and shows what it would build', async () => {
    const before = world.snapshot()
    const writes = world.github.writes()
    const run = await world.update({ 'dry-run': 'true' }, { environment: programs(`dry ${machine}`, scripts) })
    expect(run.exitCode, run.stdout).toBe(0)
    expect(run.outputs).toMatchObject({ outcome: 'dry-run', 'kernel-version': '5.14.0-605.el9.x86_64' })
    expect(run.stdout).toContain(`dry-run: ${reason}, so this ends before the build`)
    expect(run.stdout).toMatch(
      /^Base image: 127\.0\.0\.1:\d+\/coreos@sha256:\S+, found as tag stable, kernel 5\.14\.0-570\.el9/m,
    )
    expect(run.stdout).toContain('Way: rpm-ostree, because the base image has it and an ostree repository')
    expect(run.stdout).toMatch(
      /^ {2}kernel-core-5\.14\.0-605\.el9\.x86_64, signature not checked, sha256 [0-9a-f]{64}, from http:\S+\.rpm/m,
    )
    expect(run.stdout).toContain('rpm-ostree override replace')
    expect(run.stdout).toMatch(
      /pushed to 127\.0\.0\.1:\d+\/team\/node-image, and proposed on branch attested-os-update/,
    )
    expect(run.errors).toEqual([])
    expect(world.snapshot()).toEqual(before)
    expect(world.github.writes()).toEqual(writes)
  })

  it('is told so in an error otherwise, and nothing is pushed', async () => {
    const before = world.snapshot()
    const run = await world.update({}, { environment: programs(`real ${machine}`, scripts) })
    expect(run.exitCode, run.stdout).toBe(1)
    expect(run.outputs['error-code']).toBe('BUILDER_NOT_FOUND')
    expect(run.errors).toHaveLength(1)
    expect(run.errors[0]).toContain(reason)
    for (const name of Object.keys(scripts)) expect(run.stdout).toContain(`${name} is not used: `)
    expect(world.snapshot()).toEqual(before)
  })
})
