// Container builds for real: what comes out, what the commands of a build can reach, what is left behind.

import { spawnSync } from 'node:child_process'
import { chmodSync, existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { setTimeout as wait } from 'node:timers/promises'
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest'
import { type Builder, buildImage, findBuilders } from '../../src/edge/builder.ts'
import { ToolError } from '../../src/errors.ts'
import type { PinnedReference } from '../../src/formats/oci/reference.ts'
import { assembleLayeredImage, type BaseImage, makeBaseImage } from '../build/base-image.ts'
import { makeKernelRpms } from '../build/kernel-rpms.ts'
import { readTree } from '../build/tree.ts'
import { BuildBench, type LayoutImage, readLayout, unpackBytes, unpackLayer } from './build.ts'

const names = ['podman', 'buildah'] as const
const present = names.filter(name => spawnSync(name, ['--version']).status === 0)
const absent = names.filter(name => !present.includes(name))
if (absent.length > 0) process.stdout.write(`NOT CHECKED: builds with ${absent.join(' and ')}: not installed\n`)

const seed = 'podman-tier'
const packages = makeKernelRpms({ seed, version: '5.14.0', release: '605.el9' })
const release = '5.14.0-605.el9.x86_64'

let bench: BuildBench
let base: BaseImage
let reference: PinnedReference
let builders: readonly Builder[]

beforeAll(async () => {
  bench = await BuildBench.open()
  base = await makeBaseImage({ seed, withRuntime: true })
  reference = bench.publish(base)
  builders = await findBuilders('auto', process.env)
})

afterAll(() => bench.close())

function builder(name: string): Builder {
  const found = builders.find(one => one.name === name)
  if (found === undefined) throw new Error(`${name} was not found`)
  return found
}

const ran = (command: string, ...words: string[]) => spawnSync(command, words, { encoding: 'utf8' })
const contents = (root: string) => readTree(root).map(({ path, content }) => [path, content])
const mounts = () => readFileSync('/proc/self/mountinfo', 'utf8')

async function refusal(work: Promise<unknown>): Promise<ToolError> {
  const error = await work.then(
    () => undefined,
    (thrown: unknown) => thrown,
  )
  if (error instanceof ToolError) return error
  throw new Error(`expected a ToolError, found ${String(error)}`)
}

/** Of each builder, for the same build a minute later. */
const firstBuilds = new Map<string, { readonly image: LayoutImage; readonly at: number }>()

describe.each(names)('a build with %s', name => {
  const one = it.skipIf(!present.includes(name))

  one('unpacks the packages, updates the database, and exports an OCI layout', async () => {
    const images = ran(name, 'images', '--quiet').stdout
    const containerfile = bench.containerfile(reference, base, packages)
    const { result, layout, log, workDirectory } = await bench.run(builder(name), reference, packages, containerfile)
    expect(log).toContain('kernel-core 5.14.0-570.el9 -> 5.14.0-605.el9')
    expect(result).toMatchObject({ builder: name, version: builder(name).version, network: 'none' })

    const image = readLayout(layout)
    firstBuilds.set(name, { image, at: Date.now() })
    expect(image.manifest.mediaType).toBe('application/vnd.oci.image.manifest.v1+json')
    expect(result.localImageId).toMatch(/^sha256:[0-9a-f]{64}$/)
    expect(image.manifestDigest).not.toBe(result.localImageId)
    expect(image.config.rootfs.diff_ids.slice(0, -1)).toEqual(base.image.layers.map(layer => layer.diffId))
    expect(image.config.config.Labels).toMatchObject({
      'org.opencontainers.image.base.digest': base.image.digest,
      'attested-os-update.kernel-release': release,
      'ostree.linux': base.kernelRelease,
    })

    const top = unpackLayer(layout, image.manifest.layers.at(-1)?.digest ?? '', join(workDirectory, 'top'))
    const kernels = join(top, 'usr/lib/modules')
    expect(readdirSync(kernels).sort()).toEqual([`.wh.${base.kernelRelease}`, release])
    const assembled = assembleLayeredImage({ base, replace: packages }).layers.at(-1)
    const other = unpackBytes(assembled?.bytes ?? new Uint8Array(), join(workDirectory, 'assembled'))
    expect(contents(kernels)).toEqual(contents(join(other, 'usr/lib/modules')))
    const wanted = packages.flatMap(({ input }) => input.files ?? []).filter(file => file.directory !== true)
    for (const file of wanted)
      expect(readFileSync(join(top, 'usr', file.path)).equals(Buffer.from(file.content ?? '')), file.path).toBe(true)
    const database = join(top, 'usr/share/rpm')
    if (ran('rpm', '--version').status === 0) {
      const listed = ran('rpm', '--dbpath', database, '-qa', '--qf', '%{NAME} %{VERSION}-%{RELEASE}.%{ARCH}\n')
      const lines = listed.stdout.split('\n').filter(line => line.startsWith('kernel'))
      expect(lines.sort()).toEqual(packages.map(one => `${one.name} ${release}`).sort())
      expect(ran('rpm', '--dbpath', database, '-ql', 'kernel-core').stdout).toContain(`/lib/modules/${release}/vmlinuz`)
    }
    const rows = new DatabaseSync(join(database, 'rpmdb.sqlite'))
    expect(rows.prepare("SELECT count(*) AS n FROM Name WHERE key = 'kernel-core'").get()).toEqual({ n: 1 })
    rows.close()

    expect(readdirSync(workDirectory).sort()).toEqual(['assembled', 'top'])
    expect(mounts()).not.toContain(bench.directory)
    expect(ran(name, 'images', '--quiet').stdout).toBe(images)
  })

  one('gives its commands neither network nor the secrets of the workflow', async () => {
    vi.stubEnv('GITHUB_TOKEN', 'secret-of-the-workflow')
    vi.stubEnv('HTTPS_PROXY', 'http://proxy.invalid:3128')
    const before = bench.registry.requests.length
    const script = [
      'const net = require("node:net"), os = require("node:os")',
      `const socket = net.connect(${bench.registry.port}, "127.0.0.1")`,
      'socket.on("connect", () => { console.log("REACHED"); process.exit(7) })',
      'socket.on("error", error => { console.log("REFUSED", error.code, JSON.stringify(Object.keys(os.networkInterfaces())), JSON.stringify(process.env)); process.exit(0) })',
    ].join('; ')
    const containerfile = `FROM ${reference.registry}/coreos@${reference.digest}\nRUN node -e '${script}'\n`
    const { log } = await bench.run(builder(name), reference, [], containerfile)
    vi.unstubAllEnvs()
    const reached = log.split('\n').find(line => line.startsWith('REFUSED')) ?? log
    expect(reached).toMatch(/^REFUSED (?:ENETUNREACH|ECONNREFUSED|EHOSTUNREACH|EADDRNOTAVAIL) \[(?:"lo")?\]/)
    expect(reached).not.toContain('secret-of-the-workflow')
    expect(reached).not.toContain('proxy.invalid')
    const paths = bench.registry.requests.slice(before).map(({ path }) => path)
    expect(paths.every(path => path.startsWith('/v2/'))).toBe(true)
  })

  one('reports a failing build with exit status and last lines, and leaves nothing behind', async () => {
    const failing = await makeBaseImage({ seed, withRuntime: true, fault: 'fails' })
    const published = bench.publish(failing)
    const containerfile = bench.containerfile(published, failing, packages)
    const error = await refusal(bench.run(builder(name), published, packages, containerfile))
    expect(error.code).toBe('BUILD_FAILED')
    expect(error.found).toMatch(/^exit status [1-9]/)
    expect(error.found).toContain('error: cannot go on after kernel-5.14.0-605.el9.x86_64.rpm')
    expect(error.where.source).toContain(failing.image.digest)
    expect(readdirSync(bench.lastWorkDirectory)).toEqual([])
    expect(mounts()).not.toContain(bench.directory)
  })

  one('explains a base without ostree repository', async () => {
    const bare = await makeBaseImage({ seed, withRuntime: true, without: ['sysroot/ostree/repo/config'] })
    const published = bench.publish(bare)
    const containerfile = bench.containerfile(published, base, packages)
    const error = await refusal(bench.run(builder(name), published, packages, containerfile))
    expect(error.code).toBe('BUILD_FAILED')
    expect(error.hint).toContain('dnf way')
  })

  one('says so when the base cannot be pulled', async () => {
    const missing = { ...reference, digest: `sha256:${'0'.repeat(64)}` } as const
    const error = await refusal(bench.run(builder(name), missing, [], 'FROM scratch\n'))
    expect(error.code).toBe('IMAGE_NOT_FOUND')
    expect(error.where.source).toContain('0000')
  })

  one('tells a base in which nothing can run from a build that fails', async () => {
    const empty = bench.publish(await makeBaseImage({ seed }))
    const error = await refusal(bench.run(builder(name), empty, packages, bench.containerfile(empty, base, packages)))
    expect(error.code).toBe('BUILDER_NOT_FOUND')
    expect(error.message).toContain('cannot run a command in the base image')
    expect(readdirSync(bench.lastWorkDirectory)).toEqual([])
  })
})

describe.skipIf(absent.length > 0)('the choice of a builder', () => {
  it('prefers podman, and takes buildah where podman cannot work', async () => {
    expect(builders.map(({ name }) => name)).toEqual(['podman', 'buildah'])
    const programs = join(bench.directory, 'programs')
    mkdirSync(programs)
    writeFileSync(
      join(programs, 'podman'),
      '#!/bin/sh\n[ "$1" = --version ] && echo podman version 9.9.9 && exit 0\nexit 125\n',
    )
    chmodSync(join(programs, 'podman'), 0o755)
    vi.stubEnv('PATH', `${programs}:${process.env.PATH}`)
    const found = await findBuilders('auto', process.env)
    expect(found[0]).toEqual({ name: 'podman', version: '9.9.9' })
    const context = join(bench.directory, 'empty-context')
    const work = join(bench.directory, 'choice')
    mkdirSync(context)
    mkdirSync(work)
    const result = await buildImage({
      builders: found,
      base: reference,
      contextDirectory: context,
      containerfile: `FROM ${reference.registry}/coreos@${reference.digest}\nRUN echo chosen > /usr/lib/chosen\n`,
      layoutDirectory: join(work, 'layout'),
      workDirectory: work,
      insecureRegistry: true,
      sourceDateEpoch: undefined,
      environment: process.env,
      write: () => undefined,
    })
    vi.unstubAllEnvs()
    expect(result.builder).toBe('buildah')
    expect(existsSync(join(work, 'layout/index.json'))).toBe(true)
  })
})

describe('the same build in another directory, a minute later', () => {
  it.skipIf(absent.length > 0).each(names)('gives the same image with %s', async name => {
    const first = firstBuilds.get(name)
    if (first === undefined) throw new Error('the first build failed')
    await wait(Math.max(0, first.at + 61_000 - Date.now()))
    const containerfile = bench.containerfile(reference, base, packages)
    const { layout } = await bench.run(builder(name), reference, packages, containerfile)
    const second = readLayout(layout)
    expect(second.config.rootfs.diff_ids).toEqual(first.image.config.rootfs.diff_ids)
    expect(second.manifestDigest).toBe(first.image.manifestDigest)
  })
})
