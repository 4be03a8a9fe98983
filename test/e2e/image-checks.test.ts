// Images that are not what was asked for, or whose PCR values cannot be promised: refused after the build and before any push (D9, D14).

import { rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { beforeAll, describe, expect, it } from 'vitest'
import type { ErrorCode } from '../../src/errors.ts'
import {
  assembleLayeredImage,
  type BaseImage,
  type BaseImageParts,
  makeBaseImage,
  makeBaseImageOf,
} from '../build/base-image.ts'
import { makeGrub, makeKernel, makeShim, seededBytes, vendorKeys } from '../build/boot-files.ts'
import { makeKernelRpms, type PackagedRpm } from '../build/kernel-rpms.ts'
import { file, type LayerEntry, layerOfTar, makeLayer, whiteout } from '../build/layer.ts'
import { LoopbackWorld } from '../build/loopback-world.ts'
import { type MadeImage, makeImage, writeLayout } from '../build/oci-layout.ts'
import { makePe } from '../build/pe.ts'
import { expectRefused, type Refusal } from '../build/refusal.ts'
import type { StandInFault } from '../build/stand-in/faults.ts'

const seed = 'e2e-image'
const old = '5.14.0-570.el9.x86_64'
const release = '5.14.0-605.el9.x86_64'
const newer = makeKernelRpms({ seed, version: '5.14.0', release: '605.el9' })
const modules = `usr/lib/modules/${release}`
const efi = 'usr/lib/bootupd/updates/EFI'
let base: BaseImage

beforeAll(async () => {
  base = await makeBaseImage({ seed })
})

/** Each test has a world of its own. */
async function inWorld(
  work: (world: LoopbackWorld) => Promise<void>,
  own = base,
  packages: readonly PackagedRpm[] = newer,
): Promise<void> {
  await LoopbackWorld.during({ base: own }, async world => {
    world.publish(packages)
    await work(world)
  })
}

async function writeImage(world: LoopbackWorld, image: MadeImage): Promise<string> {
  await writeLayout(image, join(world.directory, 'image'), 'layered')
  return `oci:${world.directory}/image:layered`
}

describe('a build that went wrong without saying so', () => {
  const rows: readonly (readonly [StandInFault, ErrorCode, ...(string | RegExp)[]])[] = [
    ['nothing-installed', 'KERNEL_RELEASE_MISMATCH', `found ${old}`, `wanted ${release}`, 'title=RPMDB_MISMATCH'],
    ['old-kernel-left', 'KERNEL_NOT_UNIQUE', old, release, 'remove the kernel of the base image'],
    ['second-kernel', 'KERNEL_NOT_UNIQUE', release, `${release}.second`],
    ['empty-initramfs', 'INITRAMFS_MISSING', 'an empty file', `${modules}/initramfs.img`, 'build log'],
    ['no-initramfs', 'INITRAMFS_MISSING', 'no file', `${modules}/initramfs.img`],
    ['initramfs-of-other-kernel', 'INITRAMFS_INVALID', `modules of ${release}.other`, `modules below ${modules} only`],
    ['old-rpmdb-entry', 'RPMDB_MISMATCH', `kernel-core-5.14.0-570.el9.x86_64 is still installed`],
    ['other-shim', 'BOOT_LOADER_CHANGED', 'not those of its base', `${efi}/redhat/shimx64.efi is changed`],
    ['other-grub', 'BOOT_LOADER_CHANGED', 'not those of its base', `${efi}/redhat/grubx64.efi is changed`],
    ['file-in-boot', 'BOOT_DIRECTORY_NOT_EMPTY', 'boot/vmlinuz-left-behind'],
    ['kubelet-removed', 'NODE_SOFTWARE_MISSING', 'usr/bin/kubelet'],
    ['kubelet-changed', 'NODE_SOFTWARE_CHANGED', 'openshift-kubelet-9.0-1.el9.x86_64 instead of openshift-kubelet-1.0'],
    ['hmac-removed', 'KERNEL_HMAC_MISSING', `${modules}/.vmlinuz.hmac`],
    ['other-hmac', 'KERNEL_HMAC_MISSING', 'another file than the package kernel-core has'],
    ['modules-not-indexed', 'MODULES_NOT_INDEXED', `${modules}/modules.dep`],
  ]
  for (const [fault, code, ...words] of rows)
    it.concurrent(`${fault}: ${code}`, async () => {
      const faulty = await makeBaseImage({ seed, fault })
      await inWorld(async world => {
        await expectRefused(world, { code, words: ['checks / ', ...words] })
      }, faulty)
    })
})

describe('an image that something else built', () => {
  interface Row extends Refusal {
    readonly name: string
    readonly image: () => MadeImage
  }
  let layered: MadeImage
  beforeAll(() => {
    layered = assembleLayeredImage({ base, replace: newer })
  })
  const right = () => layered
  const changed = (...entries: readonly LayerEntry[]) => makeImage({ layers: [...right().layers, makeLayer(entries)] })
  const rows: readonly Row[] = [
    {
      name: 'without kernel',
      image: () => changed(whiteout(`${modules}/vmlinuz`)),
      code: 'KERNEL_MISSING',
      words: ['usr/lib/modules'],
    },
    {
      name: 'with two kernels',
      image: () => changed(file('usr/lib/modules/6.1.0/vmlinuz', makeKernel({ seed, release: '6.1.0' }))),
      code: 'KERNEL_NOT_UNIQUE',
      words: ['6.1.0', release],
    },
    {
      name: 'with a kernel that is cut',
      image: () => changed(file(`${modules}/vmlinuz`, makeKernel({ seed, release }).subarray(0, 3000))),
      code: 'KERNEL_RELEASE_MISMATCH',
      words: ['kernel-core', 'title=PE_INVALID', `${modules}/vmlinuz`],
    },
    {
      name: 'with a kernel that is no PE file',
      image: () => changed(file(`${modules}/vmlinuz`, seededBytes(seed, 9000))),
      code: 'KERNEL_RELEASE_MISMATCH',
      words: ['kernel-core', 'title=PE_INVALID', `${modules}/vmlinuz`, 'MZ'],
    },
    {
      name: 'with an empty kernel',
      image: () => changed(file(`${modules}/vmlinuz`, '')),
      code: 'KERNEL_RELEASE_MISMATCH',
      words: ['kernel-core', 'title=PE_INVALID', `${modules}/vmlinuz`],
    },
    {
      name: 'with an unsigned kernel',
      image: () => changed(file(`${modules}/vmlinuz`, makeKernel({ seed, release, signer: null }))),
      code: 'KERNEL_RELEASE_MISMATCH',
      words: ['kernel-core', 'title=KERNEL_UNSIGNED', 'no Authenticode signature', `${modules}/vmlinuz`],
    },
    {
      name: 'with a shim that is cut',
      image: () => changed(file(`${efi}/redhat/shimx64.efi`, makeShim({ seed }).subarray(0, 500))),
      code: 'BOOT_LOADER_CHANGED',
      words: [`${efi}/redhat/shimx64.efi`],
    },
    {
      name: 'without GRUB',
      image: () => changed(whiteout(`${efi}/redhat/grubx64.efi`)),
      code: 'BOOT_LOADER_MISSING',
      words: ['grub'],
    },
    {
      name: 'on another base',
      image: () => makeImage({ layers: [makeLayer([file('etc/first', 'x')]), ...right().layers] }),
      code: 'IMAGE_NOT_ON_BASE',
      words: ['layer 1', 'coreos:stable'],
    },
    {
      name: 'with a layer that is no tar',
      image: () => makeImage({ layers: [...right().layers, layerOfTar(seededBytes(seed, 4096))] }),
      code: 'LAYER_INVALID',
      words: ['checks / ', 'image:layered'],
    },
    {
      name: 'with another architecture',
      image: () => makeImage({ layers: right().layers, architecture: 'arm64' }),
      code: 'IMAGE_PLATFORM_MISSING',
      words: ['linux/arm64', 'linux/amd64'],
    },
  ]
  for (const { name, image, ...refusal } of rows)
    it.concurrent(`${name}: ${refusal.code}`, () =>
      inWorld(async world => {
        await expectRefused(world, { ...refusal, inputs: { image: await writeImage(world, image()) } })
      }))

  interface LayoutRow extends Refusal {
    readonly name: string
    /** What happens to the layout's directory. */
    readonly spoil: (directory: string, lastLayer: string) => void
  }
  const layoutRows: readonly LayoutRow[] = [
    {
      name: 'whose directory is not there',
      spoil: directory => rmSync(directory, { recursive: true }),
      code: 'IMAGE_NOT_FOUND',
      words: ['ENOENT', 'OCI layout'],
    },
    {
      name: 'whose directory is no layout',
      spoil: directory => rmSync(join(directory, 'oci-layout')),
      code: 'IMAGE_NOT_FOUND',
      words: ['/ oci-layout', 'OCI layout'],
    },
    {
      name: 'whose index is no JSON',
      spoil: directory => writeFileSync(join(directory, 'index.json'), '{"manifests": ['),
      code: 'IMAGE_INVALID',
      words: ['index.json is not JSON'],
    },
    {
      name: 'whose layer has other bytes',
      spoil: (directory, layer) => writeFileSync(join(directory, layer), seededBytes(seed, 400)),
      code: 'DIGEST_MISMATCH',
      words: [/found .*wanted \d+ bytes with sha256:/],
    },
    {
      name: 'whose layer is gone',
      spoil: (directory, layer) => rmSync(join(directory, layer)),
      code: 'IMAGE_NOT_FOUND',
      words: [/blobs\/sha256\/[0-9a-f]{64}/],
    },
  ]
  for (const { name, spoil, ...refusal } of layoutRows)
    it.concurrent(`${name}: ${refusal.code}`, () =>
      inWorld(async world => {
        const made = right()
        const image = await writeImage(world, made)
        spoil(join(world.directory, 'image'), `blobs/${made.layers.at(-1)?.digest.replace(':', '/')}`)
        await expectRefused(world, { ...refusal, inputs: { image } })
      }))
})

describe('boot files whose PCR values cannot be promised', () => {
  const parts = (changes: Partial<BaseImageParts>): BaseImageParts => ({
    osRelease: 'ID="rhcos"\nID_LIKE="rhel fedora"\nVERSION_ID="9.6"\nVARIANT_ID=coreos\n',
    vendor: 'redhat',
    shim: makeShim({ seed }),
    grub: makeGrub({ seed, sbat: 'redhat-2.12' }),
    mokManager: makePe({ sections: [{ name: '.text', data: seededBytes(seed, 800) }] }, vendorKeys(seed).signer),
    kernelPackages: makeKernelRpms({ seed, version: '5.14.0', release: '570.el9' }),
    ...changes,
  })
  interface Row extends Refusal {
    readonly name: string
    readonly parts?: () => Partial<BaseImageParts>
    readonly packages?: () => readonly PackagedRpm[]
    readonly inputs?: Readonly<Record<string, string>>
  }
  const twice = () => ({ grub: makeGrub({ seed, sbat: 'debian-2.06' }) })
  const rows: readonly Row[] = [
    {
      name: 'a GRUB of unknown measuring behaviour',
      parts: () => ({ grub: makeGrub({ seed, sbat: 'unknown' }) }),
      code: 'GRUB_UNKNOWN',
      words: ['docs/pcrs.md', 'grub.example'],
    },
    {
      name: 'a GRUB without .sbat rows',
      parts: () => ({ grub: makeGrub({ seed, sbat: 'x' }) }),
      code: 'GRUB_UNKNOWN',
      words: ['docs/pcrs.md'],
    },
    {
      name: 'an unsigned GRUB',
      parts: () => ({ grub: makeGrub({ seed, sbat: 'redhat-2.12', signer: null }) }),
      code: 'BOOT_LOADER_UNSIGNED',
      words: [/grub/i, 'Secure Boot'],
    },
    {
      name: 'a shim that is cut',
      parts: () => ({ shim: makeShim({ seed }).subarray(0, 1000) }),
      code: 'PE_INVALID',
      words: [/shimx64\.efi|BOOTX64\.EFI/],
    },
    {
      name: 'a GRUB that is no PE file',
      parts: () => ({ grub: new Uint8Array(Buffer.from('#!/bin/sh\nexit 0\n')) }),
      code: 'PE_INVALID',
      words: ['grubx64.efi'],
    },
    {
      name: 'an unsigned kernel from the repository',
      packages: () =>
        makeKernelRpms({
          seed,
          version: '5.14.0',
          release: '605.el9',
          vmlinuz: makeKernel({ seed, release, signer: null }),
        }),
      code: 'KERNEL_UNSIGNED',
      words: [`${modules}/vmlinuz`],
    },
    {
      name: 'a GRUB that measures the kernel twice, for the operator',
      parts: twice,
      code: 'OPERATOR_WOULD_NOT_APPROVE',
      words: ['measures the kernel 2 times', 'target trustee'],
    },
    {
      name: 'a kubelet that is newer than the cluster',
      parts: () => ({ kubeletPackage: '4.20.1' }),
      inputs: { 'cluster-version': '4.19.30' },
      code: 'KUBELET_TOO_NEW',
      words: ['openshift-kubelet 4.20.1, Kubernetes 1.33', 'at most Kubernetes 1.32 of cluster 4.19.30'],
    },
    {
      name: 'a kernel that no PCR covers, as Secure Boot is off',
      inputs: { 'secure-boot': 'off' },
      code: 'KERNEL_NOT_COVERED',
      words: ['kernel', 'require-coverage', 'docs/pcrs.md'],
    },
    {
      name: 'a part that no checked PCR covers',
      inputs: { 'require-coverage': 'kernel, initramfs' },
      code: 'KERNEL_NOT_COVERED',
      words: ['initramfs', 'require-coverage'],
    },
  ]
  for (const { name, parts: changes, packages, inputs, ...refusal } of rows)
    it.concurrent(`${name}: ${refusal.code}`, async () => {
      const own = changes === undefined ? base : await makeBaseImageOf(parts(changes()))
      await inWorld(
        async world => {
          await expectRefused(world, { ...refusal, ...(inputs === undefined ? {} : { inputs }) })
        },
        own,
        packages?.(),
      )
    })

  it.concurrent('a GRUB that measures the kernel twice is fine for trustee', async () => {
    const own = await makeBaseImageOf(parts(twice()))
    await inWorld(async world => {
      const run = await world.update({ target: 'trustee', 'trustee-shape': 'list' })
      expect(run.exitCode, run.stdout).toBe(0)
      expect(run.outputs.outcome).toBe('created')
    }, own)
  })
})
