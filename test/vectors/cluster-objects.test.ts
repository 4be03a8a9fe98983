// The objects of our cluster double against the CustomResourceDefinitions: what the tests read is what a cluster gives.

import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { readImageStreams, readRenderedImage, renderedConfigOf } from '../../src/layering/base-cluster.ts'
import { imageConfigMap, imageStream, nodeImage, pool, renderedConfig } from '../build/cluster-objects.ts'
import { loadManifestJudge, type ManifestJudge } from '../build/manifest-rules.ts'

const folder = join(import.meta.dirname, '../../../shared/crds')
const present = existsSync(folder)
if (!present)
  process.stdout.write(
    'NOT CHECKED: objects of clusters against CustomResourceDefinitions (../shared/crds is not there)\n',
  )

/** What the API server adds to metadata stands in no file, and the rules are for files. */
function asFile(object: { readonly metadata: object }, namespace?: string): unknown {
  const { name, annotations } = object.metadata as { name: string; annotations?: object }
  const metadata = { name, ...(annotations === undefined ? {} : { annotations }), ...(namespace ? { namespace } : {}) }
  return JSON.parse(JSON.stringify({ ...object, metadata }))
}

describe.skipIf(!present)('objects of a cluster', () => {
  const judge: ManifestJudge = present ? loadManifestJudge(folder) : { faults: () => ['no CRDs'] }
  const source = 'test'
  const streams = imageStream({ 'rhel-9': nodeImage('1'), 'rhel-10': nodeImage('2') })
  const schemaFaults = (object: { readonly metadata: object }) =>
    judge
      .faults(asFile(object), { pools: ['worker'], namespace: 'unused' })
      .filter(fault => /^(?:schema|CEL|no such kind)/.test(fault))
      // a library of the API server only; the names are the words of the field that the CRD describes
      .filter(fault => !fault.includes('format.dns1123Subdomain()'))

  it.each([
    ['OSImageStream', streams],
    ['MachineConfigPool', pool('worker')],
    ['MachineConfigPool with a stream', pool('worker', 'rendered-worker-0a1b', 'rhel-10')],
    ['MachineConfig', renderedConfig('rendered-worker-0a1b', nodeImage('1'), true)],
    ['ConfigMap', imageConfigMap(nodeImage('1'))],
  ])('%s fits its definition', (_, object) => {
    expect(schemaFaults(object)).toEqual([])
  })

  it('and wrong ones do not', () => {
    const byTag = imageStream({ 'rhel-9': 'quay.io/a/b:latest' })
    expect(schemaFaults(byTag).join()).toMatch(/CEL .*sha256/)
    expect(schemaFaults(imageStream({ 'rhel-9': nodeImage('1') }, 'rhel-10')).join()).toMatch(/CEL .*availableStreams/)
  })

  it('what the definition requires is enough for us', () => {
    const { images, defaultStream } = readImageStreams({ value: streams, source }) ?? { images: new Map() }
    expect([defaultStream, [...images.keys()]]).toEqual(['rhel-9', ['rhel-9', 'rhel-10']])
    expect(renderedConfigOf({ value: pool('worker'), source })).toBe('rendered-worker-0a1b')
    const config = renderedConfig('rendered-worker-0a1b', nodeImage('1'))
    expect(readRenderedImage({ value: config, source }).digest).toBe(`sha256:${'1'.repeat(64)}`)
  })
})
