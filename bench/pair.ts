// Runs two commands in turn and tells what each took: wall and CPU seconds of the whole process and its children.

import { spawnSync } from 'node:child_process'

export type Command = readonly [program: string, ...args: string[]]

interface Took {
  readonly wall: number
  readonly cpu: number
}

export interface Figures {
  /** Seconds. */
  readonly wall: Spread
  readonly cpu: Spread
}

export interface Spread {
  readonly least: number
  readonly median: number
  readonly most: number
}

export interface Pair {
  readonly ours: Figures
  readonly theirs: Figures
  /** Median of ours / theirs, taken run by run. */
  readonly wallRatio: number
  readonly cpuRatio: number
}

/** What a command prints. Throws when it does not end with 0. */
export function outputOf([program, ...args]: Command): string {
  const { status, stdout, stderr } = spawnSync(program, args, { encoding: 'utf8', maxBuffer: 1 << 28 })
  if (status !== 0) throw new Error(`${program} ${args[0] ?? ''} ends with ${status}: ${stderr?.split('\n')[0] ?? ''}`)
  return stdout
}

/** `runs` times each, in turn, after one run each that does not count. */
export function pair(ours: Command, theirs: Command, runs: number): Pair {
  time(ours)
  time(theirs)
  const took = Array.from({ length: runs }, () => ({ ours: time(ours), theirs: time(theirs) }))
  return {
    ours: figures(took.map(one => one.ours)),
    theirs: figures(took.map(one => one.theirs)),
    wallRatio: spread(took.map(one => one.ours.wall / one.theirs.wall)).median,
    cpuRatio: spread(took.map(one => one.ours.cpu / one.theirs.cpu)).median,
  }
}

/** The shell's `time` counts what the system charged to the finished child, to the millisecond. */
function time(command: Command): Took {
  const script = 'TIMEFORMAT="%R %U %S"; exec 3>&2; { time "$@" >/dev/null 2>/dev/null; } 2>&3'
  const { status, stderr } = spawnSync('bash', ['-c', script, 'bash', ...command], { encoding: 'utf8' })
  const [wall = 0, user = 0, system = 0] = (stderr.trim().split('\n').at(-1) ?? '').split(' ').map(Number)
  if (status !== 0 || Number.isNaN(wall)) throw new Error(`${command.join(' ')} ends with ${status}: ${stderr}`)
  // below the clock's step nothing can be divided by it
  return { wall: Math.max(wall, 0.001), cpu: Math.max(user + system, 0.001) }
}

function figures(took: readonly Took[]): Figures {
  return { wall: spread(took.map(({ wall }) => wall)), cpu: spread(took.map(({ cpu }) => cpu)) }
}

export function spread(values: readonly number[]): Spread {
  const sorted = [...values].sort((one, other) => one - other)
  const at = (index: number) => sorted[index] ?? 0
  const middle = Math.floor(sorted.length / 2)
  const median = sorted.length % 2 === 1 ? at(middle) : (at(middle - 1) + at(middle)) / 2
  return { least: at(0), median, most: at(sorted.length - 1) }
}
