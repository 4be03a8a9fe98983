// What was read of one layer as bytes, for a cache, and back.

import { ToolError } from '../errors.ts'
import { sha256Hex } from '../formats/bytes/digest.ts'
import type { OciDigest } from '../formats/oci/digest.ts'
import { nameCost } from './layer-skeleton.ts'
import type { LayerNode, ScanCeilings, ScannedLayer, ScanWishes } from './layers.ts'

/** Counts up whenever the reader finds, keeps or refuses anything else in the same layer. */
const readerVersion = 1

/** All that decides what a scan of a layer gives. */
export interface LayerQuestion extends ScanWishes {
  readonly digest: OciDigest
  readonly diffId: OciDigest | undefined
  readonly ceilings: ScanCeilings
  readonly toolVersion: string
}

/** 64 hex digits: the same for the same question to the same reader. */
export function layerEntryName(question: LayerQuestion): string {
  const { digest, diffId, places, contents, ceilings, toolVersion } = question
  const { entries, file, kept, keptBytes } = ceilings
  const limits = [entries, file, kept, keptBytes]
  const asked = [digest, diffId ?? null, [...places.roots].sort(), [...contents].sort(), limits]
  return sha256Hex(Buffer.from(JSON.stringify([readerVersion, toolVersion, ...asked]), 'utf8'))
}

type StoredNode =
  | readonly ['directory', string]
  /** Path of the name, path in the layer, size, index of the contents or -1. */
  | readonly ['file', string, string, number, number]
  | readonly ['symlink' | 'link', string, string]

interface StoredLayer {
  readonly digest: OciDigest
  readonly nodes: readonly StoredNode[]
  readonly whiteouts: readonly string[]
  readonly opaque: readonly string[]
  readonly links: readonly (readonly [string, string])[]
  readonly directories: readonly string[]
  readonly contentBytes: number
  /** Sizes of the contents, which follow one after another. */
  readonly contents: readonly number[]
}

/**
 * Length of the description in 4 bytes, the description in JSON, then the contents; several names of one file share them. undefined for a
 * layer with files that are too large for memory.
 */
export function encodeLayer(layer: ScannedLayer): Uint8Array | undefined {
  const files = [...layer.nodes.values()].filter(node => node.kind === 'file')
  if (files.some(({ bytes }) => bytes !== undefined && !(bytes instanceof Uint8Array))) return undefined
  const contents = new Map<Uint8Array, number>()
  const indexOf = (bytes: Uint8Array | undefined): number => {
    if (bytes === undefined) return -1
    const index = contents.get(bytes) ?? contents.size
    contents.set(bytes, index)
    return index
  }
  const nodes = [...layer.nodes].map(([path, node]): StoredNode => {
    if (node.kind === 'directory') return ['directory', path]
    if (node.kind === 'file')
      return ['file', path, node.path, node.size, indexOf(node.bytes instanceof Uint8Array ? node.bytes : undefined)]
    return [node.kind, path, node.target]
  })
  const stored: StoredLayer = {
    digest: layer.digest,
    nodes,
    whiteouts: [...layer.whiteouts],
    opaque: [...layer.opaque],
    links: [...layer.skeleton.links],
    directories: [...layer.skeleton.directories],
    contentBytes: layer.contentBytes,
    contents: [...contents.keys()].map(({ length }) => length),
  }
  const description = Buffer.from(JSON.stringify(stored), 'utf8')
  const length = Buffer.alloc(4)
  length.writeUInt32BE(description.length)
  return Buffer.concat([length, description, ...contents.keys()])
}

/** The layer again. Throws INPUT_INVALID for bytes that `encodeLayer` did not make. */
export function decodeLayer(bytes: Uint8Array): ScannedLayer {
  const buffer = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length)
  const start = buffer.length < 4 ? Number.POSITIVE_INFINITY : 4 + buffer.readUInt32BE(0)
  if (start > buffer.length) throw cut(buffer.length)
  const stored = JSON.parse(buffer.toString('utf8', 4, start)) as StoredLayer
  let at = start
  const contents = stored.contents.map(size => {
    at += size
    // a copy, so that what a layer above hides can be let go
    return new Uint8Array(bytes.slice(at - size, at))
  })
  if (at !== buffer.length) throw cut(buffer.length)
  return {
    digest: stored.digest,
    nodes: new Map(stored.nodes.map(node => [node[1], nodeOf(node, contents)])),
    whiteouts: new Set(stored.whiteouts),
    opaque: new Set(stored.opaque),
    skeleton: { links: new Map(stored.links), directories: new Set(stored.directories) },
    contentBytes: stored.contentBytes,
  }
}

function nodeOf(node: StoredNode, contents: readonly Uint8Array[]): LayerNode {
  if (node[0] === 'directory') return { kind: 'directory' }
  if (node[0] !== 'file') return { kind: node[0], target: node[2] }
  const [, , path, size, index] = node
  const bytes = index < 0 ? undefined : contents[index]
  if (index >= 0 && bytes?.length !== size) throw cut(size)
  return { kind: 'file', path, size, bytes }
}

/** Bytes of memory that the layer takes, as a scan counts them. */
export function memoryOf({ nodes, skeleton, contentBytes }: ScannedLayer): number {
  const names = [...nodes.keys(), ...skeleton.directories, ...[...skeleton.links].map(link => link.join(''))]
  return contentBytes + names.reduce((sum, name) => sum + name.length + nameCost, 0)
}

function cut(found: number): ToolError {
  return new ToolError('INPUT_INVALID', 'an entry of the cache of layers is cut', { found: `${found} bytes` })
}
