// Bases that a release, a cluster or the lock name, from the first run to the record; and those that are refused.

import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { dump, load } from 'js-yaml'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { assembleLayeredImage, type BaseImage, makeBaseImage } from '../build/base-image.ts'
import { runCli } from '../build/bundle-runner.ts'
import { type ClusterDouble, kubeconfig, paths, startClusterDouble } from '../build/cluster-double.ts'
import {
  clusterId,
  clusterVersion,
  imageConfigMap,
  imageStream,
  pool,
  renderedConfig,
} from '../build/cluster-objects.ts'
import { makeKernelRpms } from '../build/kernel-rpms.ts'
import { file, makeLayer } from '../build/layer.ts'
import { LoopbackWorld } from '../build/loopback-world.ts'
import { makeImage } from '../build/oci-layout.ts'
import { expectClean, expectRefused } from '../build/refusal.ts'
import { imageReferences, makeReleaseImage, type TagInput } from '../build/release-payload.ts'

const seed = 'e2e-base-from'
const newer = makeKernelRpms({ seed, version: '5.14.0', release: '605.el9' })
const newest = makeKernelRpms({ seed, version: '5.14.0', release: '611.el9' })
const other = makeImage({
  layers: [makeLayer([file('a', 'a')])],
  labels: { 'containers.bootc': '1', 'io.openshift.os.streamclass': 'rhel-10' },
})
const extensions = makeImage({
  layers: [makeLayer([file('b', 'b')])],
  labels: { 'io.openshift.os.extensions': 'true', 'io.openshift.os.streamclass': 'rhel-9' },
})

let base: BaseImage
/** Holds the image to propose; each test has a world of its own. */
let library: LoopbackWorld
let image: string
beforeAll(async () => {
  base = await makeBaseImage({ seed })
  library = await LoopbackWorld.start({ base })
  image = await library.assemble(newer)
})
afterAll(() => library.stop())

async function inWorld<T>(work: (world: LoopbackWorld) => Promise<T>): Promise<T> {
  return await LoopbackWorld.during({ base }, async world => {
    world.publish(newer)
    for (const one of [other, extensions]) world.registry.add('coreos', one)
    return await work(world)
  })
}

const pinnedBase = (world: LoopbackWorld) => `${world.registry.host}/coreos@${base.image.digest}`

function recordOf(world: LoopbackWorld, digest: string): unknown {
  const path = `clusters/one/os-images/osimg-${digest.slice(7, 39)}.yaml`
  return load(world.git.text('show', `refs/heads/attested-os-update/clusters-one/update:${path}`))
}

