// A software TPM 2.0 with four PCR banks: swtpm, one process per machine.

import type { ChildProcess } from 'node:child_process'
import { cpSync, existsSync, mkdirSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as wait } from 'node:timers/promises'
import { run } from '../real/debian-packages.ts'
import { spawnGuarded } from './spawn-guarded.ts'

/** Makes the state of a TPM that was never used. It can be copied for any number of machines. */
export function makeTpmState(directory: string): void {
  mkdirSync(directory, { recursive: true })
  // nothing of the user's configuration, and no certificate authority on this machine
  const words = ['--tpm2', '--tpmstate', directory, '--pcr-banks', 'sha1,sha256,sha384,sha512', '--overwrite']
  run('swtpm_setup', words)
}

export interface RunningTpm {
  readonly socket: string
  readonly server: ChildProcess
}

/** Starts a TPM on a copy of the state; it ends when its machine does. */
export async function startTpm(state: string, directory: string): Promise<RunningTpm> {
  const own = join(directory, 'tpm')
  cpSync(state, own, { recursive: true })
  const socket = join(directory, 'tpm.sock')
  const words = ['socket', '--tpm2', '--tpmstate', `dir=${own}`, '--ctrl', `type=unixio,path=${socket}`, '--terminate']
  const server = spawnGuarded('swtpm', words, 'ignore')
  let failure: Error | undefined
  server.once('error', error => {
    failure = error
  })
  for (let attempt = 0; attempt < 200; attempt++) {
    if (failure !== undefined) throw failure
    if (existsSync(socket)) return { socket, server }
    await wait(50)
  }
  server.kill('SIGKILL')
  throw new Error('swtpm did not open its socket')
}
