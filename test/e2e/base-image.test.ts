// Base images that cannot be resolved or read, or that are not what the tool can work on: each run ends before anything is written.

import { writeFileSync } from 'node:fs'
import { createServer } from 'node:net'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { makeBaseImage } from '../build/base-image.ts'
import { runCli } from '../build/bundle-runner.ts'
import { makeKernelRpms } from '../build/kernel-rpms.ts'
import { layerOfTar, makeLayer } from '../build/layer.ts'
import { LoopbackWorld } from '../build/loopback-world.ts'
import { type MadeImage, type MadeIndex, makeImage, makeIndex } from '../build/oci-layout.ts'
import { expectClean, expectRefused, type Refusal } from '../build/refusal.ts'
import type { RegistryFault } from '../build/registry.ts'

const seed = 'e2e-base-image'
const newer = makeKernelRpms({ seed, version: '5.14.0', release: '605.el9' })
/** Holds the image to propose, and all the bases; each test has a world of its own. */
let library: LoopbackWorld
let image: string
let closedPort: number
/** Tag → base. */
const bases = new Map<string, MadeImage | MadeIndex>()

beforeAll(async () => {
  const base = await makeBaseImage({ seed })
  library = await LoopbackWorld.start({ base })
  image = await library.assemble(newer)
  closedPort = await freePort()
  const { layers } = base.image
  const arm = makeImage({ layers, architecture: 'arm64' })
  bases.set('arm', arm)
  bases.set('index-without-amd64', makeIndex([{ image: arm, architecture: 'arm64' }]))
  bases.set('empty', makeImage({ layers: [makeLayer([])] }))
  bases.set('no-tar', makeImage({ layers: [layerOfTar(new Uint8Array(5000).fill(7))] }))
  const without = async (tag: string, ...paths: string[]) =>
    bases.set(tag, (await makeBaseImage({ seed, without: paths })).image)
  await without('no-rpmdb', 'usr/share/rpm/rpmdb.sqlite')
  await without('no-ostree', 'sysroot/ostree/repo/config')
  await without('no-grub', 'usr/lib/bootupd/updates/EFI/redhat/grubx64.efi')
  await without('no-kernel', 'usr/lib/modules')
})
afterAll(() => library.stop())

/** A world with all the bases, and credentials for its registry. */
async function inWorld<T>(work: (world: LoopbackWorld, authFile: string) => Promise<T>): Promise<T> {
  return await LoopbackWorld.during({ base: library.base }, async world => {
    world.publish(newer)
    for (const [tag, made] of bases) world.registry.add('coreos', made, tag)
    const authFile = join(world.directory, 'auth.json')
    const auth = Buffer.from('robot:registry-password').toString('base64')
    writeFileSync(authFile, JSON.stringify({ auths: { [world.registry.host]: { auth } } }))
    return await work(world, authFile)
  })
}

/** A port of loopback on which nothing listens. */
async function freePort(): Promise<number> {
  const server = createServer()
  await new Promise<void>(done => server.listen(0, '127.0.0.1', done))
  const address = server.address()
  await new Promise<void>(done => server.close(() => done()))
  return typeof address === 'object' && address !== null ? address.port : 0
}

interface Row extends Refusal {
  readonly inputs?: Readonly<Record<string, string>>
  readonly name: string
  /** The reference, for a registry at this host. */
  readonly base?: (host: string) => string
  readonly fault?: RegistryFault
  readonly insecure?: string
}

const at = (rest: string) => (host: string) => `${host}/${rest}`
const always = 100

