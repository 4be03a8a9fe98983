// What goes wrong around a container build, provoked for real: no space, no login, another architecture, no tools in the base.

import { spawnSync } from 'node:child_process'
import { mkdirSync, mkdtempSync, readdirSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { type BuildRequest, buildImage, findBuilders } from '../../src/edge/builder.ts'
import type { PinnedReference } from '../../src/formats/oci/reference.ts'
import { DockerRegistry } from '../build/docker-registry.ts'
import { expectToolError } from '../build/expect-error.ts'
import type { MadeImage } from '../build/oci-layout.ts'
import { startRegistry, type TestRegistry } from '../build/registry.ts'
import { foreign, small } from './small-images.ts'

let place: string
let registry: TestRegistry
beforeAll(async () => {
  place = mkdtempSync(join(tmpdir(), 'failures-'))
  registry = await startRegistry()
})
afterAll(async () => {
  await registry.close()
  rmSync(place, { recursive: true, force: true })
})

function published(image: MadeImage): PinnedReference {
  registry.add('base', image)
  return { registry: registry.host, repository: 'base', digest: image.digest }
}

interface Trial {
  readonly base: PinnedReference
  readonly containerfile: string
  readonly workDirectory?: string
  readonly access?: BuildRequest['access']
}

async function trial(name: string, { access, ...parts }: Trial) {
  const contextDirectory = mkdtempSync(join(place, 'context-'))
  const workDirectory = parts.workDirectory ?? mkdtempSync(join(place, 'work-'))
  try {
    return await buildImage({
      builders: await findBuilders(name as 'podman', process.env, 'amd64'),
      contextDirectory,
      layoutDirectory: join(contextDirectory, 'layout'),
      workDirectory,
      insecureRegistry: true,
      sourceDateEpoch: 0,
      environment: process.env,
      write: () => undefined,
      ...(access === undefined ? {} : { access }),
      base: parts.base,
      containerfile: parts.containerfile,
    })
  } finally {
    expect(readdirSync(workDirectory)).toEqual([])
  }
}

/** A file system of its own with so many MiB. */
async function withSmallDisk<T>(size: number, work: (directory: string) => Promise<T>): Promise<T> {
  const disk = mkdtempSync(join(place, 'disk-'))
  expect(spawnSync('mount', ['-t', 'tmpfs', '-o', `size=${size}m`, 'tmpfs', disk]).status).toBe(0)
  try {
    mkdirSync(join(disk, 'work'))
    return await work(join(disk, 'work'))
  } finally {
    expect(spawnSync('umount', [disk]).status).toBe(0)
  }
}

describe.each(['podman', 'buildah'])('%s', name => {
  it('cannot build: no space is left', async () => {
    const containerfile = 'ARG BASE\nFROM $BASE\nRUN dd if=/dev/zero of=/large bs=1048576 count=200\n'
    const error = await withSmallDisk(60, workDirectory =>
      expectToolError('BUILD_FAILED', trial(name, { base: published(small), containerfile, workDirectory })),
    )
    expect(error.found).toMatch(/no space left on device/i)
    expect(error.hint).toContain('three times the size of the base image')
  })

  it('cannot pull: no space is left', async () => {
    const error = await withSmallDisk(2, workDirectory =>
      expectToolError('IMAGE_NOT_FOUND', trial(name, { base: published(small), containerfile: '', workDirectory })),
    )
    expect(error.hint).toContain('three times the size of the base image')
  })

  it('cannot pull: the registry wants a login, and takes the right one', async () => {
    const closed = await DockerRegistry.start({ user: 'reader', password: 'of-the-test' })
    try {
      const from = { registry: closed.host, repository: 'base', digest: small.digest } as const
      await closed.add('base', small, 'v1')
      const denied = await expectToolError('IMAGE_NOT_FOUND', trial(name, { base: from, containerfile: '' }))
      expect(denied.hint).toContain('login')
      const access = (password: string) => ({
        pullSecret: '{"auths":{}}',
        credential: { kind: 'password', username: 'reader', password } as const,
        registriesConf: undefined,
        caBundle: undefined,
      })
      const wrong = { base: from, containerfile: '', access: access('of-nobody') }
      expect((await expectToolError('IMAGE_NOT_FOUND', trial(name, wrong))).hint).toContain('login')
      const right = { base: from, containerfile: 'ARG BASE\nFROM $BASE\n', access: access('of-the-test') }
      expect((await trial(name, right)).builder).toBe(name)
    } finally {
      await closed.stop()
    }
  })

  it('cannot run programs of another architecture', async () => {
    const error = await expectToolError(
      'BUILDER_NOT_FOUND',
      trial(name, { base: published(foreign), containerfile: '' }),
    )
    expect(error.found).toMatch(/exec format error/i)
    expect(error.hint).toContain('another architecture')
  })

  it('ends with the status of a command that fails, whatever it prints', async () => {
    const calm = 'ARG BASE\nFROM $BASE\nRUN echo no space left on device >&2\n'
    expect((await trial(name, { base: published(small), containerfile: calm })).builder).toBe(name)
    const silent = 'ARG BASE\nFROM $BASE\nRUN exit 77\n'
    const error = await expectToolError('BUILD_FAILED', trial(name, { base: published(small), containerfile: silent }))
    expect(error.hint).toBeUndefined()
  })
})
