// `image`: what something else built is checked and proposed from wherever it is. And base images: a new one, with or without a newer kernel.

import { execFileSync } from 'node:child_process'
import { mkdirSync } from 'node:fs'
import { join } from 'node:path'
import { beforeAll, describe, expect, it } from 'vitest'
import { assembleLayeredImage, type BaseImage, makeBaseImage } from '../build/base-image.ts'
import { firmwareKey, makeInitramfs, makeKernel } from '../build/boot-files.ts'
import { makeKernelRpms } from '../build/kernel-rpms.ts'
import { file, makeLayer, whiteout } from '../build/layer.ts'
import { LoopbackWorld } from '../build/loopback-world.ts'
import { type MadeImage, makeImage, writeLayout } from '../build/oci-layout.ts'
import { expectRefused } from '../build/refusal.ts'
import { makeUki } from '../build/uki.ts'

const seed = 'image-sources'
const release = '5.14.0-605.el9.x86_64'
const newer = makeKernelRpms({ seed, version: '5.14.0', release: '605.el9' })
const branch = 'refs/heads/attested-os-update/clusters-one/update'
let base: BaseImage
let layered: MadeImage
beforeAll(async () => {
  base = await makeBaseImage({ seed })
  layered = assembleLayeredImage({ base, replace: newer })
})

const during = (work: (world: LoopbackWorld) => Promise<void>, own = base) =>
  LoopbackWorld.during({ base: own }, async world => {
    world.publish(newer)
    await work(world)
  })

const host = (world: LoopbackWorld) => world.registry.host

describe('an image that something else built', () => {
  it.concurrent.each(['', 'docker://'])('is copied from another repository: %j and a tag', prefix =>
    during(async world => {
      world.registry.add('elsewhere/built', layered, 'latest')
      const run = await world.update({ image: `${prefix}${host(world)}/elsewhere/built:latest` })
      expect(run.exitCode, run.stdout).toBe(0)
      expect(run.outputs).toMatchObject({
        outcome: 'created',
        image: `${host(world)}/team/node-image@${layered.digest}`,
        'kernel-version': release,
      })
      expect(world.registry.manifest('team/node-image', layered.digest)).toBeDefined()
      expect(world.github.pullRequests[0]?.body).toContain('Not built by this tool')
    }),
  )

  it.concurrent('is not pushed when it is in image-repository already', () =>
    during(async world => {
      world.registry.add('team/node-image', layered, 'by-hand')
      const before = world.snapshot().registry
      const run = await world.update({ image: `${host(world)}/team/node-image@${layered.digest}` })
      expect(run.exitCode, run.stdout).toBe(0)
      expect(run.outputs).toMatchObject({ outcome: 'created', digest: layered.digest })
      expect(run.stdout).toContain('is in image-repository already')
      expect(world.snapshot().registry).toEqual(before)
    }))

  it.concurrent('is taken from an archive', () =>
    during(async world => {
      const layout = join(world.directory, 'to-pack')
      mkdirSync(layout)
      await writeLayout(layered, layout, 'built')
      execFileSync('tar', ['-cf', join(world.directory, 'image.tar'), '-C', layout, '.'])
      const run = await world.update({ image: `oci-archive:${world.directory}/image.tar:built` })
      expect(run.exitCode, run.stdout).toBe(0)
      expect(run.outputs).toMatchObject({ outcome: 'created', digest: layered.digest })
    }))

  it.concurrent('is refused like one of ours, and nothing is copied', () =>
    during(async world => {
      const wrong = makeImage({ layers: [...layered.layers, makeLayer([file('boot/left', 'x')])] })
      world.registry.add('elsewhere/built', wrong, 'latest')
      const image = `${host(world)}/elsewhere/built:latest`
      await expectRefused(world, { code: 'BOOT_DIRECTORY_NOT_EMPTY', words: ['boot/left'], inputs: { image } })
    }))

  it.concurrent('is refused where it is not', () =>
    during(async world => {
      const image = `${host(world)}/elsewhere/built:latest`
      await expectRefused(world, { code: 'IMAGE_NOT_FOUND', words: ['image / ', 'elsewhere/built'], inputs: { image } })
    }))
})

