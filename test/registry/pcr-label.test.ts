// The label org.coreos.pcrs in Debian's docker-registry behind TLS of a private authority: written by `update`, read back by skopeo and a reader of its own.

import { execFile } from 'node:child_process'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { type BaseImage, makeBaseImageOf } from '../build/base-image.ts'
import { makeGrub, makeShim, seededBytes, vendorKeys } from '../build/boot-files.ts'
import type { ActionRun } from '../build/bundle-runner.ts'
import { DockerRegistry, type Login } from '../build/docker-registry.ts'
import { makeKernelRpms } from '../build/kernel-rpms.ts'
import { LoopbackWorld } from '../build/loopback-world.ts'
import { readPcrLabel } from '../build/pcr-label-reader.ts'
import { makePe } from '../build/pe.ts'
import { makePrivateAuthority, type PrivateAuthority } from '../build/private-authority.ts'
import { startProxy } from '../build/proxy.ts'

const run = promisify(execFile)
const seed = 'registry-label'
const name = 'org.coreos.pcrs'
const newer = makeKernelRpms({ seed, version: '5.14.0', release: '605.el9' })
const login = { user: 'robot', password: 'registry-password' }

let directory: string
let authority: PrivateAuthority
let base: BaseImage
beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), 'registry-label-'))
  authority = await makePrivateAuthority(directory, ['registry.example'])
  // boot loaders that the operator does not find, so that it needs the label
  base = await makeBaseImageOf({
    osRelease: 'ID="rhel"\nVERSION_ID="9.6"\n',
    vendor: 'redhat',
    inUsrLibEfi: true,
    shim: makeShim({ seed }),
    grub: makeGrub({ seed, sbat: 'redhat-2.12' }),
    mokManager: makePe({ sections: [{ name: '.text', data: seededBytes(seed, 800) }] }, vendorKeys(seed).signer),
    kernelPackages: makeKernelRpms({ seed, version: '5.14.0', release: '570.el9' }),
  })
})
afterAll(() => rm(directory, { recursive: true }))

interface Updated extends ActionRun {
  readonly host: string
  readonly world: LoopbackWorld
  /** The layout that was given to `update`. */
  readonly layout: string
}

/** One run of `update` with that registry as registry.example, which only the proxy finds. */
async function update(password: Login | undefined, work: (run: Updated) => Promise<void>): Promise<void> {
  const registry = await DockerRegistry.start(password, authority)
  const proxy = await startProxy(Number(registry.host.split(':')[1]))
  try {
    await registry.add('coreos', base.image, 'stable')
    const auths = { 'registry.example': { auth: btoa(`${login.user}:${login.password}`) } }
    await writeFile(join(directory, 'auth.json'), JSON.stringify(password === undefined ? {} : { auths }))
    await LoopbackWorld.during({ base, registry: 'registry.example' }, async world => {
      world.publish(newer)
      const layout = (await world.assemble(newer)).replace(/^oci:/, '').replace(/:layered$/, '')
      const environment = { HTTPS_PROXY: proxy.url, REGISTRY_AUTH_FILE: join(directory, 'auth.json') }
      const inputs = { image: `oci:${layout}:layered`, 'ca-bundle': authority.authority }
      await work({ ...(await world.update(inputs, { environment })), host: registry.host, world, layout })
      expect(new Set(proxy.requests)).toEqual(new Set(['CONNECT registry.example:443']))
    })
  } finally {
    await proxy.close()
    await registry.stop()
  }
}

const inspect = async (source: string, ...words: readonly string[]) =>
  JSON.parse((await run('skopeo', ['inspect', '--tls-verify=false', '--raw', ...words, source])).stdout)
const layersOf = (manifest: { layers: { digest: string; size: number }[] }) =>
  manifest.layers.map(({ digest, size }) => ({ digest, size }))

it('is written, read back without credentials, and leaves every layer as it was', async () => {
  await update(undefined, async ({ exitCode, outputs, stdout, host, world, layout }) => {
    expect([exitCode, outputs.outcome], stdout).toEqual([0, 'created'])
    const records = world.git.text('ls-tree', '-r', '--name-only', outputs.commit ?? '')
    const paths = records.split('\n').filter(path => path.includes('/os-images/'))
    expect(paths).toHaveLength(2)
    const texts = paths.map(path => world.git.text('show', `${outputs.commit}:${path}`))
    const pushed = texts.map(text => /^ *image: *registry\.example\/(\S+)$/m.exec(text)?.[1] ?? '')
    const before = [`oci:${layout}:layered`, `docker://${host}/coreos:stable`]
    // the layered image, and the copy of the base that the operator approves
    expect(pushed.filter(one => one.includes(outputs.digest ?? '-'))).toHaveLength(1)
    for (const [index, image] of pushed.entries()) {
      const source = `docker://${host}/${image}`
      const config = await inspect(source, '--config')
      const label = config.config.Labels[name]
      const values = readPcrLabel(label)
      expect(Object.keys(values)).toEqual(['4', '14'])
      for (const value of Object.values(values)) expect(texts[index]).toContain(value)
      const own = before[image.includes(outputs.digest ?? '-') ? 0 : 1] ?? ''
      const [old, oldConfig] = [await inspect(own), await inspect(own, '--config')]
      const manifest = await inspect(source)
      expect(layersOf(manifest)).toEqual(layersOf(old))
      expect([config.rootfs, config.history]).toEqual([oldConfig.rootfs, oldConfig.history])
      expect(manifest.config.digest).not.toBe(old.config.digest)
      refusesOthers(label)
    }
  })
})

/** What the reader above is worth: it takes none of these. */
function refusesOthers(label: string): void {
  const changed = (change: (pcr: { events: Record<string, unknown>[] }) => void) => {
    const value = JSON.parse(label)
    change(value.pcrs[0])
    return JSON.stringify(value)
  }
  for (const [wrong, why] of [
    [label.replace('"Pcr4Shim"', '"Pcr4Shin"'), 'unknown id'],
    [changed(pcr => delete pcr.events[1]?.hash), 'the fields'],
    [changed(pcr => pcr.events.reverse()), 'wrong order'],
    [label.replace(/[0-9a-f]{64}/, hex => hex.toUpperCase()), 'lower-case'],
  ] as const)
    expect(() => readPcrLabel(wrong)).toThrow(why)
}

it('is refused, with no tag and no pull request, where the operator may not read it', async () => {
  await update(login, async ({ exitCode, outputs, stdout, host, world }) => {
    expect([exitCode, outputs['error-code']], stdout).toEqual([1, 'OPERATOR_WOULD_NOT_APPROVE'])
    expect(stdout).toContain('let everybody pull from image-repository')
    expect(world.github.pullRequests).toEqual([])
    const credentials = ['--tls-verify=false', '--creds', `${login.user}:${login.password}`]
    const tags = run('skopeo', ['list-tags', ...credentials, `docker://${host}/team/node-image`])
    expect(
      await tags.then(
        ({ stdout: text }) => JSON.parse(text).Tags ?? [],
        () => [],
      ),
    ).toEqual([])
  })
})
