// Runs one command and tells what it took: wall and CPU seconds with all its children, and the largest resident memory of any one of its processes.

import { spawn } from 'node:child_process'
import { readdirSync, readFileSync } from 'node:fs'

export interface Used {
  /** Seconds. */
  readonly wall: number
  readonly cpu: number
  /** MB (10^6), the largest process; looked at every 20 ms. */
  readonly peak: number
  readonly stdout: string
  readonly status: number | null
}

/** The shell's `time` counts what the system charged to the finished children, to the millisecond. */
const script = 'TIMEFORMAT="%R %U %S"; exec 3>&2; { time "$@" 2>/dev/null; } 2>&3'

export async function measure(command: readonly string[], env: NodeJS.ProcessEnv = process.env): Promise<Used> {
  const child = spawn('bash', ['-c', script, 'bash', ...command], { env, stdio: ['ignore', 'pipe', 'pipe'] })
  const [stdout, stderr]: [Buffer[], Buffer[]] = [[], []]
  child.stdout.on('data', chunk => stdout.push(chunk))
  child.stderr.on('data', chunk => stderr.push(chunk))
  let peak = 0
  const look = () => {
    for (const process of descendants(child.pid ?? 0)) peak = Math.max(peak, highWater(process))
  }
  const timer = setInterval(look, 20)
  const status = await new Promise<number | null>(resolve => child.on('close', resolve))
  clearInterval(timer)
  const last = Buffer.concat(stderr).toString().trim().split('\n').at(-1) ?? ''
  const [wall = 0, user = 0, system = 0] = last.split(' ').map(Number)
  return { wall, cpu: user + system, peak, stdout: Buffer.concat(stdout).toString(), status }
}

/** Processes below one, found by their parents. */
function descendants(top: number): number[] {
  const children = new Map<number, number[]>()
  for (const name of readdirSync('/proc').filter(one => /^\d+$/.test(one))) {
    // the name in parentheses may have spaces
    const parent = Number(/\) \S (\d+)/.exec(read(`/proc/${name}/stat`))?.[1])
    children.set(parent, [...(children.get(parent) ?? []), Number(name)])
  }
  const below = (one: number): number[] => (children.get(one) ?? []).flatMap(child => [child, ...below(child)])
  return below(top)
}

/** Of the memory of the program that runs now, not of the process that it was forked from. */
function highWater(process: number): number {
  return (Number(/^VmHWM:\s+(\d+) kB$/m.exec(read(`/proc/${process}/status`))?.[1] ?? 0) * 1024) / 1e6
}

function read(path: string): string {
  try {
    return readFileSync(path, 'utf8')
  } catch {
    return ''
  }
}