const rows: readonly Row[] = [
  {
    name: 'no such repository',
    base: at('nothing:stable'),
    code: 'IMAGE_NOT_FOUND',
    words: ['base image', 'nothing:stable', 'check the reference'],
  },
  { name: 'no such tag', base: at('coreos:testing'), code: 'IMAGE_NOT_FOUND', words: ['coreos:testing'] },
  {
    name: 'no such digest',
    base: at(`coreos@sha256:${'0'.repeat(64)}`),
    code: 'IMAGE_NOT_FOUND',
    words: [/coreos@sha256:0{64}/],
  },
  {
    name: 'a registry that does not answer',
    base: () => `127.0.0.1:${closedPort}/coreos:stable`,
    code: 'REGISTRY_UNREACHABLE',
    words: ['ECONNREFUSED', 'base image'],
  },
  {
    name: 'a registry whose name does not exist',
    base: () => 'registry.invalid/coreos:stable',
    code: 'REGISTRY_UNREACHABLE',
    words: [/ENOTFOUND|EAI_AGAIN/, 'registry.invalid'],
  },
  {
    name: 'a registry that denies',
    fault: { path: /\/manifests\//, status: 403, times: always },
    code: 'REGISTRY_DENIED',
    words: ['403', 'podman login'],
  },
  {
    name: 'a registry that does not know the credentials',
    fault: { path: /\/manifests\//, status: 401, times: always },
    code: 'REGISTRY_DENIED',
    words: ['401', 'podman login'],
  },
  {
    name: 'a registry that fails for good',
    fault: { path: /\/manifests\//, status: 503, times: always },
    code: 'REGISTRY_ERROR',
    words: ['503', 'coreos'],
  },
  {
    name: 'a registry without TLS, and allow-insecure not set',
    insecure: 'false',
    code: 'INSECURE_NOT_ALLOWED',
    words: ['allow-insecure: true'],
  },
  {
    name: 'an image for another architecture',
    base: at('coreos:arm'),
    code: 'IMAGE_PLATFORM_MISSING',
    words: ['linux/arm64', 'linux/amd64'],
  },
  {
    name: 'an index without our architecture',
    base: at('coreos:index-without-amd64'),
    code: 'IMAGE_PLATFORM_MISSING',
    words: ['arm64', 'amd64'],
  },
  {
    name: 'a manifest that is not what its digest says',
    base: host => `${host}/coreos@${library.base.image.digest}`,
    fault: { path: /\/manifests\//, body: 'wrong', times: always },
    code: 'DIGEST_MISMATCH',
    words: ['found sha256:', 'wanted sha256:'],
  },
  {
    name: 'a layer that is not what its digest says',
    fault: { path: /\/blobs\//, body: 'wrong', times: always },
    code: 'DIGEST_MISMATCH',
    words: ['found sha256:', /wanted \d+ bytes with sha256:/, 'coreos:stable'],
  },
  {
    name: 'a layer that the registry lost',
    fault: { path: /\/blobs\//, status: 404, times: always },
    code: 'IMAGE_NOT_FOUND',
    words: ['lacks a part of the image', 'sha256:'],
  },
  { name: 'a layer that is no tar', base: at('coreos:no-tar'), code: 'LAYER_INVALID', words: ['coreos:no-tar'] },
  {
    name: 'an image without any file, with all that is missing',
    base: at('coreos:empty'),
    code: 'BOOT_LOADER_MISSING',
    words: ['no shim', 'no grub', 'title=KERNEL_MISSING'],
  },
  {
    name: 'a base without kernel',
    base: at('coreos:no-kernel'),
    code: 'KERNEL_MISSING',
    words: ['base image', 'usr/lib/modules'],
  },
  { name: 'a base without GRUB', base: at('coreos:no-grub'), code: 'BOOT_LOADER_MISSING', words: [/grub/i] },
  { name: 'a base without RPM database', base: at('coreos:no-rpmdb'), code: 'RPMDB_UNREADABLE', words: ['no-rpmdb'] },
  {
    name: 'a base with neither an ostree repository nor dnf',
    base: at('coreos:no-ostree'),
    code: 'LAYERING_NOT_SUPPORTED',
    words: ['no sysroot/ostree/repo/config', 'no usr/bin/dnf', 'containerfile'],
    inputs: { image: '' },
  },
]

describe('a base image that cannot be used', () => {
  for (const { name, base, fault, insecure, inputs, ...refusal } of rows)
    it.concurrent(`${name}: ${refusal.code}`, () =>
      inWorld(async (world, authFile) => {
        if (fault !== undefined) world.registry.faults.push({ ...fault })
        await expectRefused(world, {
          ...refusal,
          inputs: {
            image,
            ...inputs,
            ...(base === undefined ? {} : { 'base-image': base(world.registry.host) }),
            ...(insecure === undefined
              ? {}
              : { 'allow-insecure': insecure, 'kernel-repositories': 'https://r.invalid' }),
          },
          options: { environment: { REGISTRY_AUTH_FILE: authFile } },
        })
      }))
})

describe('the command line', () => {
  const check = (world: LoopbackWorld, tag: string, ...more: readonly string[]) => {
    const words = [
      '--base-image',
      `${world.registry.host}/coreos:${tag}`,
      '--pools',
      'worker',
      '--allow-insecure',
      'true',
    ]
    return runCli(['check', ...words, '--kernel-repositories', world.repository.url, ...more])
  }

  it('says what, where and what to do', () =>
    inWorld(async world => {
      const run = await check(world, 'testing')
      expect(run.exitCode).toBe(1)
      expect(run.stdout).toBe('')
      expect(run.stderr).toContain(
        [
          'IMAGE_NOT_FOUND: the registry has no such image',
          `  where: base image / ${world.registry.host}/coreos:testing`,
          '  hint: check the reference, and that the credentials may read it',
          '  see: docs/errors.md#image_not_found\n',
        ].join('\n'),
      )
      expectClean(run)
    }))

  it('prints one document for --json', () =>
    inWorld(async world => {
      const run = await check(world, 'arm', '--json')
      expect(run.exitCode).toBe(1)
      expect(JSON.parse(run.stdout)).toMatchObject({
        outcome: 'failed',
        errorCode: 'IMAGE_PLATFORM_MISSING',
        errors: [
          {
            code: 'IMAGE_PLATFORM_MISSING',
            found: 'linux/arm64',
            wanted: 'linux/amd64',
            where: { step: 'base image', source: `${world.registry.host}/coreos:arm` },
          },
        ],
      })
      expectClean(run)
    }))
})
