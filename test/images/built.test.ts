// Images as the usual programs really make them: what our reader takes out of each is what podman or umoci unpack.

import { chmodSync, copyFileSync, existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { beforeAll, expect, it } from 'vitest'
import { openArchive, openLayout } from '../../src/edge/oci-layout.ts'
import type { ImageSource } from '../../src/image/image-source.ts'
import { seededBytes } from '../build/boot-files.ts'
import { type ImageStore, run, withStore } from './engine.ts'
import { expectSameImage } from './same-image.ts'

const efi = 'usr/lib/bootupd/updates/EFI/test'
const [old, now] = ['6.1.0-55', '6.1.0-56'] as const
const kernel = (release: string) => Buffer.concat([Buffer.from('MZ'), seededBytes(release, 300_000)])

let busybox = ''
beforeAll(() => {
  busybox = ['/usr/bin/busybox', '/bin/busybox'].find(path => existsSync(path)) ?? ''
  expect(busybox, 'busybox-static').not.toBe('')
})

/** A base with two boot loaders and a kernel, and on it what replaces the kernel: by a removal, by new files, by an emptied directory. */
function writeContext(context: string): void {
  const write = (path: string, content: Uint8Array | string) => {
    mkdirSync(dirname(join(context, path)), { recursive: true })
    writeFileSync(join(context, path), content)
  }
  for (const name of ['shimx64.efi', 'grubx64.efi']) write(`base/${efi}/${name}`, kernel(name))
  for (const release of [old, now]) {
    const root = release === old ? 'base' : 'top'
    write(`${root}/usr/lib/modules/${release}/vmlinuz`, kernel(release))
    write(`${root}/usr/lib/modules/${release}/initramfs.img`, seededBytes(`${release}/initramfs`, 500_000))
    write(`${root}/usr/lib/modules/${release}/kernel/${'long-directory-'.repeat(8)}/a.ko`, 'module')
  }
  write('base/usr/lib/os-release', 'ID=test\nVERSION_ID=1\n')
  write('base/usr/share/old/one', '1')
  write('base/usr/share/old/deep/two', '2')
  mkdirSync(join(context, 'base/usr/bin'), { recursive: true })
  mkdirSync(join(context, 'base/etc'))
  copyFileSync(busybox, join(context, 'base/usr/bin/busybox'))
  chmodSync(join(context, 'base/usr/bin/busybox'), 0o755)
  const ran = (script: string) => `RUN ${JSON.stringify(['/usr/bin/busybox', 'sh', '-c', script])}`
  const lines = [
    'FROM scratch',
    'COPY base/ /',
    ran('busybox ln -s ../usr/lib/os-release /etc/os-release; busybox ln -s usr/lib /lib'),
    ran(`busybox ln /usr/lib/modules/${old}/vmlinuz /usr/lib/modules/${old}/vmlinuz-again`),
    ran(`busybox rm -r /usr/lib/modules/${old}`),
    'COPY top/ /',
    ran('busybox rm -r /usr/share/old; busybox mkdir /usr/share/old; echo new > /usr/share/old/three'),
    'LABEL test=labelled',
  ]
  write('Containerfile', lines.map(line => `${line}\n`).join(''))
}

const build = ['--isolation=chroot', '--quiet', '--network=host', '--tag', 'localhost/built:case']

async function built(
  store: ImageStore,
  program: 'podman' | 'buildah',
  format: 'oci' | 'docker',
  more: readonly string[] = [],
) {
  mkdirSync(store.path('context'))
  writeContext(store.path('context'))
  await store[program]('build', ...build, '--format', format, ...more, store.path('context'))
}

function expectNewKernel(contents: Awaited<ReturnType<typeof expectSameImage>>): void {
  expect(contents.kernelRelease).toBe(now)
  const found = contents.bootFiles.map(file => [file.role, file.path])
  expect(found).toEqual([
    ['shim', `${efi}/shimx64.efi`],
    ['grub', `${efi}/grubx64.efi`],
    ['kernel', `usr/lib/modules/${now}/vmlinuz`],
    ['initramfs', `usr/lib/modules/${now}/initramfs.img`],
    ['os-release', expect.stringMatching(/^(?:etc|usr\/lib)\/os-release$/)],
  ])
  const file = contents.bootFiles.find(one => one.role === 'kernel')
  expect(Buffer.from(file?.bytes ?? []).equals(kernel(now))).toBe(true)
}

const layoutOf = (path: string, name?: string): Promise<ImageSource> =>
  openLayout(path, { architecture: 'amd64', ...(name === undefined ? {} : { name }) })

it.each([
  ['podman', 'oci', []],
  ['podman', 'docker', []],
  ['podman', 'oci', ['--layers=false']],
  ['buildah', 'oci', ['--layers']],
  ['buildah', 'docker', ['--layers=false']],
] as const)('built by %s in the format %s %j', async (program, format, more) => {
  await withStore(async store => {
    await built(store, program, format, more)
    const archive = store.path('image.tar')
    await store.podman('push', '--quiet', 'localhost/built:case', `oci-archive:${archive}:image`)
    const image = await openArchive(archive, { architecture: 'amd64' })
    const root = await store.mountOwn('localhost/built:case')
    expectNewKernel(await expectSameImage(image, root))
  })
})

it('committed by buildah from a container that was changed by hand', async () => {
  await withStore(async store => {
    await built(store, 'buildah', 'oci')
    const container = await store.buildah('from', '--pull-never', 'localhost/built:case')
    const root = await store.buildah('mount', container)
    writeFileSync(join(root, 'usr/lib/os-release'), 'ID=changed\nVERSION_ID=2\n')
    await store.buildah('umount', container)
    await store.buildah('run', '--isolation=chroot', container, '/usr/bin/busybox', 'rm', `/${efi}/grubx64.efi`)
    await store.buildah(
      'copy',
      container,
      join(store.path('context'), 'base', efi, 'grubx64.efi'),
      `/${efi}/grubx64.efi`,
    )
    await store.buildah('commit', '--quiet', '--format', 'docker', container, 'localhost/committed:case')
    const layout = store.path('layout')
    await store.buildah('push', '--quiet', 'localhost/committed:case', `oci:${layout}:image`)
    const contents = await expectSameImage(await layoutOf(layout), await store.mountOwn('localhost/committed:case'))
    expectNewKernel(contents)
    expect(contents.os.id).toBe('changed')
  })
})

it.each(['gzip', 'zstd', 'zstd:chunked'])('copied by skopeo and podman: %s', async compression => {
  await withStore(async store => {
    await built(store, 'podman', 'oci')
    const layout = store.path('layout')
    const how = ['--compression-format', compression, '--format', 'oci']
    await store.podman('push', '--quiet', ...how, 'localhost/built:case', `oci:${layout}:image`)
    const image = await layoutOf(layout)
    expect(image.manifest.layers.map(layer => layer.mediaType)).toEqual(
      image.manifest.layers.map(() => `application/vnd.oci.image.layer.v1.tar+${compression.split(':')[0]}`),
    )
    const toc = image.manifest.layers.filter(
      layer => 'io.containers.zstd-chunked.manifest-checksum' in layer.annotations,
    )
    expect(toc.length).toBe(compression === 'zstd:chunked' ? image.manifest.layers.length : 0)
    // another layout, written by skopeo, and a store that has nothing of the build
    const copy = store.path('copy')
    await run('skopeo', ['copy', '--quiet', `oci:${layout}:image`, `oci:${copy}:copied`])
    await withStore(async other => {
      const root = await other.mount(`oci:${layout}:image`)
      expectNewKernel(await expectSameImage(image, root))
      expectNewKernel(await expectSameImage(await layoutOf(copy, 'copied'), root))
    })
  })
})

it('unpacked by umoci instead of podman', async () => {
  await withStore(async store => {
    await built(store, 'podman', 'oci')
    const layout = store.path('layout')
    await store.podman('push', '--quiet', 'localhost/built:case', `oci:${layout}:image`)
    await run('umoci', ['unpack', '--image', `${layout}:image`, store.path('bundle')])
    expectNewKernel(await expectSameImage(await layoutOf(layout), store.path('bundle', 'rootfs')))
  })
})

it('made by umoci: from nothing, unpacked, changed, packed again', async () => {
  await withStore(async store => {
    const [layout, context] = [store.path('layout'), store.path('context')]
    mkdirSync(context)
    writeContext(context)
    const umoci = (...words: readonly string[]) => run('umoci', [...words])
    await umoci('init', '--layout', layout)
    await umoci('new', '--image', `${layout}:image`)
    await umoci('insert', '--image', `${layout}:image`, join(context, 'base'), '/')
    await umoci('unpack', '--image', `${layout}:image`, store.path('bundle'))
    const root = store.path('bundle', 'rootfs')
    await run('rm', ['-r', join(root, 'usr/lib/modules', old)])
    await run('cp', ['-a', `${join(context, 'top')}/.`, root])
    await umoci('repack', '--image', `${layout}:image`, store.path('bundle'))
    await umoci(
      'insert',
      '--image',
      `${layout}:image`,
      '--opaque',
      join(context, 'top/usr/lib/modules', now, 'kernel'),
      '/usr/share/old',
    )
    const image = await layoutOf(layout, 'image')
    expect(image.manifest.layers.length).toBe(3)
    await withStore(async other =>
      expectNewKernel(await expectSameImage(image, await other.mount(`oci:${layout}:image`))),
    )
    await umoci('unpack', '--image', `${layout}:image`, store.path('again'))
    expectNewKernel(await expectSameImage(image, store.path('again', 'rootfs')))
    expect(readFileSync(join(layout, 'oci-layout'), 'utf8')).toContain('imageLayoutVersion')
  })
})
