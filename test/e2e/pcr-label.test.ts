// The label org.coreos.pcrs: written where the operator cannot compute an image, taken away where it tells of another one, refused where it cannot help.

import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { load } from 'js-yaml'
import { describe, expect, it } from 'vitest'
import { type BaseImage, type BaseImageParts, makeBaseImageOf } from '../build/base-image.ts'
import { makeGrub, makeShim, seededBytes, vendorKeys } from '../build/boot-files.ts'
import { makeKernelRpms } from '../build/kernel-rpms.ts'
import { LoopbackWorld } from '../build/loopback-world.ts'
import { makePe } from '../build/pe.ts'
import { expectRefused } from '../build/refusal.ts'
import type { RegistryAuth } from '../build/registry-access.ts'

const seed = 'e2e-label'
const newer = makeKernelRpms({ seed, version: '5.14.0', release: '605.el9' })
const newest = makeKernelRpms({ seed, version: '5.14.0', release: '611.el9' })
const directory = 'clusters/one'
const branch = 'refs/heads/attested-os-update/clusters-one/update'
const name = 'org.coreos.pcrs'

const baseOf = (changes: Partial<BaseImageParts>): Promise<BaseImage> =>
  makeBaseImageOf({
    osRelease: 'ID="rhel"\nVERSION_ID="9.6"\n',
    vendor: 'redhat',
    shim: makeShim({ seed }),
    grub: makeGrub({ seed, sbat: 'redhat-2.12' }),
    mokManager: makePe({ sections: [{ name: '.text', data: seededBytes(seed, 800) }] }, vendorKeys(seed).signer),
    kernelPackages: makeKernelRpms({ seed, version: '5.14.0', release: '570.el9' }),
    ...changes,
  })

/** A label of the right form, of another image. */
const stale = JSON.stringify({
  pcrs: [
    {
      id: 4,
      value: 'ab'.repeat(32),
      events: [{ name: 'EV_EFI_ACTION', pcr: 4, hash: 'ab'.repeat(32), id: 'Pcr4EfiCall' }],
    },
  ],
})

interface StoredImage {
  readonly manifest: { readonly config: { readonly digest: string }; readonly layers: readonly unknown[] }
  readonly config: {
    readonly config: { readonly Labels: Readonly<Record<string, string>> }
    readonly rootfs: unknown
    readonly history: unknown
  }
}

/** As the registry stores it. */
function stored(world: LoopbackWorld, digest: string, repository = 'team/node-image'): StoredImage {
  const json = (bytes: Uint8Array | undefined) => JSON.parse(Buffer.from(bytes ?? []).toString())
  const manifest = json(world.registry.manifest(repository, digest))
  return { manifest, config: json(world.registry.blob(repository, manifest.config.digest)) }
}

interface SeenRecord {
  readonly image: string
  readonly kind: string
  readonly pcrLabel: boolean
  readonly base: { readonly image: string } | null
  readonly predictions: readonly { readonly pcrs: Readonly<Record<string, { readonly sha256: string }>> }[]
}

function records(world: LoopbackWorld, ref = branch): SeenRecord[] {
  const paths = world.git.text('ls-tree', '-r', '--name-only', ref, '--', `${directory}/os-images`).split('\n')
  return paths.map(path => load(world.git.text('show', `${ref}:${path}`)) as SeenRecord)
}

/** What the label tells, without its events. */
const valuesOf = (label: string | undefined) =>
  Object.fromEntries(
    (JSON.parse(label ?? '{}').pcrs ?? []).map((pcr: { id: number; value: string }) => [pcr.id, pcr.value]),
  )

async function inWorld(
  base: BaseImage,
  work: (world: LoopbackWorld) => Promise<void>,
  auth?: RegistryAuth,
): Promise<void> {
  await LoopbackWorld.during({ base, ...(auth === undefined ? {} : { auth }) }, async world => {
    world.publish(newer)
    await work(world)
  })
}

