// Which MachineConfig sets osImageURL for a pool, and what is refused. Rules: MCO pkg/controller/common/helpers.go.

import { describe, expect, it } from 'vitest'
import { changeMachineConfig, followers, renderMachineConfig } from '../../src/propose/machine-config.ts'
import { parseYamlFile } from '../../src/propose/yaml-file.ts'
import { faultOf, imageOf } from '../build/proposal.ts'

const image = imageOf('next')
const at = { directory: 'c', pool: 'worker', nameTemplate: '99-{pool}-os-image' }

function machineConfig(name: string, role: string, spec: string): string {
  return `apiVersion: machineconfiguration.openshift.io/v1
kind: MachineConfig
metadata: {name: ${name}, labels: {machineconfiguration.openshift.io/role: ${role}}}
spec: {${spec}}
`
}

const files = (texts: Readonly<Record<string, string>>) =>
  Object.entries(texts).map(([path, text]) => parseYamlFile(path, text))
const setting = (name: string, role = 'worker') => machineConfig(name, role, `osImageURL: ${imageOf('old')}`)
const change = (texts: Readonly<Record<string, string>>, more = {}) =>
  changeMachineConfig(files(texts), { ...at, ...more }, image)
const fault = (texts: Readonly<Record<string, string>>) => faultOf(() => change(texts))

describe('changeMachineConfig', () => {
  it('edits the file that sets osImageURL, whatever its name', () => {
    const found = change({ 'c/x.yaml': setting('os-layer-custom'), 'c/m.yaml': setting('99-master', 'master') })
    expect(found).toMatchObject({ path: 'c/x.yaml', name: 'os-layer-custom', from: imageOf('old') })
    expect(found.content).toBe(setting('os-layer-custom').replace(imageOf('old'), image))
  })

  it('edits an item of a List and one of several documents', () => {
    const items = `apiVersion: v1\nkind: List\nitems:\n- a: 1\n- ${setting('a').trimEnd().replaceAll('\n', '\n  ')}\n`
    const text = `${setting('m', 'master')}---\n${items}`
    expect(change({ 'c/l.yaml': text }).content).toBe(
      text.slice(0, 200) + text.slice(200).replace(imageOf('old'), image),
    )
  })

  it('writes a new file when there is none, and one with another value is left', () => {
    const found = change({ 'c/k.yaml': machineConfig('99-worker-args', 'worker', 'kernelArguments: [quiet]') })
    expect(found).toEqual({
      pool: 'worker',
      name: '99-worker-os-image',
      path: 'c/machine-config/99-worker-os-image.yaml',
      from: undefined,
      content: renderMachineConfig('99-worker-os-image', 'worker', image),
    })
    expect(found.content).toBe(`apiVersion: machineconfiguration.openshift.io/v1
kind: MachineConfig
metadata:
  name: 99-worker-os-image
  labels:
    machineconfiguration.openshift.io/role: worker
spec:
  osImageURL: ${image}
`)
  })

  it('finds none in objects that the MCO itself made', () => {
    const generated = setting('rendered').replace(
      'labels:',
      'annotations: {machineconfiguration.openshift.io/generated-by-controller-version: x}, labels:',
    )
    expect(change({ 'c/r.yaml': generated }).from).toBeUndefined()
  })

  it('refuses two for one pool', () => {
    expect(fault({ 'c/a.yaml': setting('99-a'), 'c/b.yaml': setting('99-b') })).toMatchObject({
      code: 'MACHINE_CONFIG_AMBIGUOUS',
      found: '99-a (c/a.yaml:1), 99-b (c/b.yaml:1)',
    })
  })

  it('refuses one that sorts after ours', () => {
    expect(fault({ 'c/a.yaml': setting('99-worker-os-image'), 'c/b.yaml': `---\n${setting('99-z')}` })).toMatchObject({
      code: 'MACHINE_CONFIG_OVERRIDDEN',
      where: { source: 'c/b.yaml', line: 2 },
    })
  })

  it('refuses our name without osImageURL, and a file in the place of ours', () => {
    for (const texts of [
      { 'c/a.yaml': machineConfig('99-worker-os-image', 'worker', 'osImageURL: ""') },
      { 'c/a.yaml': machineConfig('99-worker-os-image', 'master', 'fips: false') },
      { 'c/machine-config/99-worker-os-image.yaml': 'a: 1\n' },
    ])
      expect(fault(texts)).toMatchObject({ code: 'MACHINE_CONFIG_AMBIGUOUS' })
  })

  it('refuses a kernelType of the pool, and of worker for a custom pool', () => {
    const realtime = machineConfig('50-rt', 'worker', 'kernelType: realtime')
    expect(fault({ 'c/a.yaml': setting('a'), 'c/rt.yaml': realtime })).toMatchObject({
      code: 'MACHINE_CONFIG_KERNEL_TYPE',
      found: 'realtime',
      where: { source: 'c/rt.yaml' },
    })
    expect(faultOf(() => change({ 'c/rt.yaml': realtime }, { pool: 'infra' }))).toMatchObject({
      code: 'MACHINE_CONFIG_KERNEL_TYPE',
    })
    expect(change({ 'c/rt.yaml': realtime }, { pool: 'master' }).pool).toBe('master')
    expect(change({ 'c/rt.yaml': realtime.replace('realtime', 'default') }).pool).toBe('worker')
  })

  it('sees a kernelType that a merge key brings', () => {
    const text = `x: &r {kernelType: 64k-pages}\n${machineConfig('a', 'worker', '<<: *r')}`
    expect(fault({ 'c/a.yaml': text })).toMatchObject({ code: 'MACHINE_CONFIG_KERNEL_TYPE' })
  })
})

describe('followers', () => {
  const pool = (name: string) =>
    `apiVersion: machineconfiguration.openshift.io/v1\nkind: MachineConfigPool\nmetadata: {name: ${name}}\n`

  it('lists custom pools without an osImageURL of their own, also those that only a role names', () => {
    const text = ['infra', 'gpu', 'worker'].map(pool).join('---\n')
    const tree = files({
      'p.yaml': text,
      'm.yaml': setting('99-gpu', 'gpu'),
      'n.yaml': machineConfig('99-edge-args', 'edge', 'kernelArguments: [quiet]'),
    })
    expect(followers(tree, 'worker')).toEqual(['edge', 'infra'])
    expect(followers(tree, 'master')).toEqual([])
  })

  it('a kernelType of one of them stops worker; of a pool with an image of its own it does not', () => {
    const realtime = machineConfig('50-rt', 'rt', 'kernelType: realtime')
    expect(fault({ 'c/p.yaml': pool('rt'), 'c/rt.yaml': realtime })).toMatchObject({
      code: 'MACHINE_CONFIG_KERNEL_TYPE',
      where: { source: 'c/rt.yaml' },
    })
    expect(change({ 'c/rt.yaml': realtime, 'c/o.yaml': setting('99-rt', 'rt') }).pool).toBe('worker')
    expect(change({ 'c/p.yaml': pool('rt'), 'c/rt.yaml': realtime }, { pool: 'master' }).pool).toBe('master')
  })
})
