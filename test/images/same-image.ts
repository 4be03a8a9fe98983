// Compares what this project's reader makes of an image with the root that an engine made of it, name by name and byte by byte.

import { createHash } from 'node:crypto'
import { expect } from 'vitest'
import { inspectImage } from '../../src/commands/read-image.ts'
import { ToolError } from '../../src/errors.ts'
import type { ImageContents } from '../../src/image/image-contents.ts'
import type { ImageSource } from '../../src/image/image-source.ts'
import type { ImageTree } from '../../src/image/image-tree.ts'
import { type Behind, namesBelow, readInside } from './mounted-root.ts'
import { namesOf, readWholeTree } from './whole-tree.ts'

const sha256 = (bytes: Uint8Array) => createHash('sha256').update(bytes).digest('hex')

/** For answers that are easy to read when they differ. */
const shown = (found: Behind | undefined): string =>
  found instanceof Uint8Array ? `${found.length} bytes, ${sha256(found)}` : (found ?? 'nothing')

/** The whole tree, and the boot files as commands find them. `root` is a directory that an engine made of the image. */
export async function expectSameImage(image: ImageSource, root: string): Promise<ImageContents> {
  const names = namesBelow(root)
  const files = names.filter(name => !name.endsWith('/'))
  const tree = await readWholeTree(image, files)
  expect(namesOf(tree)).toEqual(names)
  const wanted = readInside(root, files)
  expect(shownAll(files, path => behind(tree, path))).toEqual(shownAll(files, path => wanted.get(path)))

  const contents = await inspectImage(image)
  const boot = contents.found.files.map(file => file.path)
  const mounted = readInside(root, boot)
  expect(contents.found.files.map(file => [file.path, shown(file.bytes)])).toEqual(
    boot.map(path => [path, shown(mounted.get(path))]),
  )
  expect(kernelsOf(contents)).toEqual(expect.arrayContaining(kernelsIn(root, names)))
  expect([...contents.listing].filter(inListedPlace).sort()).toEqual(files.filter(inListedPlace).sort())
  return contents
}

function shownAll(paths: readonly string[], of: (path: string) => Behind | undefined): string[] {
  return paths.map(path => `${path}: ${shown(of(path))}`)
}

/** Our policy is stricter than the kernel's for links out of the image and in circles, of which both make nothing. */
function behind(tree: ImageTree, path: string): Behind {
  try {
    return tree.read(path)?.bytes ?? (tree.kind(path) === 'directory' ? 'directory' : 'nothing')
  } catch (error) {
    if (error instanceof ToolError && /in a circle|leaves the image/.test(error.message)) return 'nothing'
    throw error
  }
}

const inListedPlace = (path: string) => path.startsWith('usr/lib/modules/') || path.startsWith('boot/')

const kernelsOf = ({ found }: ImageContents) =>
  found.files.filter(file => file.role === 'kernel').map(file => `${file.path}: ${shown(file.bytes)}`)

/** Where usr/lib/modules is no link. */
function kernelsIn(root: string, names: readonly string[]): string[] {
  const directories = names.filter(name => /^usr\/lib\/modules\/[^/]+\/?$/.test(name))
  const paths = directories.map(name => `${name.replace(/\/$/, '')}/vmlinuz`)
  const found = readInside(root, paths)
  return paths.filter(path => found.get(path) instanceof Uint8Array).map(path => `${path}: ${shown(found.get(path))}`)
}
