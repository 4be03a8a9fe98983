// The dnf way with Debian's own dnf and rpm in the base image: what they do with two kernels, missing dependencies and failing scripts is real.

import { execFileSync, spawnSync } from 'node:child_process'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import type { BaseImage } from '../build/base-image.ts'
import { type BuildRunResult, BuildWorld } from '../build/build-world.ts'
import { makeDnfBase } from '../build/dnf/base-image.ts'
import { buildScriptedKernel } from '../build/dnf/kernel-rpms.ts'
import type { PackagedRpm } from '../build/kernel-rpms.ts'
import { readLayout, unpackLayer } from './build.ts'

const absent = ['podman', 'skopeo', 'docker-registry', 'dnf', 'rpmbuild', 'dpkg-query', 'busybox'].filter(
  name => spawnSync(name, ['--version']).error !== undefined,
)
if (absent.length > 0) process.stdout.write(`NOT CHECKED: the dnf way: ${absent.join(', ')} not installed\n`)

const seed = 'podman-dnf'
const release = '5.14.0-605.el9.x86_64'
const old = '5.14.0-570.el9.x86_64'
const kernel = (build: string, more: { requires?: string } = {}) =>
  buildScriptedKernel({ seed, version: '5.14.0', release: build, ...more })

let installed: readonly PackagedRpm[]
let newer: readonly PackagedRpm[]
let base: BaseImage
let world: BuildWorld
let scratch: string
beforeAll(async () => {
  if (absent.length > 0) return
  scratch = mkdtempSync(join(tmpdir(), 'dnf-way-'))
  installed = kernel('570.el9')
  newer = kernel('605.el9')
  base = await makeDnfBase({ seed, kernelPackages: installed })
  world = await BuildWorld.start(base)
  world.world.publish(newer)
})
afterAll(async () => {
  await world?.stop()
  if (scratch !== undefined) rmSync(scratch, { recursive: true, force: true })
})

/** Registry, refs and pull requests are as before. */
async function expectNothingPushed(work: () => Promise<BuildRunResult>): Promise<BuildRunResult> {
  const before = await world.state()
  const run = await work()
  expect(run.exitCode, run.stdout).toBe(1)
  expect(await world.state()).toEqual(before)
  expect(run.left).toEqual([])
  return run
}

const onBase = async (tag: string, made: BaseImage) => ({ 'base-image': await world.addBase(made, tag) })

