// Every manifest that we write, against the CustomResourceDefinitions of the cluster; and wrong ones, which must not pass.

import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { loadAll } from 'js-yaml'
import { describe, expect, it } from 'vitest'
import { proposeChange } from '../../src/propose/repository-change.ts'
import { loadManifestJudge, type ManifestJudge } from '../build/manifest-rules.ts'
import {
  applyChange,
  digestOfSeed,
  hexOf,
  imageOf,
  makeBaseRecord,
  makeRecord,
  makeSettings,
} from '../build/proposal.ts'

const folder = join(import.meta.dirname, '../../../shared/crds')
const present = existsSync(folder)
if (!present)
  process.stdout.write('NOT CHECKED: manifests against CustomResourceDefinitions (../shared/crds is not there)\n')

const pools = ['worker', 'master', 'infra']
const expected = { pools, namespace: 'trusted-execution-clusters' }
const role = 'machineconfiguration.openshift.io/role'

/** Manifests of a change, records and lock left out: no controller reads those. */
function manifests(files: ReadonlyMap<string, string>): [string, unknown][] {
  return [...files]
    .filter(([path]) => /\/(?:reference-values|machine-config)\//.test(path))
    .flatMap(([path, text]) => loadAll(text).map((one): [string, unknown] => [path, one]))
}

const machineConfig = (spec: object, metadata: object = {}) => ({
  apiVersion: 'machineconfiguration.openshift.io/v1',
  kind: 'MachineConfig',
  metadata: { name: '99-worker-os-image', labels: { [role]: 'worker' }, ...metadata },
  spec,
})

const approvedImage = (spec: object, metadata: object = {}) => ({
  apiVersion: 'trusted-execution-clusters.io/v1alpha1',
  kind: 'ApprovedImage',
  metadata: { name: `osimg-${hexOf('a').slice(0, 32)}`, namespace: expected.namespace, ...metadata },
  spec,
})

const configMap = (data: object) => ({
  apiVersion: 'v1',
  kind: 'ConfigMap',
  metadata: { name: 'rvps-reference-values', namespace: expected.namespace },
  data,
})

const good = imageOf('a')
const tagged = good.replace(/@.*/, ':latest')

/** What is wrong, the manifest, and the start of the fault that must be found. */
const wrong: readonly (readonly [string, unknown, string])[] = [
  ['a tag instead of a digest', machineConfig({ osImageURL: tagged }), 'own: osImageURL'],
  ['a tag and a digest', machineConfig({ osImageURL: good.replace('@', ':v1@') }), 'own: osImageURL'],
  [
    'a digest in upper case',
    machineConfig({ osImageURL: good.replace(/[0-9a-f]{64}/, hexOf('a').toUpperCase()) }),
    'own: osImageURL',
  ],
  ['a misspelt field', machineConfig({ osImageURL: good, osImageUrl: good }), 'schema/spec: must NOT have additional'],
  [
    'arguments as one string',
    machineConfig({ osImageURL: good, kernelArguments: 'quiet' }),
    'schema/spec/kernelArguments',
  ],
  ['a namespace on a cluster-scoped object', machineConfig({ osImageURL: good }, { namespace: 'default' }), 'scope:'],
  ['no role label', machineConfig({ osImageURL: good }, { labels: {} }), 'own: role label'],
  ['the role of another pool', machineConfig({ osImageURL: good }, { labels: { [role]: 'gpu' } }), 'own: role label'],
  [
    'a name that no object can have',
    machineConfig({ osImageURL: good }, { name: '99_Worker' }),
    'schema/metadata/name',
  ],
  [
    'a version that is not served',
    { ...machineConfig({ osImageURL: good }), apiVersion: 'machineconfiguration.openshift.io/v2' },
    'no such kind',
  ],
  ['an image without a digest', approvedImage({ image: tagged }), 'CEL '],
  [
    'the field of an old design',
    approvedImage({ reference: good }),
    "schema/spec: must have required property 'image'",
  ],
  ['no namespace', approvedImage({ image: good }, { namespace: undefined }), 'scope:'],
  ['another namespace', approvedImage({ image: good }, { namespace: 'default' }), 'scope:'],
  ['the name of another digest', approvedImage({ image: imageOf('b') }), 'own: name'],
  ['a field beside spec', { ...approvedImage({ image: good }), speck: {} }, 'schema: must NOT have additional'],
  ['a label that is no label', approvedImage({ image: good }, { labels: { a: 'b c' } }), 'schema/metadata/labels/a'],
  ['a list where text belongs', configMap({ 'reference-values.json': [] }), 'schema/data/reference-values.json'],
]

describe.skipIf(!present)('manifests and CustomResourceDefinitions', () => {
  const judge: ManifestJudge = present ? loadManifestJudge(folder) : { faults: () => ['no CRDs'] }

  for (const trusteeShape of ['list', 'map'] as const)
    it(`everything that a change writes passes (${trusteeShape})`, () => {
      const settings = makeSettings({ target: ['trusted-execution-clusters', 'trustee'], trusteeShape, pools })
      const first = proposeChange(settings, new Map(), makeRecord('first'), [makeBaseRecord()])
      const files = applyChange(new Map(), first.files)
      const second = applyChange(files, proposeChange(settings, files, makeRecord('second'), []).files)
      const all = manifests(second)
      expect(all.map(([path]) => path.split('/').slice(-2).join('/'))).toEqual(
        expect.arrayContaining([
          ...pools.map(pool => `machine-config/99-${pool}-os-image.yaml`),
          ...['base', 'first', 'second'].map(seed => `reference-values/osimg-${hexOf(seed).slice(0, 32)}.yaml`),
          'reference-values/rvps-reference-values.yaml',
        ]),
      )
      expect(all).toHaveLength(7)
      for (const [path, manifest] of all) expect([path, judge.faults(manifest, expected)]).toEqual([path, []])
    })

  it('a MachineConfig that people wrote passes after the edit, with all that it held', () => {
    const text = `apiVersion: machineconfiguration.openshift.io/v1
kind: MachineConfig
metadata: {name: os-layer-custom, labels: {${role}: worker}}
spec:
  osImageURL: "${imageOf('old')}" # by hand
  kernelArguments: [quiet]
  config:
    ignition: {version: 3.4.0}
    storage: {files: [{path: /etc/x, mode: 0644}]}
`
    const path = 'clusters/one/machine-config/mine.yaml'
    const change = proposeChange(makeSettings(), new Map([[path, text]]), makeRecord('first'), [])
    const edited = manifests(applyChange(new Map(), change.files)).find(([one]) => one === path)
    expect(judge.faults(edited?.[1], expected)).toEqual([])
    expect(edited?.[1]).toMatchObject({ spec: { osImageURL: imageOf('first'), kernelArguments: ['quiet'] } })
  })

  it('the right forms of the wrong manifests pass', () => {
    for (const manifest of [machineConfig({ osImageURL: good }), approvedImage({ image: good }), configMap({ a: 'b' })])
      expect(judge.faults(manifest, expected)).toEqual([])
  })

  it.each(wrong)('refuses %s', (_, manifest, start) => {
    const faults = judge.faults(JSON.parse(JSON.stringify(manifest)), expected)
    expect(faults.filter(fault => fault.startsWith(start))).not.toEqual([])
  })

  it('refuses another image in an ApprovedImage that exists', () => {
    const other = approvedImage({ image: `registry.example.com/elsewhere/x@${digestOfSeed('a')}` })
    const before = approvedImage({ image: good })
    expect(judge.faults(other, expected)).toEqual([])
    expect(judge.faults(other, expected, before)).toEqual([expect.stringMatching(/^CEL .*Value is immutable/)])
    expect(judge.faults(before, expected, before)).toEqual([])
  })
})
