// The whole way from options, inputs, environment and settings file to the request of a command.

import { describe, expect, it } from 'vitest'
import { ToolError, ToolErrors } from '../../src/errors.ts'
import { parseActionInputs } from '../../src/settings/action-inputs.ts'
import { parseCommandLine } from '../../src/settings/command-line.ts'
import { commandsOf, inputs, supported } from '../../src/settings/inputs.ts'
import { type Parsed, parseCommandName, parseSettings, type Secrets } from '../../src/settings/parse-settings.ts'
import { parseSettingsFile } from '../../src/settings/settings-file.ts'
import type { CommandName } from '../../src/settings/words.ts'

const file = 'settings.yaml'

const complete = `schemaVersion: 1
namespace: trusted-execution-clusters
rollout: one-pr
pools: worker
base-image: quay.io/fedora/fedora-coreos:stable
kernel-repositories: https://mirror.example.org/kernel/x86_64/
image-repository: registry.example.org/os/worker
allow-unsigned-packages: true
`

interface World {
  readonly file?: string
  readonly repository?: string
  readonly environment?: Secrets['environment']
}

function run<Name extends CommandName>(
  command: Name,
  line: string | readonly string[],
  world: World = {},
): Parsed<Name> {
  const words = typeof line === 'string' ? line.split(' ').filter(word => word !== '') : line
  const { givens, problems } = parseCommandLine([command, ...words])
  return parseSettings<Name>({
    command,
    givens,
    problems,
    settingsFile: world.file === undefined ? undefined : parseSettingsFile(world.file, file),
    workflowRepository: world.repository ?? 'example/gitops',
    secrets: { given: new Map(), environment: world.environment ?? { GITHUB_TOKEN: 'ghs_secret' } },
  })
}

function problemsOf(work: () => unknown): readonly ToolError[] {
  try {
    work()
  } catch (error) {
    if (error instanceof ToolErrors) return error.errors
    if (error instanceof ToolError) return [error]
    throw error
  }
  return []
}

const codes = (work: () => unknown): string[] => problemsOf(work).map(error => `${error.code}: ${error.message}`)

