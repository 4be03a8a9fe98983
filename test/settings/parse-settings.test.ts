// The whole way from options, inputs, environment and settings file to the request of a command.

import { inspect } from 'node:util'
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
      baseFrom: 'reference',
      baseImage: { registry: 'quay.io', repository: 'fedora/fedora-coreos', tag: 'stable', digest: undefined },
      baseRepositories: [{ registry: 'quay.io', repository: 'fedora/fedora-coreos' }],
      inCluster: false,
      kernelVersion: 'latest',
      kernelRepositories: ['https://mirror.example.org/kernel/x86_64'],
      kernelRepositoryCa: undefined,
      repositoryMaxAge: 30,
      dist: undefined,
      extraPackages: [],
      allowDowngrade: false,
      allowInsecure: false,
      allowUnsignedPackages: true,
      rpmKeys: [],
      cache: true,
      cacheDirectory: undefined,
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
      pcrLabel: 'auto',
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
      'SETTING_MISSING: rpm-keys is required',
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
    expect(later.length).toBeGreaterThan(10)
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

describe('precedence', () => {
  const text = `${complete}directory: from-file
gitops-repository: file/file
clusters:
  north:
    directory: clusters/north
    pools: [master]
`
  it('option before cluster block before top before default', () => {
    expect(run('update', '', { file: text }).request.directory).toBe('from-file')
    expect(run('update', '--cluster north', { file: text }).request).toMatchObject({
      directory: 'clusters/north',
      pools: ['master'],
      namespace: 'trusted-execution-clusters',
    })
    expect(run('update', '--cluster north --directory here', { file: text }).request.directory).toBe('here')
    expect(run('update', '', { file: complete }).request.directory).toBe('')
  })

  it('the workflow’s repository is only a default', () => {
    expect(run('update', '', { file: text }).request.gitopsRepository).toEqual({ owner: 'file', name: 'file' })
    expect(run('update', '', { file: complete }).request.gitopsRepository).toEqual({ owner: 'example', name: 'gitops' })
  })

  it('a cluster that is not there is refused with the one that was meant', () => {
    const [fault] = problemsOf(() => run('update', '--cluster nort', { file: text }))
    expect([fault?.code, fault?.hint]).toEqual(['SETTING_INVALID', 'did you mean north?'])
  })

  it('unknown names in any block are faults, values of blocks not in use are not read', () => {
    const other = `${complete}clusters:\n  south:\n    poolz: a\n    directory: /x\n`
    expect(codes(() => run('update', '', { file: other }))).toEqual(['SETTING_UNKNOWN: no setting is called poolz'])
  })
})

describe('lists', () => {
  const base = complete.replace('pools: worker\n', '')
  it.each([
    ['repeated', ['--pools', 'worker', '--pools', 'infra'], base],
    ['with commas', ['--pools=worker, infra'], base],
    ['one per line', ['--pools', 'worker\n\ninfra\n'], base],
    ['as YAML list', [], `${base}pools:\n  - worker\n  - infra\n`],
    ['as YAML text', [], `${base}pools: worker, infra\n`],
    ['as YAML block', [], `${base}pools: |\n  worker\n  infra\n`],
  ])('%s', (_, words, text) => {
    expect(run('update', words, { file: text }).request.pools).toEqual(['worker', 'infra'])
  })

  it('refuses items given twice, empty lists where one is needed, and things inside', () => {
    expect(problemsOf(() => run('update', '--pools a,b,a', { file: base }))[0]).toMatchObject({
      code: 'SETTING_INVALID',
      found: 'a',
    })
    expect(codes(() => run('update', '', { file: `${base}pools: []\n` }))).toEqual([
      'SETTING_MISSING: pools is required',
    ])
    expect(codes(() => run('update', '', { file: `${base}pools: [{a: 1}]\n` }))).toEqual([
      'SETTING_INVALID: pools: the value is not allowed',
    ])
    expect(codes(() => run('update', '', { file: `${base}pools:\n` }))).toEqual([
      'SETTING_INVALID: pools: the value is not allowed',
    ])
  })

  it('refuses several values where one is wanted', () => {
    expect(codes(() => run('update', '--namespace a --namespace b', { file: complete }))).toEqual([
      'SETTING_INVALID: namespace: more than one value is given',
    ])
    expect(
      codes(() =>
        run('update', '', {
          file: complete.replace('namespace: ', 'namespace: [').replace('clusters\n', 'clusters]\n'),
        }),
      ),
    ).toEqual(['SETTING_INVALID: namespace: more than one value is given'])
  })
})

