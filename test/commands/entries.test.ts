// Both entries from words or inputs to exit code, and the check of the Node.js version in front of them.

import { spawnSync } from 'node:child_process'
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { commands } from '../../src/commands/dispatch.ts'
import { runCommandLine } from '../../src/commands/from-command-line.ts'
import { outputNames } from '../../src/settings/outputs.ts'
import { commandWords } from '../../src/settings/words.ts'

const root = resolve(import.meta.dirname, '../..')
let directory = ''
beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'entries-'))
})
afterEach(() => rmSync(directory, { recursive: true }))

async function cli(words: readonly string[], environment: Record<string, string> = {}) {
  const out = { stdout: '', stderr: '' }
  const exitCode = await runCommandLine({
    words,
    environment,
    directory,
    version: '1.2.3',
    stdout: text => {
      out.stdout += text
    },
    stderr: text => {
      out.stderr += text
    },
  })
  return { exitCode, ...out }
}

function node(
  file: string,
  words: readonly string[],
  environment: Record<string, string> = {},
  options: readonly string[] = [],
) {
  return spawnSync(process.execPath, [...options, join(root, file), ...words], {
    cwd: directory,
    env: { PATH: process.env.PATH, ...environment },
    encoding: 'utf8',
  })
}

const settingsFile = (text: string) => {
  mkdirSync(join(directory, '.github'), { recursive: true })
  writeFileSync(join(directory, '.github/attested-os-update.yaml'), text)
}

describe('the CLI', () => {
  it('says version and help without needing settings', async () => {
    settingsFile('broken: [')
    expect(await cli(['--version'])).toEqual({ exitCode: 0, stdout: '1.2.3\n', stderr: '' })
    expect((await cli(['--help'])).stdout).toContain('attested-os-update <command> [options]')
    expect((await cli(['help', 'replay'])).stdout).toContain('replay LOG')
    expect((await cli(['help', 'replya'])).stderr).toContain('did you mean replay?')
  })

  it('prints every problem of line, file and secrets, and exits with 2', async () => {
    settingsFile('schemaVersion: 1\npoolz: worker\n')
    const { exitCode, stdout, stderr } = await cli(['update', '--bnk=sha1', '--gitops-token-file', 'none'])
    expect([exitCode, stdout]).toEqual([2, ''])
    expect(stderr).toContain('where: --bnk')
    expect(stderr).toContain('where: .github/attested-os-update.yaml, line 2, column 1')
    expect(stderr).toContain('gitops-token-file: the file does not exist')
    expect(stderr).toContain('SETTING_MISSING: base-image is required')
  })

  it('prints one JSON document on stdout when asked', async () => {
    const { exitCode, stdout } = await cli(['update', '--json'])
    const document = JSON.parse(stdout) as { errors: { code: string }[] }
    expect(exitCode).toBe(2)
    expect(document).toMatchObject({ schemaVersion: 1, outcome: 'failed', errorCode: 'SETTING_MISSING' })
    expect(document.errors.length).toBeGreaterThan(5)
  })

  it.each([
    [[], 'USAGE: no command is given'],
    [['verify'], 'SETTING_NOT_SUPPORTED: the command verify is not supported yet'],
    [['udpate'], 'did you mean update?'],
    [['update', '--settings-file', 'none.yaml'], 'settings-file: the file does not exist'],
    [['predict', '--gitops-token-file', 'x'], 'predict does not take gitops-token'],
    [
      ['update', '--kernel-repository-client-key-file', 'x'],
      'kernel-repository-client-key-file: the file does not exist',
    ],
  ])('%j exits with 2', async (words, text) => {
    const { exitCode, stderr } = await cli(words)
    expect(exitCode).toBe(2)
    expect(stderr).toContain(text)
  })

  it('dispatches no command that the tables do not know', () => {
    for (const name of Object.keys(commands)) expect(commandWords.now).toContain(name)
  })
})

