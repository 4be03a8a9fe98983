// The whole change: one step from any state to the next, and no step when nothing is to be done.

import { load } from 'js-yaml'
import { describe, expect, it } from 'vitest'
import { parsePinnedReference } from '../../src/formats/oci/reference.ts'
import { readLock } from '../../src/propose/lock.ts'
import { renderMachineConfig } from '../../src/propose/machine-config.ts'
import { formatRecord, readRecords } from '../../src/propose/record.ts'
import { proposeChange, unrecordedImages } from '../../src/propose/repository-change.ts'
import {
  applyChange,
  digestOfSeed,
  faultOf,
  hexOf,
  imageOf,
  makeBaseRecord,
  makePrediction,
  makeRecord,
  makeSettings,
} from '../build/proposal.ts'

const settings = makeSettings()
const base = makeBaseRecord()
const record = makeRecord('first')
const name = (seed: string) => `osimg-${hexOf(seed).slice(0, 32)}`
const dir = 'clusters/one'
const empty = new Map<string, string>()

describe('proposeChange', () => {
  it('first adoption: records and values of base and new image, lock, MachineConfig', () => {
    const change = proposeChange(settings, empty, record, [base])
    expect(change.files.map(({ path }) => path)).toEqual(
      [
        `${dir}/machine-config/99-worker-os-image.yaml`,
        `${dir}/os-image.lock.yaml`,
        `${dir}/os-images/${name('base')}.yaml`,
        `${dir}/os-images/${name('first')}.yaml`,
        `${dir}/reference-values/${name('base')}.yaml`,
        `${dir}/reference-values/${name('first')}.yaml`,
      ].sort(),
    )
    const files = applyChange(empty, change.files)
    expect(files.get(`${dir}/reference-values/${name('first')}.yaml`)).toBe(
      `apiVersion: trusted-execution-clusters.io/v1alpha1
kind: ApprovedImage
metadata:
  name: ${name('first')}
  namespace: trusted-execution-clusters
spec:
  image: ${imageOf('first')}
`,
    )
    expect(files.get(`${dir}/os-image.lock.yaml`)).toBe(
      `schemaVersion: 1
cluster:
  name: null
  id: null
pools:
  worker:
    image: ${imageOf('first')}
    platforms: []
    inheritedBy: []
valuesFrom: '2026-11-21'
bootImages: []
platforms: {}
`,
    )
    expect(change.recordPath).toBe(`${dir}/os-images/${name('first')}.yaml`)
    expect(readRecords(dir, files).map(one => one.record)).toEqual(expect.arrayContaining([base, record]))
  })

  it('applied twice changes nothing, for both targets and all pools in one file', () => {
    const both = makeSettings({
      target: ['trusted-execution-clusters', 'trustee'],
      trusteeShape: 'map',
      pools: ['worker', 'master'],
    })
    const one = `${renderMachineConfig('a', 'worker', imageOf('old'))}---\n${renderMachineConfig('b', 'master', imageOf('old'))}`
    const start = new Map([
      [`${dir}/m.yaml`, one],
      [`.github/workflows/x.yaml`, 'not: [yaml'],
    ])
    const change = proposeChange(both, start, record, [base])
    const files = applyChange(start, change.files)
    expect(files.get(`${dir}/m.yaml`)).toBe(one.replaceAll(imageOf('old'), imageOf('first')))
    expect(proposeChange(both, files, record, [base]).files).toEqual([])
    expect(proposeChange(both, files, makeRecord('first', { created: '2027-01-01T00:00:00Z' }), []).files).toEqual([])
  })

  it('the next image touches MachineConfig and lock, adds its record and value, edits nothing else', () => {
    const files = applyChange(empty, proposeChange(settings, empty, record, [base]).files)
    const next = makeRecord('second', { created: '2027-02-03T04:05:06Z' })
    const change = proposeChange(settings, files, next, [])
    const added = [`${dir}/os-images/${name('second')}.yaml`, `${dir}/reference-values/${name('second')}.yaml`]
    const edited = [`${dir}/machine-config/99-worker-os-image.yaml`, `${dir}/os-image.lock.yaml`]
    expect(change.files.map(({ path }) => path)).toEqual([...added, ...edited].sort())
    expect(change.machineConfigs[0]?.from).toBe(imageOf('first'))
    expect(readLock(dir, applyChange(files, change.files))).toMatchObject({ valuesFrom: '2027-02-03' })
  })

  it('records are append-only: other predictions for a digest go to -2, then -3', () => {
    let files = applyChange(empty, proposeChange(settings, empty, record, []).files)
    for (const number of [2, 3]) {
      const other = makeRecord('first', { predictions: [makePrediction('loaders', `other ${number}`)] })
      const change = proposeChange(settings, files, other, [])
      expect(change.files).toEqual([
        { path: `${dir}/os-images/${name('first')}-${number}.yaml`, content: formatRecord(other) },
      ])
      expect(change.recordPath).toBe(change.files[0]?.path)
      files = applyChange(files, change.files)
    }
  })

  it('a retired record does not count: a new one is written', () => {
    const retired = { at: '2026-12-01T00:00:00Z', branch: 'main', evidenceSha256: hexOf('evidence') }
    const files = new Map([[`${dir}/os-images/${name('first')}.yaml`, formatRecord({ ...record, retired })]])
    expect(proposeChange(settings, files, record, []).recordPath).toBe(`${dir}/os-images/${name('first')}-2.yaml`)
  })

  it('works at the top of the repository', () => {
    const change = proposeChange(makeSettings({ directory: '' }), empty, record, [])
    expect(change.files.map(({ path }) => path)).toContain('os-image.lock.yaml')
  })

  it.each([
    ['argoproj.io/v1alpha1', 'Application'],
    ['argoproj.io/v1alpha1', 'ApplicationSet'],
    ['kustomize.toolkit.fluxcd.io/v1', 'Kustomization'],
  ])('layout auto refuses %s %s, plain does not', (apiVersion, kind) => {
    const files = new Map([
      [`${dir}/app.yaml`, `---\n# x\napiVersion: ${apiVersion}\nkind: ${kind}\nmetadata: {name: n}\n`],
    ])
    expect(faultOf(() => proposeChange(settings, files, record, []))).toMatchObject({
      code: 'LAYOUT_NOT_SUPPORTED',
      where: { source: `${dir}/app.yaml`, line: 3 },
      hint: expect.stringContaining('layout: plain'),
    })
    expect(proposeChange(makeSettings({ layout: 'plain' }), files, record, []).files).not.toEqual([])
  })

  it('a plain kustomization.yaml is no Flux object, and is named', () => {
    const text = 'apiVersion: kustomize.config.k8s.io/v1beta1\nkind: Kustomization\nresources: []\n'
    const change = proposeChange(settings, new Map([[`${dir}/kustomization.yaml`, text]]), record, [])
    expect(change.kustomizations).toEqual([`${dir}/kustomization.yaml`])
  })

  it('refuses another thing at the place of an ApprovedImage', () => {
    const path = `${dir}/reference-values/${name('first')}.yaml`
    const good = applyChange(empty, proposeChange(settings, empty, record, []).files).get(path) ?? ''
    for (const text of [
      'a: 1\n',
      good.replace('namespace: trusted', 'namespace: other'),
      good.replace(/sha256:../, 'sha256:00'),
      `${good}---\n${good}`,
    ])
      expect(faultOf(() => proposeChange(settings, new Map([[path, text]]), record, []))).toMatchObject({
        code: 'RECORD_INVALID',
        where: { source: path },
      })
  })
})

