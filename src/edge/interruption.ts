// Cancelled runs: SIGINT and SIGTERM end the programs that were started, then what they leave is removed, then this process ends. proc(5).

import { readdirSync, readFileSync } from 'node:fs'
import { constants } from 'node:os'
import { ToolError } from '../errors.ts'
import { removeTemporaryDirectories } from './temporary.ts'

/** A runner that cancels a job sends SIGINT, SIGTERM after 7.5 s, and kills after 2.5 s more. */
const grace = { programs: 2000, cleaning: 4000 }

let exitCode: number | undefined

/** From here on a signal ends the run in order. */
export function endInOrderOnSignals(): void {
  for (const signal of ['SIGINT', 'SIGTERM'] as const)
    process.on(signal, () => {
      const again = exitCode !== undefined
      exitCode ??= 128 + constants.signals[signal]
      const programs = descendantsOf(process.pid)
      endPrograms(programs)
      // The step that waits for a program cleans up what that program left; without one nothing would wake the run up.
      if (again || programs.length === 0) endNow()
      else setTimeout(endNow, grace.cleaning).unref()
    })
}

/** 128 and the number of the signal that cancelled the run; undefined when none did. */
export function interruptedExitCode(): number | undefined {
  return exitCode
}

/** Throws INTERRUPTED once the run is cancelled. */
export function refuseWhenInterrupted(): void {
  if (exitCode !== undefined) throw new ToolError('INTERRUPTED', 'the run was cancelled')
}

function endNow(): never {
  endPrograms(descendantsOf(process.pid))
  removeTemporaryDirectories()
  process.exit(exitCode)
}

/** SIGTERM, and SIGKILL for those that stay. Waits without giving the rest of this process a turn to start others. */
function endPrograms(programs: readonly number[]): void {
  for (const [signal, time] of [
    ['SIGTERM', grace.programs],
    ['SIGKILL', 500],
  ] as const) {
    for (const program of programs) send(program, signal)
    const clock = new Int32Array(new SharedArrayBuffer(4))
    for (let waited = 0; waited < time && programs.some(isRunning); waited += 20) Atomics.wait(clock, 0, 0, 20)
  }
}

function send(program: number, signal: NodeJS.Signals): void {
  try {
    process.kill(program, signal)
  } catch {
    // it has ended by itself, or belongs to another user
  }
}

/** Children, their children and so on; none where there is no /proc. */
function descendantsOf(program: number): number[] {
  const tasks = attempt(() => readdirSync(`/proc/${program}/task`)) ?? []
  const children = tasks.flatMap(task =>
    (attempt(() => readFileSync(`/proc/${program}/task/${task}/children`, 'utf8')) ?? '').split(' ').filter(Boolean),
  )
  return children.map(Number).flatMap(child => [child, ...descendantsOf(child)])
}

/** A zombie has ended; only its parent has not asked yet. */
function isRunning(program: number): boolean {
  const status = attempt(() => readFileSync(`/proc/${program}/stat`, 'utf8'))
  return status !== undefined && !/^\d+ \(.*\) [ZX] /s.test(status)
}

function attempt<T>(work: () => T): T | undefined {
  try {
    return work()
  } catch {
    return undefined
  }
}
