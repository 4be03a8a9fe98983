// Which base image a cluster gives its nodes: OSImageStream (openshift/api machineconfiguration/v1), the ConfigMap of the release before it,
// and last the rendered MachineConfig, as long as nobody overrode it (machine-config-operator, pkg/controller/render).

import { ToolError } from '../errors.ts'
import { type ImageReference, parseImageReference } from '../formats/oci/reference.ts'

/** An object as the API server gave it, and the name that people know it by. */
export interface ClusterObject {
  readonly value: unknown
  /** `osimagestreams/cluster of https://…`. */
  readonly source: string
}

export interface ClusterRelease {
  readonly id: string
  /** What the cluster is, or is being updated to. */
  readonly version: string | undefined
}

/** ClusterVersion `version`. Throws CLUSTER_INVALID, and CLUSTER_DIFFERS when its id is not the one that is wanted. */
export function readClusterVersion(object: ClusterObject, wantedId: string | undefined): ClusterRelease {
  const id = textAt(object, 'spec', 'clusterID')
  if (id === undefined) throw invalid(object, ['spec', 'clusterID'], 'the id of the cluster')
  if (wantedId !== undefined && wantedId !== id)
    throw new ToolError('CLUSTER_DIFFERS', 'these are the credentials of another cluster', {
      found: `cluster id ${id}`,
      wanted: wantedId,
      where: { source: object.source },
    })
  return { id, version: textAt(object, 'status', 'desired', 'version') }
}

export interface ImageStreams {
  readonly defaultStream: string
  /** Stream → node image. */
  readonly images: ReadonlyMap<string, ImageReference>
}

/** OSImageStream `cluster`; undefined as long as its status is not there. Throws CLUSTER_INVALID. */
export function readImageStreams(object: ClusterObject): ImageStreams | undefined {
  const streams = valueAt(object.value, 'status', 'availableStreams')
  if (streams === undefined) return undefined
  const defaultStream = textAt(object, 'status', 'defaultStream')
  if (!Array.isArray(streams) || streams.length === 0 || streams.length > mostStreams)
    throw invalid(object, ['status', 'availableStreams'], `a list of 1 to ${mostStreams} streams`)
  if (defaultStream === undefined) throw invalid(object, ['status', 'defaultStream'], 'the name of a stream')
  const images = streams.map((_, index) => {
    const at = ['status', 'availableStreams', String(index)]
    const [name, image] = [textAt(object, ...at, 'name'), textAt(object, ...at, 'osImage')]
    if (name === undefined) throw invalid(object, [...at, 'name'], 'the name of a stream')
    return [name, pinned(object, image, [...at, 'osImage'])] as const
  })
  return { defaultStream, images: new Map(images) }
}

/** The CRD's own bound. */
const mostStreams = 100

/** Pool name → MachineConfigPool. */
export type Pools = ReadonlyMap<string, ClusterObject>

const builtIn = ['master', 'worker', 'arbiter']

/**
 * The image of the stream that all pools have: `wanted`, else that of `worker` for custom pools, which inherit it, else the cluster's default.
 * Throws POOL_NOT_SUPPORTED for a pool with a stream of its own, which no osImageURL may override; BASE_NOT_FOUND, BASE_AMBIGUOUS.
 */
export function chooseStream(
  streams: ImageStreams,
  pools: Pools,
  names: readonly string[],
  wanted?: string,
): ImageReference {
  const choices = [...streams.images.keys()].join(', ')
  const streamNames = new Set(names.map(name => wanted ?? streamOfPool(pools, name) ?? streams.defaultStream))
  const [stream, second] = streamNames
  const source = pools.values().next().value?.source
  const where = source === undefined ? {} : { where: { source } }
  if (stream === undefined || second !== undefined)
    throw new ToolError('BASE_AMBIGUOUS', 'the pools have different streams of node images', {
      found: names.map(name => `${name}: ${streamOfPool(pools, name) ?? streams.defaultStream}`).join(', '),
      wanted: 'pools of one stream, or base-stream',
      ...where,
    })
  const image = streams.images.get(stream)
  if (image === undefined)
    throw new ToolError('BASE_NOT_FOUND', 'the cluster has no such stream of node images', {
      found: choices,
      wanted: stream,
      ...where,
      hint: 'set base-stream to one of those that are there',
    })
  return image
}