describe('a newer base image', () => {
  /** The first proposal is merged; then the tag names another image. */
  const afterMerge = (next: BaseImage, work: (world: LoopbackWorld) => Promise<void>) =>
    during(async world => {
      const first = await world.update()
      expect(first.outputs.outcome, first.stdout).toBe('created')
      world.github.close(1, 'merged')
      world.registry.add('coreos', next.image, 'stable')
      world.base = next
      await work(world)
    })

  it.concurrent('with an older kernel gets the newest one again', async () => {
    const next = await makeBaseImage({ seed: 'next', release: '580.el9' })
    await afterMerge(next, async world => {
      const run = await world.update({ image: await world.assemble(newer, next) })
      expect(run.outputs, run.stdout).toMatchObject({ outcome: 'created', 'kernel-version': release })
      expect(world.github.pullRequests.at(-1)?.title).toContain(`Kernel ${release} as before, new base`)
    })
  })

  it.concurrent('with the newest kernel is proposed as it is', async () => {
    const next = await makeBaseImage({ seed: 'next', release: '605.el9' })
    await afterMerge(next, async world => {
      const before = world.snapshot().registry
      const run = await world.update({ image: '' })
      const image = `${host(world)}/coreos@${next.image.digest}`
      expect(run.outputs, run.stdout).toMatchObject({ outcome: 'created', 'kernel-version': release, image })
      expect(run.stdout).not.toContain('Build the image')
      expect(world.snapshot().registry).toEqual(before)
      const changed = world.git.text('diff', 'main', branch, '--', 'clusters/one/machine-config')
      expect(changed.replaceAll("'", '')).toContain(`+  osImageURL: ${image}`)
      const name = `osimg-${next.image.digest.slice(7, 39)}`
      expect(world.git.text('show', `${branch}:clusters/one/os-images/${name}.yaml`)).toContain('kind: base')
      expect(world.git.text('ls-tree', '-r', '--name-only', branch)).toContain(`reference-values/${name}.yaml`)
      const { title, body } = world.github.pullRequests.at(-1) ?? { title: '', body: '' }
      expect(title).toContain(`Kernel ${release} as before, new base`)
      expect(body).toContain('Nothing is put on the base image')

      const again = await world.update({ image: '' })
      expect(again.outputs, again.stdout).toMatchObject({ outcome: 'unchanged', 'update-available': 'true' })
      world.github.close(2, 'merged')
      const merged = await world.update({ image: '' })
      expect(merged.outputs, merged.stdout).toMatchObject({ outcome: 'unchanged', 'update-available': 'false' })
    })
  })

  it.concurrent('with a kernel that is older than the one in use is left alone', async () => {
    const next = await makeBaseImage({ seed: 'next', release: '580.el9' })
    await afterMerge(next, async world => {
      world.publish(makeKernelRpms({ seed, version: '5.14.0', release: '570.el9' }))
      const before = world.snapshot()
      const run = await world.update({ image: '' })
      expect(run.outputs, run.stdout).toMatchObject({ outcome: 'unchanged', 'update-available': 'true' })
      expect(run.stdout).toContain('older than the kernel in use')
      expect(run.stdout).toContain('the base image has changed')
      expect(world.snapshot()).toEqual(before)
    })
  })

  it.concurrent('is not proposed where the pools follow the cluster’s own image', () =>
    during(async world => {
      world.publish(makeKernelRpms({ seed, version: '5.14.0', release: '570.el9' }))
      const run = await world.update({ image: '' })
      expect(run.outputs, run.stdout).toMatchObject({ outcome: 'unchanged', 'update-available': 'false' })
    }))
})

