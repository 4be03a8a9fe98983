import { describe, expect, it } from 'vitest'
import { type ToolError, ToolErrors } from '../../src/errors.ts'
import { parseCommandLine } from '../../src/settings/command-line.ts'
import { parseSettings } from '../../src/settings/parse-settings.ts'
import type { Settings } from '../../src/settings/settings.ts'

const rest = '--pools worker --kernel-repositories https://a.example/x'
const release = '--base-from release --release-image quay.io/openshift-release-dev/ocp-release:4.20.3-x86_64'

function run(line: string, secrets: { kubeconfig?: string; environment?: { KUBECONFIG?: string } } = {}) {
  const { givens, problems } = parseCommandLine(['check', ...`${rest} ${line}`.split(' ').filter(word => word !== '')])
  const given = new Map(secrets.kubeconfig === undefined ? [] : [['kubeconfig', secrets.kubeconfig]])
  return parseSettings({
    command: 'check',
    givens,
    problems,
    settingsFile: undefined,
    workflowRepository: undefined,
    secrets: { given, environment: secrets.environment ?? {} },
  })
}

function faults(line: string, secrets: Parameters<typeof run>[1] = {}): string[] {
  try {
    run(line, secrets)
  } catch (error) {
    const all = error instanceof ToolErrors ? error.errors : [error as ToolError]
    return all.map(one => `${one.code}: ${one.message}`)
  }
  return []
}

describe('settings of the base image', () => {
  it('are those of the reference, whose repository is then the only one', () => {
    expect(run('--base-image quay.io/a/b:c --cluster-version 4.20.3').request).toMatchObject({
      baseFrom: 'reference',
      baseImage: { registry: 'quay.io', repository: 'a/b', tag: 'c', digest: undefined },
      baseRepositories: [{ registry: 'quay.io', repository: 'a/b' }],
      clusterVersion: '4.20.3',
    } satisfies Partial<Settings>)
  })

  it('are those of a release, with the repositories that are allowed', () => {
    const { request } = run(`${release} --base-repositories quay.io/one/a,quay.io/two/b --base-stream rhel-9`)
    expect(request).toMatchObject({
      baseFrom: 'release',
      releaseImage: { repository: 'openshift-release-dev/ocp-release', tag: '4.20.3-x86_64' },
      baseStream: 'rhel-9',
      baseRepositories: [
        { registry: 'quay.io', repository: 'one/a' },
        { registry: 'quay.io', repository: 'two/b' },
      ],
    })
    expect(request.baseImage).toBeUndefined()
    expect(run(`${release} --base-image quay.io/one/a`).request.baseRepositories).toEqual([
      { registry: 'quay.io', repository: 'one/a' },
    ])
  })

  it('are nothing but the word for the lock', () => {
    expect(run('--base-from lock').request).toMatchObject({ baseFrom: 'lock', baseRepositories: undefined })
  })

  it('for a cluster need a kubeconfig or the service account, and keep the kubeconfig out of the request', () => {
    const line = '--base-from cluster --base-repositories quay.io/a/b'
    const parsed = run(line, { kubeconfig: 'secret-kubeconfig', environment: { KUBECONFIG: '/elsewhere' } })
    expect(parsed.credentials.kubeconfig).toBe('secret-kubeconfig')
    expect(JSON.stringify(parsed)).not.toContain('secret-kubeconfig')
    expect(run(line, { environment: { KUBECONFIG: '/home/me/.kube/config' } }).credentials.kubeconfig).toBe(
      '/home/me/.kube/config',
    )
    expect(run(`${line} --in-cluster`).request.inCluster).toBe(true)
    expect(faults(line)).toEqual(['SETTING_MISSING: base-from: cluster needs the credentials of the cluster'])
    expect(faults(`${line} --in-cluster`, { kubeconfig: 'x' })).toEqual(
      ['SETTING_INVALID: in-cluster: kubeconfig and in-cluster are both given'].map(text =>
        text.replace('in-cluster: ', ''),
      ),
    )
  })

  it('a kubeconfig that nobody would look at is refused, one of the environment is not', () => {
    const line = '--base-image quay.io/a/b'
    const idle = ['SETTING_INVALID: kubeconfig has no effect without base-from: cluster']
    expect(faults(line, { kubeconfig: 'x' })).toEqual(idle)
    expect(faults(line, { environment: { KUBECONFIG: '/home/me/.kube/config' } })).toEqual([])
  })

  it.each([
    ['', ['SETTING_MISSING: base-image is required']],
    [
      '--base-from release',
      [
        'SETTING_MISSING: release-image is required',
        'SETTING_MISSING: base-repositories is required for base-from: release',
      ],
    ],
    [release, ['SETTING_MISSING: base-repositories is required for base-from: release']],
    [
      '--base-image quay.io/a/b --release-image quay.io/r --base-stream rhel-9 --in-cluster',
      [
        'SETTING_INVALID: release-image has no effect with base-from: reference',
        'SETTING_INVALID: base-stream has no effect with base-from: reference',
        'SETTING_INVALID: in-cluster has no effect with base-from: reference',
      ],
    ],
    ['--base-from lock --base-image quay.io/a/b', ['SETTING_INVALID: base-image has no effect with base-from: lock']],
    [
      '--base-image quay.io/a/b --cluster-version latest',
      ['SETTING_INVALID: cluster-version: the value is not allowed'],
    ],
    [
      '--base-image quay.io/a/b --base-repositories quay.io/a/b:tag',
      ['SETTING_INVALID: base-repositories: the value is not allowed'],
    ],
    [
      `${release} --base-image quay.io/a/b --base-stream Rhel_9`,
      ['SETTING_INVALID: base-stream: the value is not allowed'],
    ],
  ])('%s: %j', (line, wanted) => {
    expect(faults(line)).toEqual(wanted)
  })
})
