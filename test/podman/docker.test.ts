// Builds with docker: Debian's dockerd and its program, with storage of their own.

import { execFile, execFileSync } from 'node:child_process'
import { existsSync, mkdirSync, readdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it, vi } from 'vitest'
import { type Builder, buildImage, findBuilders } from '../../src/edge/builder.ts'
import { openLayout } from '../../src/edge/oci-layout.ts'
import { openRegistry } from '../../src/edge/registry.ts'
import { noCredentials } from '../../src/edge/registry-credentials.ts'
import type { PinnedReference } from '../../src/formats/oci/reference.ts'
import { onBaseLayers } from '../../src/image/base-layers.ts'
import { type BaseImage, makeBaseImage } from '../build/base-image.ts'
import { BuildWorld } from '../build/build-world.ts'
import { DockerRegistry } from '../build/docker-registry.ts'
import { DockerServer } from '../build/docker-server.ts'
import { expectToolError } from '../build/expect-error.ts'
import { makeKernelRpms } from '../build/kernel-rpms.ts'
import { BuildBench, readLayout, unpackLayer } from './build.ts'
import { foreign, small } from './small-images.ts'

const server = await DockerServer.start()
const reason = typeof server === 'string' ? server : undefined
if (reason !== undefined) process.stdout.write(`NOT CHECKED: builds with docker: ${reason}\n`)

const seed = 'docker-builds'
const packages = makeKernelRpms({ seed, version: '5.14.0', release: '605.el9' })
const release = '5.14.0-605.el9.x86_64'

let bench: BuildBench
let base: BaseImage
let reference: PinnedReference
beforeAll(async () => {
  bench = await BuildBench.open()
  base = await makeBaseImage({ seed, withRuntime: true })
  reference = bench.publish(base)
})
beforeEach(() => {
  if (typeof server !== 'string') vi.stubEnv('PATH', server.environment.PATH)
})
afterEach(() => {
  vi.unstubAllEnvs()
})
afterAll(async () => {
  await bench.close()
  if (typeof server !== 'string') await server.stop()
})

function running(): DockerServer {
  if (typeof server === 'string') throw new Error(server)
  return server
}

async function docker(): Promise<Builder> {
  const [found] = await findBuilders('docker', running().environment)
  if (found === undefined) throw new Error('no docker')
  return found
}

const built = async (containerfile: string, from = reference, files = packages) =>
  await bench.run(await docker(), from, files, containerfile, running().environment)

