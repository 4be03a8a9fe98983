// The MachineConfig that sets osImageURL for a pool: found by content, edited in place, or written anew. MCO pkg/controller/common/helpers.go.

import { ToolError } from '../errors.ts'
import { below } from './names.ts'
import { replaceString } from './yaml-edit.ts'
import { isOfKind, lineOf, type Resource, resourcesOf, textAt, valueAt, type YamlFile } from './yaml-file.ts'
import { formatYaml } from './yaml-text.ts'

const group = 'machineconfiguration.openshift.io'
const roleLabel = `${group}/role`
/** The MCO takes no osImageURL from objects with this annotation. */
const generatedBy = `${group}/generated-by-controller-version`

/** Every other pool is a custom pool: it selects the MachineConfigs of `worker` too. */
const builtIn = ['worker', 'master', 'arbiter']

/** What one pool's file becomes. `from` is the text of osImageURL until now. */
export interface MachineConfigChange {
  readonly pool: string
  readonly name: string
  readonly path: string
  readonly from: string | undefined
  readonly content: string
}

/** The name that `machine-config-name` gives, used for new files only. */
export function machineConfigName(template: string, pool: string): string {
  return template.replaceAll('{pool}', pool)
}

/** A MachineConfig that sets nothing but osImageURL. */
export function renderMachineConfig(name: string, pool: string, image: string): string {
  return formatYaml({
    apiVersion: `${group}/v1`,
    kind: 'MachineConfig',
    metadata: { name, labels: { [roleLabel]: pool } },
    spec: { osImageURL: image },
  })
}

/**
 * The one MachineConfig of the pool that sets osImageURL, or undefined.
 * Throws MACHINE_CONFIG_KERNEL_TYPE, MACHINE_CONFIG_OVERRIDDEN (the name of ours is there, and one that sorts later wins over it)
 * or MACHINE_CONFIG_AMBIGUOUS (several, and none is known to be ours or ours is last).
 */
export function findMachineConfig(files: readonly YamlFile[], pool: string, ownName: string): Resource | undefined {
  const all = files.flatMap(resourcesOf).filter(resource => isOfKind(resource, group, 'MachineConfig'))
  for (const one of [pool, ...followers(files, pool)]) checkKernelType(all, one)
  const setting = all.filter(resource => roleOf(resource) === pool && osImageUrl(resource) !== undefined)
  const [only, ...others] = setting
  if (others.length === 0) return only
  const found = setting.map(resource => `${resource.name} (${resource.file.path}:${lineOf(resource)})`).join(', ')
  const last = setting.reduce((a, b) => (a.name < b.name ? b : a))
  const overridden = setting.some(({ name }) => name === ownName) && last.name !== ownName
  throw new ToolError(
    overridden ? 'MACHINE_CONFIG_OVERRIDDEN' : 'MACHINE_CONFIG_AMBIGUOUS',
    overridden
      ? `${last.name} sorts after ${ownName} and would win over it`
      : `several MachineConfigs set osImageURL for pool ${pool}`,
    {
      found: found.slice(0, 1000),
      wanted: `one MachineConfig with role ${pool} that sets osImageURL`,
      where: { source: last.file.path, line: lineOf(last) },
      hint: 'keep one; take osImageURL out of the others',
    },
  )
}

/** Every MachineConfig that sets osImageURL, whatever its role; objects that the MCO itself made are not among them. */
export function namedImages(files: readonly YamlFile[]): { readonly text: string; readonly resource: Resource }[] {
  return files.flatMap(resourcesOf).flatMap(resource => {
    const text = osImageUrl(resource)
    return text === undefined ? [] : [{ text, resource }]
  })
}

/** The new text of the file that sets osImageURL for the pool, or a new file below machine-config/. Throws as findMachineConfig and replaceString. */
export function changeMachineConfig(
  files: readonly YamlFile[],
  at: { readonly directory: string; readonly pool: string; readonly nameTemplate: string },
  image: string,
): MachineConfigChange {
  const ownName = machineConfigName(at.nameTemplate, at.pool)
  const found = findMachineConfig(files, at.pool, ownName)
  if (found === undefined) return newMachineConfig(files, at.directory, at.pool, ownName, image)
  const from = osImageUrl(found)
  const { file } = found
  const content =
    from === image ? file.text : replaceString(file, found.document, [...found.steps, 'spec', 'osImageURL'], image)
  return { pool: at.pool, name: found.name, path: file.path, from, content }
}

function newMachineConfig(
  files: readonly YamlFile[],
  directory: string,
  pool: string,
  name: string,
  image: string,
): MachineConfigChange {
  const path = below(directory, `machine-config/${name}.yaml`)
  const clash = files.find(
    file =>
      file.path === path ||
      resourcesOf(file).some(resource => isOfKind(resource, group, 'MachineConfig') && resource.name === name),
  )
  if (clash !== undefined)
    throw new ToolError('MACHINE_CONFIG_AMBIGUOUS', `${name} exists and does not set osImageURL for pool ${pool}`, {
      found: clash.path,
      wanted: `a MachineConfig ${name} with role ${pool} and an osImageURL, or none of that name`,
      where: { source: clash.path },
      hint: 'set osImageURL in it to the image that the nodes run now, or choose another machine-config-name',
    })
  return { pool, name, path, from: undefined, content: renderMachineConfig(name, pool, image) }
}

/** kernelType of any MachineConfig that the pool selects counts; custom pools select those of worker too. */
function checkKernelType(all: readonly Resource[], pool: string): void {
  const roles = pool === 'master' || pool === 'arbiter' ? [pool] : [pool, 'worker']
  for (const resource of all) {
    const kernelType = textAt(resource.value, 'spec', 'kernelType')
    if (kernelType === undefined || kernelType === 'default' || !roles.includes(roleOf(resource) ?? '')) continue
    throw new ToolError('MACHINE_CONFIG_KERNEL_TYPE', `${resource.name} sets kernelType for pool ${pool}`, {
      found: kernelType.slice(0, 100),
      wanted: 'default',
      where: { source: resource.file.path, line: lineOf(resource) },
    })
  }
}

/** Pools that get the image of this pool too: custom pools take what `worker` has, as long as no MachineConfig of their own sets osImageURL. */
export function followers(files: readonly YamlFile[], pool: string): string[] {
  if (pool !== 'worker') return []
  const resources = files.flatMap(resourcesOf)
  const own = new Set(resources.filter(one => osImageUrl(one) !== undefined).map(roleOf))
  const named = resources.flatMap(one => {
    if (isOfKind(one, group, 'MachineConfigPool')) return [one.name]
    // A role that no pool in these files has: that pool stands in the cluster only.
    return isOfKind(one, group, 'MachineConfig') ? [roleOf(one) ?? ''] : []
  })
  return [...new Set(named)].filter(name => !['', ...builtIn].includes(name) && !own.has(name)).sort()
}

function roleOf(resource: Resource): string | undefined {
  return textAt(resource.value, 'metadata', 'labels', roleLabel)
}

function osImageUrl(resource: Resource): string | undefined {
  const generated =
    resource.name.startsWith('rendered-') ||
    valueAt(resource.value, 'metadata', 'annotations', generatedBy) !== undefined
  return generated || !isOfKind(resource, group, 'MachineConfig')
    ? undefined
    : textAt(resource.value, 'spec', 'osImageURL')
}
