// Wrong settings, through the Action and the CLI: all problems at once, with suggestions, before anything is asked over the network.

import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { makeBaseImage } from '../build/base-image.ts'
import { runCli } from '../build/bundle-runner.ts'
import { LoopbackWorld } from '../build/loopback-world.ts'
import { expectClean, expectRefused, type RefusalCase } from '../build/refusal.ts'

let world: LoopbackWorld
let workspace: string

beforeAll(async () => {
  world = await LoopbackWorld.start({ base: await makeBaseImage({ seed: 'e2e-settings' }) })
  workspace = mkdtempSync(join(tmpdir(), 'attested-os-update-workspace-'))
})
afterAll(async () => {
  rmSync(workspace, { recursive: true })
  await world.stop()
})

interface Row extends RefusalCase {
  /** Text of the workspace's settings file. */
  readonly settingsFile?: string
}

const image = 'oci:/nowhere'
const notSupported = (name: string, inputs: Record<string, string>, ...words: (string | RegExp)[]): Row => ({
  name,
  inputs,
  code: 'SETTING_NOT_SUPPORTED',
  words: ['not supported yet', ...words],
})

const rows: readonly Row[] = [
  {
    name: 'three misspelt inputs and a missing one',
    inputs: { pool: 'worker', 'kernel-repository': 'https://r.invalid', 'base-imge': 'x', namespace: '' },
    code: 'SETTING_UNKNOWN',
    words: [
      'did you mean pools?',
      'did you mean kernel-repositories?',
      'did you mean base-image?',
      /title=SETTING_MISSING::.*namespace/,
      'input kernel-repository',
    ],
  },
  {
    name: 'an input that resembles nothing',
    inputs: { 'colour-of-the-sky': 'blue' },
    code: 'SETTING_UNKNOWN',
    words: ['colour-of-the-sky'],
  },
  {
    name: 'misspelt keys in the settings file, each at its line',
    settingsFile: 'schemaVersion: 1\nbase-imag: quay.io/a/b:c\n# a comment\npoools: [worker]\n',
    code: 'SETTING_UNKNOWN',
    words: [
      'file=.github/attested-os-update.yaml,line=2,col=1',
      'did you mean base-image?',
      'file=.github/attested-os-update.yaml,line=4,col=1',
      'did you mean pools?',
    ],
  },
  {
    name: 'a settings file that is no YAML',
    settingsFile: 'schemaVersion: 1\npools: [worker\nbase-image: x\n',
    code: 'SETTINGS_FILE_INVALID',
    words: ['not valid YAML', /file=\.github\/attested-os-update\.yaml,line=\d/],
  },
  {
    name: 'a key that stands twice',
    settingsFile: 'schemaVersion: 1\npools: [worker]\npools: [master]\n',
    code: 'SETTINGS_FILE_INVALID',
    words: ['line=3', /unique/i],
  },
  {
    name: 'a settings file of another version',
    settingsFile: 'schemaVersion: 2\n',
    code: 'SETTINGS_FILE_INVALID',
    words: ['wanted schemaVersion: 1', 'line=1'],
  },
  {
    name: 'a secret in the settings file, which is not shown',
    settingsFile: 'schemaVersion: 1\ngitops-token: wrong-token\n',
    code: 'SETTING_INVALID',
    words: ['gitops-token', 'line=2'],
  },
  {
    name: 'a settings file that was asked for and is not there',
    inputs: { 'settings-file': 'clusters/none.yaml' },
    code: 'SETTING_INVALID',
    words: ['clusters/none.yaml'],
  },
  {
    name: 'a cluster that the settings file does not have',
    settingsFile: 'schemaVersion: 1\nclusters:\n  north: {}\n',
    inputs: { cluster: 'nort' },
    code: 'SETTING_INVALID',
    words: ['did you mean north?'],
  },
  {
    name: 'values of the wrong type, all together',
    inputs: {
      pools: 'Worker!',
      directory: '../outside',
      'dry-run': 'perhaps',
      'kernel-version': '>=',
      'base-image': 'UPPER CASE',
      'gitops-repository': 'no-slash',
      target: 'trustees',
    },
    exitCode: 2,
    code: 'SETTING_INVALID',
    words: ['Worker!', '../outside', 'perhaps', 'kernel-version', 'UPPER CASE', 'no-slash', 'did you mean trustee?'],
  },
  {
    name: 'nothing that is required',
    inputs: { 'base-image': '', 'kernel-repositories': '', 'image-repository': '', namespace: '', pools: '' },
    code: 'SETTING_MISSING',
    words: ['base-image', 'kernel-repositories', 'image-repository', 'namespace', 'pools'],
  },
  {
    name: 'no token',
    inputs: { 'gitops-token': '' },
    code: 'TOKEN_MISSING',
    words: ['GITOPS_TOKEN'],
  },
  {
    name: 'no shape for target trustee',
    inputs: { target: 'trustee' },
    code: 'SETTING_MISSING',
    words: ['trustee-shape', 'list, map'],
  },
  {
    name: 'a password in a repository URL, which is not shown',
    inputs: { 'kernel-repositories': 'https://me:registry-password@r.invalid/rpms' },
    code: 'SETTING_INVALID',
    words: ['r.invalid', 'password'],
  },
  {
    name: 'a repository without TLS, and allow-insecure not set',
    inputs: { 'allow-insecure': 'false' },
    exitCode: 1,
    code: 'INSECURE_NOT_ALLOWED',
    words: [/http:\/\/127\.0\.0\.1:\d+/, 'allow-insecure: true', 'kernel-repositories'],
  },
  notSupported('two-step rollout', { rollout: 'two-step' }, 'rollout'),
  notSupported('no rollout', { rollout: '' }, 'one-pr'),
  {
    name: 'packages that must be signed, and no key',
    inputs: { 'allow-unsigned-packages': 'false' },
    code: 'SETTING_MISSING',
    words: ['rpm-keys is required', 'PATH#FINGERPRINT', 'allow-unsigned-packages: true'],
  },
  {
    name: 'a key without its fingerprint',
    inputs: { 'rpm-keys': 'keys/redhat.asc' },
    code: 'SETTING_INVALID',
    words: ['rpm-keys', 'keys/redhat.asc', 'full fingerprint of 40 or 64 hex digits'],
  },
  notSupported('another layout', { layout: 'argocd' }, 'argocd'),
  notSupported('another forge', { 'gitops-remote': 'git', 'gitops-url': 'https://git.invalid/a.git' }, 'gitops-url'),
  notSupported('platform profiles', { platform: 'platforms/r650' }, 'platform'),
  notSupported('the gate', { 'gate-image': `r.invalid/gate@sha256:${'0'.repeat(64)}` }, 'gate-image'),
  notSupported('another architecture', { architecture: 'arm64' }, 'arm64'),
  {
    name: 'a repository with variables of dnf',
    inputs: { 'kernel-repositories': 'https://r.invalid/$releasever/$basearch/os' },
    code: 'SETTING_INVALID',
    words: ['$releasever', 'write architecture and release out'],
  },
  notSupported('merging by itself', { 'auto-merge': 'squash' }, 'auto-merge'),
  notSupported('a later command', { command: 'verify' }, 'verify'),
  {
    name: 'a command that nobody knows',
    inputs: { command: 'updat' },
    code: 'SETTING_INVALID',
    words: ['did you mean update?', 'found updat'],
  },
]

