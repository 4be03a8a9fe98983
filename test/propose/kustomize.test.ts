// Kustomizations that would change what we write are refused with their line; those that only list and mark are not.

import { describe, expect, it } from 'vitest'
import { proposeChange } from '../../src/propose/repository-change.ts'
import { faultOf, makeBaseRecord, makeRecord, makeSettings } from '../build/proposal.ts'

const record = makeRecord('new')
const propose = (text: string, path = 'clusters/one/kustomization.yaml', more: Readonly<Record<string, string>> = {}) =>
  proposeChange(makeSettings(), new Map([[path, `# first line\n${text}\n`], ...Object.entries(more)]), record, [
    makeBaseRecord(),
  ])

describe('kustomizations', () => {
  it.each<[string, number]>([
    ['namePrefix: zz-', 2],
    ['resources: []\nnameSuffix: -zz', 3],
    ['namespace: other', 2],
    ['commonLabels: {machineconfiguration.openshift.io/role: infra}', 2],
    ['labels:\n- pairs: {a: b}\n- pairs: {machineconfiguration.openshift.io/role: infra}', 4],
    ['patches:\n- target: {kind: MachineConfig}\n  path: p.json', 3],
    ['patches:\n- target: {kind: Deployment}\n  patch: "x"\n- patch: |\n    spec: {osImageURL: x}', 5],
    ['patches:\n- target: {kind: Machine.*}\n  path: p.json', 3],
    ['patches:\n- target: {labelSelector: a=b}\n  path: p.json', 3],
    ['patches:\n- path: p.yaml', 3],
    ['patchesStrategicMerge:\n- p.yaml', 3],
    ['patchesStrategicMerge:\n- |-\n  kind: MachineConfig', 3],
    ['patchesJson6902:\n- target: {group: machineconfiguration.openshift.io, kind: MachineConfig}\n  path: p.json', 3],
    ['helmCharts:\n- name: x', 3],
    ['resources:\n- a.yaml\n- ../../base', 4],
    ['resources: [https://example.com/x.yaml]', 2],
    ['resources: ["github.com/acme/base?ref=main"]', 2],
    ['bases: ["git@example.com:acme/base"]', 2],
    ['components: [../two]', 2],
  ])('%j is refused at its line', (text, line) => {
    const patch = { 'clusters/one/p.yaml': 'kind: MachineConfig\nspec: {osImageURL: x}\n' }
    expect(faultOf(() => propose(text, undefined, patch))).toMatchObject({
      code: 'LAYOUT_NOT_SUPPORTED',
      where: { source: 'clusters/one/kustomization.yaml', line },
      hint: expect.stringContaining('kustomization'),
    })
  })

  it.each([
    'resources: [a.yaml, machine-config/, ./reference-values]',
    'namespace: trusted-execution-clusters',
    'commonAnnotations: {team: x}',
    'labels:\n- pairs: {team: x}',
    'patches:\n- target: {kind: Deployment}\n  path: p.json',
    'patches:\n- target: {kind: MachineConfigPool}\n  patch: "[{op: add, path: /spec/paused, value: true}]"',
    'helmCharts: []',
    'namePrefix: ""',
  ])('%j is not', text => {
    expect(propose(text).kustomizations).toEqual(['clusters/one/kustomization.yaml'])
  })

  it('one further down may go up, as long as it stays below the directory', () => {
    const path = 'clusters/one/overlays/a/kustomization.yaml'
    expect(propose('resources: [../../machine-config]', path).kustomizations).toEqual([path])
    expect(faultOf(() => propose('resources: [../../machine-config, ../../../two]', path))).toMatchObject({
      code: 'LAYOUT_NOT_SUPPORTED',
    })
  })

  it('one of another application, which reaches nothing of ours, is nobody’s business here', () => {
    const path = 'clusters/one/apps/web/kustomization.yaml'
    expect(
      propose('namespace: web\nnamePrefix: web-\nresources: [deployment.yaml]', path).files.length,
    ).toBeGreaterThan(0)
    expect(faultOf(() => propose('namespace: web\nresources: [../../reference-values]', path))).toMatchObject({
      code: 'LAYOUT_NOT_SUPPORTED',
    })
  })
})
