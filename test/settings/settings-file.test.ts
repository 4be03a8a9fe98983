// The settings file as text: places of faults, forms of lists, cluster blocks, and that no text makes anything but faults.

import { describe, expect, it } from 'vitest'
import { ToolError } from '../../src/errors.ts'
import { parseSettingsFile, settingsFileCeiling } from '../../src/settings/settings-file.ts'

const source = '.github/attested-os-update.yaml'
const read = (text: string) => parseSettingsFile(text, source)
const faults = (text: string) => read(text).problems.map(error => [error.code, error.message, error.where])

const example = `# settings
schemaVersion: 1
pools: [worker, infra]
kernel-version: 6.10
secure-boot: on
extra-packages:
  - kernel-modules-extra
  - "a,b"
image-repository: >-
  registry.example.org/os/worker
clusters:
  north:
    directory: clusters/north
    dry-run: true
`

describe('parseSettingsFile', () => {
  it('keeps values as they are spelt, with their places', () => {
    const file = read(example)
    expect(file.problems).toEqual([])
    expect(file.top.map(({ name, texts, items, where }) => [name, texts, items, where.line, where.column])).toEqual([
      ['pools', ['worker', 'infra'], true, 3, 8],
      ['kernel-version', ['6.10'], false, 4, 17],
      ['secure-boot', ['on'], false, 5, 14],
      ['extra-packages', ['kernel-modules-extra', 'a,b'], true, 7, 3],
      ['image-repository', ['registry.example.org/os/worker'], false, 9, 19],
    ])
    expect([...file.clusters].map(([name, givens]) => [name, givens.map(given => [given.name, given.texts])])).toEqual([
      [
        'north',
        [
          ['directory', ['clusters/north']],
          ['dry-run', ['true']],
        ],
      ],
    ])
  })

  it.each([
    ['pools: worker\n', 'the settings file has no schemaVersion that is known', 1],
    ['schemaVersion: 2\n', 'the settings file has no schemaVersion that is known', 1],
    ['schemaVersion: "1"\n', 'the settings file has no schemaVersion that is known', 1],
    ['- a\n- b\n', 'the settings file is not a mapping', 1],
    ['', 'the settings file is not a mapping', 1],
    ['schemaVersion: 1\nclusters: [a]\n', 'clusters is not a mapping', 2],
    ['schemaVersion: 1\nclusters:\n  a: 1\n', 'the cluster block a is not a mapping', 3],
    ['schemaVersion: 1\n? [a, b]\n: 1\n', 'a key is not plain text', 2],
  ])('%j: %s', (text, message, line) => {
    expect(faults(text)).toEqual([['SETTINGS_FILE_INVALID', message, expect.objectContaining({ source, line })]])
  })

  it('says line and column of what is not YAML', () => {
    expect(faults('schemaVersion: 1\npools: [worker\nnamespace: x\n')[0]).toEqual([
      'SETTINGS_FILE_INVALID',
      expect.stringContaining('not valid YAML'),
      { source, line: 3, column: 1 },
    ])
    expect(faults('schemaVersion: 1\npools: a\npools: b\n')).toEqual([
      ['SETTINGS_FILE_INVALID', expect.stringContaining('not valid YAML'), { source, line: 3, column: 1 }],
    ])
    expect(faults('schemaVersion: 1\n---\npools: a\n')[0]?.[0]).toBe('SETTINGS_FILE_INVALID')
  })

  it('refuses secrets, and what belongs elsewhere', () => {
    expect(
      faults(
        'schemaVersion: 1\ngitops-token: ghp_x\ncommand: check\nquiet: true\nclusters:\n  a:\n    github-token: y\n',
      ),
    ).toEqual([
      [
        'SETTING_INVALID',
        'gitops-token is a secret and may not stand in the settings file',
        { source, line: 2, column: 1 },
      ],
      ['SETTING_INVALID', 'command cannot be set in the settings file', { source, line: 3, column: 1 }],
      ['SETTING_INVALID', 'quiet cannot be set in the settings file', { source, line: 4, column: 1 }],
      [
        'SETTING_INVALID',
        'github-token is a secret and may not stand in the settings file',
        { source, line: 7, column: 5 },
      ],
    ])
  })

  it('does not repeat a secret in the fault', () => {
    const [fault] = read('schemaVersion: 1\ngitops-token: ghp_hunter2\n').problems
    expect(JSON.stringify({ ...fault, message: fault?.message })).not.toContain('hunter2')
  })

  it('has ceilings for size and depth', () => {
    expect(faults('#'.repeat(settingsFileCeiling + 1))[0]?.[1]).toBe('the settings file is too large')
    for (const deep of ['['.repeat(100_000), '{a: '.repeat(40_000), '- '.repeat(100_000), `${' '.repeat(200)}a: 1`])
      expect(faults(deep)[0]?.[1]).toBe('the settings file is nested too deeply')
  })

  it('gives faults and nothing else for every cut and every flipped character', () => {
    for (let length = 0; length <= example.length; length += 1) {
      expect(read(example.slice(0, length)).problems.every(error => error instanceof ToolError)).toBe(true)
      for (const other of ['\0', ':', '{', '&', '*', '"', '\t', '\ud800']) {
        const changed = example.slice(0, length) + other + example.slice(length + 1)
        expect(read(changed).problems.every(error => error instanceof ToolError)).toBe(true)
      }
    }
  })
})
