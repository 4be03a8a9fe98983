// A few named files out of an image: layers from the highest down, and no more of them than it takes.

import { decompressLayer } from '../edge/decompress.ts'
import { ToolError } from '../errors.ts'
import type { ImageSource } from '../image/image-source.ts'
import { ImageTree, MoreWanted } from '../image/image-tree.ts'
import { KnownPlaces } from '../image/layer-path.ts'
import { defaultCeilings, type ScannedLayer, scanLayer } from '../image/layers.ts'

/** Text documents; a release names about 200 images in 80 KiB. */
const fileCeiling = 4 * 1024 ** 2

/**
 * The files at these paths (no leading slash) that are there. Layers are read until all are found, each to its end and with its digest.
 * Throws the faults of layers and of the source, and LAYER_UNSUPPORTED for links that lead elsewhere.
 */
export async function readImageFiles(
  image: ImageSource,
  paths: readonly string[],
): Promise<ReadonlyMap<string, Uint8Array>> {
  const places = new KnownPlaces(paths)
  const wishes = { places, contents: new Set(paths) }
  const ceilings = { ...defaultCeilings, file: fileCeiling }
  const { layers } = image.manifest
  let scanned: readonly ScannedLayer[] = []
  let found: ReadonlyMap<string, Uint8Array> = new Map()
  for (let index = layers.length - 1; index >= 0 && found.size < paths.length; index -= 1) {
    const layer = layers[index]
    if (layer === undefined) break
    const source = `${image.source}, layer ${layer.digest}`
    const compressed = { bytes: image.openLayer(layer), size: layer.size, diffId: image.config.diffIds[index], source }
    scanned = [await scanLayer(decompressLayer(compressed), layer.digest, source, wishes, ceilings), ...scanned]
    found = filesIn(new ImageTree(scanned, places, image.source, wishes.contents), paths, image.source)
  }
  return found
}

function filesIn(tree: ImageTree, paths: readonly string[], source: string): ReadonlyMap<string, Uint8Array> {
  const found = new Map<string, Uint8Array>()
  for (const path of paths) {
    try {
      const file = tree.read(path)
      if (file !== undefined) found.set(path, file.bytes)
    } catch (error) {
      if (!(error instanceof MoreWanted)) throw error
      throw new ToolError('LAYER_UNSUPPORTED', 'a file of the image is a link to another place', {
        found: error.place ?? error.contents ?? 'a link',
        wanted: 'a plain file',
        where: { source, path },
      })
    }
  }
  return found
}
