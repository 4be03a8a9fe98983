// The registry of the tests in front of a real client: skopeo pushes to it and pulls from it.

import { execFile } from 'node:child_process'
import { mkdtemp, readdir, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { directory, file, makeLayer } from '../build/layer.ts'
import { makeImage, writeLayout } from '../build/oci-layout.ts'
import { startRegistry, type TestRegistry } from '../build/registry.ts'

const run = promisify(execFile)
const image = makeImage({
  layers: [
    makeLayer([directory('usr/'), file('usr/one', 'one')]),
    makeLayer([file(`usr/${'long/'.repeat(40)}name`, 'two')], { dialect: 'gnu', compression: 'zstd' }),
    makeLayer([file(`usr/${'long/'.repeat(60)}name`, 'three')], { compression: 'none' }),
  ],
  labels: { 'org.opencontainers.image.version': '1' },
})
const user = { username: 'tester', password: 'secret' }

let work: string
let registry: TestRegistry
beforeEach(async () => {
  work = await mkdtemp(join(tmpdir(), 'registry-double-'))
})
afterEach(async () => {
  await registry.close()
  await rm(work, { recursive: true })
})

describe.each([
  ['without authentication', undefined],
  ['with Basic', { kind: 'basic', ...user }],
  ['with Bearer', { kind: 'bearer', ...user }],
] as const)('skopeo %s', (_name, auth) => {
  const credentials = (option: string) => (auth === undefined ? [] : [option, `${user.username}:${user.password}`])

  it('pushes and pulls the same bytes', async () => {
    registry = await startRegistry(auth === undefined ? {} : { auth })
    const remote = `docker://${registry.host}/team/image:v1`
    await writeLayout(image, join(work, 'in'), 'v1')
    await run('skopeo', [
      'copy',
      '--preserve-digests',
      '--dest-tls-verify=false',
      ...credentials('--dest-creds'),
      `oci:${join(work, 'in')}:v1`,
      remote,
    ])
    expect(registry.contents()).toEqual([
      {
        repository: 'team/image',
        tags: { v1: image.digest },
        manifests: [image.digest],
        blobs: [...image.blobs.keys()].sort(),
      },
    ])
    await run('skopeo', [
      'copy',
      '--preserve-digests',
      '--src-tls-verify=false',
      ...credentials('--src-creds'),
      remote,
      `oci:${join(work, 'out')}:v1`,
    ])
    const blobs = await readdir(join(work, 'out/blobs/sha256'))
    expect(blobs.sort()).toEqual([image.digest, ...image.blobs.keys()].map(digest => digest.slice(7)).sort())
    for (const blob of blobs)
      expect(await readFile(join(work, 'out/blobs/sha256', blob))).toEqual(
        await readFile(join(work, 'in/blobs/sha256', blob)),
      )
  })
})

it.each(['basic', 'bearer'] as const)('skopeo is refused without credentials (%s)', async kind => {
  registry = await startRegistry({ auth: { kind, ...user } })
  registry.add('team/image', image, 'v1')
  const refused = run('skopeo', ['inspect', '--tls-verify=false', `docker://${registry.host}/team/image:v1`])
  await expect(refused).rejects.toThrow()
})

it('skopeo pulls Docker schema 2', async () => {
  registry = await startRegistry()
  const docker = makeImage({ layers: [makeLayer([file('a', 'a')], { mediaTypes: 'docker' })], schema: 'docker' })
  registry.add('team/docker', docker, 'v1')
  const { stdout } = await run('skopeo', [
    'inspect',
    '--raw',
    '--tls-verify=false',
    `docker://${registry.host}/team/docker:v1`,
  ])
  expect(stdout).toBe(new TextDecoder().decode(docker.manifest))
  await run('skopeo', [
    'copy',
    '--src-tls-verify=false',
    `docker://${registry.host}/team/docker@${docker.digest}`,
    `dir:${join(work, 'out')}`,
  ])
})

it('tar reads the layers that the maker writes', async () => {
  registry = await startRegistry()
  for (const [index, layer] of image.layers.entries()) {
    const child = run('tar', ['-t'])
    child.child.stdin?.end(layer.tar)
    const { stdout } = await child
    expect(stdout).toContain(['usr/one', `usr/${'long/'.repeat(40)}name`, `usr/${'long/'.repeat(60)}name`][index])
  }
})
