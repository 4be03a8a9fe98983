import { describe, expect, it } from 'vitest'
import {
  chooseNodeImage,
  type NodeImageCandidate,
  nodeImageTags,
  readReleasePayload,
  readReleaseVersion,
} from '../../src/layering/base-release.ts'
import { cuts, faultOf, flips, outcome } from '../build/damage.ts'
import { builtByOpenshiftOs, imageReferences, releaseMetadata } from '../build/release-payload.ts'

const repository = 'quay.io/openshift-release-dev/ocp-v4.0-art-dev'
const pinned = (digit: string) => `${repository}@sha256:${digit.repeat(64)}`
const bytes = (value: unknown) => Buffer.from(JSON.stringify(value))
const tag = (name: string, digit: string, more: object = {}) => ({ name, image: pinned(digit), ...more })
const source = 'registry.example/release:1'
const read = (tags: Parameters<typeof imageReferences>[0], name?: string) =>
  readReleasePayload(bytes(imageReferences(tags, name)), source)
const names = (tags: Parameters<typeof imageReferences>[0]) => nodeImageTags(read(tags), source).map(({ name }) => name)

const nodeLabels = { 'containers.bootc': '1', 'ostree.bootable': 'true' }
const candidate = (name: string, digit: string, imageLabels: Record<string, string>): NodeImageCandidate => {
  const [found] = read([tag(name, digit)]).tags
  if (found === undefined) throw new Error(name)
  return { ...found, imageLabels }
}
const rhel9 = candidate('rhel-coreos', '1', { ...nodeLabels, 'io.openshift.os.streamclass': 'rhel-9' })
const rhel10 = candidate('rhel-coreos-10', '2', { ...nodeLabels, 'io.openshift.os.streamclass': 'rhel-10' })

describe('the payload of a release', () => {
  it('gives the version and the tags whose images may be the node’s', () => {
    const payload = read([
      tag('cluster-version-operator', '0'),
      tag('rhel-coreos', '1', { annotations: builtByOpenshiftOs }),
      tag('rhel-coreos-extensions', '3', { annotations: builtByOpenshiftOs }),
      tag('node-image', '4', { annotations: builtByOpenshiftOs }),
      tag('rhel-coreos-9', '5', { kind: 'ImageStreamTag' }),
    ])
    expect(payload.version).toBe('4.20.3')
    expect(payload.tags.map(({ name, image }) => [name, image.digest?.slice(7, 8)])).toEqual([
      ['rhel-coreos', '1'],
      ['rhel-coreos-extensions', '3'],
      ['node-image', '4'],
    ])
  })

  it('takes the version from release-metadata where image-references has none', () => {
    const unnamed = { ...imageReferences([]), metadata: {} }
    expect(readReleaseVersion(bytes(releaseMetadata('4.19.9')), source)).toBe('4.19.9')
    expect(readReleasePayload(bytes(unnamed), source).version).toBeUndefined()
  })

  it.each([
    [
      'today’s OpenShift',
      ['rhel-coreos', 'rhel-coreos-extensions', 'rhel-coreos-10'],
      ['rhel-coreos', 'rhel-coreos-10'],
    ],
    ['4.12', ['rhel-coreos-8', 'rhel-coreos-8-extensions', 'machine-os-content'], ['rhel-coreos-8']],
    ['OKD', ['stream-coreos', 'stream-coreos-extensions'], ['stream-coreos']],
    ['old OKD', ['fedora-coreos', 'machine-os-content'], ['fedora-coreos']],
  ])('%s: the names of node images', (_, all, wanted) => {
    expect(names([tag('etcd', '0'), ...all.map((name, index) => tag(name, String(index + 1)))])).toEqual(wanted)
  })

  it('refuses machine-os-content alone, and says why', () => {
    expect(faultOf(() => names([tag('machine-os-content', '1'), tag('etcd', '2')]))).toMatchObject({
      code: 'BASE_NOT_SUPPORTED',
      found: 'machine-os-content',
    })
  })

  it('refuses more node images than any release has, since each would be asked for', () => {
    const tags = (count: number) => Array.from({ length: count }, (_, at) => tag(`rhel-coreos-${at}`, '1'))
    expect(names(tags(50))).toHaveLength(50)
    expect(faultOf(() => names(tags(51)))).toMatchObject({ code: 'RELEASE_INVALID', wanted: 'at most 50 node images' })
  })

  it('refuses a payload without any node image', () => {
    expect(faultOf(() => names([tag('etcd', '2')])).code).toBe('BASE_NOT_FOUND')
  })

  it.each([
    ['no JSON', Buffer.from('kind: ImageStream')],
    ['another kind', bytes({ ...imageReferences([]), kind: 'ConfigMap' })],
    ['no list of tags', bytes({ ...imageReferences([]), spec: {} })],
    ['a tag without a name', bytes({ ...imageReferences([]), spec: { tags: [{ from: { kind: 'DockerImage' } }] } })],
    [
      'an image that is no text',
      bytes({
        ...imageReferences([]),
        spec: { tags: [{ name: 'rhel-coreos', from: { kind: 'DockerImage', name: 7 } }] },
      }),
    ],
    ['a node image by tag', bytes(imageReferences([{ name: 'rhel-coreos', image: `${repository}:latest` }]))],
    ['more tags than any release has', bytes({ ...imageReferences([]), spec: { tags: Array(5001).fill({}) } })],
  ])('refuses %s', (_, document) => {
    expect(faultOf(() => readReleasePayload(document, source)).code).toBe('RELEASE_INVALID')
  })

  it('ends in a value or in an error of ours, wherever it is cut or changed', () => {
    const whole = bytes(imageReferences([tag('rhel-coreos', '1')]))
    const changed = [...whole.keys()].map(offset => whole.map((byte, at) => (at === offset ? byte ^ 1 : byte)))
    const damaged = [...cuts(whole), ...[...flips(whole)].map(({ bytes }) => bytes), ...changed]
    const outcomes = new Set(damaged.map(one => outcome(() => readReleasePayload(one, source))))
    expect([...outcomes].sort()).toEqual(['REFERENCE_INVALID', 'RELEASE_INVALID', 'read'])
  })
})