describe('settings that are wrong', () => {
  for (const { name, settingsFile, ...refusal } of rows)
    it(`${name}: ${refusal.code}`, async () => {
      const asked = world.github.log.length
      const path = join(workspace, '.github/attested-os-update.yaml')
      mkdirSync(dirname(path), { recursive: true })
      if (settingsFile !== undefined) writeFileSync(path, settingsFile)
      try {
        await expectRefused(world, {
          ...refusal,
          exitCode: refusal.exitCode ?? 2,
          inputs: { image, ...refusal.inputs },
          options: { directory: workspace },
        })
      } finally {
        rmSync(path, { force: true })
      }
      expect(world.github.log.length).toBe(asked)
      expect(world.registry.requests).toEqual([])
      expect(world.repository.requests).toEqual([])
    })

  it('shows ten annotations and keeps all problems in log and summary', async () => {
    const wrong = Object.fromEntries(Array.from({ length: 13 }, (_, index) => [`qqqq-${index}`, 'x']))
    const run = await expectRefused(world, {
      code: 'SETTING_UNKNOWN',
      exitCode: 2,
      words: ['4 more problems'],
      inputs: { image, ...wrong },
    })
    expect(run.errors).toHaveLength(10)
    for (const name of Object.keys(wrong)) {
      expect(run.stdout).toContain(name)
      expect(run.summary).toContain(name)
    }
  })
})

describe('the command line', () => {
  const common = ['update', '--pools', 'worker', '--namespace', 'n', '--rollout', 'one-pr']

  it.each([
    [['update', '--pool', 'worker'], 'SETTING_UNKNOWN', 'did you mean pools?'],
    [['updaet'], 'SETTING_INVALID', 'did you mean update?'],
    [['retire'], 'SETTING_NOT_SUPPORTED', 'not supported yet'],
    [[], 'USAGE', 'no command is given'],
    [[...common, '--gitops-token', 'good-token'], 'SETTING_', 'gitops-token'],
    [[...common, '--base-image'], 'USAGE', 'base-image'],
    [['predict'], 'USAGE', 'one of --image, --boot-file is needed'],
  ])('%j ends with exit code 2: %s', async (words, code, text) => {
    const run = await runCli(words)
    expect(run.exitCode, run.stderr).toBe(2)
    expect(run.stdout).toBe('')
    expect(run.stderr).toContain(code)
    expect(run.stderr).toContain(text)
    expectClean(run)
  })

  it('prints one document with every problem for --json, and nothing else on stdout', async () => {
    const run = await runCli([...common, '--json', '--pool', 'x', '--layout', 'flux'])
    expect(run.exitCode).toBe(2)
    const document = JSON.parse(run.stdout)
    expect(document).toMatchObject({ outcome: 'failed', errorCode: 'SETTING_UNKNOWN', image: null })
    const codes = document.errors.map(({ code }: { code: string }) => code)
    expect(codes).toEqual(expect.arrayContaining(['SETTING_UNKNOWN', 'SETTING_NOT_SUPPORTED', 'SETTING_MISSING']))
    for (const code of codes) expect(run.stderr).toContain(code)
    expectClean(run)
  })
})