describe('base-from: release', () => {
  const tags = (world: LoopbackWorld): TagInput[] => {
    const at = (digest: string) => `${world.registry.host}/coreos@${digest}`
    return [
      { name: 'etcd', image: at(`sha256:${'0'.repeat(64)}`) },
      { name: 'rhel-coreos', image: at(base.image.digest) },
      { name: 'rhel-coreos-10', image: at(other.digest) },
      { name: 'rhel-coreos-extensions', image: at(extensions.digest) },
    ]
  }
  const release = (world: LoopbackWorld, inputs: Record<string, string> = {}) => ({
    'base-from': 'release',
    'base-image': '',
    'release-image': `${world.registry.host}/release:4.20.3`,
    'base-stream': 'rhel-coreos',
    'base-repositories': `${world.registry.host}/coreos`,
    ...inputs,
  })

  it.concurrent('builds on the node image of the payload, and reads no more of it than the layer with the manifests', () =>
    inWorld(async world => {
      const payload = makeReleaseImage(imageReferences(tags(world)))
      world.registry.add('release', payload, '4.20.3')
      const run = await world.update({ image, ...release(world) })
      expect(run.outputs, run.stdout).toMatchObject({ outcome: 'created', 'base-image': pinnedBase(world) })
      expect(recordOf(world, run.outputs.digest ?? '')).toMatchObject({
        kind: 'layered',
        base: { image: pinnedBase(world), from: 'release', tag: null },
      })
      const read = world.registry.requests.map(({ path }) => path).filter(path => path.includes('/release/blobs/'))
      expect(read).not.toContain(`/v2/release/blobs/${payload.layers[0]?.digest}`)
      expect(read).toContain(`/v2/release/blobs/${payload.layers[1]?.digest}`)
      expect(world.registry.requests.some(({ path }) => path.includes('0'.repeat(64)))).toBe(false)
    }))

  it.concurrent('is told apart by labels, and asks which stream where labels leave a choice', () =>
    inWorld(async world => {
      world.registry.add('release', makeReleaseImage(imageReferences(tags(world))), '4.20.3')
      await expectRefused(world, {
        inputs: { image, ...release(world, { 'base-stream': '' }) },
        code: 'BASE_AMBIGUOUS',
        words: ['rhel-coreos (tag rhel-coreos), rhel-10 (tag rhel-coreos-10)', 'base-stream', 'image-references'],
      })
      await expectRefused(world, {
        inputs: { image, ...release(world, { 'base-stream': 'rhel-11' }) },
        code: 'BASE_NOT_FOUND',
        words: ['wanted stream rhel-11'],
      })
    }))

  it.concurrent.each([
    [
      'the old form only',
      (world: LoopbackWorld) => imageReferences([{ name: 'machine-os-content', image: pinnedBase(world) }]),
      'BASE_NOT_SUPPORTED',
      'machine-os-content',
    ],
    ['no ImageStream', () => '{"kind": "List"}', 'RELEASE_INVALID', 'wanted ImageStream'],
  ] as const)('a payload with %s is refused', (_, references, code, words) =>
    inWorld(async world => {
      world.registry.add('release', makeReleaseImage(references(world)), '4.20.3')
      await expectRefused(world, { inputs: { image, ...release(world) }, code, words: [words] })
    }),
  )

  it.concurrent('an image that is no release is refused', () =>
    inWorld(async world => {
      world.registry.add('release', other, '4.20.3')
      const inputs = { image, ...release(world) }
      await expectRefused(world, { inputs, code: 'RELEASE_INVALID', words: ['no release-manifests/image-references'] })
    }))

  it.concurrent('a base from another repository is refused before it is asked for', () =>
    inWorld(async world => {
      world.registry.add('release', makeReleaseImage(imageReferences(tags(world))), '4.20.3')
      const inputs = {
        image,
        ...release(world, { 'base-repositories': 'quay.io/openshift-release-dev/ocp-v4.0-art-dev' }),
      }
      await expectRefused(world, {
        inputs,
        code: 'BASE_REPOSITORY_NOT_ALLOWED',
        words: [`found ${world.registry.host}/coreos`, 'wanted quay.io/openshift-release-dev/ocp-v4.0-art-dev'],
      })
      expect(world.registry.requests.filter(({ path }) => path.startsWith('/v2/coreos/'))).toEqual([])
    }))
})