describe('unrecordedImages', () => {
  it('lists base and images of all pools once, asked for or not, without those that have a record', () => {
    const files = new Map([
      [`${dir}/w.yaml`, renderMachineConfig('w', 'worker', imageOf('old'))],
      [`${dir}/m.yaml`, renderMachineConfig('m', 'master', imageOf('old'))],
      [`${dir}/i.yaml`, renderMachineConfig('i', 'infra', 'registry.example.com/team/x:tag')],
      [`${dir}/j.yaml`, renderMachineConfig('j', 'gpu', 'registry.example.com/team/x:tag')],
      [`${dir}/k.yaml`, renderMachineConfig('k', 'edge', `mirror.example.com/x@${digestOfSeed('old')}`)],
      [`${dir}/l.yaml`, renderMachineConfig('l', 'rt', `mirror.example.com/base@${digestOfSeed('base')}`)],
    ])
    const found = unrecordedImages(settings, files, parsePinnedReference(base.image))
    const mirrored = `mirror.example.com/x@${digestOfSeed('old')}`
    const mirroredBase = `mirror.example.com/base@${digestOfSeed('base')}`
    expect(
      found.map(({ kind, path, reference, named }) => [kind, path, reference.digest ?? reference.tag, named]),
    ).toEqual([
      ['base', undefined, digestOfSeed('base'), [mirroredBase]],
      ['foreign', `${dir}/w.yaml`, digestOfSeed('old'), [imageOf('old'), mirrored]],
      ['foreign', `${dir}/i.yaml`, 'tag', ['registry.example.com/team/x:tag']],
    ])
    files.set(`${dir}/os-images/${name('base')}.yaml`, formatRecord(base))
    expect(unrecordedImages(settings, files, parsePinnedReference(base.image)).map(one => one.kind)).toEqual([
      'foreign',
      'foreign',
    ])
  })

  it('passes over what the MCO made', () => {
    const generated = renderMachineConfig('g', 'worker', imageOf('generated')).replace(
      'metadata:',
      'metadata:\n  annotations: {machineconfiguration.openshift.io/generated-by-controller-version: v4}',
    )
    const files = new Map([
      [`${dir}/g.yaml`, generated],
      [`${dir}/r.yaml`, renderMachineConfig('rendered-worker-0a1b', 'worker', imageOf('rendered'))],
    ])
    expect(unrecordedImages(settings, files, parsePinnedReference(base.image)).map(one => one.kind)).toEqual(['base'])
  })
})

