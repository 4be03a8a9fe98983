// Writes the files that are made from tables: action.yml, docs/inputs.md, docs/errors.md, settings.schema.json, the import table of
// docs/architecture.md and the reasons of docs/explain.md. `--check` fails when one differs.

import { mkdirSync, readFileSync, statSync, writeFileSync } from 'node:fs'
import { dirname, join, resolve } from 'node:path'
import {
  renderActionYaml,
  renderErrorsMarkdown,
  renderInputsMarkdown,
  renderSettingsSchema,
} from '../src/settings/render.ts'
import { renderReasons } from './reasons.ts'
import { renderRooms } from './rooms.ts'

const root = resolve(import.meta.dirname, '..')

/** A page with the text between two markers replaced. */
function between(path: string, name: string, text: string): string {
  const [start, end] = [`<!-- ${name} -->`, `<!-- /${name} -->`]
  const [before, rest] = readFileSync(join(root, path), 'utf8').split(start)
  const after = rest?.split(end)[1]
  if (before === undefined || after === undefined) throw new Error(`${path} lacks ${start} and ${end}`)
  return `${before}${start}\n\n${text}\n\n${end}${after}`
}

const files: Readonly<Record<string, string>> = {
  'action.yml': renderActionYaml(),
  'docs/architecture.md': between('docs/architecture.md', 'rooms', renderRooms()),
  'docs/errors.md': renderErrorsMarkdown(),
  'docs/explain.md': between('docs/explain.md', 'reasons', renderReasons()),
  'docs/inputs.md': renderInputsMarkdown(),
  'settings.schema.json': renderSettingsSchema(),
}

function current(path: string): string | undefined {
  return statSync(path, { throwIfNoEntry: false }) === undefined ? undefined : readFileSync(path, 'utf8')
}

const differing = Object.entries(files).filter(([name, text]) => current(join(root, name)) !== text)
if (!process.argv.includes('--check')) {
  for (const [name, text] of differing) {
    mkdirSync(dirname(join(root, name)), { recursive: true })
    writeFileSync(join(root, name), text)
  }
  process.stdout.write(`written: ${differing.map(([name]) => name).join(', ') || 'nothing, all are up to date'}\n`)
} else if (differing.length > 0) {
  process.stderr.write(`not up to date: ${differing.map(([name]) => name).join(', ')}; run npm run generate\n`)
  process.exitCode = 1
}