describe('base-from: cluster', () => {
  const token = 'cluster-secret-token'
  const inCluster = async <T>(
    objects: (world: LoopbackWorld) => Readonly<Record<string, unknown>>,
    work: (world: LoopbackWorld, cluster: ClusterDouble, inputs: Record<string, string>) => Promise<T>,
    may?: RegExp,
  ): Promise<T> =>
    await inWorld(async world => {
      const user = { name: 'robot', token, ...(may === undefined ? {} : { may }) }
      const cluster = await startClusterDouble({ objects: objects(world), users: [user] })
      try {
        const path = join(world.directory, 'kubeconfig')
        writeFileSync(path, kubeconfig({ server: cluster.url, token }))
        const inputs = {
          image,
          'base-from': 'cluster',
          'base-image': '',
          'base-repositories': `${world.registry.host}/coreos`,
          kubeconfig: path,
        }
        return await work(world, cluster, inputs)
      } finally {
        await cluster.close()
      }
    })
  const withStreams = (world: LoopbackWorld) => ({
    [paths.clusterVersion]: clusterVersion(),
    [paths.imageStream]: imageStream({
      'rhel-9': pinnedBase(world),
      'rhel-10': `${world.registry.host}/coreos@${other.digest}`,
    }),
    [paths.pool('worker')]: pool('worker'),
  })

  it.concurrent('builds on the image of the default stream, reads only, and keeps the cluster’s id', () =>
    inCluster(withStreams, async (world, cluster, inputs) => {
      const run = await world.update({ ...inputs, 'cluster-id': clusterId })
      expect(run.outputs, run.stdout).toMatchObject({ outcome: 'created', 'base-image': pinnedBase(world) })
      expect(recordOf(world, run.outputs.digest ?? '')).toMatchObject({ base: { from: 'cluster', tag: null } })
      expect(cluster.log).toEqual(
        [paths.clusterVersion, paths.imageStream, paths.pool('worker')].map(path => `GET ${path} robot`),
      )
      const lock = world.git.text(
        'show',
        'refs/heads/attested-os-update/clusters-one/update:clusters/one/os-image.lock.yaml',
      )
      expect(load(lock)).toMatchObject({ cluster: { id: clusterId } })
      expect(run.stdout + run.stderr).not.toContain(token)
    }))

  it.concurrent('asks the ConfigMap where there are no streams, and the rendered configuration where that names none', () =>
    inCluster(
      world => ({
        [paths.clusterVersion]: clusterVersion(),
        [paths.imageConfigMap]: imageConfigMap(pinnedBase(world)),
      }),
      async (world, cluster, inputs) => {
        const check = { ...inputs, command: 'check', image: '', 'image-repository': '', namespace: '', rollout: '' }
        const first = await world.update(check)
        expect(first.outputs['base-image'], first.stdout).toBe(pinnedBase(world))
        cluster.objects = {
          [paths.clusterVersion]: clusterVersion(),
          [paths.imageConfigMap]: imageConfigMap(''),
          [paths.pool('worker')]: pool('worker'),
          [paths.machineConfig('rendered-worker-0a1b')]: renderedConfig('rendered-worker-0a1b', pinnedBase(world)),
        }
        const second = await world.update(check)
        expect(second.outputs['base-image'], second.stdout).toBe(pinnedBase(world))
      },
    ))

  it.concurrent('an overridden pool names no base', () =>
    inCluster(
      world => ({
        [paths.clusterVersion]: clusterVersion(),
        [paths.pool('worker')]: pool('worker'),
        [paths.machineConfig('rendered-worker-0a1b')]: renderedConfig('rendered-worker-0a1b', pinnedBase(world), true),
      }),
      async (world, _, inputs) => {
        await expectRefused(world, {
          inputs,
          code: 'BASE_NOT_FOUND',
          words: ['os-image-url-overridden', 'base-from: release'],
        })
      },
    ))

  it.concurrent('another cluster is refused', () =>
    inCluster(withStreams, async (world, _, inputs) => {
      const wanted = { ...inputs, 'cluster-id': '00000000-51a7-4c1f-8a0a-6a0d1d3a7c55' }
      await expectRefused(world, { inputs: wanted, code: 'CLUSTER_DIFFERS', words: [`found cluster id ${clusterId}`] })
    }))

  it.concurrent('a right that lacks is named', () =>
    inCluster(
      withStreams,
      async (world, _, inputs) => {
        const words = [
          'osimagestreams.machineconfiguration.openshift.io, name cluster',
          'docs/permissions.md',
          'cluster /',
        ]
        await expectRefused(world, { inputs, code: 'CLUSTER_DENIED', words })
      },
      /clusterversions/,
    ))

  it.concurrent('a cluster that does not answer is named; the CLI reads KUBECONFIG', () =>
    inWorld(async world => {
      const path = join(world.directory, 'kubeconfig')
      writeFileSync(path, kubeconfig({ server: 'https://api.cluster.invalid:6443', token }))
      const words = [
        '--base-from',
        'cluster',
        '--base-repositories',
        'quay.io/a/b',
        '--pools',
        'worker',
        '--allow-insecure',
      ]
      const run = await runCli(['check', ...words, '--kernel-repositories', world.repository.url], {
        environment: { KUBECONFIG: path },
      })
      expect(run.exitCode).toBe(1)
      expect(run.stderr).toMatch(/^CLUSTER_UNREACHABLE: the cluster does not answer$/m)
      expect(run.stderr).toMatch(/where: (?:base image \/ )?cluster \/ https:\/\/api\.cluster\.invalid:6443/)
      expectClean(run)
    }))
})

