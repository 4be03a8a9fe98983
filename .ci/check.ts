// `npm run check`: everything that can be checked in under a minute, in parallel, printed as a list with times.

import { spawn } from 'node:child_process'
import { resolve } from 'node:path'

const root = resolve(import.meta.dirname, '..')

const checks: readonly (readonly [name: string, command: string, ...args: string[]])[] = [
  ['types', 'tsc', '--noEmit'],
  ['lint and format', 'biome', 'ci', '--error-on-warnings', '.'],
  ['unit tests and architecture', 'vitest', 'run', '--project', 'unit', '--reporter=default', '--silent'],
  ['generated files', 'node', '.ci/generate.ts', '--check'],
  ['dist is what src builds', 'node', '.ci/build.ts', '--check'],
  ['workflows', 'node', '.ci/lint-workflows.ts'],
]

async function run([name, command, ...args]: (typeof checks)[number]): Promise<boolean> {
  const start = performance.now()
  const child = spawn(command, args, {
    cwd: root,
    stdio: ['ignore', 'pipe', 'pipe'],
    env: { ...process.env, NO_COLOR: '1' },
  })
  let output = ''
  child.stdout.on('data', chunk => (output += chunk))
  child.stderr.on('data', chunk => (output += chunk))
  const good = await new Promise<boolean>(done => {
    child.on('error', error => {
      output += error.message
      done(false)
    })
    child.on('close', status => done(status === 0))
  })
  const seconds = ((performance.now() - start) / 1000).toFixed(1).padStart(5)
  process.stdout.write(`${good ? 'ok  ' : 'FAIL'} ${seconds} s  ${name}\n${good ? '' : `${output.trimEnd()}\n`}`)
  return good
}

const results = await Promise.all(checks.map(run))
if (results.includes(false)) process.exitCode = 1
