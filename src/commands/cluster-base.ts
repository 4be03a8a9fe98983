// Asks a cluster for the image that it gives its nodes: one object after another, until one names it.

import { type ClusterReader, openCluster } from '../edge/kubernetes.ts'
import type { ClusterAccess } from '../edge/kubernetes-client.ts'
import { nameOf, type ObjectPlace } from '../edge/kubernetes-faults.ts'
import type { Environment } from '../edge/surroundings.ts'
import { ToolError } from '../errors.ts'
import type { ImageReference } from '../formats/oci/reference.ts'
import {
  type ClusterObject,
  chooseStream,
  type ImageStreams,
  oneImage,
  readClusterVersion,
  readImageConfigMap,
  readImageStreams,
  readRenderedImage,
  renderedConfigOf,
} from '../layering/base-cluster.ts'
import type { Credentials } from '../settings/credentials.ts'
import type { CheckSettings } from '../settings/settings.ts'
import type { BaseSources } from './find-base.ts'

const machineConfiguration = { group: 'machineconfiguration.openshift.io', version: 'v1' } as const

const clusterVersion: ObjectPlace = {
  group: 'config.openshift.io',
  version: 'v1',
  resource: 'clusterversions',
  name: 'version',
}
const imageStream: ObjectPlace = { ...machineConfiguration, resource: 'osimagestreams', name: 'cluster' }
const imageConfigMap: ObjectPlace = {
  group: '',
  version: 'v1',
  resource: 'configmaps',
  namespace: 'openshift-machine-config-operator',
  name: 'machine-config-osimageurl',
}
const pool = (name: string): ObjectPlace => ({ ...machineConfiguration, resource: 'machineconfigpools', name })
const machineConfig = (name: string): ObjectPlace => ({ ...machineConfiguration, resource: 'machineconfigs', name })

export interface ClusterBase {
  readonly reference: ImageReference
  readonly clusterVersion: string | undefined
}

/** Throws as `openCluster` and its `read`, and CLUSTER_INVALID, CLUSTER_DIFFERS, BASE_NOT_FOUND, BASE_AMBIGUOUS, POOL_NOT_SUPPORTED. */
export async function baseOfCluster(
  settings: CheckSettings,
  { credentials, clusterId, gitops }: BaseSources,
  environment: Environment,
): Promise<ClusterBase> {
  const { allowInsecure } = settings
  const cluster = await openCluster({ access: accessOf(settings, credentials), environment, allowInsecure })
  const release = await readNeeded(cluster, clusterVersion)
  const { version } = readClusterVersion(release, clusterId ?? gitops?.lock?.cluster.id ?? undefined)
  return { reference: await imageOf(cluster, settings), clusterVersion: version }
}

function accessOf({ inCluster }: CheckSettings, { kubeconfig }: Credentials): ClusterAccess {
  if (inCluster) return { kind: 'in-cluster' }
  if (kubeconfig === undefined)
    throw new ToolError('SETTING_MISSING', 'base-from: cluster needs the credentials of the cluster')
  return /^\s*\{|\n/.test(kubeconfig)
    ? { kind: 'kubeconfig-text', text: kubeconfig }
    : { kind: 'kubeconfig-files', paths: kubeconfig }
}

/** New clusters have an OSImageStream; before it there was the ConfigMap; the pool's own configuration comes last. */
async function imageOf(cluster: ClusterReader, { pools, baseStream }: CheckSettings): Promise<ImageReference> {
  const streams = await readIfThere(cluster, imageStream)
  const images = streams === undefined ? undefined : readImageStreams(streams)
  if (images !== undefined) return await imageOfStream(cluster, images, pools, baseStream)
  if (baseStream !== undefined)
    throw new ToolError('BASE_NOT_FOUND', 'the cluster knows no streams of node images', {
      found: 'no OSImageStream cluster with a status',
      wanted: `stream ${baseStream}`,
      where: { source: cluster.server },
      hint: 'leave base-stream out',
    })
  const map = await readIfThere(cluster, imageConfigMap)
  const image = map === undefined ? undefined : readImageConfigMap(map)
  if (image !== undefined) return image
  const rendered = new Map<string, ImageReference>()
  for (const name of pools) {
    const config = renderedConfigOf(await readNeeded(cluster, pool(name)))
    rendered.set(name, readRenderedImage(await readNeeded(cluster, machineConfig(config))))
  }
  return oneImage(rendered)
}

async function imageOfStream(
  cluster: ClusterReader,
  images: ImageStreams,
  names: readonly string[],
  wanted: string | undefined,
): Promise<ImageReference> {
  const pools = new Map<string, ClusterObject>()
  for (const name of new Set([...names, 'worker'])) pools.set(name, await readNeeded(cluster, pool(name)))
  return chooseStream(images, pools, names, wanted)
}

async function readIfThere(cluster: ClusterReader, place: ObjectPlace): Promise<ClusterObject | undefined> {
  const value = await cluster.read(place)
  return value === undefined ? undefined : { value, source: `${nameOf(place)} of ${cluster.server}` }
}

async function readNeeded(cluster: ClusterReader, place: ObjectPlace): Promise<ClusterObject> {
  const object = await readIfThere(cluster, place)
  if (object !== undefined) return object
  throw new ToolError('CLUSTER_INVALID', 'the cluster lacks an object', {
    found: 'status 404',
    wanted: `${nameOf(place)}${place.namespace === undefined ? '' : ` in namespace ${place.namespace}`}`,
    where: { source: cluster.server },
    ...(place.resource === 'machineconfigpools'
      ? { hint: 'check pools' }
      : { hint: 'is this a cluster of OpenShift or OKD?' }),
  })
}
