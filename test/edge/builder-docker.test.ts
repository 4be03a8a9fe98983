// docker as a builder, as far as that shows without its server: whether it can serve, what it is told, and what it exports.

import { spawnSync } from 'node:child_process'
import { lstatSync, mkdirSync, mkdtempSync, readFileSync, rmSync, statSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { gzipSync } from 'node:zlib'
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import { expectRunnable } from '../../src/edge/builder/architecture.ts'
import { layoutOfSaved } from '../../src/edge/builder/docker-archive.ts'
import { dockerEnvironment, findDocker, prepareDockerConfig } from '../../src/edge/builder/docker-server.ts'
import { openLayout } from '../../src/edge/oci-layout.ts'
import { expectToolError } from '../build/expect-error.ts'
import { file, makeLayer } from '../build/layer.ts'

let directory: string
beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'builder-docker-'))
})
afterEach(() => {
  vi.unstubAllEnvs()
  rmSync(directory, { recursive: true })
})

function program(script: string): void {
  writeFileSync(join(directory, 'docker'), `#!/bin/sh\n${script}\n`, { mode: 0o755 })
  vi.stubEnv('PATH', directory)
}

describe('docker', () => {
  it.each<[string, string, unknown]>([
    [
      'with a server',
      '[ "$1" = --version ] && echo "Docker version 28.2.2, build e6534b4" || echo 27.5.1',
      { name: 'docker', version: '27.5.1' },
    ],
    [
      'without a server',
      '[ "$1" = --version ] && echo "Docker version 28.2.2" && exit; echo "Cannot connect to the Docker daemon" >&2; exit 1',
      'docker has no server: Cannot connect to the Docker daemon',
    ],
    ['that is podman under this name', 'echo podman version 5.0.0', 'docker is another program under this name'],
    ['that does not start', 'exit 127', undefined],
  ])('%s', async (_name, script, found) => {
    program(script)
    expect(await findDocker({ PATH: directory })).toEqual(found)
  })

  it('is led to the server of the user, by no token and to no builder of its own', () => {
    const environment = dockerEnvironment({
      PATH: '/usr/bin',
      DOCKER_HOST: 'ssh://builder',
      DOCKER_CONTEXT: 'remote',
      BUILDX_BUILDER: 'cloud',
      DOCKER_AUTH_CONFIG: '{}',
      GITHUB_TOKEN: 'secret',
    })
    expect(environment).toMatchObject({ DOCKER_HOST: 'ssh://builder', DOCKER_CONTEXT: 'remote', DOCKER_BUILDKIT: '1' })
    expect(Object.keys(environment)).not.toEqual(expect.arrayContaining(['BUILDX_BUILDER']))
    expect(JSON.stringify(environment)).not.toMatch(/secret|DOCKER_AUTH_CONFIG/)
  })

  it('gets a configuration with one login, and of the user only where server and plugins are', async () => {
    const home = join(directory, 'home')
    mkdirSync(join(home, '.docker', 'contexts'), { recursive: true })
    const users = {
      auths: { 'other.example': { auth: 'x' } },
      credsStore: 'desktop',
      currentContext: 'remote',
      proxies: { default: { httpProxy: 'http://proxy.invalid' } },
    }
    writeFileSync(join(home, '.docker', 'config.json'), JSON.stringify(users))
    const access = {
      pullSecret: JSON.stringify({ auths: { 'secret.example': { auth: btoa('a:b') }, 'quay.example': { auth: 'x' } } }),
      credential: { kind: 'password', username: 'robot', password: 'word' } as const,
      registriesConf: undefined,
      caBundle: undefined,
    }
    const base = { registry: 'quay.example', repository: 'os/base', digest: `sha256:${'a'.repeat(64)}` } as const
    const place = await prepareDockerConfig(access, base, directory, { HOME: home })
    expect(JSON.parse(readFileSync(join(place, 'config.json'), 'utf8'))).toEqual({
      currentContext: 'remote',
      auths: { 'quay.example': { auth: btoa('robot:word') } },
    })
    expect(statSync(join(place, 'config.json')).mode & 0o777).toBe(0o600)
    expect(statSync(join(place, 'contexts')).isDirectory()).toBe(true)
    expect(lstatSync(join(place, 'cli-plugins')).isSymbolicLink()).toBe(true)
  })
})

describe('the architecture of this machine', () => {
  it.each([
    ['x64', 'amd64'],
    ['arm64', 'arm64'],
    ['s390x', 's390x'],
  ])('%s runs %s', async (arch, architecture) => {
    await expectRunnable(architecture, { arch, binfmt: directory })
  })

  it('is refused for images of another one, unless the kernel has an emulator that is switched on', async () => {
    const machine = { arch: 'x64', binfmt: directory }
    const error = await expectToolError('BUILDER_NOT_FOUND', expectRunnable('arm64', machine))
    expect(error).toMatchObject({ found: 'amd64', wanted: 'arm64', hint: expect.stringContaining('qemu-user-static') })
    const entry = (state: string) => `${state}\ninterpreter /usr/libexec/qemu-binfmt/qemu-aarch64-static\nflags: POCF\n`
    writeFileSync(join(directory, 'qemu-aarch64'), entry('disabled'))
    await expectToolError('BUILDER_NOT_FOUND', expectRunnable('arm64', machine))
    writeFileSync(join(directory, 'qemu-aarch64'), entry('enabled'))
    await expectRunnable('arm64', machine)
    await expectToolError('BUILDER_NOT_FOUND', expectRunnable('s390x', machine))
  })
})

