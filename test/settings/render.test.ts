// The generated files: that the runner, a YAML reader and a JSON schema validator take them, and that the checkout holds what the tables give.

import { readFileSync } from 'node:fs'
import { join, resolve } from 'node:path'
import { Ajv } from 'ajv'
import { load } from 'js-yaml'
import { describe, expect, it } from 'vitest'
import { errorCodes } from '../../src/errors.ts'
import { inputs, supported } from '../../src/settings/inputs.ts'
import { outputNames } from '../../src/settings/outputs.ts'
import {
  renderActionYaml,
  renderErrorsMarkdown,
  renderInputsMarkdown,
  renderSettingsSchema,
} from '../../src/settings/render.ts'
import { parseSettingsFile } from '../../src/settings/settings-file.ts'

const root = resolve(import.meta.dirname, '../..')

type Mapping = Record<string, unknown>

describe('action.yml', () => {
  const action = load(renderActionYaml()) as Mapping
  const part = (name: string) => action[name] as Record<string, Mapping>

  it('has the keys that the runner knows, and no others', () => {
    // actions/runner, src/Runner.Worker/action_yaml.json and its documentation of metadata syntax
    expect(Object.keys(action)).toEqual(['name', 'description', 'author', 'branding', 'inputs', 'outputs', 'runs'])
    const inputKeys = ['description', 'required', 'default', 'deprecationMessage']
    for (const input of Object.values(part('inputs')))
      for (const key of Object.keys(input)) expect(inputKeys).toContain(key)
    for (const output of Object.values(part('outputs'))) expect(Object.keys(output)).toEqual(['description'])
    expect(action.runs).toEqual({ using: 'node24', main: 'dist/index.js' })
  })

  it('lists inputs that work and nothing else', () => {
    const names = Object.keys(part('inputs'))
    for (const name of names) expect(supported(inputs.get(name) ?? expect.unreachable(name))).toBe(true)
    expect(names).toContain('kernel-version')
    for (const name of ['gate-image', 'auto-merge', 'boot-file', 'ceilings', 'quiet', 'json'])
      expect(names).not.toContain(name)
    expect(Object.keys(part('outputs'))).toEqual(outputNames)
  })

  it('has a default for the job’s token only: any other would count as given', () => {
    const defaults = Object.entries(part('inputs')).filter(([, input]) => 'default' in input)
    expect(defaults.map(([name, input]) => [name, input.default])).toEqual([['github-token', `\${{ github.token }}`]])
  })

  it('fits the marketplace: the description has fewer than 125 characters', () => {
    expect(String(action.description).length).toBeLessThan(125)
  })
})

describe('settings.schema.json', () => {
  const validate = new Ajv({ allowUnionTypes: true }).compile(JSON.parse(renderSettingsSchema()) as Mapping)
  const example = /```yaml\n([^`]*(?:`[^`]+`[^`]*)*?)```/.exec(renderInputsMarkdown())?.[1] ?? ''

  it('takes the example of the documentation, as the parser does', () => {
    expect(validate(load(example)), JSON.stringify(validate.errors)).toBe(true)
    expect(parseSettingsFile(example, 'example').problems).toEqual([])
  })

  it.each([
    ['an unknown key', { schemaVersion: 1, poolz: 'a' }],
    ['a setting without effect yet', { schemaVersion: 1, 'gate-image': 'a' }],
    ['a secret', { schemaVersion: 1, 'gitops-token': 'a' }],
    ['a word that is not in the list', { schemaVersion: 1, layout: 'flux' }],
    ['text for yes or no', { schemaVersion: 1, 'dry-run': 'true' }],
    ['no version', { layout: 'plain' }],
    ['an unknown key for a cluster', { schemaVersion: 1, clusters: { a: { poolz: 'a' } } }],
  ])('refuses %s', (_, document) => {
    expect(validate(document)).toBe(false)
  })
})

describe('pages', () => {
  it('name every setting and every error', () => {
    for (const name of inputs.keys()) expect(renderInputsMarkdown()).toContain(`| \`${name}\` |`)
    for (const code of Object.keys(errorCodes)) expect(renderErrorsMarkdown()).toContain(`\n### ${code}\n`)
  })

  it('are in the checkout as the tables give them', () => {
    const files = {
      'action.yml': renderActionYaml(),
      'docs/errors.md': renderErrorsMarkdown(),
      'docs/inputs.md': renderInputsMarkdown(),
      'settings.schema.json': renderSettingsSchema(),
    }
    for (const [name, text] of Object.entries(files))
      expect(readFileSync(join(root, name), 'utf8') === text, `${name}: run npm run generate`).toBe(true)
  })
})
