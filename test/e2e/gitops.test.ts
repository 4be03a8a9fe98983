// GitOps repositories, tokens and branches that are not as they should be, and files of other people: nothing is written, or nothing is left.

import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { branchName } from '../../src/propose/names.ts'
import { type BaseImage, makeBaseImage } from '../build/base-image.ts'
import { makeKernelRpms } from '../build/kernel-rpms.ts'
import { LoopbackWorld } from '../build/loopback-world.ts'
import { expectRefused, type RefusalCase } from '../build/refusal.ts'

const seed = 'e2e-gitops'
const newer = makeKernelRpms({ seed, version: '5.14.0', release: '605.el9' })
const pinned = `r.invalid/os/image@sha256:${'a'.repeat(64)}`
let base: BaseImage
/** Holds the image to propose; each test has a world of its own. */
let library: LoopbackWorld
let image: string

const machineConfig = (name: string, spec: string, role = 'worker') => `apiVersion: machineconfiguration.openshift.io/v1
kind: MachineConfig
metadata:
  name: ${name}
  labels:
    machineconfiguration.openshift.io/role: ${role}
spec:
  ${spec}
`
const setsImage = (name: string) => machineConfig(name, `osImageURL: ${pinned}`)

const argoCd = { 'app.yaml': 'apiVersion: argoproj.io/v1alpha1\nkind: Application\nmetadata:\n  name: nodes\n' }

interface FileRow extends RefusalCase {
  /** Files below the directory of this case. */
  readonly files: Readonly<Record<string, string>>
}

const fileRows: readonly FileRow[] = [
  {
    name: 'broken YAML',
    files: { 'machine-config/a.yaml': 'kind: MachineConfig\nspec: [1,\nosImageURL: x\n' },
    code: 'YAML_INVALID',
    words: ['machine-config/a.yaml', /line \d/],
  },
  {
    name: 'a key that stands twice',
    files: { 'a.yaml': setsImage('50-a').replace('spec:\n', 'spec:\n  osImageURL: x\n') },
    code: 'YAML_INVALID',
    words: ['a key stands twice', 'a.yaml', 'line 9'],
  },
  {
    name: 'a MachineConfig that wins over ours',
    files: { 'a.yaml': setsImage('99-worker-os-image'), 'b.yaml': setsImage('99-worker-zz') },
    code: 'MACHINE_CONFIG_OVERRIDDEN',
    words: ['99-worker-zz', '99-worker-os-image', 'b.yaml', 'keep one'],
  },
  {
    name: 'two MachineConfigs that set the image',
    files: { 'a.yaml': setsImage('10-a'), 'b.yaml': setsImage('10-b') },
    code: 'MACHINE_CONFIG_AMBIGUOUS',
    words: ['10-a', '10-b', 'pool worker'],
  },
  {
    name: 'a MachineConfig of our name for something else',
    files: { 'x.yaml': machineConfig('99-worker-os-image', 'fips: true') },
    code: 'MACHINE_CONFIG_AMBIGUOUS',
    words: ['99-worker-os-image exists', 'x.yaml', 'machine-config-name'],
  },
  {
    name: 'a kernelType that would replace the kernel',
    files: { 'realtime.yaml': machineConfig('50-realtime', 'kernelType: realtime') },
    code: 'MACHINE_CONFIG_KERNEL_TYPE',
    words: ['50-realtime', 'found realtime', 'wanted default', 'realtime.yaml'],
  },
  {
    name: 'an object of Argo CD',
    files: argoCd,
    code: 'LAYOUT_NOT_SUPPORTED',
    words: ['Argo CD', 'Application nodes', 'layout: plain', 'app.yaml'],
  },
  {
    name: 'an object of Flux',
    files: { 'f.yaml': 'apiVersion: kustomize.toolkit.fluxcd.io/v1\nkind: Kustomization\nmetadata:\n  name: nodes\n' },
    code: 'LAYOUT_NOT_SUPPORTED',
    words: ['Flux', 'Kustomization nodes', 'layout: plain'],
  },
  {
    name: 'an image that runs now and cannot be read',
    files: { 'a.yaml': setsImage('50-a') },
    code: 'REGISTRY_UNREACHABLE',
    words: ['osImageURL in clusters/one/a.yaml', 'r.invalid'],
  },
  {
    name: 'a lock edited by hand into nonsense',
    files: { 'os-image.lock.yaml': 'schemaVersion: 1\npools:\n  worker: latest\n' },
    code: 'RECORD_INVALID',
    words: ['os-image.lock.yaml / cluster', 'found nothing', 'wanted "cluster"'],
  },
  {
    name: 'a lock of another version',
    files: { 'os-image.lock.yaml': 'schemaVersion: 9\n' },
    code: 'RECORD_INVALID',
    words: ['os-image.lock.yaml', 'schemaVersion'],
  },
  {
    name: 'a record edited by hand into nonsense',
    files: {
      [`os-images/osimg-${'a'.repeat(32)}.yaml`]: `schemaVersion: 1\nimage: ${pinned}\npredictions: all of them\n`,
    },
    code: 'RECORD_INVALID',
    words: [`os-images/osimg-${'a'.repeat(32)}.yaml`],
  },
  {
    name: 'a record that is no YAML',
    files: { [`os-images/osimg-${'a'.repeat(32)}.yaml`]: '{{{' },
    code: 'YAML_INVALID',
    words: [`os-images/osimg-${'a'.repeat(32)}.yaml`],
  },
]

