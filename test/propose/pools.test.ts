// Pools that would not boot the image of their MachineConfig (design D14): refused, and pools that get it along with worker: named.

import { describe, expect, it } from 'vitest'
import { readLock } from '../../src/propose/lock.ts'
import { pullRequestText } from '../../src/propose/pull-request.ts'
import { proposeChange } from '../../src/propose/repository-change.ts'
import { applyChange, faultOf, hexOf, makeBaseRecord, makeRecord, makeSettings } from '../build/proposal.ts'

const group = 'machineconfiguration.openshift.io/v1'
const poolOf = (name: string, spec: string) =>
  `apiVersion: ${group}\nkind: MachineConfigPool\nmetadata: {name: ${name}}\nspec: {${spec}}\n`
const buildOf = (pool: string) =>
  `apiVersion: ${group}\nkind: MachineOSConfig\nmetadata: {name: ${pool}}\nspec: {machineConfigPool: {name: ${pool}}}\n`
const path = 'clusters/one/pools.yaml'
const record = makeRecord('new')

const propose = (documents: readonly string[], pools = ['worker']) =>
  proposeChange(makeSettings({ pools }), new Map([[path, documents.join('---\n')]]), record, [makeBaseRecord()])

describe('pools that are not supported', () => {
  it.each<[string, string[], string[], number]>([
    ['an osImageStream', [poolOf('worker', 'osImageStream: {name: rhel-10}')], ['worker'], 1],
    ['an osImageStream, paused', [poolOf('worker', 'paused: true, osImageStream: {name: rhel-10}')], ['worker'], 1],
    ['an osImageStream of a pool that follows', [poolOf('infra', 'osImageStream: {name: rhel-10}')], ['worker'], 1],
    ['a MachineOSConfig', [poolOf('worker', ''), buildOf('worker')], ['worker'], 6],
    ['a MachineOSConfig without the pool', [buildOf('worker')], ['worker'], 1],
    ['a MachineOSConfig of a pool that follows', [poolOf('infra', 'paused: false'), buildOf('infra')], ['worker'], 6],
  ])('%s', (_, documents, pools, line) => {
    expect(faultOf(() => propose(documents, pools))).toMatchObject({
      code: 'POOL_NOT_SUPPORTED',
      where: { source: path, line },
    })
  })

  it.each<[string, string[], string[]]>([
    ['a paused pool with a MachineOSConfig', [poolOf('worker', 'paused: true'), buildOf('worker')], ['worker']],
    ['an osImageStream of a pool that was not asked for', [poolOf('worker', 'osImageStream: {name: x}')], ['master']],
    ['an osImageStream without a name', [poolOf('worker', 'osImageStream: {}')], ['worker']],
  ])('takes %s', (_, documents, pools) => {
    expect(propose(documents, pools).machineConfigs.map(({ pool }) => pool)).toEqual(pools)
  })
})

describe('pools that follow worker', () => {
  it('stand in the lock and in the pull request', () => {
    const change = propose([poolOf('infra', ''), poolOf('gpu', ''), poolOf('worker', '')])
    const lock = readLock('clusters/one', applyChange(new Map(), change.files))
    expect(lock?.pools.worker?.inheritedBy).toEqual(['gpu', 'infra'])
    const run = { changeKey: hexOf('key'), downgraded: false, insecureSources: [], size: [] }
    const { body } = pullRequestText(makeSettings(), change, record, run)
    expect(body.slice(body.indexOf('## When this is merged'))).toContain('happens to pools `gpu`, `infra`')
  })

  it('are no followers when they were asked for too', () => {
    const settings = makeSettings({ pools: ['worker', 'infra'] })
    const start = new Map([[path, poolOf('infra', '')]])
    const files = applyChange(start, proposeChange(settings, start, record, []).files)
    expect(readLock('clusters/one', files)?.pools.worker?.inheritedBy).toEqual([])
    expect(proposeChange(settings, files, record, []).files).toEqual([])
  })
})
