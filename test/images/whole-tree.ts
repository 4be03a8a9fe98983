// All of an image as this project's reader sees it: every name and every file, not only those that boot.

import { decompressLayer } from '../../src/edge/decompress.ts'
import { ToolError } from '../../src/errors.ts'
import type { ImageSource } from '../../src/image/image-source.ts'
import { ImageTree, type MoreWanted } from '../../src/image/image-tree.ts'
import { KnownPlaces } from '../../src/image/layer-path.ts'
import { scanLayer } from '../../src/image/layers.ts'

const places = new KnownPlaces([
  'bin',
  'boot',
  'etc',
  'home',
  'lib',
  'opt',
  'root',
  'ostree',
  'sbin',
  'srv',
  'sysroot',
  'usr',
  'var',
])

/** `contents` are the paths of files whose bytes are wanted; where links lead elsewhere, layers are read again. */
export async function readWholeTree(image: ImageSource, contents: Iterable<string>): Promise<ImageTree> {
  const asked = new Set(contents)
  for (;;) {
    const wanted: MoreWanted[] = []
    const layers = []
    for (const [index, layer] of image.manifest.layers.entries()) {
      const bytes = image.openLayer(layer)
      const source = `${image.source}, layer ${layer.digest}`
      const tar = decompressLayer({ bytes, size: layer.size, diffId: image.config.diffIds[index], source })
      layers.push(await scanLayer(tar, layer.digest, source, { places, contents: asked }))
    }
    const tree = new ImageTree(layers, places, image.source, asked, wanted)
    for (const path of tree.leaves('')) readOrNot(tree, path)
    const more = wanted.flatMap(one => one.contents ?? []).filter(path => !asked.has(path))
    if (more.length === 0) return tree
    for (const path of more) asked.add(path)
  }
}

/** Links that go nowhere matter to those only who ask for them. */
function readOrNot(tree: ImageTree, path: string): void {
  try {
    tree.read(path)
  } catch (error) {
    if (!(error instanceof ToolError)) throw error
  }
}

/** As `namesBelow` gives them. */
export function namesOf(tree: ImageTree): string[] {
  const leaves = new Set(tree.leaves('').map(path => path.slice(1)))
  const walk = (below: string): string[] =>
    tree.list(below).flatMap(name => {
      const path = below === '' ? name : `${below}/${name}`
      return leaves.has(path) ? [path] : [`${path}/`, ...walk(path)]
    })
  return walk('').sort()
}