describe('rules between settings', () => {
  it('an option of another command is refused and says whose it is; in the file it is fine', () => {
    expect(problemsOf(() => run('update', '--format json', { file: complete }))).toMatchObject([
      { code: 'SETTING_INVALID', message: 'update does not take format', hint: 'it belongs to predict' },
    ])
    expect(codes(() => run('update', '', { file: `${complete}format: json\n` }))).toEqual([])
  })

  it('update takes an image from wherever it is whole, and builds nothing then', () => {
    expect(codes(() => run('update', '--image dir:/sysroot', { file: complete }))).toEqual([
      'SETTING_INVALID: image: the value is not allowed',
    ])
    expect(codes(() => run('update', '--image oci:a --containerfile Containerfile', { file: complete }))).toEqual([
      'SETTING_INVALID: containerfile and image are both given',
    ])
    expect(run('update', '--image docker://quay.io/a/b:c', { file: complete }).request.image).toMatchObject({
      kind: 'registry',
      reference: { registry: 'quay.io', repository: 'a/b', tag: 'c' },
    })
    expect(run('update', '--image oci:out/layout:new', { file: complete }).request.image).toEqual({
      kind: 'oci-layout',
      directory: 'out/layout',
      tag: 'new',
    })
  })

  it('trustee needs its shape', () => {
    expect(codes(() => run('update', '--target trustee', { file: complete }))).toEqual([
      'SETTING_MISSING: trustee-shape is required for target trustee',
    ])
    expect(run('update', '--target trustee --trustee-shape map', { file: complete }).request.trusteeShape).toBe('map')
    expect(codes(() => run('update', '--target trustee --trustee-shape tuples', { file: complete }))).toEqual([
      'SETTING_NOT_SUPPORTED: trustee-shape: the value is not supported yet',
    ])
  })

  it('plain http needs allow-insecure', () => {
    const line = '--kernel-repositories http://127.0.0.1:8080/x'
    expect(codes(() => run('update', line, { file: complete }))).toEqual([
      'INSECURE_NOT_ALLOWED: kernel-repositories: a repository is plain http',
    ])
    expect(run('update', `${line} --allow-insecure`, { file: complete }).request.allowInsecure).toBe(true)
  })

  it('one-pr must be asked for, and keys or unsigned packages', () => {
    expect(codes(() => run('update', '', { file: complete.replace('rollout: one-pr\n', '') }))).toEqual([
      'SETTING_NOT_SUPPORTED: rollout must be given in this version',
    ])
    expect(codes(() => run('update', '--rollout two-step', { file: complete }))).toEqual([
      'SETTING_NOT_SUPPORTED: rollout: the value is not supported yet',
    ])
    expect(codes(() => run('update', '--allow-unsigned-packages=false', { file: complete }))).toEqual([
      'SETTING_MISSING: rpm-keys is required',
    ])
    const keys = ['--allow-unsigned-packages=false', '--rpm-keys', `keys/a#${'ab'.repeat(20)}`]
    expect(run('update', keys, { file: complete }).request.rpmKeys).toEqual([
      { fingerprint: 'AB'.repeat(20), key: { path: 'keys/a' } },
    ])
  })

  it('a label is written where it is needed, unless never is said', () => {
    const request = (line: string) => run('update', line, { file: complete }).request.pcrLabel
    expect(request('')).toBe('auto')
    expect(request('--pcr-label never')).toBe('never')
    expect(codes(() => run('update', '--pcr-label always', { file: complete }))).toHaveLength(1)
  })

  it('every word of the contract without effect is refused', () => {
    for (const input of inputs.values()) {
      if (!supported(input) || input.words === undefined || input.name === 'command') continue
      const [command] = commandsOf(input)
      for (const word of input.words.later) {
        const found = codes(() => run(command ?? 'update', `--${input.name} ${word}`, { file: complete }))
        expect(found, `${input.name} ${word}`).toContain(
          `SETTING_NOT_SUPPORTED: ${input.name}: the value is not supported yet`,
        )
      }
    }
  })
})

const besideOperator = (name: string) => `${name} has no effect beside as-operator`