describe('base-from: lock', () => {
  it.concurrent('stays with the base of the image in use when the tag moves, and needs no base-image', () =>
    inWorld(async world => {
      const first = await world.update({ image })
      expect(first.outputs.outcome, first.stdout).toBe('created')
      world.github.close(1, 'merged')
      world.registry.add('coreos', other, 'stable')
      world.publish(newest)
      const run = await world.update({ 'base-from': 'lock', 'base-image': '' })
      expect(run.outputs, run.stdout).toMatchObject({ outcome: 'created', 'base-image': pinnedBase(world) })
      expect(recordOf(world, run.outputs.digest ?? '')).toMatchObject({
        base: { image: pinnedBase(world), from: 'lock', tag: null },
      })
    }))

  it.concurrent('takes a base that is in use itself', () =>
    inWorld(async world => {
      await world.update({ image })
      world.github.close(1, 'merged')
      const newBase = await makeBaseImage({ seed, release: '620.el9' })
      world.registry.add('coreos', newBase.image, 'stable')
      const second = await world.update({ image: '' })
      expect(second.outputs, second.stdout).toMatchObject({ outcome: 'created', digest: newBase.image.digest })
      world.github.close(2, 'merged')
      world.registry.add('coreos', base.image, 'stable')
      const check = { command: 'check', image: '', 'image-repository': '', namespace: '', rollout: '' }
      const followed = await world.update(check)
      expect(followed.outputs['update-available'], followed.stdout).toBe('true')
      const fixed = await world.update({ ...check, 'base-from': 'lock', 'base-image': '' })
      expect(fixed.outputs, fixed.stdout).toMatchObject({
        'update-available': 'false',
        'base-image': `${world.registry.host}/coreos@${newBase.image.digest}`,
      })
      expect(fixed.stdout).toContain('The base image is fixed by the settings: a newer one is not looked for.')
    }))

  it.concurrent('is refused where there is no image in use yet', () =>
    inWorld(async world => {
      const inputs = { image, 'base-from': 'lock', 'base-image': '' }
      await expectRefused(world, { inputs, code: 'BASE_NOT_FOUND', words: ['no record', 'first update'] })
    }))
})

describe('a base that is our own image', () => {
  it.concurrent('is refused by its label', () =>
    inWorld(async world => {
      const labels = {
        'attested-os-update.kernel-release': '5.14.0-605.el9.x86_64',
        'org.opencontainers.image.base.name': 'quay.io/team/coreos:stable',
      }
      world.registry.add('coreos', assembleLayeredImage({ base, replace: newer, labels }), 'layered')
      await expectRefused(world, {
        inputs: { image, 'base-image': `${world.registry.host}/coreos:layered` },
        code: 'BASE_IS_LAYERED',
        words: ['attested-os-update.kernel-release', 'quay.io/team/coreos:stable: name that one'],
      })
    }))

  it.concurrent('is refused by its record', () =>
    inWorld(async world => {
      const first = await world.update({ image })
      world.github.close(1, 'merged')
      world.publish(newest)
      await expectRefused(world, {
        inputs: { image, 'base-image': first.outputs.image ?? '' },
        code: 'BASE_IS_LAYERED',
        words: ['a record of kind layered'],
      })
    }))
})

describe('a pull secret', () => {
  it.concurrent('is read as clusters store it', () =>
    LoopbackWorld.during(
      { base, auth: { kind: 'basic', username: 'robot', password: 'registry-password' } },
      async world => {
        world.publish(newer)
        const auth = Buffer.from('robot:registry-password').toString('base64')
        const json = JSON.stringify({ auths: { [world.registry.host]: { auth } } })
        const secret = dump({
          apiVersion: 'v1',
          kind: 'Secret',
          metadata: { name: 'pull-secret', namespace: 'openshift-config' },
          type: 'kubernetes.io/dockerconfigjson',
          data: { '.dockerconfigjson': Buffer.from(json).toString('base64') },
        })
        const path = join(world.directory, 'pull-secret.yaml')
        writeFileSync(path, secret)
        for (const given of [path, secret]) {
          const run = await world.update({ image, 'pull-secret': given, 'dry-run': 'true' })
          expect(run.outputs.outcome, run.stdout).toBe('dry-run')
          expectClean(run)
        }
      },
    ))
})
