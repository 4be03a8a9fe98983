// A stand-in for `ostree container commit`: checks /var and tidies, as ostree-ext does.

import { existsSync, lstatSync, readdirSync, rmdirSync, rmSync } from 'node:fs'
import { join } from 'node:path'

/** Directories whose content is thrown away. A mount below them stays. */
const tidied = ['/run', '/tmp', '/var/tmp', '/var/cache']

function main(words: readonly string[]): void {
  if (words.join(' ') !== 'container commit') throw new Error('usage: ostree container commit')
  if (!existsSync('/sysroot/ostree/repo/config')) throw new Error('no ostree repository in this container')
  for (const directory of tidied) empty(directory)
  const left = filesBelow('/var')
  if (left.length > 0) throw new Error(`files below /var would not reach the nodes: ${left.join(', ')}`)
}

/** Empties a directory, but nothing that is mounted below it. */
function empty(directory: string): void {
  if (!existsSync(directory)) return
  const device = lstatSync('/').dev
  for (const name of readdirSync(directory)) {
    const path = join(directory, name)
    const found = lstatSync(path)
    if (found.dev !== device) continue
    if (!found.isDirectory()) rmSync(path)
    else {
      empty(path)
      if (readdirSync(path).length === 0) rmdirSync(path)
    }
  }
}

function filesBelow(directory: string): string[] {
  if (!existsSync(directory)) return []
  return readdirSync(directory).flatMap(name => {
    const path = join(directory, name)
    return lstatSync(path).isDirectory() ? filesBelow(path) : [path]
  })
}

try {
  main(process.argv.slice(2))
} catch (error) {
  process.stderr.write(`error: ${error instanceof Error ? error.message : String(error)}\n`)
  process.exitCode = 1
}
