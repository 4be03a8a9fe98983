// What was read of one layer as bytes, for a cache, and back.

import { ToolError } from '../errors.ts'
import { sha256Hex } from '../formats/bytes/digest.ts'
import type { OciDigest } from '../formats/oci/digest.ts'
import { LayerSkeleton, nameCost } from './layer-skeleton.ts'
import type { LayerNode, ScanCeilings, ScannedLayer, ScanWishes } from './layers.ts'
import { treeNameCost } from './name-tree.ts'
import type { SpilledFile } from './spill-room.ts'

/** Counts up whenever the reader finds, keeps or refuses anything else in the same layer. */
const readerVersion = 3

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

/** An entry of a cache, which is written piece by piece: it may have files that are too large for memory. */
export interface EntryToWrite {
  /** In bytes. */
  readonly size: number
  parts(): Iterable<Uint8Array>
}

/** An entry of a cache, from its start. */
export interface EntryBytes {
  /** In bytes. */
  readonly size: number
  /** The bytes that follow. Throws where there are fewer. */
  next(length: number): Uint8Array
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
  /** Symbolic links with their targets, and directories, of the whole layer. */
  readonly links: readonly (readonly [string, string])[]
  readonly directories: readonly string[]
  /** Sizes of the contents, which follow one after another. */
  readonly contents: readonly number[]
}

const mebibyte = 1024 ** 2

/** Layers with more names are read again each time: their descriptions would not fit beside all else in memory. */
const mostNames = 200_000

/**
 * Length of the description in 4 bytes, the description in JSON, then the contents; several names of one file share them. undefined where names are
 * too many.
 */
export function encodeLayer(layer: ScannedLayer): EntryToWrite | undefined {
  if (layer.skeleton.names.count + layer.nodes.size + layer.whiteouts.size > mostNames) return undefined
  const contents = new Map<Uint8Array | SpilledFile, number>()
  const indexOf = (bytes: Uint8Array | SpilledFile | undefined): number => {
    if (bytes === undefined) return -1
    const index = contents.get(bytes) ?? contents.size
    contents.set(bytes, index)
    return index
  }
  const nodes = [...layer.nodes].map(([path, node]): StoredNode => {
    if (node.kind === 'directory') return ['directory', path]
    if (node.kind === 'file') return ['file', path, node.path, node.size, indexOf(node.bytes)]
    return [node.kind, path, node.target]
  })
  const stored: StoredLayer = {
    digest: layer.digest,
    nodes,
    whiteouts: [...layer.whiteouts],
    opaque: [...layer.opaque],
    links: [...layer.skeleton.links()],
    directories: [...layer.skeleton.directories()],
    contents: [...contents.keys()].map(sizeOf),
  }
  const description = Buffer.from(JSON.stringify(stored), 'utf8')
  const length = Buffer.alloc(4)
  length.writeUInt32BE(description.length)
  return {
    size: stored.contents.reduce((sum, one) => sum + one, 4 + description.length),
    *parts() {
      yield length
      yield description
      for (const one of contents.keys())
        if (one instanceof Uint8Array) yield one
        else yield* one.pieces()
    },
  }
}

const sizeOf = (contents: Uint8Array | SpilledFile): number =>
  contents instanceof Uint8Array ? contents.length : contents.known.size

/**
 * The layer again. `place` says where contents of a size are from then on. Throws INPUT_INVALID for bytes that `encodeLayer` did not make, and what
 * `entry` and `place` throw.
 */
export function decodeLayer(entry: EntryBytes, place: (size: number) => Uint8Array | SpilledFile): ScannedLayer {
  const length = Buffer.from(entry.next(4)).readUInt32BE(0)
  if (length > entry.size) throw cut(entry.size)
  const stored = JSON.parse(Buffer.from(entry.next(length)).toString('utf8')) as StoredLayer
  if (stored.contents.reduce((sum, size) => sum + size, 4 + length) !== entry.size) throw cut(entry.size)
  for (const node of stored.nodes)
    if (node[0] === 'file' && node[4] >= 0 && stored.contents[node[4]] !== node[3]) throw cut(node[3])
  const contents = stored.contents.map(size => filled(place(size), size, entry))
  return {
    digest: stored.digest,
    nodes: new Map(stored.nodes.map(node => [node[1], nodeOf(node, contents)])),
    whiteouts: new Set(stored.whiteouts),
    opaque: new Set(stored.opaque),
    skeleton: skeletonOf(stored),
    contentBytes: contents.reduce((sum, one) => sum + (one instanceof Uint8Array ? one.length : 0), 0),
  }
}

function filled(place: Uint8Array | SpilledFile, size: number, entry: EntryBytes): Uint8Array | SpilledFile {
  for (let at = 0; at < size; at += mebibyte) {
    const piece = entry.next(Math.min(mebibyte, size - at))
    if (place instanceof Uint8Array) place.set(piece, at)
    else place.add(piece)
  }
  return place
}

function skeletonOf({ digest, links, directories }: StoredLayer): LayerSkeleton {
  const skeleton = new LayerSkeleton(digest)
  for (const path of directories) skeleton.enterDirectory(skeleton.enterParent(path), path)
  for (const [path, target] of links) skeleton.enterLink(skeleton.enterParent(path), path, target)
  return skeleton
}

function nodeOf(node: StoredNode, contents: readonly (Uint8Array | SpilledFile)[]): LayerNode {
  if (node[0] === 'directory') return { kind: 'directory' }
  if (node[0] !== 'file') return { kind: node[0], target: node[2] }
  const [, , path, size, index] = node
  return { kind: 'file', path, size, bytes: index < 0 ? undefined : contents[index] }
}

/** Bytes of memory that the names of the layer take, as a scan counts them. */
export function memoryOfNames({ nodes, skeleton }: ScannedLayer): number {
  let sum = 0
  for (const path of nodes.keys()) sum += path.length + nameCost
  return sum + skeleton.names.count * treeNameCost + skeleton.names.textLength
}

function cut(found: number): ToolError {
  return new ToolError('INPUT_INVALID', 'an entry of the cache of layers is cut', { found: `${found} bytes` })
}
