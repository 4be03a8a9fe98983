// D9: each way in which a build can be wrong is found before a push, and all of them together.

import { createHash } from 'node:crypto'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { checkImage } from '../../src/commands/check-image.ts'
import { inspectImage } from '../../src/commands/read-image.ts'
import { openLayout } from '../../src/edge/oci-layout.ts'
import { type ErrorCode, ToolError, ToolErrors } from '../../src/errors.ts'
import { makeGrub, makeInitramfs, makeKernel, makeShim } from '../build/boot-files.ts'
import {
  baseEntries,
  kernelFiles,
  kernelPackages,
  layeredEntries,
  nodePackages,
  rpmDatabase,
  vendorDirectory,
} from '../build/coreos.ts'
import { makeCpio } from '../build/cpio.ts'
import { file, type LayerEntry, makeLayer, opaque, symlink, whiteout } from '../build/layer.ts'
import { makeImage, writeLayout } from '../build/oci-layout.ts'
import { makeUki } from '../build/uki.ts'

const [from, to] = ['6.1.0-55.x86_64', '6.1.0-56.x86_64']
const good = layeredEntries(from, to)
const newKernel = `usr/lib/modules/${to}`

let directory: string
beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), 'check-image-'))
})
afterEach(() => rm(directory, { recursive: true }))

async function contentsOf(name: string, ...layers: readonly (readonly LayerEntry[])[]) {
  const path = join(directory, name)
  await writeLayout(makeImage({ layers: layers.map(entries => makeLayer(entries)) }), path)
  return await inspectImage(await openLayout(path, { architecture: 'amd64' }))
}

const hmacOf = (release: string) => kernelFiles(release).find(({ path }) => path.endsWith('.hmac'))?.content ?? ''

/** The findings on an image with these layers above the base, by code. */
async function findings(
  layers: readonly (readonly LayerEntry[])[],
  options: {
    base?: readonly LayerEntry[]
    below?: readonly LayerEntry[]
    release?: string
    clusterVersion?: string
  } = {},
): Promise<readonly ToolError[]> {
  const base = options.base ?? baseEntries(from)
  const image = {
    base: await contentsOf('base', base),
    built: await contentsOf('built', options.below ?? base, ...layers),
    release: options.release ?? to,
    hmacSha256: createHash('sha256').update(hmacOf(to)).digest('hex'),
    clusterVersion: options.clusterVersion,
    packages: kernelPackages(options.release ?? to),
    vmlinuzSha256: createHash('sha256')
      .update(makeKernel({ seed: 'seed', release: to }))
      .digest('hex'),
  }
  const error = await checkImage(image).then(
    () => undefined,
    one => one,
  )
  if (error === undefined) return []
  if (error instanceof ToolErrors) return error.errors
  expect(error).toBeInstanceOf(ToolError)
  return [error]
}

const codes = async (...all: Parameters<typeof findings>) => (await findings(...all)).map(one => one.code)
/** The good layer with some files replaced or, for undefined, left out. */
const changed = (path: string, content?: Uint8Array | string) =>
  good.flatMap(entry => (entry.path !== path ? [entry] : content === undefined ? [] : [file(path, content)]))