describe.skipIf(absent.length > 0)('a base image without an ostree repository', () => {
  let first: BuildRunResult
  let top: string
  beforeAll(async () => {
    first = await world.update()
    if (first.exitCode === 0) top = unpackTop(first, 'first')
  })

  function unpackTop({ outputs }: BuildRunResult, name: string): string {
    const copy = join(scratch, name)
    const image = `docker://${outputs.image}`
    execFileSync('skopeo', ['copy', '--quiet', '--src-tls-verify=false', image, `oci:${copy}:image`])
    const { manifest } = readLayout(copy)
    expect(manifest.layers).toHaveLength(base.image.layers.length + 1)
    return unpackLayer(copy, manifest.layers.at(-1)?.digest ?? '', join(scratch, `${name}-top`))
  }

  it('gets its kernel by dnf, and a pull request', () => {
    expect(first.exitCode, first.stdout).toBe(0)
    expect(first.outputs).toMatchObject({ outcome: 'created', 'kernel-version': release })
    expect(first.stdout).toMatch(/Upgrading\s*: kernel-core-5\.14\.0-605\.el9\.x86_64/)
    expect(first.stdout).toMatch(/size: \d+\.\d MB in 1 layer on a base of \d+\.\d MB/)
    expect(world.world.github.pullRequests[0]?.body).toMatch(/Size: \d+\.\d MB in 1 layer on a base of/)
  })

  it('has one kernel in the eyes of rpm, with the time of the base', () => {
    const query = [
      '--dbpath',
      join(top, 'usr/share/rpm'),
      '--query',
      '--all',
      '--queryformat',
      '%{nvra} %{installtime}\n',
    ]
    const lines = execFileSync('rpm', [...query, 'kernel*'], { encoding: 'utf8' })
      .trim()
      .split('\n')
      .sort()
    expect(lines.map(line => line.split(' ')[0])).toEqual(newer.map(({ file }) => file.slice(0, -'.rpm'.length)).sort())
    for (const line of lines)
      expect(Number(line.split(' ')[1])).toBeCloseTo(Date.parse('2026-01-01T00:00:00Z') / 1000, -2)
  })

  it('has one directory of modules, and none of the places that dnf writes to', () => {
    const files = execFileSync('find', ['.', '-type', 'f'], { cwd: top, encoding: 'utf8' }).trim().split('\n').sort()
    const own = (path: string) => `./usr/lib/modules/${release}/${path}`
    const index = ['modules.alias', 'modules.dep', 'modules.symbols']
    // of the builder
    const places = /^\.\/etc\/(?:hostname|hosts|resolv\.conf)$|^\.\/usr\/share\/rpm\//
    expect(files.filter(path => !places.test(path))).toEqual(
      [
        ...['initramfs.img', 'vmlinuz', ...index].map(own),
        ...['kernel/fs/xfs/xfs.ko', 'kernel/drivers/net/virtio_net.ko'].map(own),
        `./usr/lib/modules/.wh.${old}`,
      ].sort(),
    )
  })

  it('is the same image when it is built again', async () => {
    const again = await world.update({ directory: 'clusters/two' })
    expect(again.exitCode, again.stdout).toBe(0)
    const [one, other] = [unpackTop(first, 'first untouched'), unpackTop(again, 'again')]
    execFileSync('diff', ['--recursive', '--no-dereference', one, other])
    expect(again.outputs.digest).toBe(first.outputs.digest)
  })

  it('has an RPM database that rpm reads where nothing can be written, as another user', () => {
    const database = join(scratch, 'again-top/usr/share/rpm')
    const query = [
      `mount --bind ${database} /mnt`,
      'mount -o remount,ro,bind /mnt',
      'exec setpriv --reuid 65534 --regid 65534 --clear-groups rpm --dbpath /mnt --query kernel-core',
    ]
    expect(execFileSync('unshare', ['--mount', 'sh', '-c', query.join(' && ')], { encoding: 'utf8' })).toBe(
      'kernel-core-5.14.0-605.el9.x86_64\n',
    )
  })
})

describe.skipIf(absent.length > 0)('what real dnf and rpm do wrong, or refuse', () => {
  it('two kernels, from a Containerfile of the user that installs as dnf does by default', async () => {
    const path = join(scratch, 'Containerfile')
    writeFileSync(
      path,
      `ARG BASE\nFROM $` +
        `{BASE}\nRUN --mount=type=bind,source=rpms,target=/rpms dnf -y '--disablerepo=*' install /rpms/*.rpm && rm -rf /var/*\n`,
    )
    const run = await expectNothingPushed(() => world.update({ containerfile: path }))
    expect(run.outputs['error-code']).toBe('KERNEL_NOT_UNIQUE')
    expect(run.stdout).toMatch(/Installing\s*: kernel-core-5\.14\.0-605\.el9\.x86_64/)
    const errors = run.errors.join('\n')
    expect(errors).toContain(old)
    expect(errors).toContain('kernel-core-5.14.0-570.el9.x86_64 is still installed')
  })

  it('a package that needs what is not there', async () => {
    world.world.publish(kernel('606.el9', { requires: 'linux-firmware >= 20260101' }))
    const run = await expectNothingPushed(() => world.update())
    expect(run.errors.join('\n')).toContain('linux-firmware')
    world.world.publish(newer)
  })

  it('a kernel-install that fails: dnf goes on, and without dracut nothing makes the initramfs', async () => {
    const made = await makeDnfBase({ seed, kernelPackages: installed, kernelInstall: 'fails', withDracut: false })
    const reference = await onBase('fails', made)
    const run = await expectNothingPushed(() => world.update(reference))
    expect(run.outputs['error-code']).toBe('BUILD_FAILED')
    expect(run.stdout).toContain('%posttrans(kernel-core-5.14.0-605.el9.x86_64) scriptlet failed')
    expect(run.stdout).toContain('Complete!')
    expect(run.errors.join('\n')).toContain('dracut')
  })

  it('a kernel-install that makes none: the step behind dnf does', async () => {
    const made = await makeDnfBase({ seed, kernelPackages: installed, kernelInstall: 'other-layout' })
    const run = await world.update({ ...(await onBase('other', made)), 'dry-run': 'true' })
    expect(run.exitCode, run.stdout).toBe(0)
    expect(run.stdout).toContain(`dracut makes /usr/lib/modules/${release}/initramfs.img`)
  })
})
