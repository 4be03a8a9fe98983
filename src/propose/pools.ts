// Pools whose nodes would not boot what our MachineConfig names (design D14). MCO pkg/controller/common/helpers.go, pkg/controller/build.

import { ToolError } from '../errors.ts'
import { isOfKind, lineOf, type Resource, resourcesOf, textAt, valueAt, type YamlFile } from './yaml-file.ts'

const group = 'machineconfiguration.openshift.io'

/**
 * Throws POOL_NOT_SUPPORTED when the files say of one of these pools that it has an OS image stream of its own, or that the cluster builds
 * its images (a MachineOSConfig) and it is not paused. Pools that the files do not hold are not known here.
 */
export function checkPools(files: readonly YamlFile[], pools: readonly string[]): void {
  const resources = files.flatMap(resourcesOf)
  for (const name of pools) {
    const found = resources.filter(one => isOfKind(one, group, 'MachineConfigPool') && one.name === name)
    for (const pool of found) checkImageStream(pool)
    const paused = found.some(({ value }) => valueAt(value, 'spec', 'paused') === true)
    const building = resources.find(
      one => isOfKind(one, group, 'MachineOSConfig') && textAt(one.value, 'spec', 'machineConfigPool', 'name') === name,
    )
    if (building !== undefined && !paused) throw refusedBuild(building, name)
  }
}

function checkImageStream(pool: Resource): void {
  const stream = textAt(pool.value, 'spec', 'osImageStream', 'name')
  if (stream === undefined) return
  throw new ToolError('POOL_NOT_SUPPORTED', `pool ${pool.name} has an osImageStream of its own`, {
    found: `spec.osImageStream.name: ${stream.slice(0, 100)}`,
    wanted: 'a pool without osImageStream: together with an osImageURL it cannot be rendered',
    where: { source: pool.file.path, line: lineOf(pool) },
    hint: 'remove spec.osImageStream from the pool, or leave the pool out of pools',
  })
}

function refusedBuild(building: Resource, pool: string): ToolError {
  return new ToolError('POOL_NOT_SUPPORTED', `the cluster builds the images of pool ${pool} itself`, {
    found: `MachineOSConfig ${building.name.slice(0, 100)}, and the pool is not paused`,
    wanted: 'no MachineOSConfig for the pool, or spec.paused: true in its MachineConfigPool',
    where: { source: building.file.path, line: lineOf(building) },
    hint: 'its nodes boot an image that is built later, whose digest and values nobody knows now',
  })
}