describe('checkImage', () => {
  it('a good build has no findings', async () => {
    expect(await findings([good])).toEqual([])
  })

  const cases: [string, ErrorCode[], readonly LayerEntry[]][] = [
    ['the old kernel left', ['KERNEL_NOT_UNIQUE'], good.slice(1)],
    ['no kernel', ['KERNEL_MISSING'], [opaque('usr/lib/modules'), rpmDatabase(to)]],
    [
      'an unsigned kernel',
      ['KERNEL_RELEASE_MISMATCH', 'KERNEL_UNSIGNED'],
      changed(`${newKernel}/vmlinuz`, makeKernel({ seed: 's', release: to, signer: null })),
    ],
    [
      'a kernel that is no PE file',
      ['KERNEL_RELEASE_MISMATCH', 'PE_INVALID'],
      changed(`${newKernel}/vmlinuz`, 'rubbish'),
    ],
    [
      'a cut kernel',
      ['KERNEL_RELEASE_MISMATCH', 'PE_INVALID'],
      changed(`${newKernel}/vmlinuz`, makeKernel({ seed: 's', release: to }).subarray(0, 3000)),
    ],
    ['no initramfs', ['INITRAMFS_MISSING'], changed(`${newKernel}/initramfs.img`)],
    ['an empty initramfs', ['INITRAMFS_MISSING'], changed(`${newKernel}/initramfs.img`, '')],
    ['an unreadable initramfs', ['INITRAMFS_INVALID'], changed(`${newKernel}/initramfs.img`, 'rubbish')],
    [
      'the initramfs of the old kernel',
      ['INITRAMFS_INVALID'],
      changed(`${newKernel}/initramfs.img`, makeInitramfs({ release: from })),
    ],
    ['an RPM database with the old entries', ['RPMDB_MISMATCH'], good.slice(0, -1)],
    ['no RPM database', ['RPMDB_UNREADABLE'], [...good.slice(0, -1), whiteout('usr/share/rpm')]],
    [
      'another shim',
      ['BOOT_LOADER_CHANGED'],
      [...good, file(`${vendorDirectory}/shimx64.efi`, makeShim({ seed: 'x' }))],
    ],
    [
      'another GRUB',
      ['BOOT_LOADER_CHANGED'],
      [...good, file(`${vendorDirectory}/grubx64.efi`, makeGrub({ seed: 'x' }))],
    ],
    ['no GRUB', ['BOOT_LOADER_MISSING', 'BOOT_LOADER_CHANGED'], [...good, whiteout(`${vendorDirectory}/grubx64.efi`)]],
    ['files below /boot', ['BOOT_DIRECTORY_NOT_EMPTY'], [...good, file('boot/vmlinuz-6.1', 'MZ')]],
    ['a link below /boot', ['BOOT_DIRECTORY_NOT_EMPTY'], [...good, symlink('boot/loader', '../usr')]],
    ['a file deep below /boot', ['BOOT_DIRECTORY_NOT_EMPTY'], [...good, file('boot/loader/entries/a.conf', 'title')]],
    ['no kubelet', ['NODE_SOFTWARE_MISSING'], [...good, whiteout('usr/bin/kubelet')]],
    ['no HMAC', ['KERNEL_HMAC_MISSING'], changed(`${newKernel}/.vmlinuz.hmac`)],
    [
      'the HMAC of other bytes',
      ['KERNEL_HMAC_MISSING'],
      changed(`${newKernel}/.vmlinuz.hmac`, `${'ab'.repeat(64)}  vmlinuz\n`),
    ],
    ['an empty HMAC', ['KERNEL_HMAC_MISSING'], changed(`${newKernel}/.vmlinuz.hmac`, '')],
    ['a unified kernel image beside GRUB', ['BOOT_CHAIN_UNCLEAR'], [...good, file(`${newKernel}/linux.efi`, 'MZ')]],
    ['modules that depmod did not index', ['MODULES_NOT_INDEXED'], changed(`${newKernel}/modules.dep`)],
  ]
  it.each(cases)('%s: %j', async (_name, wanted, layer) => {
    expect(await codes([layer])).toEqual(wanted)
  })

  const updates = 'usr/lib/bootupd/updates/EFI'
  it.each([
    ['is changed', `${updates}/BOOT/BOOTX64.EFI`, file(`${updates}/BOOT/BOOTX64.EFI`, makeShim({ seed: 'x' }))],
    ['is changed', `${updates}/BOOT/fbx64.efi`, file(`${updates}/BOOT/fbx64.efi`, 'MZ other')],
    ['is changed', `${vendorDirectory}/mmx64.efi`, file(`${vendorDirectory}/mmx64.efi`, 'MZ other')],
    ['is gone', `${vendorDirectory}/mmx64.efi`, whiteout(`${vendorDirectory}/mmx64.efi`)],
    ['is new', `${updates}/other/SHIMX64.EFI`, file(`${updates}/other/SHIMX64.EFI`, 'MZ other')],
    ['is new', `${updates}/tool.efi`, file(`${updates}/tool.efi`, 'MZ other')],
    ['is new', 'usr/lib/ostree-boot/efi/EFI/a.efi', file('usr/lib/ostree-boot/efi/EFI/a.efi', 'MZ other')],
  ])('an EFI program that %s: %s', async (what, path, entry) => {
    const found = (await findings([[...good, entry]])).filter(one => one.code === 'BOOT_LOADER_CHANGED')
    expect(found.map(one => one.found)).toEqual([`${path} ${what}`])
  })

  it('the HMAC of the old kernel', async () => {
    const hmac = kernelFiles(from).find(entry => entry.path.endsWith('.hmac'))?.content ?? ''
    expect(await codes([changed(`${newKernel}/.vmlinuz.hmac`, hmac)])).toEqual(['KERNEL_HMAC_MISSING'])
  })

  it('a kernel of another release', async () => {
    const found = await findings([good], { release: '6.1.0-57.x86_64' })
    expect(found.map(one => one.code)).toEqual(['KERNEL_RELEASE_MISMATCH', 'INITRAMFS_INVALID', 'RPMDB_MISMATCH'])
    expect(found[0]?.found).toBe(to)
    expect(found[2]?.found).toContain('kernel-core-6.1.0-57.x86_64 is not installed')
    expect(found[2]?.found).toContain('kernel-core-6.1.0-56.x86_64 is still installed')
  })

  const [init, module] = [{ path: 'init' }, { path: `usr/lib/modules/${to}/kernel/fs/xfs.ko.xz` }]
  const archive = (...files: readonly { readonly path: string }[]) =>
    makeCpio(files.map(({ path }) => ({ path, mode: 0o100644, mtime: 0, content: new Uint8Array(8) })))
  it.each([
    ['one empty file', 'no init program', archive({ path: `usr/lib/modules/${to}/.keep` })],
    ['no init program', 'no init program', archive(module)],
    ['no modules', `no modules of ${to}`, archive(init)],
    ['lists of modules but none', `no modules of ${to}`, archive(init, { path: `lib/modules/${to}/modules.dep` })],
    ['a module in another place', `no modules of ${to}`, archive(init, { path: 'xfs.ko' })],
    ['modules of two kernels', `modules of ${from}`, archive(init, module, { path: `lib/modules/${from}/a.ko` })],
    ['a directory of another kernel', `modules of ${from}`, archive(init, module, { path: `usr/lib/modules/${from}` })],
  ])('an initramfs with %s', async (_name, text, bytes) => {
    const found = await findings([changed(`${newKernel}/initramfs.img`, bytes)])
    expect(found.map(one => one.code)).toEqual(['INITRAMFS_INVALID'])
    expect(found[0]?.found).toContain(text)
  })

  it.each(['ko', 'ko.xz', 'ko.gz', 'ko.zst'])('an initramfs with modules that end in .%s is good', async ending => {
    for (const path of ['init', 'sbin/init', 'usr/lib/systemd/systemd']) {
      const bytes = archive({ path }, { path: `lib/modules/${to}/kernel/a.${ending}` })
      expect(await codes([changed(`${newKernel}/initramfs.img`, bytes)])).toEqual([])
    }
  })

  it('the old kernel below the name of the new one', async () => {
    const old = makeKernel({ seed: 'seed', release: from })
    const found = await findings([changed(`${newKernel}/vmlinuz`, old)])
    expect(found.map(one => one.code)).toEqual(['KERNEL_RELEASE_MISMATCH'])
    expect(found[0]?.found).toBe(`sha256 ${createHash('sha256').update(old).digest('hex')}`)
    expect(found[0]?.where.path).toBe(`${newKernel}/vmlinuz`)
  })

  const [kubelet, crio] = nodePackages.map(one => ({ ...one, evr: { ...one.evr, release: '2.el9' } }))
  it.each([
    ['a newer kubelet', [...nodePackages.slice(1), ...(kubelet ? [kubelet] : [])], /^openshift-kubelet-4.20.0-2.el9/],
    ['a second cri-o', [...nodePackages, ...(crio ? [crio] : [])], /^cri-o-1.33.5-1.el9.x86_64 cri-o-1.33.5-2.el9/],
    ['none of them', [], /^nothing instead of openshift-kubelet-\S+, nothing instead of cri-o/],
  ] as const)('packages of the node: %s', async (_name, packages, text) => {
    const found = await findings([[...good.slice(0, -1), rpmDatabase(to, packages)]])
    expect(found.map(one => one.code)).toEqual(['NODE_SOFTWARE_CHANGED'])
    expect(found[0]?.found).toMatch(text)
  })

  it.each([
    ['4.20.3', []],
    ['4.21.0', []],
    ['4.19.30', ['KUBELET_TOO_NEW']],
    ['4.20.0-okd-scos.1', []],
    [undefined, []],
  ] as const)('the kubelet of 4.20 in a cluster of %s: %j', async (clusterVersion, wanted) => {
    expect(await codes([good], clusterVersion === undefined ? {} : { clusterVersion })).toEqual(wanted)
  })

  const ofKubernetes = (version: string) => [
    { name: 'kubelet', evr: { epoch: 0, version, release: '1' }, arch: 'x86_64' },
  ]
  it.each([
    ['1.33.5', '4.20.3', []],
    ['1.34.0', '4.20.3', ['KUBELET_TOO_NEW']],
    ['1.33.0~rc.1', '4.19.1', ['KUBELET_TOO_NEW']],
    ['29', '4.19.1', []],
  ] as const)('a kubelet %s in a cluster of %s: %j', async (kubelet, clusterVersion, wanted) => {
    const [base, layer] = [from, to].map(release => rpmDatabase(release, ofKubernetes(kubelet)))
    if (base === undefined || layer === undefined) throw new Error('two releases were given')
    const layers = [[...good.slice(0, -1), layer]]
    expect(await codes(layers, { base: [...baseEntries(from).slice(0, -1), base], clusterVersion })).toEqual(wanted)
  })

  describe('with a unified kernel image', () => {
    const unified = (release: string, linux: string, modules: string) =>
      makeUki({
        seed: release,
        only: [
          { name: '.osrel', data: Buffer.from('ID=test\n') },
          { name: '.cmdline', data: Buffer.from('quiet') },
          { name: '.uname', data: Buffer.from(release) },
          { name: '.linux', data: makeKernel({ seed: 'seed', release: linux }) },
          { name: '.initrd', data: makeInitramfs({ release: modules }) },
        ],
      })
    const efi = 'usr/lib/efi/kernel/1-1/EFI/Linux'
    const places = [
      ['beside the kernel', (release: string) => `usr/lib/modules/${release}/vmlinuz.efi`],
      ['where bootupd has it', (release: string) => `${efi}/${release}.efi`],
      ['below /boot', (release: string) => `boot/EFI/Linux/${release}.efi`],
    ] as const
    const withoutGrub = (entries: readonly LayerEntry[]) =>
      entries.filter(({ path }) => !/grubx64|initramfs\.img|hmac/.test(path))
    const base = (place: (release: string) => string) => [
      ...withoutGrub(baseEntries(from)),
      file(place(from), unified(from, from, from)),
    ]
    const layer = (place: (release: string) => string, uki: Uint8Array) => [
      ...withoutGrub(good),
      ...(place(from).startsWith('usr/lib/modules/') ? [] : [whiteout(place(from))]),
      file(place(to), uki),
    ]
    it.each(places)('%s: the new kernel is inside', async (_name, place) => {
      expect(await codes([layer(place, unified(to, to, to))], { base: base(place) })).toEqual([])
    })

    it.each(places)('%s: the old kernel is inside', async (_name, place) => {
      const found = await findings([layer(place, unified(to, from, to))], { base: base(place) })
      expect(found.map(({ code }) => code)).toEqual(['UKI_NOT_REBUILT'])
      expect(found[0]?.where.path).toBe(place(to))
    })

    it.each(places)('%s: the old initramfs is inside', async (_name, place) => {
      expect(await codes([layer(place, unified(to, to, from))], { base: base(place) })).toEqual(['INITRAMFS_INVALID'])
    })

    it('the image of the base is left', async () => {
      const place = places[1][1]
      expect(await codes([withoutGrub(good)], { base: base(place) })).toEqual(['UKI_NOT_REBUILT', 'INITRAMFS_INVALID'])
    })

    it('one that is cut', async () => {
      const place = places[1][1]
      const uki = unified(to, to, to).subarray(0, 3000)
      expect(await codes([layer(place, uki)], { base: base(place) })).toEqual(['PE_INVALID'])
    })
  })

  it('every file below /boot that the base does not have, but no other', async () => {
    const base = [...baseEntries(from), file('boot/here', '')]
    const names = Array.from({ length: 8 }, (_, index) => `boot/new${index}`)
    const found = await findings([[...good, file('boot/here', ''), ...names.map(name => file(name, ''))]], { base })
    expect(found.map(one => one.found)).toEqual([names.join(', ')])
  })

  it('packages of the node that the base does not have may come', async () => {
    const base = [...baseEntries(from).slice(0, -1), rpmDatabase(from, [])]
    expect(await codes([good], { base })).toEqual([])
  })

  it('another base below', async () => {
    expect(await codes([good], { below: [...baseEntries(from), file('etc/more', '')] })).toEqual(['IMAGE_NOT_ON_BASE'])
  })

  it('asks only for what the base has', async () => {
    const small = baseEntries(from).filter(entry => !/kubelet|crio|hmac/.test(entry.path))
    const layer = good.filter(entry => !entry.path.endsWith('.hmac'))
    expect(await codes([layer], { base: [...small, file('boot/here', '')] })).toEqual([])
  })

  it('tells all findings at once', async () => {
    const layer = [
      ...changed(`${newKernel}/initramfs.img`, '').slice(0, -1),
      whiteout('usr/bin/crio'),
      file('boot/x', ''),
    ]
    expect(await codes([layer])).toEqual([
      'INITRAMFS_MISSING',
      'RPMDB_MISMATCH',
      'BOOT_DIRECTORY_NOT_EMPTY',
      'NODE_SOFTWARE_MISSING',
    ])
  })
})
