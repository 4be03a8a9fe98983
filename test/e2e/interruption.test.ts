// A run that is cancelled: the programs that it started end, nothing is written, nothing stays behind.

import { chmodSync, existsSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as wait } from 'node:timers/promises'
import { beforeAll, describe, expect, it } from 'vitest'
import { type BaseImage, makeBaseImage } from '../build/base-image.ts'
import { makeKernelRpms } from '../build/kernel-rpms.ts'
import { LoopbackWorld } from '../build/loopback-world.ts'
import { expectClean } from '../build/refusal.ts'

const seed = 'e2e-interruption'
const newer = makeKernelRpms({ seed, version: '5.14.0', release: '605.el9' })
let base: BaseImage
beforeAll(async () => {
  base = await makeBaseImage({ seed })
})

/** A podman whose pull never ends; it and its own child write down their numbers. `deaf`: it does not listen to SIGTERM. */
function writePodman(directory: string, deaf: boolean): { readonly path: string; readonly numbers: string } {
  const numbers = join(directory, 'numbers')
  const path = join(directory, 'podman')
  const lines = [
    '#!/bin/sh',
    'case "$*" in',
    '  --version) echo podman version 5.0.0; exit 0 ;;',
    '  *" images "* | *" unshare "*) exit 0 ;;',
    'esac',
    deaf ? "trap '' TERM" : '',
    'sleep 300 &',
    `echo $$ $! >> ${numbers}`,
    'wait; wait; wait',
    'sleep 300',
  ]
  writeFileSync(path, `${lines.join('\n')}\n`)
  chmodSync(path, 0o755)
  return { path: directory, numbers }
}

const runs = (number: number): boolean =>
  existsSync(`/proc/${number}/stat`) && !/^\d+ \(.*\) Z /s.test(readFileSync(`/proc/${number}/stat`, 'utf8'))

describe('a cancelled run', () => {
  it.concurrent.each([
    ['SIGTERM', 143, false],
    ['SIGINT', 130, false],
    ['SIGTERM', 143, true],
  ] as const)('by %s ends with exit code %i during a build (podman deaf: %s)', async (signal, exitCode, deaf) => {
    await LoopbackWorld.during({ base }, async world => {
      world.publish(newer)
      const { path, numbers } = writePodman(world.directory, deaf)
      const before = world.snapshot()
      let process: { kill(signal: NodeJS.Signals): void } | undefined
      const running = world.update(
        { image: '', builder: 'podman' },
        {
          environment: { PATH: `${path}:/usr/bin:/bin` },
          onStart: child => {
            process = child
          },
        },
      )
      while (!existsSync(numbers)) await wait(50)
      await wait(100)
      process?.kill(signal)
      const run = await running
      expect(run.exitCode, run.stdout + run.stderr).toBe(exitCode)
      const started = readFileSync(numbers, 'utf8').trim().split(/\s+/).map(Number)
      expect(started.length).toBeGreaterThanOrEqual(2)
      expect(started.filter(runs)).toEqual([])
      expect(run.outputs).toMatchObject({ outcome: 'failed', 'error-code': 'INTERRUPTED' })
      expectClean(run)
      expect(run.left).toEqual([])
      expect(readdirSync(world.temporary)).toEqual([])
      expect(world.snapshot()).toEqual(before)
    })
  })

  it.concurrent('during a download ends at once and leaves no file', async () => {
    await LoopbackWorld.during({ base }, async world => {
      world.publish(newer)
      let asked = false
      world.misbehave = path => {
        if (!path.includes('kernel-core')) return undefined
        asked = true
        return { stallAfter: 10 }
      }
      const image = await world.assemble(newer)
      let process: { kill(signal: NodeJS.Signals): void } | undefined
      const running = world.update(
        { image },
        {
          onStart: child => {
            process = child
          },
        },
      )
      while (!asked) await wait(50)
      await wait(100)
      process?.kill('SIGTERM')
      const run = await running
      expect(run.exitCode, run.stdout + run.stderr).toBe(143)
      expectClean(run)
      expect(run.left).toEqual([])
      expect(readdirSync(world.temporary)).toEqual([])
      expect(world.github.pullRequests).toEqual([])
    })
  })
})