describe('what docker save wrote', () => {
  const time = 1_767_225_600
  const plain = (name: string) => makeLayer([file(name, name)], { compression: 'none' })
  const [lower, same, top] = [plain('lower'), plain('lower'), plain('top')]
  const config = {
    architecture: 'amd64',
    os: 'linux',
    container: 'random',
    created: '2026-11-21T08:00:00.123456789Z',
    docker_version: '20.10.24',
    config: { Labels: { a: 'b' } },
    rootfs: { type: 'layers', diff_ids: [lower.diffId, same.diffId, top.diffId] },
    history: [
      { created: '2020-01-01T00:00:00Z' },
      { created: '2020-01-01T00:00:00Z', empty_layer: true },
      { created: '2020-01-01T00:00:00Z' },
      { created: '2026-11-21T08:00:00.1Z' },
      { created: '2026-11-21T08:00:00.2Z', empty_layer: true },
    ],
  }

  function saved(files: Readonly<Record<string, Uint8Array | string>>, links: Readonly<Record<string, string>> = {}) {
    const tree = mkdtempSync(join(directory, 'tree-'))
    for (const path of [...Object.keys(files), ...Object.keys(links)])
      mkdirSync(join(tree, dirname(path)), { recursive: true })
    for (const [path, contents] of Object.entries(files)) writeFileSync(join(tree, path), contents)
    for (const [path, target] of Object.entries(links)) symlinkSync(target, join(tree, path))
    const archive = join(tree, '..', 'saved.tar')
    const names = [...Object.keys(files), ...Object.keys(links)]
    expect(spawnSync('tar', ['--create', '--format=ustar', '-C', tree, '-f', archive, ...names]).status).toBe(0)
    return archive
  }

  const manifest = (layers: readonly string[]) =>
    JSON.stringify([{ Config: 'config.json', RepoTags: ['a:b'], Layers: layers }])
  const ids = ['1', '2', '3'].map(digit => `${digit.repeat(64)}/layer.tar`)
  const [first = '', second = '', third = ''] = ids
  const text = JSON.stringify(config)
  const options = { lower: [lower.diffId, same.diffId], time }

  it.each([
    [
      'by docker 20: plain layers, one that comes twice as a link',
      () =>
        saved(
          { [first]: lower.tar, [third]: top.tar, 'config.json': text, 'manifest.json': manifest(ids) },
          { [second]: `../${first}` },
        ),
      'application/vnd.oci.image.layer.v1.tar',
    ],
    [
      'by docker 28 with the store of containerd: layers as they were pulled',
      () =>
        saved({
          [first]: gzipSync(lower.tar),
          [second]: gzipSync(same.tar),
          [third]: gzipSync(top.tar),
          'config.json': text,
          'manifest.json': manifest(ids),
        }),
      'application/vnd.oci.image.layer.v1.tar+gzip',
    ],
  ])(
    '%s: becomes a layout with the layers of the base and one time for the rest',
    async (_name, archive, lowerType) => {
      const layout = join(directory, 'layout')
      await layoutOfSaved(archive(), layout, options)
      const image = await openLayout(layout, { architecture: 'amd64' })
      expect(image.config.diffIds.slice(0, 2)).toEqual([lower.diffId, same.diffId])
      expect(image.config.diffIds[2]).not.toBe(top.diffId)
      expect(image.manifest.layers.map(({ mediaType }) => mediaType)).toEqual([
        lowerType,
        lowerType,
        'application/vnd.oci.image.layer.v1.tar+gzip',
      ])
      const written = JSON.parse(new TextDecoder().decode(image.configBytes))
      expect(Object.keys(written).sort()).toEqual(['architecture', 'config', 'created', 'history', 'os', 'rootfs'])
      expect(written.created).toBe('2026-01-01T00:00:00Z')
      expect(written.history.map((row: { created: string }) => row.created.slice(0, 10))).toEqual([
        ...['2020-01-01', '2020-01-01', '2020-01-01'],
        ...['2026-01-01', '2026-01-01'],
      ])
      for (const layer of image.manifest.layers) for await (const _ of image.openLayer(layer));
    },
  )

  it('keeps its times where none is asked for', async () => {
    const files = {
      [first]: lower.tar,
      [second]: same.tar,
      [third]: top.tar,
      'config.json': text,
      'manifest.json': manifest(ids),
    }
    const layout = join(directory, 'layout')
    await layoutOfSaved(saved(files), layout, { ...options, time: undefined })
    const image = await openLayout(layout, { architecture: 'amd64' })
    expect(image.config.diffIds).toEqual(config.rootfs.diff_ids)
    expect(JSON.parse(new TextDecoder().decode(image.configBytes)).history).toEqual(config.history)
  })

  it.each<[string, () => string]>([
    [
      'an image on another base',
      () =>
        saved({
          [first]: top.tar,
          [second]: same.tar,
          [third]: lower.tar,
          'config.json': JSON.stringify({
            ...config,
            rootfs: { type: 'layers', diff_ids: [top.diffId, same.diffId, lower.diffId] },
          }),
          'manifest.json': manifest(ids),
        }),
    ],
    ['a layer too few', () => saved({ [first]: lower.tar, 'config.json': text, 'manifest.json': manifest([first]) })],
    ['no image', () => saved({ 'manifest.json': '[]' })],
    ['no manifest', () => saved({ 'config.json': text })],
    [
      'a link that leads nowhere',
      () =>
        saved(
          { 'config.json': text, 'manifest.json': manifest(ids) },
          { [first]: '/etc/passwd', [second]: first, [third]: first },
        ),
    ],
    ['a manifest without end', () => saved({ 'manifest.json': new Uint8Array(5 * 1024 ** 2) })],
  ])('with %s is refused', async (_name, archive) => {
    await expectToolError('BUILD_FAILED', layoutOfSaved(archive(), join(directory, 'layout'), options))
  })
})
