// A program that ends with this process, however this process ends: prctl(2), PR_SET_PDEATHSIG.

import { type ChildProcess, spawn } from 'node:child_process'

/** `errors` is an open file for what the program writes, or nothing is kept. */
export function spawnGuarded(program: string, words: readonly string[], errors: number | 'ignore'): ChildProcess {
  const guarded = ['--pdeathsig', 'KILL', '--', program, ...words]
  return spawn('setpriv', guarded, { stdio: ['ignore', errors, errors] })
}