describe('other commands', () => {
  it('check needs neither token, namespace, rollout nor image-repository', () => {
    const line = '--pools worker --base-image quay.io/a/b:c --kernel-repositories https://a.example/x'
    expect(run('check', line, { repository: '', environment: {} }).request).toEqual({
      architecture: 'amd64',
      cache: true,
      cacheDirectory: undefined,
      directory: '',
      gitopsRepository: undefined,
      baseBranch: undefined,
      valueLifetime: 365,
      pools: ['worker'],
      baseFrom: 'reference',
      baseImage: { registry: 'quay.io', repository: 'a/b', tag: 'c', digest: undefined },
      baseRepositories: [{ registry: 'quay.io', repository: 'a/b' }],
      inCluster: false,
      kernelVersion: 'latest',
      kernelRepositories: ['https://a.example/x'],
      kernelRepositoryCa: undefined,
      repositoryMaxAge: 30,
      dist: undefined,
      extraPackages: [],
      allowDowngrade: false,
      allowInsecure: false,
      allowUnsignedPackages: false,
    })
  })

  it('predict makes no values for others from tables of contents', () => {
    const given = ['--image', 'oci:a', '--trust-toc']
    expect(run('predict', given).request).toMatchObject({ trustToc: true })
    expect(run('boot-files', given).request).toMatchObject({ trustToc: true })
    for (const more of [['--format', 'trustee'], ['--format', 'pcrlock'], ['--as-operator']])
      expect(problemsOf(() => run('predict', [...given, ...more])).map(({ code }) => code)).toContain('USAGE')
  })

  it('predict takes images or boot files, and the conditions of a prediction', () => {
    const standing = {
      architecture: 'amd64',
      cache: true,
      cacheDirectory: undefined,
      platforms: [],
      secureBoot: undefined,
      banks: ['sha256'],
      phase: 'enter-initrd',
      bootChain: undefined,
      allowInsecure: false,
      mixes: { window: 'all', rollback: true, limit: 512 },
      withMixes: false,
      asOperator: false,
      substitute: undefined,
      format: 'table',
      trusteeShape: undefined,
      valueLifetime: 365,
      trustToc: false,
    }
    expect(
      run('predict', ['--boot-file', 'shim=a,b.efi', '--boot-file=kernel=vmlinuz', '--secure-boot', 'off']).request,
    ).toEqual({
      ...standing,
      secureBoot: false,
      source: {
        kind: 'boot-files',
        files: [
          { role: 'shim', path: 'a,b.efi' },
          { role: 'kernel', path: 'vmlinuz' },
        ],
      },
    })
    expect(
      run('predict', [
        ...[
          '--image',
          'oci:old',
          '--image',
          'oci:n,ew',
          '--platform',
          'vm=a+b',
          '--platform',
          'c',
          '--bank',
          'sha1,sha512',
        ],
        ...['--mixes', '--mix-window', '2', '--mix-rollback', 'false', '--mix-limit', '9'],
        ...['--phase', 'none', '--boot-chain', 'uki', '--format', 'trustee', '--trustee-shape', 'tuples'],
      ]).request,
    ).toEqual({
      ...standing,
      source: {
        kind: 'images',
        images: ['old', 'n,ew'].map(at => ({ kind: 'oci-layout', directory: at, tag: undefined })),
      },
      platforms: [
        { name: 'vm', directories: ['a', 'b'] },
        { name: undefined, directories: ['c'] },
      ],
      banks: ['sha1', 'sha512'],
      phase: 'none',
      bootChain: 'uki',
      mixes: { window: 2, rollback: false, limit: 9 },
      withMixes: true,
      format: 'trustee',
      trusteeShape: 'tuples',
    })
    const one = 'USAGE: one of --image, --boot-file is needed'
    expect(codes(() => run('predict', ''))).toEqual([one])
    expect(codes(() => run('predict', '--image oci:x --boot-file shim=a'))).toEqual([one])
    expect(codes(() => run('predict', '--boot-file shim=a --boot-file shim=b'))).toEqual([
      'SETTING_INVALID: boot-file: a role is given twice',
    ])
    expect(codes(() => run('predict', '--boot-file shim=a --mixes --as-operator'))).toEqual([
      'USAGE: mixes needs images',
      'USAGE: as-operator needs images',
      'USAGE: mixes has no effect beside as-operator',
    ])
    expect(codes(() => run('predict', '--image oci:x --mixes --mix-window few --mix-limit 0 --platform a++b'))).toEqual(
      [
        'SETTING_INVALID: platform: the value is not allowed',
        'SETTING_INVALID: mix-window: the value is not allowed',
        'SETTING_INVALID: mix-limit: the value is not allowed',
      ],
    )
  })

  it.each([
    ['--image oci:x --as-operator --mixes', ['mixes has no effect beside as-operator']],
    ['--image oci:x --as-operator --platform a --secure-boot on', ['platform', 'secure-boot'].map(besideOperator)],
    [
      '--image oci:x --as-operator --format trustee --trustee-shape map',
      ['as-operator has no effect beside format trustee'],
    ],
    ['--image oci:x --format pcrlock --substitute log', ['substitute has no effect beside format pcrlock']],
    ['--image oci:x --image oci:y --mixes --format keylime', ['mixes has no effect beside format keylime']],
    ['--image oci:x --mixes --substitute log', ['substitute has no effect beside mixes']],
    ['--image oci:x --mix-window 2', ['mix-window has no effect without mixes']],
    ['--image oci:x --trustee-shape map', ['trustee-shape has no effect without format trustee']],
    ['--boot-file uki=a --boot-chain uki', ['boot-chain has no effect beside boot-file']],
  ] as const)('predict refuses options without effect: %s', (line, wanted) => {
    expect(codes(() => run('predict', line))).toEqual(wanted.map(message => `USAGE: ${message}`))
    expect(codes(() => run('explain', '--log l --image oci:x --mix-window 2'))).toEqual([
      'SETTING_INVALID: explain does not take mix-window',
    ])
  })

  it('explain and capture', () => {
    expect(run('explain', '--log l --lock north --pcrs p').request).toMatchObject({
      source: { kind: 'records', directory: 'north' },
      log: 'l',
      pcrs: 'p',
    })
    expect(run('explain', '--log l --image oci:x').request).toMatchObject({ source: { kind: 'images' } })
    expect(codes(() => run('explain', '--lock a --image oci:x'))).toEqual([
      'USAGE: one of --image, --boot-file, --lock is needed',
      'SETTING_MISSING: log is required',
    ])
    expect(run('capture', '--log l --efivars e --mok-variables m --output o').request).toEqual({
      log: 'l',
      efivars: 'e',
      mokVariables: 'm',
      output: 'o',
    })
  })

  it('commands that take one image refuse several', () => {
    expect(codes(() => run('boot-files', '--image oci:a --image oci:b'))).toEqual([
      'SETTING_INVALID: image: more than one value is given',
    ])
  })

  it('boot-files and replay', () => {
    expect(run('boot-files', '--image quay.io/a/b:c --extract out').request).toMatchObject({ extract: 'out' })
    expect(codes(() => run('boot-files', '--secure-boot on'))).toEqual([
      'SETTING_INVALID: boot-files does not take secure-boot',
      'SETTING_MISSING: image is required',
    ])
    expect(run('replay', 'eventlog.bin --bank sha384 --pcrs pcrs.json').request).toEqual({
      log: 'eventlog.bin',
      banks: ['sha384'],
      pcrs: 'pcrs.json',
    })
    expect(codes(() => run('replay', ''))).toEqual(['SETTING_MISSING: LOG is required'])
  })
})

