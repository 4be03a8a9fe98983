import { describe, expect, it } from 'vitest'
import { formatImageReference, type ImageReference } from '../../src/formats/oci/reference.ts'
import {
  type ClusterObject,
  chooseStream,
  oneImage,
  readClusterVersion,
  readImageConfigMap,
  readImageStreams,
  readRenderedImage,
  renderedConfigOf,
} from '../../src/layering/base-cluster.ts'
import {
  clusterId,
  clusterVersion,
  imageConfigMap,
  imageStream,
  nodeImage,
  pool,
  renderedConfig,
} from '../build/cluster-objects.ts'
import { faultOf } from '../build/damage.ts'

const object = (value: unknown): ClusterObject => ({ value, source: 'object of https://api.example' })
const text = (image: ImageReference | undefined) => (image === undefined ? undefined : formatImageReference(image))
const two = { 'rhel-9': nodeImage('1'), 'rhel-10': nodeImage('2') }

describe('the release of a cluster', () => {
  it('is its id and the version that it is, or is on the way to', () => {
    expect(readClusterVersion(object(clusterVersion()), undefined)).toEqual({ id: clusterId, version: '4.20.3' })
    expect(readClusterVersion(object(clusterVersion()), clusterId).version).toBe('4.20.3')
  })

  it('refuses another cluster, and an object without id', () => {
    const other = '00000000-51a7-4c1f-8a0a-6a0d1d3a7c55'
    expect(faultOf(() => readClusterVersion(object(clusterVersion()), other))).toMatchObject({
      code: 'CLUSTER_DIFFERS',
      found: `cluster id ${clusterId}`,
      wanted: other,
    })
    expect(faultOf(() => readClusterVersion(object({ spec: {} }), undefined))).toMatchObject({
      code: 'CLUSTER_INVALID',
      where: { path: 'spec.clusterID' },
    })
  })
})

describe('streams of node images', () => {
  const streams = readImageStreams(object(imageStream(two)))
  const choose = (names: readonly string[], pools: readonly [string, string?][], wanted?: string) => {
    if (streams === undefined) throw new Error('no streams')
    const objects = new Map(pools.map(([name, stream]) => [name, object(pool(name, undefined, stream))]))
    return chooseStream(streams, objects, names, wanted)
  }

  it('are not known before the controller has written them', () => {
    expect(readImageStreams(object({ ...imageStream(two), status: undefined }))).toBeUndefined()
  })

  it('give the default stream’s image', () => {
    expect(text(choose(['worker'], [['worker']]))).toBe(nodeImage('1'))
  })

  it('give the one of base-stream', () => {
    expect(text(choose(['worker'], [['worker']], 'rhel-10'))).toBe(nodeImage('2'))
    expect(faultOf(() => choose(['worker'], [['worker']], 'rhel-11'))).toMatchObject({
      code: 'BASE_NOT_FOUND',
      found: 'rhel-9, rhel-10',
      wanted: 'rhel-11',
    })
  })

  it('a custom pool has that of worker, a pool of the cluster its own', () => {
    const pools: [string, string?][] = [['infra'], ['master'], ['worker', 'rhel-10']]
    expect(text(choose(['infra'], pools))).toBe(nodeImage('2'))
    expect(text(choose(['master'], pools))).toBe(nodeImage('1'))
    expect(faultOf(() => choose(['infra', 'master'], pools))).toMatchObject({
      code: 'BASE_AMBIGUOUS',
      found: 'infra: rhel-10, master: rhel-9',
    })
  })

  it('a stream of the pool itself is refused: no osImageURL may stand beside it', () => {
    expect(faultOf(() => choose(['worker'], [['worker', 'rhel-10']]))).toMatchObject({
      code: 'POOL_NOT_SUPPORTED',
      hint: 'remove spec.osImageStream from the pool and set base-stream: rhel-10',
    })
  })

  it.each([
    ['no streams', { ...imageStream(two), status: { defaultStream: 'rhel-9', availableStreams: [] } }],
    ['no default', { ...imageStream(two), status: { availableStreams: [{ name: 'a', osImage: nodeImage('1') }] } }],
    ['an image by tag', imageStream({ 'rhel-9': 'quay.io/a/b:latest' })],
    ['an image that is no text', imageStream({ 'rhel-9': 7 as unknown as string })],
  ])('refuses %s', (_, value) => {
    expect(faultOf(() => readImageStreams(object(value))).code).toBe('CLUSTER_INVALID')
  })
})

describe('before streams', () => {
  it('the ConfigMap names the release’s image, or none', () => {
    expect(text(readImageConfigMap(object(imageConfigMap(nodeImage('3')))))).toBe(nodeImage('3'))
    expect(readImageConfigMap(object(imageConfigMap('')))).toBeUndefined()
    expect(faultOf(() => readImageConfigMap(object(imageConfigMap('quay.io/a/b:latest')))).code).toBe('CLUSTER_INVALID')
  })

  it('the rendered MachineConfig does, as long as nobody overrode it', () => {
    expect(renderedConfigOf(object(pool('worker')))).toBe('rendered-worker-0a1b')
    expect(text(readRenderedImage(object(renderedConfig('rendered-worker-0a1b', nodeImage('4')))))).toBe(nodeImage('4'))
    const overridden = object(renderedConfig('rendered-worker-0a1b', nodeImage('5'), true))
    expect(faultOf(() => readRenderedImage(overridden))).toMatchObject({
      code: 'BASE_NOT_FOUND',
      found: expect.stringContaining('os-image-url-overridden'),
    })
  })

  it('refuses a name that is no rendered configuration, which would lead elsewhere', () => {
    for (const name of ['99-worker-os-image', 'rendered-a/../../secrets', ''])
      expect(faultOf(() => renderedConfigOf(object(pool('worker', name)))).code).toBe('CLUSTER_INVALID')
  })

  it('pools with different images are refused', () => {
    const images = (...digits: readonly string[]) =>
      new Map(
        digits.map((digit, index) => [
          `pool${index}`,
          readRenderedImage(object(renderedConfig('r', nodeImage(digit)))),
        ]),
      )
    expect(text(oneImage(images('1', '1')))).toBe(nodeImage('1'))
    expect(faultOf(() => oneImage(images('1', '2'))).code).toBe('BASE_AMBIGUOUS')
  })
})