describe('update', () => {
  it('reads a complete settings file and fills in the defaults', () => {
    expect(run('update', '', { file: complete }).request).toEqual({
      architecture: 'amd64',
      directory: '',
      gitopsRepository: { owner: 'example', name: 'gitops' },
      baseBranch: undefined,
      valueLifetime: 365,
      pools: ['worker'],
      baseImage: { registry: 'quay.io', repository: 'fedora/fedora-coreos', tag: 'stable', digest: undefined },
      kernelVersion: 'latest',
      kernelRepositories: ['https://mirror.example.org/kernel/x86_64'],
      dist: undefined,
      extraPackages: [],
      allowDowngrade: false,
      allowInsecure: false,
      allowUnsignedPackages: true,
      dryRun: false,
      layout: 'auto',
      target: ['trusted-execution-clusters'],
      trusteeShape: undefined,
      namespace: 'trusted-execution-clusters',
      machineConfigName: '99-{pool}-os-image',
      builder: 'auto',
      imageRepository: { registry: 'registry.example.org', repository: 'os/worker' },
      imageTag: '{kernel}-{base-short}-{change}',
      requireCoverage: ['kernel'],
      secureBoot: undefined,
      banks: ['sha256'],
    })
  })

  it('says everything that is missing at once', () => {
    expect(codes(() => run('update', '', { repository: '', environment: {} }))).toEqual([
      'SETTING_MISSING: pools is required',
      'SETTING_MISSING: base-image is required',
      'SETTING_MISSING: kernel-repositories is required',
      'SETTING_MISSING: namespace is required',
      'SETTING_MISSING: image-repository is required',
      'SETTING_MISSING: gitops-repository is required',
      'SETTING_NOT_SUPPORTED: rollout must be given in this version',
      'SETTING_NOT_SUPPORTED: allow-unsigned-packages must be true in this version',
      'TOKEN_MISSING: no token for the GitOps repository is given',
    ])
  })

  it('says everything that is wrong at once, with suggestions and the place in the settings file', () => {
    const text = `${complete.replace('rollout: one-pr', 'rollout: one-prs').replace('namespace:', 'namespce:')}dry-run: yes
kernel_version: latest
directory: ../other
gate-image: quay.io/x/y
value-lifetime: 1.5
`
    const problems = problemsOf(() => run('update', '--machine-config-name 99-image --bnk sha256', { file: text }))
    expect(problems.map(error => [error.code, error.message, error.where, error.hint])).toEqual([
      ['SETTING_UNKNOWN', 'no setting is called bnk', { source: '--bnk' }, 'did you mean bank?'],
      [
        'SETTING_UNKNOWN',
        'no setting is called namespce',
        { source: file, line: 2, column: 1 },
        'did you mean namespace?',
      ],
      [
        'SETTING_UNKNOWN',
        'no setting is called kernel_version',
        { source: file, line: 10, column: 1 },
        'did you mean kernel-version?',
      ],
      [
        'SETTING_NOT_SUPPORTED',
        'gate-image is not supported yet',
        { source: file, line: 12, column: 13 },
        expect.any(String),
      ],
      ['SETTING_INVALID', 'directory: the value is not allowed', { source: file, line: 11, column: 12 }, undefined],
      [
        'SETTING_INVALID',
        'value-lifetime: the value is not allowed',
        { source: file, line: 13, column: 17 },
        undefined,
      ],
      ['SETTING_INVALID', 'dry-run: the value is not allowed', { source: file, line: 9, column: 10 }, undefined],
      ['SETTING_MISSING', 'namespace is required', {}, expect.any(String)],
      [
        'SETTING_INVALID',
        'machine-config-name: the value is not allowed',
        { source: '--machine-config-name' },
        undefined,
      ],
      [
        'SETTING_INVALID',
        'rollout: the value is not allowed',
        { source: file, line: 3, column: 10 },
        'did you mean one-pr?',
      ],
    ])
  })
})

describe('support', () => {
  it('refuses every setting of the contract that has no effect yet, from option, input and file', () => {
    const later = [...inputs.values()].filter(input => !supported(input))
    expect(later.length).toBeGreaterThan(40)
    for (const { name, secret, only } of later) {
      if (secret !== true && only !== 'settings-file') {
        const found = problemsOf(() => run('update', ['--dry-run', `--${name}=true`], { file: complete }))
        expect(found.map(error => [error.code, error.message])).toEqual([
          ['SETTING_NOT_SUPPORTED', `${name} is not supported yet`],
        ])
      }
      if (only !== 'command-line' && only !== 'settings-file') {
        const { givens, problems } = parseActionInputs({ [`INPUT_${name.toUpperCase()}`]: 'true' })
        expect(problems).toEqual([])
        expect(givens.map(given => given.name)).toEqual([name])
      }
      if (secret !== true && only !== 'command-line')
        expect(codes(() => run('update', '', { file: `${complete}${name}: {a: 1}\n` }))).toEqual([
          `SETTING_NOT_SUPPORTED: ${name} is not supported yet`,
        ])
    }
  })

  it('gives every supported setting a command that reads it', () => {
    const idle = [...inputs.values()].filter(
      input => supported(input) && input.name !== 'command' && commandsOf(input).length === 0,
    )
    expect(idle).toEqual([])
  })
})

describe('commands', () => {
  it('knows those of this version, those to come, and neighbours of misspelt ones', () => {
    expect(parseCommandName('boot-files')).toBe('boot-files')
    expect(codes(() => parseCommandName('verify'))).toEqual([
      'SETTING_NOT_SUPPORTED: the command verify is not supported yet',
    ])
    expect(problemsOf(() => parseCommandName('udpate'))[0]?.hint).toBe('did you mean update?')
    expect(codes(() => parseCommandName(undefined))).toEqual(['USAGE: no command is given'])
  })
})