beforeAll(async () => {
  base = await makeBaseImage({ seed })
  library = await LoopbackWorld.start({ base })
  image = await library.assemble(newer)
})
afterAll(() => library.stop())

/** Files below clusters/one. */
async function inWorld(
  work: (world: LoopbackWorld) => Promise<void>,
  files: Readonly<Record<string, string>> = {},
): Promise<void> {
  const placed = Object.entries(files).map(([path, text]) => [`clusters/one/${path}`, text])
  const all = { 'README.md': '# Clusters\n', 'clusters/file': 'x', ...Object.fromEntries(placed) }
  await LoopbackWorld.during({ base, files: all }, async world => {
    world.publish(newer)
    await work(world)
  })
}

describe('files of other people', () => {
  for (const { name, files, ...refusal } of fileRows)
    it.concurrent(`${name}: ${refusal.code}`, () =>
      inWorld(async world => {
        await expectRefused(world, { ...refusal, inputs: { image } })
      }, files))

  it.concurrent('an object of Argo CD is fine when the user orders things himself', () =>
    inWorld(async world => {
      const run = await world.update({ image, layout: 'plain', 'dry-run': 'true' })
      expect(run.outputs.outcome, run.stdout).toBe('dry-run')
    }, argoCd))

  it.concurrent('a value that other values are copied from: EDIT_WOULD_TOUCH_MORE', async () => {
    const bytes = base.image.digest
    await inWorld(async world => {
      const url = `${world.registry.host}/coreos@${bytes}`
      const text = machineConfig('50-a', `osImageURL: &image ${url}\n  kernelArguments: [*image]`)
      world.git.commitFiles('main', { 'clusters/one/a.yaml': text }, 'An anchor')
      await expectRefused(world, { code: 'EDIT_WOULD_TOUCH_MORE', words: ['a.yaml', 'anchor'], inputs: { image } })
    })
  })
})

describe('a repository or a token that does not do', () => {
  const rows: readonly RefusalCase[] = [
    {
      name: 'no such repository',
      inputs: { 'gitops-repository': 'example/nothing' },
      code: 'GITOPS_NOT_FOUND',
      words: ['example/nothing', '404', 'GitOps repository'],
    },
    {
      name: 'no such base branch',
      inputs: { 'base-branch': 'release-4.19' },
      code: 'BASE_BRANCH_NOT_FOUND',
      words: ['release-4.19', 'example/gitops'],
    },
    {
      name: 'a directory that is a file',
      inputs: { directory: 'clusters/file' },
      exitCode: 2,
      code: 'SETTING_INVALID',
      words: ['file is a file', 'directory'],
    },
    {
      name: 'a token that GitHub does not know',
      inputs: { 'gitops-token': 'wrong-token' },
      code: 'TOKEN_DENIED',
      words: ['401', 'wanted a valid token', 'docs/permissions.md'],
    },
    {
      name: 'a token that cannot see the repository',
      inputs: { 'gitops-token': 'blind-token' },
      code: 'GITOPS_NOT_FOUND',
      words: ['example/gitops', 'contents: read'],
    },
    {
      name: 'a token that may not write contents',
      inputs: { 'gitops-token': 'read-only-token' },
      code: 'TOKEN_DENIED',
      words: ['rights of the token', 'wanted contents: write', 'docs/permissions.md'],
    },
    {
      name: 'a token that may not open pull requests',
      inputs: { 'gitops-token': 'no-pull-requests-token' },
      code: 'TOKEN_DENIED',
      words: ['rights of the token', 'wanted pull-requests: write', 'docs/permissions.md'],
    },
    {
      name: 'an API that is not there',
      options: { environment: { GITHUB_API_URL: 'http://127.0.0.1:1' } },
      code: 'GITHUB_ERROR',
      words: ['example/gitops', 'GitHub does not answer', 'GITHUB_API_URL'],
    },
  ]
  for (const { name, ...refusal } of rows)
    it.concurrent(`${name}: ${refusal.code}`, () =>
      inWorld(async world => {
        await expectRefused(world, { ...refusal, inputs: { image, ...refusal.inputs } })
      }))

  it.concurrent('an API that fails for good: GITHUB_ERROR', () =>
    inWorld(async world => {
      for (let tries = 0; tries < 4; tries++) world.github.inject({ operation: 'git/get-tree', status: 502 })
      await expectRefused(world, { code: 'GITHUB_ERROR', words: ['502', 'reading files'], inputs: { image } })
    }))

  it.concurrent('a rate limit that lasts long: GITHUB_ERROR', () =>
    inWorld(async world => {
      const headers = { 'retry-after': '3000' }
      world.github.inject({ operation: 'repos/get', status: 429, headers })
      await expectRefused(world, {
        code: 'GITHUB_ERROR',
        words: ['429', 'rate limit', 'try again later'],
        inputs: { image },
      })
    }))

  it.concurrent('a repository without any commit: BASE_BRANCH_NOT_FOUND', async () => {
    await LoopbackWorld.during({ base, files: {} }, async empty => {
      await expectRefused(empty, { code: 'BASE_BRANCH_NOT_FOUND', words: ['main'], inputs: { image } })
    })
  })
})