describe('an image with a unified kernel image', () => {
  const efi = 'usr/lib/bootupd/updates/EFI'
  const place = (of: string) => `usr/lib/modules/${of}/vmlinuz.efi`
  const uki = (of: string, modules = of) =>
    makeUki({
      seed: of,
      signer: firmwareKey(seed),
      only: [
        { name: '.osrel', data: Buffer.from('ID=rhel\n') },
        { name: '.cmdline', data: Buffer.from('quiet') },
        { name: '.uname', data: Buffer.from(of) },
        { name: '.linux', data: makeKernel({ seed, release: of }) },
        { name: '.initrd', data: makeInitramfs({ release: modules }) },
      ],
    })
  const without = (image: MadeImage, of: string, entry = uki(of)) => [
    ...image.layers,
    makeLayer([
      whiteout(`${efi}/redhat/grubx64.efi`),
      whiteout(`usr/lib/modules/${of}/vmlinuz`),
      whiteout(`usr/lib/modules/${of}/initramfs.img`),
      whiteout(`usr/lib/modules/${of}/.vmlinuz.hmac`),
      file(place(of), entry),
    ]),
  ]
  const old = '5.14.0-570.el9.x86_64'
  const target = { target: 'trustee', 'trustee-shape': 'list' }
  const inWorld = (work: (world: LoopbackWorld, own: BaseImage) => Promise<void>) => {
    const own = { ...base, image: makeImage({ layers: without(base.image, old) }) }
    return during(world => work(world, own), own)
  }
  const built = (own: BaseImage, entry = uki(release)) => {
    const top = assembleLayeredImage({ base, replace: newer }).layers.at(-1)
    if (top === undefined) throw new Error('a layered image has layers')
    return makeImage({ layers: without(makeImage({ layers: [...own.image.layers, top] }), release, entry) })
  }

  it.concurrent('is proposed for Trustee when it holds the new kernel', () =>
    inWorld(async (world, own) => {
      world.registry.add('elsewhere/built', built(own), 'latest')
      const run = await world.update({ ...target, image: `${host(world)}/elsewhere/built:latest` })
      expect(run.outputs, run.stdout).toMatchObject({ outcome: 'created', 'kernel-version': release })
      expect(world.github.pullRequests[0]?.body).toContain('| any, Secure Boot on | kernel | PCR 4 |')
      const name = `osimg-${run.outputs.digest?.slice(7, 39)}`
      expect(world.git.text('show', `${branch}:clusters/one/os-images/${name}.yaml`)).toContain('bootChain: shim-uki')
      const path = 'clusters/one/reference-values/rvps-reference-values.yaml'
      for (const value of ['tpm_pcr4', 'tpm_pcr11', 'tpm_pcr14'])
        expect(world.git.text('show', `${branch}:${path}`)).toContain(`"name": "${value}"`)
    }))

  it.concurrent('is refused when it holds the old one', () =>
    inWorld(async (world, own) => {
      world.registry.add('elsewhere/built', built(own, uki(old, release)), 'latest')
      const inputs = { ...target, image: `${host(world)}/elsewhere/built:latest` }
      await expectRefused(world, { code: 'UKI_NOT_REBUILT', words: [place(release)], inputs })
    }))

  it.concurrent('is refused for the operator, which cannot compute it', () =>
    inWorld(async (world, own) => {
      world.registry.add('elsewhere/built', built(own), 'latest')
      const inputs = { image: `${host(world)}/elsewhere/built:latest` }
      await expectRefused(world, { code: 'OPERATOR_WOULD_NOT_APPROVE', words: ['target trustee'], inputs })
    }))

  it.concurrent('as the base needs a Containerfile of the user', () =>
    inWorld(async world => {
      const words = ['a unified kernel image', 'containerfile']
      await expectRefused(world, { code: 'LAYERING_NOT_SUPPORTED', words, inputs: { ...target, image: '' } })
    }))
})
