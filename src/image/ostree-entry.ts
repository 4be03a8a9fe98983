// What was read of a layer of an ostree commit in the form of any other layer, so that the cache of layers holds it, and back.

import { type OstreeChecksum, objectPath, parseObjectPath, repositoryDirectory } from '../formats/ostree/object-name.ts'
import { LayerSkeleton } from './layer-skeleton.ts'
import type { LayerNode, ScannedLayer, ScanWishes } from './layers.ts'
import type { CommitFile, ObjectLayer, ObjectWishes } from './ostree-layer.ts'

/** No path of a layer begins so. */
const shownMark = '\0shown/'

/** Wishes that no reading of a whole layer has: an entry of the cache then belongs to one way of reading. */
export function entryWishes({ places, files }: ObjectWishes): ScanWishes {
  const wanted = files === 'likely' ? ['likely'] : [...files].map(checksum => objectPath(checksum, 'file'))
  return { places, contents: new Set(['\0objects', ...wanted]) }
}

export function asScannedLayer(layer: ObjectLayer): ScannedLayer {
  const nodes = new Map<string, LayerNode>()
  if (layer.hasRepository) nodes.set(repositoryDirectory, { kind: 'directory' })
  for (const checksum of layer.present) nodes.set(objectPath(checksum, 'file'), { kind: 'link', target: '' })
  for (const [checksum, file] of layer.files) {
    const path = objectPath(checksum, 'file')
    nodes.set(path, file.kind === 'symlink' ? file : { ...file, path })
  }
  for (const [kind, objects] of [
    ['commit', layer.commits],
    ['dirtree', layer.dirtrees],
  ] as const)
    for (const [checksum, bytes] of objects) {
      const path = objectPath(checksum, kind)
      nodes.set(path, { kind: 'file', path, size: bytes.length, bytes })
    }
  for (const [path, what] of layer.shown) nodes.set(`${shownMark}${path}`, { kind: 'link', target: what })
  return {
    digest: layer.digest,
    nodes,
    whiteouts: new Set(),
    opaque: new Set(),
    skeleton: new LayerSkeleton('a layer of an ostree commit'),
    contentBytes: 0,
  }
}

/** Of a layer that `asScannedLayer` made. */
export function asObjectLayer({ digest, nodes }: ScannedLayer): ObjectLayer {
  const commits = new Map<OstreeChecksum, Uint8Array>()
  const dirtrees = new Map<OstreeChecksum, Uint8Array>()
  const files = new Map<OstreeChecksum, CommitFile>()
  const present = new Set<OstreeChecksum>()
  const shown = new Map<string, string>()
  for (const [path, node] of nodes) {
    const object = parseObjectPath(path)
    if (object === undefined) {
      if (node.kind === 'link') shown.set(path.slice(shownMark.length), node.target)
      continue
    }
    const { checksum, kind } = object
    if (kind === 'file') present.add(checksum)
    if (node.kind === 'symlink') files.set(checksum, node)
    if (node.kind !== 'file' || node.bytes === undefined) continue
    if (kind === 'file') files.set(checksum, { kind: 'file', size: node.size, bytes: node.bytes })
    else {
      const bytes = node.bytes instanceof Uint8Array ? node.bytes : node.bytes.read()
      if (kind === 'commit') commits.set(checksum, bytes)
      else dirtrees.set(checksum, bytes)
    }
  }
  return { digest, commits, dirtrees, files, present, shown, hasRepository: nodes.has(repositoryDirectory) }
}