describe('target trustee', () => {
  const path = `${dir}/reference-values/rvps-reference-values.yaml`
  const trustee = (trusteeShape: 'list' | 'map') =>
    makeSettings({ target: ['trustee'], trusteeShape, namespace: 'kbs' })
  const values = (seeds: readonly string[]) => seeds.map(seed => hexOf(`pcr 4 loaders ${seed}`)).sort()
  const mok = [hexOf('pcr 14 loaders')]

  function data(text: string | undefined): Readonly<Record<string, string>> {
    return (load(text ?? '') as { data: Record<string, string> }).data
  }

  it('list: name, expired and hash-value under reference-values.json; no ApprovedImages', () => {
    const files = applyChange(empty, proposeChange(trustee('list'), empty, record, [base]).files)
    const expired = '2027-11-21T00:00:00Z'
    const hashes = (all: readonly string[]) => all.map(value => ({ alg: 'sha256', value }))
    expect(JSON.parse(data(files.get(path))['reference-values.json'] ?? '')).toEqual([
      { name: 'tpm_pcr4', expired, 'hash-value': hashes(values(['base', 'first'])) },
      { name: 'tpm_pcr14', expired, 'hash-value': hashes(mok) },
    ])
    expect([...files.keys()].filter(one => one.startsWith(`${dir}/reference-values/`))).toEqual([path])
  })

  it('map: expiration and value under reference_value; grows with each image', () => {
    const first = applyChange(empty, proposeChange(trustee('map'), empty, record, [base]).files)
    const files = applyChange(first, proposeChange(trustee('map'), first, makeRecord('second'), []).files)
    expect(JSON.parse(data(files.get(path)).reference_value ?? '')).toEqual({
      tpm_pcr4: { expiration: '2027-11-21T00:00:00Z', value: values(['base', 'first', 'second']) },
      tpm_pcr14: { expiration: '2027-11-21T00:00:00Z', value: mok },
    })
  })

  it('changes shape without losing a value', () => {
    const files = applyChange(empty, proposeChange(trustee('map'), empty, record, [base]).files)
    const change = proposeChange(trustee('list'), files, record, [base])
    expect(change.files.map(one => one.path)).toEqual([path])
  })

  it('refuses to take away what no record explains, and a second ConfigMap of that name', () => {
    const text = applyChange(empty, proposeChange(trustee('map'), empty, record, [base]).files).get(path) ?? ''
    for (const [where, content] of [
      [path, text.replace('tpm_pcr14', 'snp_launch')],
      [path, text.replace('"value"', '"other"')],
      [path, text.replace('reference_value:', 'more:')],
      [path, text.replace('namespace: kbs', 'namespace: other')],
      [`${dir}/mine.yaml`, text],
    ] as const)
      expect(faultOf(() => proposeChange(trustee('map'), new Map([[where, content]]), record, [base]))).toMatchObject({
        code: 'EDIT_WOULD_TOUCH_MORE',
        where: { source: where },
      })
  })

  it('asks for the shape', () => {
    const without = makeSettings({ target: ['trustee'] })
    expect(faultOf(() => proposeChange(without, empty, record, []))).toMatchObject({ code: 'SETTING_MISSING' })
  })
})
