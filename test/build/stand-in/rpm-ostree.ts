// A stand-in for rpm-ostree in a container build: unpacks packages for real, refuses what the real one refuses there.

import { existsSync, readFileSync, rmSync } from 'node:fs'
import { basename } from 'node:path'
import { workflowCommands } from './faults.ts'
import { faultOf, layerPackages } from './layer-packages.ts'

const usage = 'usage: rpm-ostree override replace FILE.rpm… | install FILE.rpm… | cleanup -m | --version'

function main(words: readonly string[]): string[] {
  if (words[0] === '--version') return ['rpm-ostree (stand-in for tests)']
  if (words[0] === 'cleanup') {
    if (words.length !== 2 || words[1] !== '-m') throw new Error(usage)
    rmSync('/var/cache/rpm-ostree', { recursive: true, force: true })
    return []
  }
  expectOstreeContainer()
  if (words[0] === 'override' && words[1] === 'replace') return layer('replace', words.slice(2))
  if (words[0] === 'install') return layer('install', words.slice(1))
  throw new Error(usage)
}

/** The test by which the real program takes its container branch, and what it says otherwise. */
function expectOstreeContainer(): void {
  const path = '/sysroot/ostree/repo/config'
  if (existsSync(path) && readFileSync(path, 'utf8').includes('mode=bare-split-xattrs')) return
  throw new Error('This system was not booted via libostree; found no ostree repository in this container')
}

function layer(how: 'replace' | 'install', paths: readonly string[]): string[] {
  if (paths.length === 0) throw new Error(usage)
  for (const path of paths) {
    if (path.startsWith('-')) throw new Error(`unknown option ${path}`)
    if (/^https?:/.test(path)) throw new Error(`${path}: only local files, the build has no network`)
    if (!path.endsWith('.rpm')) throw new Error(`${path}: packages by name are not looked up`)
  }
  const fault = faultOf('/')
  if (fault === 'prints-commands')
    for (const [name, value] of Object.entries(process.env))
      process.stdout.write(`environment of RUN: ${name}=${value}\n`)
  if (fault === 'prints-commands' || fault === 'fails') process.stdout.write(`${workflowCommands.join('\n')}\n`)
  const files = paths.map(path => ({ name: basename(path), bytes: new Uint8Array(readFileSync(path)) }))
  return [...layerPackages({ root: '/', how, files }), `${paths.length} packages done (${how})`]
}

try {
  for (const line of main(process.argv.slice(2))) process.stdout.write(`${line}\n`)
} catch (error) {
  process.stderr.write(`error: ${error instanceof Error ? error.message : String(error)}\n`)
  process.exitCode = 1
}