describe('the choice of the node image', () => {
  it('is the only one', () => {
    expect(chooseNodeImage([rhel9], undefined, source)).toBe(rhel9)
  })

  it('is by labels where names say nothing: no extensions, no image that boots nothing', () => {
    const extensions = candidate('rhel-coreos-x', '3', {
      'io.openshift.os.extensions': 'True',
      'io.openshift.os.streamclass': 'rhel-9',
    })
    const other = candidate('rhel-coreos-tools', '4', {})
    expect(chooseNodeImage([other, extensions, rhel9], undefined, source)).toBe(rhel9)
  })

  it('is by name where no image has labels', () => {
    const plain = candidate('rhel-coreos-8', '5', {})
    expect(chooseNodeImage([plain], undefined, source)).toBe(plain)
  })

  it('is by base-stream: the name of a stream, or of a tag', () => {
    for (const stream of ['rhel-10', 'rhel-coreos-10'])
      expect(chooseNodeImage([rhel9, rhel10], stream, source)).toBe(rhel10)
  })

  it('takes two tags of one image for one', () => {
    const same = { ...rhel9, name: 'rhel-coreos-9' }
    expect(chooseNodeImage([rhel9, same], undefined, source)).toBe(rhel9)
  })

  it('refuses to choose between two streams, and names them', () => {
    expect(faultOf(() => chooseNodeImage([rhel9, rhel10], undefined, source))).toMatchObject({
      code: 'BASE_AMBIGUOUS',
      found: 'rhel-9 (tag rhel-coreos), rhel-10 (tag rhel-coreos-10)',
    })
  })

  it('refuses a stream that is not there', () => {
    expect(faultOf(() => chooseNodeImage([rhel9], 'rhel-10', source))).toMatchObject({
      code: 'BASE_NOT_FOUND',
      found: 'rhel-9 (tag rhel-coreos)',
      wanted: 'stream rhel-10',
    })
  })
})