describe('the processes', () => {
  const olderNode = [
    '--import',
    'data:text/javascript,Object.defineProperty(process,"versions",{value:{...process.versions,node:"20.19.0"}})',
  ]

  it('say in one line that Node.js is too old', () => {
    const old = node('src/cli.ts', ['update'], {}, olderNode)
    expect([old.status, old.stdout, old.stderr]).toEqual([
      2,
      '',
      'NODE_TOO_OLD: Node.js 24 or newer is needed, this is 20.19.0\n',
    ])
    const action = node('src/action.ts', [], {}, olderNode)
    expect([action.status, action.stdout]).toEqual([
      2,
      '::error title=NODE_TOO_OLD::Node.js 24 or newer is needed, this is 20.19.0\n',
    ])
  })

  it('load nothing but that check at the start', () => {
    for (const entry of ['src/cli.ts', 'src/action.ts']) {
      const imports = readFileSync(join(root, entry), 'utf8').match(/^import .*$/gm)
      expect(imports).toEqual(["import { tooOld } from './edge/node-version.ts'"])
    }
    expect(readFileSync(join(root, 'src/edge/node-version.ts'), 'utf8')).not.toMatch(/^import /m)
  })

  it('the CLI ends with its exit code', () => {
    const { status, stderr } = node('src/cli.ts', ['update', '--poolz', 'a'])
    expect(status).toBe(2)
    expect(stderr).toContain('did you mean pools?')
  })

  it('the Action sets every output on failure, masks tokens first, and annotates the settings file', () => {
    settingsFile('schemaVersion: 1\npoolz: worker\nrollout: one-pr\n')
    const output = join(directory, 'output')
    const summary = join(directory, 'summary')
    for (const file of [output, summary]) writeFileSync(file, '')
    const { status, stdout } = node('src/action.ts', [], {
      'INPUT_GITHUB-TOKEN': 'ghs_hunter2',
      'INPUT_KERNEL-VERSON': 'latest',
      'INPUT_GATE-IMAGE': 'quay.io/a/b',
      GITHUB_WORKSPACE: directory,
      GITHUB_REPOSITORY: 'example/gitops',
      GITHUB_OUTPUT: output,
      GITHUB_STEP_SUMMARY: summary,
    })
    expect(status).toBe(2)
    const lines = stdout.split('\n')
    expect(lines[0]).toBe('::add-mask::ghs_hunter2')
    expect(stdout.split('hunter2')).toHaveLength(2)
    expect(lines).toContain(
      '::error title=SETTING_UNKNOWN,file=.github/attested-os-update.yaml,line=2,col=1::no setting is called poolz. did you mean pools?',
    )
    expect(lines).toContain(
      '::error title=SETTING_UNKNOWN::no setting is called kernel-verson (input kernel-verson). did you mean kernel-version?',
    )
    const annotations = lines.filter(line => line.startsWith('::error'))
    expect(annotations.length).toBeLessThanOrEqual(10)

    // The runner's file format: name<<delimiter, value, delimiter.
    const set = new Map(
      [...readFileSync(output, 'utf8').matchAll(/^(.+)<<(.+)\n([\s\S]*?)\n?\2$/gm)].map(m => [m[1], m[3]]),
    )
    expect([...set.keys()]).toEqual(outputNames)
    expect([set.get('outcome'), set.get('error-code'), set.get('image')]).toEqual(['failed', 'SETTING_UNKNOWN', ''])
    expect(readFileSync(summary, 'utf8')).toContain('**SETTING_NOT_SUPPORTED** `gate-image is not supported yet')
  })

  it('the Action shows all problems in log and summary when there are more than ten', () => {
    const summary = join(directory, 'summary')
    const output = join(directory, 'output')
    for (const file of [output, summary]) writeFileSync(file, '')
    const wrong = Object.fromEntries(Array.from({ length: 20 }, (_, index) => [`INPUT_NO-SUCH-${index}`, 'x']))
    const { stdout } = node('src/action.ts', [], { ...wrong, GITHUB_STEP_SUMMARY: summary, GITHUB_OUTPUT: output })
    const annotations = stdout.split('\n').filter(line => line.startsWith('::error'))
    expect(annotations).toHaveLength(10)
    expect(annotations[9]).toMatch(/\d\d more problems; all are in the log and the job summary$/)
    expect(stdout.match(/^SETTING_UNKNOWN: no setting is called no-such-/gm)).toHaveLength(20)
    expect(readFileSync(summary, 'utf8').match(/no-such-\d+/g)?.length).toBeGreaterThanOrEqual(20)
  })
})
