// A container build by a user who is not root, for tests that run as root: the user exists in a mount namespace only.

import { execFile } from 'node:child_process'
import { chmodSync, chownSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { promisify } from 'node:util'
import { build } from 'esbuild'
import type { BuildRequest, BuildResult } from '../../src/edge/builder.ts'

const user = { id: 61_234, name: 'builds', subordinate: 'builds:300000:65536\n' }

/** Binds the files of accounts over the system's own, and a place for the program of this test run; then becomes the user. */
const script = [
  'set -e',
  'for name in passwd group subuid subgid; do [ -e /etc/$name ] || continue; mount --bind "$1/$name" /etc/$name; done',
  'mount --bind "$2" "$1/node"',
  'cd "$1/home"',
  `exec env -i PATH=/usr/bin:/bin:/usr/sbin:/sbin HOME="$1/home" XDG_RUNTIME_DIR="$1/run" setpriv --reuid ${user.id} --regid ${user.id} --clear-groups "$1/node" "$1/program.mjs" "$3"`,
].join('\n')

/** What `buildImage` gives to a user who is not root, with an empty build context, and what was printed. */
export async function buildAsUser(
  request: Omit<BuildRequest, 'environment' | 'write' | 'contextDirectory' | 'layoutDirectory' | 'workDirectory'>,
): Promise<{ readonly result: BuildResult; readonly log: string }> {
  const directory = mkdtempSync(join(tmpdir(), 'rootless-'))
  const at = (name: string) => join(directory, name)
  try {
    chmodSync(directory, 0o755)
    for (const name of ['home', 'run', 'work', 'layouts', 'context']) {
      mkdirSync(at(name))
      chownSync(at(name), user.id, user.id)
    }
    const account = `${user.name}:x:${user.id}`
    writeFileSync(at('passwd'), `${readFileSync('/etc/passwd', 'utf8')}${account}:${user.id}::${at('home')}:/bin/sh\n`)
    writeFileSync(at('group'), `${readFileSync('/etc/group', 'utf8')}${account}:\n`)
    for (const name of ['subuid', 'subgid']) writeFileSync(at(name), user.subordinate)
    writeFileSync(at('node'), '')
    await build({
      stdin: { contents: program, resolveDir: resolve(import.meta.dirname, '../..'), loader: 'ts' },
      bundle: true,
      platform: 'node',
      format: 'esm',
      banner: { js: "import { createRequire } from 'node:module'; const require = createRequire(import.meta.url)" },
      outfile: at('program.mjs'),
      logLevel: 'error',
    })
    const places = { workDirectory: at('work'), layoutDirectory: at('layouts/layout'), contextDirectory: at('context') }
    const words = JSON.stringify({ ...request, ...places })
    const unshare = ['--mount', '--propagation', 'private', '--', 'sh', '-c', script, 'sh']
    const { stdout } = await promisify(execFile)('unshare', [...unshare, directory, process.execPath, words], {
      maxBuffer: 16 * 1024 * 1024,
    })
    const [log = '', result = ''] = stdout.split('RESULT ')
    if (result === '') throw new Error(log)
    const left = readdirSync(at('work'))
    if (left.length > 0) throw new Error(`left behind: ${left.join(', ')}`)
    return { result: JSON.parse(result), log }
  } finally {
    rmSync(directory, { recursive: true, force: true })
  }
}

const program = `
import { buildImage } from './src/edge/builder.ts'
const request = JSON.parse(process.argv[2])
const write = (chunk) => process.stdout.write(chunk)
try {
  const result = await buildImage({ ...request, environment: process.env, write })
  process.stdout.write('RESULT ' + JSON.stringify(result))
} catch (error) {
  process.stdout.write(error.message + ': ' + error.found)
}
`