describe('our own branch', () => {
  it.concurrent('with the commit of somebody else stays as it is: BRANCH_HAS_FOREIGN_COMMITS', () =>
    inWorld(async world => {
      const directory = 'clusters/foreign'
      const branch = branchName(directory, 'update')
      world.git.git(['update-ref', `refs/heads/${branch}`, world.git.ref('heads/main') ?? ''])
      world.git.commitFiles(branch, { 'clusters/foreign/mine.yaml': 'a: b\n' }, 'Mine')
      const commit = world.git.ref(`heads/${branch}`) ?? ''
      await expectRefused(world, {
        code: 'BRANCH_HAS_FOREIGN_COMMITS',
        words: [commit.slice(0, 12), 'merge or close'],
        inputs: { image, directory },
      })
    }))

  it.concurrent('moved by somebody else in between is not overwritten: BRANCH_MOVED', () =>
    inWorld(async world => {
      const directory = 'clusters/moved'
      const branch = branchName(directory, 'update')
      const before = world.git.refs()
      world.github.inject({
        operation: 'git/create-ref',
        before: () => world.git.git(['update-ref', `refs/heads/${branch}`, world.git.ref('heads/main') ?? '']),
      })
      const run = await world.update({ image, directory })
      expect(run.outputs['error-code'], run.stdout).toBe('BRANCH_MOVED')
      expect(run.exitCode).toBe(1)
      expect(run.errors.join()).toMatch(/branch attested-os-update\/clusters-moved\/update was changed.*run again/)
      expect(world.git.ref(`heads/${branch}`)).toBe(world.git.ref('heads/main'))
      world.git.git(['update-ref', '-d', `refs/heads/${branch}`])
      expect(world.git.refs()).toBe(before)
      expect(world.github.pullRequests).toEqual([])
    }))

  it.concurrent('is gone again when the pull request cannot be opened: GITHUB_ERROR', () =>
    inWorld(async world => {
      const inputs = { image, directory: 'clusters/unopened' }
      world.github.inject({ operation: 'pulls/create' })
      for (let tries = 0; tries < 4; tries++) world.github.inject({ operation: 'pulls/create', status: 500 })
      await expectRefused(world, {
        code: 'GITHUB_ERROR',
        words: ['pull request / ', 'opening the pull request', '500'],
        afterPush: true,
        inputs,
      })
      const writes = world.github.log.slice(-30).map(({ operation, status }) => `${operation} ${status}`)
      expect(writes).toContain('git/create-ref 201')
      expect(writes).toContain('git/delete-ref 204')
      const again = await world.update(inputs)
      expect(again.outputs.outcome, again.stdout).toBe('created')
    }))

  it.concurrent('is left to a person, by name, when it cannot be deleted again', () =>
    inWorld(async world => {
      const directory = 'clusters/undeleted'
      world.github.inject({ operation: 'pulls/create' })
      for (let tries = 0; tries < 4; tries++) world.github.inject({ operation: 'pulls/create', status: 500 })
      for (let tries = 0; tries < 4; tries++) world.github.inject({ operation: 'git/delete-ref', status: 500 })
      const run = await world.update({ image, directory })
      expect(run.exitCode).toBe(1)
      expect(run.outputs['error-code']).toBe('GITHUB_ERROR')
      expect(run.errors.join()).toMatch(/attested-os-update\/clusters-undeleted\/update.*delete it by hand/)
      // the next run finds its own commit and finishes the work
      const again = await world.update({ image, directory })
      expect(again.outputs.outcome, again.stdout).toBe('created')
    }))

  it.concurrent('is never made again for a change that somebody rejected', () =>
    inWorld(async world => {
      const inputs = { image, directory: 'clusters/rejected' }
      const first = await world.update(inputs)
      expect(first.outputs.outcome, first.stdout).toBe('created')
      const number = Number(first.outputs['pull-request-number'])
      world.github.close(number, 'closed')
      world.git.git(['update-ref', '-d', `refs/heads/${first.outputs.branch}`])
      const before = world.snapshot()
      const writes = world.github.writes()
      const second = await world.update(inputs)
      expect(second.exitCode, second.stdout).toBe(0)
      expect(second.outputs).toMatchObject({
        outcome: 'rejected',
        'change-key': first.outputs['change-key'],
        'pull-request-number': String(number),
        'error-code': '',
      })
      expect(second.outputs.commit ?? '').toBe('')
      expect(world.snapshot()).toEqual(before)
      expect(world.github.writes()).toEqual(writes)
    }))
})
