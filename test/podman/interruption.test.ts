// A run that is cancelled while a real builder works: nothing of it runs on, nothing stays, nothing is pushed.

import { readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as wait } from 'node:timers/promises'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { makeBaseImage } from '../build/base-image.ts'
import { BuildWorld } from '../build/build-world.ts'
import { makeKernelRpms } from '../build/kernel-rpms.ts'

const seed = 'podman-interruption'
/** A time that no other program sleeps for. */
const pause = `${100_000 + process.pid}`

let world: BuildWorld
let containerfile: string
beforeAll(async () => {
  world = await BuildWorld.start(await makeBaseImage({ seed, withRuntime: true }))
  world.world.publish(makeKernelRpms({ seed, version: '5.14.0', release: '605.el9' }))
  containerfile = join(world.registry.directory, 'Containerfile')
  writeFileSync(
    containerfile,
    ['ARG BASE', 'FROM $BASE', `RUN node -e 'setTimeout(() => {}, 1e9)' ${pause}`, ''].join('\n'),
  )
})
afterAll(() => world.stop())

/** Programs in containers and chroots too: they share no words with the builder. */
function sleepers(): string[] {
  return readdirSync('/proc').filter(name => {
    if (!/^\d+$/.test(name)) return false
    try {
      return readFileSync(`/proc/${name}/cmdline`, 'utf8').endsWith(`\0${pause}\0`)
    } catch {
      return false
    }
  })
}

const phases = {
  'the pull': () => world.programs().some(line => / pull /.test(line)),
  'a command of the build': () => sleepers().length > 0,
} as const

describe.each([
  ['podman', 'SIGTERM', 143],
  ['buildah', 'SIGINT', 130],
] as const)('a run with %s that is cancelled by %s', (builder, signal, exitCode) => {
  it.each(['the pull', 'a command of the build'] as const)('during %s ends in order', async phase => {
    const before = await world.state()
    let child: { kill(signal: NodeJS.Signals): void } | undefined
    const running = world.update({ builder, containerfile }, started => {
      child = started
    })
    let ended = false
    void running.finally(() => {
      ended = true
    })
    while (!phases[phase]() && !ended) await wait(20)
    const start = performance.now()
    child?.kill(signal)
    const run = await running
    expect(run.exitCode, run.stdout).toBe(exitCode)
    expect(performance.now() - start).toBeLessThan(10_000)
    expect(run.outputs).toMatchObject({ outcome: 'failed', 'error-code': 'INTERRUPTED' })
    expect(run.left).toEqual([])
    expect(sleepers()).toEqual([])
    expect(world.programs()).toEqual([])
    expect(await world.state()).toEqual(before)
  })
})
