// All files of an image with an ostree commit, as this project's reader proves them by the commit.

import { openOstree } from '../../src/commands/read-ostree.ts'
import { openSpillRoom } from '../../src/edge/spilled-files.ts'
import { ToolError } from '../../src/errors.ts'
import type { ImageSource } from '../../src/image/image-source.ts'
import { ImageTree, type MoreWanted } from '../../src/image/image-tree.ts'
import { KnownPlaces } from '../../src/image/layer-path.ts'

/** Where a commit has files; what is below var is made by the system. */
const places = new KnownPlaces(['bin', 'boot', 'etc', 'home', 'lib', 'opt', 'root', 'sbin', 'srv', 'usr'])

/** Throws when the commit does not prove them. */
export async function readByCommit(image: ImageSource): Promise<ImageTree> {
  const ostree = openOstree(image, {})
  const contents = new Set<string>()
  const room = await openSpillRoom(1024 ** 3)
  for (;;) {
    const wanted: MoreWanted[] = []
    const tree = new ImageTree([], places, image.source, contents, wanted)
    if ((await ostree?.fill({ places, contents }, tree, room)) !== 'ostree-commit') throw new Error('not by the commit')
    for (const path of places.roots.flatMap(root => [root, ...tree.leaves(root)])) read(tree, path)
    const more = wanted.flatMap(one => one.contents ?? []).filter(path => !contents.has(path))
    if (more.length === 0) return tree
    for (const path of more) contents.add(path)
  }
}

/** Files and where links lead; links that go nowhere matter to those only who ask for them. */
export function filesOf(tree: ImageTree): ReadonlyMap<string, Uint8Array> {
  const paths = places.roots.flatMap(root => tree.leaves(root))
  return new Map(
    paths.flatMap(path => [read(tree, path)].flatMap(bytes => (bytes === undefined ? [] : [[path, bytes]]))),
  )
}

function read(tree: ImageTree, path: string): Uint8Array | undefined {
  try {
    return tree.read(path)?.bytes
  } catch (error) {
    if (error instanceof ToolError) return undefined
    throw error
  }
}
