// An ostree commit in an image, made by libostree, and images derived from it: what our reader sees is what podman unpacks.

import { spawnSync } from 'node:child_process'
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { inspectImage } from '../../src/commands/read-image.ts'
import { openLayout } from '../../src/edge/oci-layout.ts'
import type { Descriptor } from '../../src/formats/oci/descriptor.ts'
import type { ImageContents } from '../../src/image/image-contents.ts'
import type { ImageSource } from '../../src/image/image-source.ts'
import { seededBytes } from '../build/boot-files.ts'
import { filesOf, readByCommit } from '../images/by-commit.ts'
import { ImageStore, run, withStore } from '../images/engine.ts'
import { namesBelow, readInside } from '../images/mounted-root.ts'
import { expectSameImage } from '../images/same-image.ts'

const tool = join(import.meta.dirname, '../../../shared/tools/images/encap.py')
const python = '/usr/bin/python3'

function reasonNotToRun(): string | undefined {
  if (!existsSync(tool)) return 'the program that makes them is not there (../shared/tools)'
  if (process.getuid?.() !== 0) return 'needs root'
  const absent = ['podman', 'skopeo', 'perl', 'ostree', 'zstd'].filter(
    name => spawnSync(name, ['--version']).error !== undefined,
  )
  if (absent.length > 0) return `${absent.join(', ')} not installed`
  const bindings = ['-c', 'import gi; gi.require_version("OSTree", "1.0")']
  return spawnSync(python, bindings).status === 0 ? undefined : 'python3-gi or gir1.2-ostree-1.0 not installed'
}

const reason = reasonNotToRun()
if (reason !== undefined) process.stdout.write(`NOT CHECKED: images that hold an ostree commit: ${reason}\n`)

const [old, now] = ['6.1.0-55.x86_64', '6.1.0-56.x86_64'] as const
const efi = 'usr/lib/bootupd/updates/EFI/test'
const program = (name: string) => Buffer.concat([Buffer.from('MZ'), seededBytes(name, 200_000)])
const busybox = ['/usr/bin/busybox', '/bin/busybox'].find(path => existsSync(path)) ?? ''

let store: ImageStore
let context: string

