// A root file system on disk: found like an image, links followed inside of it only, nothing else opened.

import { execFileSync } from 'node:child_process'
import { link, mkdir, mkdtemp, rm, symlink, truncate, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { listBootFiles } from '../../src/commands/boot-files.ts'
import { readBootFiles } from '../../src/commands/image-boot-files.ts'
import { registryOf } from '../../src/commands/open-image.ts'
import { openRootFileSystem } from '../../src/edge/root-file-system.ts'
import { environment } from '../../src/edge/surroundings.ts'
import { filesForChain } from '../../src/image/chain-files.ts'
import { baseEntries } from '../build/coreos.ts'
import { faultOf } from '../build/damage.ts'
import { makeUki } from '../build/uki.ts'

let directory: string
beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), 'root-'))
})
afterEach(() => rm(directory, { recursive: true }))

async function put(path: string, content: string | Uint8Array): Promise<void> {
  await mkdir(dirname(join(directory, path)), { recursive: true })
  await writeFile(join(directory, path), content)
}

const read = async (root = directory) =>
  readBootFiles(
    { kind: 'root-file-system', directory: root },
    await registryOf(environment(), { allowInsecure: false }),
    'amd64',
  )

describe('a root file system', () => {
  it('has the boot files that an image with the same files has', async () => {
    const release = '6.1.0-55.x86_64'
    for (const { path, content } of baseEntries(release)) if (content !== undefined) await put(path, content)
    const { facts, found } = await read()
    expect(facts).toEqual({
      source: `dir:${directory}`,
      digest: null,
      proof: 'local',
      os: { id: 'test', versionId: '42.1' },
      kernelRelease: release,
    })
    const chain = filesForChain(found)
    expect(chain.problems).toEqual([])
    expect(chain.files.map(({ role }) => role)).toContain('grub')
    await symlink(directory, `${directory}-link`)
    expect((await read(`${directory}-link`)).found.files).toEqual(found.files)
    await rm(`${directory}-link`)
    const { bootFiles } = await listBootFiles({ facts, imageLabels: {}, found }, undefined)
    expect(bootFiles.map(({ layer }) => layer)).toEqual(bootFiles.map(() => null))
  })

  it('with a UKI below a directory that is a link', async () => {
    await put('usr/lib/kernels/6.1/linux.efi', makeUki({ seed: 1 }))
    await symlink('/usr/lib/kernels', join(directory, 'usr/lib/modules'))
    const { facts, found } = await read()
    expect(facts.kernelRelease).toBe('6.1')
    expect(filesForChain(found).files.map(({ path }) => path)).toEqual(['usr/lib/modules/6.1/linux.efi'])
  })

  it('has absolute links that begin at its own top', async () => {
    await put('etc/os-release', 'ID=inside\n')
    await put('usr/x', '')
    await symlink('/etc/os-release', join(directory, 'usr/lib-release'))
    expect(Buffer.from(openRootFileSystem(directory).read('usr/lib-release')?.bytes ?? []).toString()).toBe(
      'ID=inside\n',
    )
    const outside = await mkdtemp(join(tmpdir(), 'outside-'))
    try {
      await writeFile(join(outside, 'secret'), 'secret')
      await symlink(join(outside, 'secret'), join(directory, 'out'))
      await symlink(outside, join(directory, 'outdir'))
      const tree = openRootFileSystem(directory)
      expect([tree.kind('out'), tree.read('out'), tree.list('outdir'), tree.read('outdir/secret')]).toEqual([
        undefined,
        undefined,
        [],
        undefined,
      ])
    } finally {
      await rm(outside, { recursive: true })
    }
  })

  it('refuses links above its top and in circles', async () => {
    await symlink('../../../../../etc/passwd', join(directory, 'up'))
    await symlink('b', join(directory, 'a'))
    await symlink('a', join(directory, 'b'))
    const tree = openRootFileSystem(directory)
    for (const path of ['up', 'a', 'b/c', '../x']) {
      expect(faultOf(() => tree.read(path)).code).toBe('INPUT_INVALID')
      expect(faultOf(() => tree.kind(path)).code).toBe('INPUT_INVALID')
      expect(faultOf(() => tree.list(path)).code).toBe('INPUT_INVALID')
    }
  })

  it('does not wait for FIFOs, and takes files for no directories', async () => {
    execFileSync('mkfifo', [join(directory, 'fifo')])
    await put('file', 'x')
    await link(join(directory, 'file'), join(directory, 'same'))
    const tree = openRootFileSystem(directory)
    expect([tree.kind('fifo'), tree.read('fifo'), tree.list('file'), tree.read('file/x'), tree.kind('')]).toEqual([
      undefined,
      undefined,
      [],
      undefined,
      'directory',
    ])
    expect(tree.read('same')).toEqual({ path: 'same', layer: null, bytes: new Uint8Array([0x78]) })
  })

  it('has files up to a ceiling', async () => {
    await put('big', '')
    await truncate(join(directory, 'big'), 600 * 1024 * 1024)
    expect(faultOf(() => openRootFileSystem(directory).read('big')).code).toBe('CEILING_REACHED')
  })

  it('has files up to a ceiling for all together, each counted once', async () => {
    for (const name of ['a', 'b', 'c']) await put(name, new Uint8Array(300))
    const tree = openRootFileSystem(directory, 768)
    expect(tree.read('a')).toBe(tree.read('a'))
    expect(tree.read('b')?.bytes.length).toBe(300)
    const error = faultOf(() => tree.read('c'))
    expect([error.code, error.found, error.wanted, error.where.path]).toEqual([
      'CEILING_REACHED',
      '300 bytes more',
      'at most 168',
      'c',
    ])
    await put('big', '')
    await truncate(join(directory, 'big'), 400 * 1024 ** 2)
    await put('bigger', '')
    await truncate(join(directory, 'bigger'), 400 * 1024 ** 2)
    const whole = openRootFileSystem(directory)
    expect(whole.read('big')?.bytes.length).toBe(400 * 1024 ** 2)
    expect(faultOf(() => whole.read('bigger')).code).toBe('CEILING_REACHED')
  })

  it('is no image of containers’ dir: transport, and no file', async () => {
    await put('manifest.json', '{}')
    expect(openRootFileSystem(directory).list('')).toEqual(['manifest.json'])
    await put('version', 'Directory Transport Version: 1.1\n')
    const error = faultOf(() => openRootFileSystem(directory))
    expect(error.code).toBe('INPUT_INVALID')
    expect(error.hint).toContain('skopeo copy')
    expect(faultOf(() => openRootFileSystem(join(directory, 'version'))).code).toBe('FILE_NOT_FOUND')
    expect(faultOf(() => openRootFileSystem(join(directory, 'none'))).code).toBe('FILE_NOT_FOUND')
  })
})