function buildTests(): void {
  it('gives an OCI layout on the layers of the base, and leaves no image in the server', async () => {
    const { result, layout, log, workDirectory } = await built(bench.containerfile(reference, base, packages))
    expect(log).toContain('kernel-core 5.14.0-570.el9 -> 5.14.0-605.el9')
    const version = running().docker('version', '--format', '{{.Server.Version}}').stdout.trim()
    expect(result).toMatchObject({ builder: 'docker', version, isolation: 'oci', network: 'none', warnings: [] })
    const image = readLayout(layout)
    expect(image.config.rootfs.diff_ids.slice(0, -1)).toEqual(base.image.layers.map(layer => layer.diffId))
    expect(image.config.config.Labels).toMatchObject({
      'org.opencontainers.image.base.digest': base.image.digest,
      'attested-os-update.kernel-release': release,
      'ostree.linux': base.kernelRelease,
    })
    const top = unpackLayer(layout, image.manifest.layers.at(-1)?.digest ?? '', join(workDirectory, 'top'))
    expect(readdirSync(join(top, 'usr/lib/modules')).sort()).toEqual([`.wh.${base.kernelRelease}`, release])
    expect(readdirSync(workDirectory)).toEqual(['top'])
    expect(running().docker('image', 'ls', '--all', '--quiet').stdout).toBe('')

    const registry = openRegistry({ allowInsecure: true, credentials: noCredentials })
    const opened = await registry.openImage({ ...reference, tag: undefined }, 'amd64')
    const onBase = onBaseLayers(await openLayout(layout, { architecture: 'amd64' }), opened)
    expect(onBase.manifest.layers.slice(0, -1).map(({ digest }) => digest)).toEqual(
      base.image.layers.map(({ digest }) => digest),
    )
    const again = readLayout((await built(bench.containerfile(reference, base, packages))).layout)
    expect(again.config.rootfs.diff_ids).toEqual(image.config.rootfs.diff_ids)
    expect(again.manifestDigest).toBe(image.manifestDigest)

    // skopeo compares every layer with its digest and its diff ID
    const copy = join(bench.directory, 'copy')
    execFileSync('skopeo', ['copy', '--quiet', `oci:${layout}:layered`, `dir:${copy}`])
    expect(existsSync(join(copy, 'manifest.json'))).toBe(true)
  })

  it('gives its commands no network', async () => {
    const script = [
      'const net = require("node:net"), os = require("node:os")',
      `const socket = net.connect(${bench.registry.port}, "127.0.0.1")`,
      'socket.on("connect", () => { console.log("REACHED"); process.exit(7) })',
      'socket.on("error", error => console.log("REFUSED", error.code, JSON.stringify(Object.keys(os.networkInterfaces())), JSON.stringify(process.env)))',
    ].join('; ')
    const { log } = await built(`FROM ${reference.registry}/coreos@${reference.digest}\nRUN node -e '${script}'\n`)
    const line = log.split('\n').find(one => one.includes('REFUSED E') && !one.includes('RUN')) ?? log
    expect(line).toMatch(/REFUSED (?:ENETUNREACH|ECONNREFUSED|EHOSTUNREACH) \["lo"\]/)
    expect(line).not.toMatch(/DOCKER_|HTTP_PROXY/i)
  })

  it('reports a failing build with exit status and last lines', async () => {
    const error = await expectToolError('BUILD_FAILED', built(`ARG BASE\nFROM $BASE\nRUN echo no more >&2; exit 3\n`))
    expect(error.found).toMatch(/^exit status [1-9]/)
    expect(error.found).toContain('exit code: 3')
    expect(readdirSync(bench.lastWorkDirectory)).toEqual([])
    expect(running().docker('image', 'ls', '--all', '--quiet').stdout).toBe('')
  })

  it('says so when the base cannot be pulled', async () => {
    const missing = { ...reference, digest: `sha256:${'0'.repeat(64)}` } as const
    const error = await expectToolError('IMAGE_NOT_FOUND', built('FROM scratch\n', missing))
    expect(error.where.source).toContain('0000')
  })

  it('is refused where the server has no BuildKit', async () => {
    const directory = join(bench.directory, 'classic')
    const environment = { ...running().environment, PATH: `${directory}:${running().environment.PATH}` }
    execFileSync('mkdir', [directory])
    const wrapper = join(directory, 'docker')
    writeFileSync(wrapper, '#!/bin/sh\nDOCKER_BUILDKIT=0 exec /usr/bin/docker "$@"\n', { mode: 0o755 })
    vi.stubEnv('PATH', environment.PATH)
    const work = bench.run(await docker(), reference, [], 'FROM scratch\n', environment)
    const error = await expectToolError('BUILDER_NOT_FOUND', work)
    expect(error.message).toBe('docker cannot run a command in the base image')
    expect(error.hint).toContain('BuildKit')
  })

  it('is refused a base that only others may pull, and gets it with our credential alone', async () => {
    const closed = await DockerRegistry.start({ user: 'reader', password: 'of-the-test' })
    try {
      const from = { registry: closed.host, repository: 'base', digest: small.digest } as const
      await closed.add('base', small, 'v1')
      const denied = await expectToolError('IMAGE_NOT_FOUND', built('ARG BASE\nFROM $BASE\n', from, []))
      expect(denied.hint).toContain('login')
      const credential = { kind: 'password', username: 'reader', password: 'of-the-test' } as const
      const access = { pullSecret: undefined, credential, registriesConf: undefined, caBundle: undefined }
      const work = join(bench.directory, 'login')
      mkdirSync(join(work, 'context'), { recursive: true })
      const result = await buildImage({
        builders: [await docker()],
        base: from,
        contextDirectory: join(work, 'context'),
        containerfile: 'ARG BASE\nFROM $BASE\nRUN echo once > /once\n',
        layoutDirectory: join(work, 'layout'),
        workDirectory: work,
        insecureRegistry: true,
        access,
        sourceDateEpoch: 0,
        environment: running().environment,
        write: () => undefined,
      })
      expect(result.builder).toBe('docker')
      expect(readdirSync(work).sort()).toEqual(['context', 'layout'])
    } finally {
      await closed.stop()
    }
  })

  it('is refused programs of another architecture', async () => {
    const error = await expectToolError('BUILDER_NOT_FOUND', built('', bench.publishImage(foreign), []))
    expect(error.found).toMatch(/exec format error/i)
    expect(error.hint).toContain('another architecture')
  })

  it('builds, checks and pushes as the main job', async () => {
    const world = await BuildWorld.start(base)
    try {
      world.world.publish(packages)
      const { environment } = running()
      const run = await world.update({ builder: 'docker' }, () => undefined, environment)
      expect(run.exitCode, run.stdout).toBe(0)
      expect(run.outputs).toMatchObject({ outcome: 'created', 'kernel-version': '5.14.0-605.el9.x86_64' })
      expect(run.stdout).toMatch(/built with docker [\d.]+\S*, isolation oci, network none\n/)
      const { catalogue } = await world.registry.state()
      expect(Object.values(catalogue['team/node-image'] ?? {})).toEqual([run.outputs.digest])
      expect(run.left).toEqual([])
      expect(running().docker('image', 'ls', '--all', '--quiet').stdout).toBe('')
    } finally {
      await world.stop()
    }
  })

  it('keeps a base that was in the server before', async () => {
    const name = `${reference.registry}/${reference.repository}@${reference.digest}`
    // not the synchronous call: the registry lives in this process
    await promisify(execFile)('/usr/bin/docker', ['pull', name], { env: running().environment })
    await built(`ARG BASE\nFROM $BASE\nRUN echo once > /usr/lib/once\n`)
    expect(running().docker('image', 'inspect', name).status).toBe(0)
  })
}

if (reason === undefined) describe('a build with docker', buildTests)
else it('dockerd was tried, and does not start here', () => expect(reason).toMatch(/^dockerd does not start: \S/))
