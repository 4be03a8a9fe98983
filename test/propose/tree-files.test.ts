// Files that are no YAML: passed over and named when they cannot matter, else an error as ever.

import { describe, expect, it } from 'vitest'
import { pullRequestText } from '../../src/propose/pull-request.ts'
import { proposeChange } from '../../src/propose/repository-change.ts'
import { faultOf, hexOf, makeBaseRecord, makeRecord, makeSettings } from '../build/proposal.ts'

const record = makeRecord('new')
const template = '{{- if .Values.x }}\nkind: Service\n{{- end }}\n'
const propose = (files: ReadonlyMap<string, string>, directory = '') =>
  proposeChange(makeSettings({ directory }), files, record, [makeBaseRecord()])

describe('files that are no YAML', () => {
  it('are passed over, counted and named, the first ten', () => {
    const files = new Map(Array.from({ length: 12 }, (_, index) => [`charts/${index + 10}.yaml`, template]))
    const change = propose(files)
    expect(change.skipped).toHaveLength(12)
    const run = { changeKey: hexOf('k'), downgraded: false, insecureSources: [], size: [] }
    const { body } = pullRequestText(makeSettings({ directory: '' }), change, record, run)
    expect(body).toContain('12 files below the directory cannot be read as YAML')
    expect(body).toContain('`charts/19.yaml` and 2 more.')
    expect(propose(new Map()).skipped).toEqual([])
  })

  it.each([
    'kind: MachineConfig',
    'kind: MachineOSConfig',
    'kind: ApprovedImage',
    'osImageURL: x',
    'name: rvps-reference-values',
    'apiVersion: argoproj.io/v1alpha1',
    'apiVersion: kustomize.toolkit.fluxcd.io/v1',
  ])('stop everything when they hold %s', line => {
    const files = new Map([['charts/a.yaml', `${template}${line}\n`]])
    expect(faultOf(() => propose(files))).toMatchObject({ code: 'YAML_INVALID', where: { source: 'charts/a.yaml' } })
  })

  it.each(['c/machine-config/x.yaml', 'c/reference-values/x.yaml', 'c/apps/kustomization.yaml', 'c/kustomization.yml'])(
    'stop everything at %s',
    path => {
      expect(faultOf(() => propose(new Map([[path, template]]), 'c'))).toMatchObject({ code: 'YAML_INVALID' })
    },
  )
})