describe.skipIf(reason !== undefined)('images that hold an ostree commit', () => {
  beforeAll(async () => {
    store = new ImageStore()
    context = store.path('context')
    const write = (path: string, content: Uint8Array | string) => {
      mkdirSync(dirname(join(context, path)), { recursive: true })
      writeFileSync(join(context, path), content, { mode: path.endsWith('busybox') ? 0o755 : 0o644 })
    }
    for (const name of ['shimx64.efi', 'grubx64.efi', 'mmx64.efi']) write(`base/${efi}/${name}`, program(name))
    write('base/usr/lib/bootupd/updates/EFI/BOOT/BOOTX64.EFI', program('shimx64.efi'))
    write(`base/usr/lib/modules/${old}/vmlinuz`, program(old))
    write(`base/usr/lib/modules/${old}/initramfs.img`, seededBytes(`${old}/initramfs`, 300_000))
    write(`base/usr/lib/modules/${old}/modules.dep`, '')
    write('base/usr/lib/os-release', 'ID=fedora\nVERSION_ID=43\n')
    write('base/etc/hostname', 'stand-in\n')
    write('base/usr/bin/busybox', new Uint8Array(readFileSync(busybox)))
    write(`top/usr/lib/modules/${now}/vmlinuz`, program(now))
    write(`top/usr/lib/modules/${now}/initramfs.img`, seededBytes(`${now}/initramfs`, 300_000))
    write(`same/usr/lib/modules/${old}/vmlinuz`, program('rebuilt'))
  })

  afterAll(() => store.remove())

  async function encapsulated(name: string, options: readonly string[] = []): Promise<string> {
    const layout = store.path(name)
    await run(python, [tool, join(context, 'base'), layout, 'image', ...options])
    return layout
  }

  /** The same as all layers tell, from fewer of them. */
  async function expectSameByCommit(image: ImageSource, all: ImageContents): Promise<void> {
    let read = 0
    const openLayer = (layer: Descriptor) => {
      read += 1
      return image.openLayer(layer)
    }
    const proven = await inspectImage({ ...image, openLayer }, { proof: 'ostree' })
    expect(proven.proof).toBe('ostree-commit')
    expect(comparable(proven)).toEqual(comparable(all))
    expect(read).toBeLessThan(image.manifest.layers.length)
  }
  const comparable = ({ proof: _, found, bootFiles: __, ...rest }: ImageContents) => ({
    ...rest,
    found: found.files.map(({ role, path, layer, bytes }) => [role, path, layer, Buffer.from(bytes)]),
  })

  const kernelOf = (contents: ImageContents) =>
    contents.bootFiles.filter(file => file.role === 'kernel').map(file => [file.path, Buffer.from(file.bytes)])

  it.each([[[]], [['--zstd']]])('as they are, options %j', async options => {
    const layout = await encapsulated(`base${options.join('')}`, options)
    const image = await openLayout(layout, { architecture: 'amd64' })
    expect(image.manifest.layers.length).toBeGreaterThan(4)
    expect(image.config.imageLabels['ostree.linux']).toBe(old)
    await withStore(async fresh => {
      const root = await fresh.mount(`oci:${layout}:image`)
      const contents = await expectSameImage(image, root)
      await expectSameByCommit(image, contents)
      await expectCheckout(image, root)
      expect(contents.hasOstreeRepository).toBe(true)
      expect(kernelOf(contents)).toEqual([[`usr/lib/modules/${old}/vmlinuz`, program(old)]])
      expect(contents.bootFiles.map(file => file.role).sort()).toEqual(
        ['shim', 'grub', 'mok-manager', 'kernel', 'initramfs', 'os-release'].sort(),
      )
    })
  })

  // podman refuses directories that come twice in a layer, skopeo docker's manifests in an OCI layout
  it.each(['--v2', '--docker'])('without another reader, option %s', async option => {
    const image = await openLayout(await encapsulated(`alone${option}`, [option]), { architecture: 'amd64' })
    const contents = await inspectImage(image)
    await expectSameByCommit(image, contents)
    expect(kernelOf(contents)).toEqual([[`usr/lib/modules/${old}/vmlinuz`, program(old)]])
  })

  /** Every file is what `ostree checkout` takes out of the repository in the image. */
  async function expectCheckout(image: ImageSource, root: string): Promise<void> {
    const checkout = store.path(`checkout-${image.digest.slice(-8)}`)
    const commit = image.config.imageLabels['ostree.commit'] ?? ''
    const repository = `--repo=${root}/sysroot/ostree/repo`
    await run('ostree', [repository, 'checkout', '--user-mode', commit, checkout])
    const found = filesOf(await readByCommit(image))
    const names = namesBelow(checkout).filter(name => !name.endsWith('/'))
    const wanted = readInside(checkout, names)
    const files = names.filter(name => wanted.get(name) instanceof Uint8Array)
    expect(files.length).toBeGreaterThan(8)
    expect([...found.keys()].sort()).toEqual(files.map(name => name.replace(/^usr\/etc\//, 'etc/')).sort())
    for (const name of files) {
      const bytes = found.get(name.replace(/^usr\/etc\//, 'etc/'))
      expect([name, Buffer.from(bytes ?? [])]).toEqual([name, Buffer.from(wanted.get(name) as Uint8Array)])
    }
  }

  const ran = (script: string) => `RUN ${JSON.stringify(['/usr/bin/busybox', 'sh', '-c', script])}`
  it.each([
    [
      'the kernel deleted by a whiteout, another one beside it',
      [ran(`busybox rm -r /usr/lib/modules/${old}`), 'COPY top/ /'],
      now,
      now,
    ],
    ['the kernel replaced in its place', ['COPY same/ /'], old, 'rebuilt'],
    [
      'the kernel replaced in one layer, with the old directory gone',
      [
        ran(
          `busybox mv /usr/lib/modules/${old} /usr/lib/modules/${now}; echo new > /usr/lib/modules/${now}/modules.dep`,
        ),
      ],
      now,
      old,
    ],
    [
      'a directory replaced opaquely',
      [
        ran(
          `busybox rm -r /usr/lib/modules; busybox mkdir -p /usr/lib/modules/${now}; busybox cp /${efi}/grubx64.efi /usr/lib/modules/${now}/vmlinuz; echo i > /usr/lib/modules/${now}/initramfs.img`,
        ),
      ],
      now,
      'grubx64.efi',
    ],
    [
      'the repository deleted, links keep their contents',
      [ran('busybox rm -r /sysroot/ostree/repo/objects')],
      old,
      old,
    ],
  ])('derived: %s', async (_, lines, release, text) => {
    const layout = await encapsulated('derived')
    await withStore(async fresh => {
      await run('skopeo', ['copy', '--quiet', `oci:${layout}:image`, fresh.reference('localhost/base:image')])
      const file = fresh.path('Containerfile')
      writeFileSync(file, ['FROM localhost/base:image', ...lines, ''].join('\n'))
      await fresh.podman(
        'build',
        '--quiet',
        '--isolation=chroot',
        '--network=host',
        '--pull=never',
        '--file',
        file,
        '--tag',
        'localhost/derived:image',
        context,
      )
      const pushed = fresh.path('pushed')
      await fresh.podman('push', '--quiet', 'localhost/derived:image', `oci:${pushed}:image`)
      const image = await openLayout(pushed, { architecture: 'amd64' })
      // builders keep the label of the base, whatever the kernel is
      expect(image.config.imageLabels['ostree.linux']).toBe(old)
      await withStore(async other => {
        const contents = await expectSameImage(image, await other.mount(`oci:${pushed}:image`))
        await expectSameByCommit(image, contents)
        expect(kernelOf(contents)).toEqual([[`usr/lib/modules/${release}/vmlinuz`, program(text)]])
      })
    })
  })
})