describe('an image that the operator cannot compute', () => {
  it.concurrent.each([
    ['boot loaders below usr/lib/efi', { inUsrLibEfi: true }],
    ['no MOK variables for its system', { osRelease: 'ID="rhel"\nVERSION_ID="9.4"\n' }],
    ['a label that its base passed on', { inUsrLibEfi: true, labels: { [name]: stale } }],
  ])('has the predicted values in its label: %s', async (_, changes) => {
    const base = await baseOf(changes)
    await inWorld(base, async world => {
      const layout = await world.assemble(newer)
      const run = await world.update({ image: layout })
      expect(run.exitCode, run.stdout).toBe(0)
      const image = stored(world, run.outputs.digest ?? '')
      const [layered] = records(world).filter(({ kind }) => kind === 'layered')
      expect(layered).toMatchObject({ image: run.outputs.image, pcrLabel: true })
      const wanted = Object.entries(layered?.predictions[0]?.pcrs ?? {}).map(([pcr, { sha256 }]) => [pcr, sha256])
      expect(valuesOf(image.config.config.Labels[name])).toEqual(Object.fromEntries(wanted))
      expect(run.stdout).toContain('written into its label')
      // the layers of the base are in a neighbour repository of the same registry
      expect(run.stdout).toMatch(/^blob 1 of \d+, sha256:[0-9a-f]{64}: [\d.]+ [kM]?B in [\d.]+ s$/m)
      expect(run.stdout).toMatch(/^blob \d+ of \d+, sha256:[0-9a-f]{64}: taken over from coreos$/m)
      expect(world.github.pullRequests[0]?.body).toContain('nobody computes them a second time')
      const machineConfig = world.git.text('show', `${branch}:${directory}/machine-config/99-worker-os-image.yaml`)
      expect(machineConfig).toContain(run.outputs.digest)

      // the base is approved through a copy that has its own label
      const [copy] = records(world).filter(({ kind }) => kind === 'base')
      expect(copy).toMatchObject({ pcrLabel: true, base: { image: expect.stringContaining(base.image.digest) } })
      const digest = copy?.image.split('@')[1] ?? ''
      const [before, after] = [stored(world, base.image.digest, 'coreos'), stored(world, digest)]
      const { [name]: label, ...labels } = after.config.config.Labels
      const { [name]: _old, ...labelsBefore } = before.config.config.Labels
      expect(valuesOf(label)['4']).toBe(copy?.predictions[0]?.pcrs['4']?.sha256)
      expect(labels).toEqual(labelsBefore)
      expect(after.manifest.layers).toEqual(before.manifest.layers)
      expect([after.config.rootfs, after.config.history]).toEqual([before.config.rootfs, before.config.history])
    })
  })

  it.concurrent('is proposed again without another copy of its base, and said to be unchanged', async () => {
    await inWorld(await baseOf({ inUsrLibEfi: true }), async world => {
      await world.update()
      const before = world.snapshot()
      const again = await world.update()
      expect(again.outputs.outcome, again.stdout).toBe('unchanged')
      expect(world.snapshot()).toEqual(before)
      world.github.close(1, 'merged')
      world.publish(newest)
      const next = await world.update()
      expect(next.outputs.outcome, next.stdout).toBe('created')
      expect(records(world).filter(({ kind }) => kind === 'base')).toHaveLength(1)
      expect(records(world).every(({ pcrLabel }) => pcrLabel)).toBe(true)
    })
  })

  it.concurrent('is refused with pcr-label: never', async () => {
    await inWorld(await baseOf({ inUsrLibEfi: true }), async world => {
      const words = ['usr/lib/efi/', 'usr/lib/bootupd/updates/', 'pcr-label: auto']
      await expectRefused(world, { code: 'OPERATOR_WOULD_NOT_APPROVE', words, inputs: { 'pcr-label': 'never' } })
    })
  })

  it.concurrent('is refused where a label cannot hold its values either', async () => {
    const base = await baseOf({ inUsrLibEfi: true, grub: makeGrub({ seed, sbat: 'debian-2.06' }) })
    await inWorld(base, async world => {
      await expectRefused(world, { code: 'OPERATOR_WOULD_NOT_APPROVE', words: ['measures the kernel 2 times'] })
    })
  })

  it.concurrent('is refused where the registry would not show the label to the operator', async () => {
    const auth = { kind: 'basic', username: 'robot', password: 'registry-password' } as const
    await inWorld(
      await baseOf({ inUsrLibEfi: true }),
      async world => {
        const file = join(world.directory, 'auth.json')
        const encoded = Buffer.from('robot:registry-password').toString('base64')
        writeFileSync(file, JSON.stringify({ auths: { [world.registry.host]: { auth: encoded } } }))
        const words = ['push / ', 'without credentials', 'let everybody pull from image-repository']
        const options = { environment: { REGISTRY_AUTH_FILE: file } }
        await expectRefused(world, { code: 'OPERATOR_WOULD_NOT_APPROVE', words, duringPush: true, options })
        const trustee = { target: 'trustee', 'trustee-shape': 'list' }
        expect((await world.update(trustee, options)).outputs.outcome).toBe('created')
      },
      auth,
    )
  })

  it.concurrent('needs no label for target trustee', async () => {
    await inWorld(await baseOf({ inUsrLibEfi: true }), async world => {
      const run = await world.update({ target: 'trustee', 'trustee-shape': 'list' })
      expect(run.outputs.outcome, run.stdout).toBe('created')
      expect(stored(world, run.outputs.digest ?? '').config.config.Labels).not.toHaveProperty(name)
    })
  })
})

describe('an image that the operator computes for itself', () => {
  it.concurrent('has no label', async () => {
    await inWorld(await baseOf({}), async world => {
      const run = await world.update()
      expect(run.outputs.outcome, run.stdout).toBe('created')
      expect(stored(world, run.outputs.digest ?? '').config.config.Labels).not.toHaveProperty(name)
      expect(records(world).map(({ pcrLabel }) => pcrLabel)).toEqual([false, false])
    })
  })

  it.concurrent('loses a label that tells of another image, or is refused with pcr-label: never', async () => {
    await inWorld(await baseOf({ labels: { [name]: stale } }), async world => {
      const words = ['label org.coreos.pcrs with other values', 'PCR 4']
      await expectRefused(world, { code: 'OPERATOR_WOULD_NOT_APPROVE', words, inputs: { 'pcr-label': 'never' } })
      const run = await world.update()
      expect(run.outputs.outcome, run.stdout).toBe('created')
      const labels = stored(world, run.outputs.digest ?? '').config.config.Labels
      expect(labels).not.toHaveProperty(name)
      expect(labels['containers.bootc']).toBe('1')
    })
  })
})