/** The stream that a custom pool has from `worker`; undefined: the cluster's default. */
function streamOfPool(pools: Pools, name: string): string | undefined {
  const pool = pools.get(name)
  const worker = builtIn.includes(name) ? undefined : pools.get('worker')
  if (pool !== undefined) refuseOwnStream(pool, name)
  return worker === undefined ? undefined : textAt(worker, 'spec', 'osImageStream', 'name')
}

function refuseOwnStream(pool: ClusterObject, name: string): void {
  const stream = textAt(pool, 'spec', 'osImageStream', 'name')
  if (stream === undefined) return
  throw new ToolError('POOL_NOT_SUPPORTED', `pool ${name} has an osImageStream of its own`, {
    found: `spec.osImageStream.name: ${stream.slice(0, 100)}`,
    wanted: 'a pool without osImageStream: together with an osImageURL it cannot be rendered',
    where: { source: pool.source },
    hint: `remove spec.osImageStream from the pool and set base-stream: ${stream.slice(0, 100)}`,
  })
}

/** ConfigMap machine-config-osimageurl; undefined where it names no base image. Throws CLUSTER_INVALID. */
export function readImageConfigMap(object: ClusterObject): ImageReference | undefined {
  const image = textAt(object, 'data', 'baseOSContainerImage')
  return image === undefined || image === '' ? undefined : pinned(object, image, ['data', 'baseOSContainerImage'])
}

/** Name of the MachineConfig that the pool's nodes are to have. Throws CLUSTER_INVALID. */
export function renderedConfigOf(pool: ClusterObject): string {
  const name = textAt(pool, 'spec', 'configuration', 'name')
  if (name === undefined || !/^rendered-[a-z0-9.-]+$/.test(name))
    throw invalid(pool, ['spec', 'configuration', 'name'], 'the name of a rendered MachineConfig')
  return name
}

/** osImageURL of a rendered MachineConfig. Throws BASE_NOT_FOUND when somebody overrode it: that image is layered already (D7); CLUSTER_INVALID. */
export function readRenderedImage(config: ClusterObject): ImageReference {
  const overridden = valueAt(config.value, 'metadata', 'annotations', overriddenAnnotation) === 'true'
  const image = textAt(config, 'spec', 'osImageURL')
  if (overridden)
    throw new ToolError(
      'BASE_NOT_FOUND',
      'the cluster names no base image: its pool has an image of ours or of somebody else',
      {
        found: `${overriddenAnnotation}: "true", osImageURL ${image ?? 'none'}`,
        wanted:
          'OSImageStream cluster, ConfigMap machine-config-osimageurl, or a rendered MachineConfig that nobody overrode',
        where: { source: config.source },
        hint: 'use base-from: release, or let the credentials read the ConfigMap',
      },
    )
  return pinned(config, image, ['spec', 'osImageURL'])
}

const overriddenAnnotation = 'machineconfiguration.openshift.io/os-image-url-overridden'

/** The images of several rendered MachineConfigs must be one. Throws BASE_AMBIGUOUS. */
export function oneImage(images: ReadonlyMap<string, ImageReference>): ImageReference {
  const [first, ...others] = images.values()
  if (first !== undefined && others.every(one => one.digest === first.digest)) return first
  throw new ToolError('BASE_AMBIGUOUS', 'the pools have different node images', {
    found: [...images].map(([pool, image]) => `${pool}: ${image.digest ?? 'none'}`).join(', '),
    wanted: 'pools with one image',
  })
}

function pinned(object: ClusterObject, text: string | undefined, path: readonly string[]): ImageReference {
  if (text === undefined || !/^[^\s@]+@sha256:[0-9a-f]{64}$/.test(text))
    throw invalid(object, path, 'an image by digest')
  return parseImageReference(text)
}

function textAt(object: ClusterObject, ...path: readonly string[]): string | undefined {
  const value = valueAt(object.value, ...path)
  if (value === undefined || value === null) return undefined
  if (typeof value !== 'string' || value.length > 4096) throw invalid(object, path, 'a text')
  return value
}

function valueAt(value: unknown, ...path: readonly string[]): unknown {
  let at = value
  for (const name of path) {
    if (typeof at !== 'object' || at === null || !Object.hasOwn(at, name)) return undefined
    at = (at as Readonly<Record<string, unknown>>)[name]
  }
  return at
}

function invalid(object: ClusterObject, path: readonly string[], wanted: string): ToolError {
  return new ToolError('CLUSTER_INVALID', 'an object of the cluster is not what it should be', {
    found: (JSON.stringify(valueAt(object.value, ...path)) ?? 'nothing').slice(0, 200),
    wanted,
    where: { source: object.source, path: path.join('.') },
  })
}