describe('secrets', () => {
  const secrets = (given: Record<string, string>, environment: Secrets['environment']) =>
    parseSettings({
      command: 'update',
      givens: [],
      problems: [],
      settingsFile: parseSettingsFile(complete, file),
      workflowRepository: 'example/gitops',
      secrets: { given: new Map(Object.entries(given)), environment },
    })

  it('gitops-token, then GITOPS_TOKEN, then github-token, then GITHUB_TOKEN', () => {
    const all = { GITOPS_TOKEN: 'b', GITHUB_TOKEN: 'd' }
    expect(secrets({ 'gitops-token': 'a\n', 'github-token': 'c' }, all).credentials.gitopsToken).toBe('a')
    expect(secrets({ 'github-token': 'c' }, all).credentials.gitopsToken).toBe('b')
    expect(secrets({ 'github-token': 'c' }, { GITHUB_TOKEN: 'd' }).credentials.gitopsToken).toBe('c')
    expect(secrets({}, { GITOPS_TOKEN: ' ', GITHUB_TOKEN: 'd' }).credentials.gitopsToken).toBe('d')
  })

  it('stand in nothing that can be printed', () => {
    const parsed = secrets({ 'gitops-token': 'ghp_hunter2' }, { GITHUB_TOKEN: 'ghs_hunter2' })
    expect(parsed.credentials.gitopsToken).toBe('ghp_hunter2')
    for (const text of [
      JSON.stringify(parsed),
      inspect(parsed, { depth: 10, showHidden: true }),
      `${parsed.credentials}`,
    ])
      expect(text).not.toContain('hunter2')
    expect(JSON.stringify(parsed.credentials)).toBe('{"gitopsToken":"***"}')
  })

  it('a dry run needs none', () => {
    expect(codes(() => run('update', '--dry-run', { file: complete, environment: {} }))).toEqual([])
    expect(codes(() => run('update', '', { file: complete, environment: {} }))).toEqual([
      'TOKEN_MISSING: no token for the GitOps repository is given',
    ])
  })
})
