// A root file system on disk, read as the tree of an image: links are followed inside of it only, and only paths that are asked for are opened.

import {
  closeSync,
  constants,
  fstatSync,
  lstatSync,
  openSync,
  readdirSync,
  readlinkSync,
  readSync,
  realpathSync,
} from 'node:fs'
import { join } from 'node:path'
import { ToolError } from '../errors.ts'
import type { BootTree, TreeFile } from '../image/boot-tree.ts'
import { fileCeilings } from './files.ts'

/** Linux follows as many. */
const linkCeiling = 40
/** All files that are read of one tree, as all layers of an image together (interface §8). */
const treeCeiling = 768 * 1024 * 1024
/** Real directories that are asked for have fewer than a hundred names. */
const nameCeiling = 10_000

/**
 * Opens a directory as the root of a system; each file is read once, `ceiling` bytes in all. Throws FILE_NOT_FOUND when it is none, and INPUT_INVALID for an image that containers' dir: transport
 * wrote. The tree throws INPUT_INVALID for links that leave the root or go in a circle, CEILING_REACHED and FILE_NOT_FOUND.
 */
export function openRootFileSystem(root: string, ceiling = treeCeiling): BootTree {
  const source = `dir:${root}`
  const directory = guarded(source, '', () => realpathSync(root))
  if (statOf(directory)?.isDirectory() !== true)
    throw new ToolError('FILE_NOT_FOUND', 'the root file system is no directory', { where: { source } })
  const transport = ['manifest.json', 'version'].every(name => statOf(join(directory, name))?.isFile() === true)
  if (transport)
    throw new ToolError(
      'INPUT_INVALID',
      'the directory is an image of containers’ dir: transport, not a root file system',
      {
        found: 'manifest.json and version',
        wanted: 'usr, etc, boot',
        where: { source },
        hint: 'copy the image into an OCI layout: skopeo copy dir:<directory> oci:<directory>',
      },
    )
  const resolve = (path: string) => resolveInside(directory, path, source)
  const read = new Map<string, TreeFile>()
  let left = ceiling
  return {
    kind: path => {
      const found = statOf(join(directory, resolve(path)))
      return found?.isDirectory() === true ? 'directory' : found?.isFile() === true ? 'file' : undefined
    },
    list: path => {
      const real = join(directory, resolve(path))
      if (statOf(real)?.isDirectory() !== true) return []
      const names = guarded(source, path, () => readdirSync(real))
      if (names.length > nameCeiling)
        throw new ToolError('CEILING_REACHED', 'a directory has too many names', {
          found: `${names.length}`,
          wanted: `at most ${nameCeiling}`,
          where: { source, path },
        })
      return names.sort()
    },
    read: path => {
      const real = resolve(path)
      const before = read.get(real)
      if (before !== undefined) return before
      if (statOf(join(directory, real))?.isFile() !== true) return undefined
      const file = readInside(directory, real, source, left)
      left -= file.bytes.length
      read.set(real, file)
      return file
    },
  }
}

function statOf(path: string) {
  try {
    return lstatSync(path, { throwIfNoEntry: false })
  } catch {
    // a file where a directory should be on the way
    return undefined
  }
}

/** The path without links on its way, taken as if `directory` were the root; a name that is not there stays as it is. */
function resolveInside(directory: string, path: string, source: string): string {
  const parts = (text: string) => text.split('/').filter(part => part !== '' && part !== '.')
  const fault = (message: string, found: string) =>
    new ToolError('INPUT_INVALID', message, { found, where: { source, path } })
  const rest = parts(path)
  let done: string[] = []
  for (let followed = 0; ; ) {
    const name = rest.shift()
    if (name === undefined) return done.join('/')
    if (name === '..') {
      if (done.pop() === undefined) throw fault('a symbolic link leaves the root file system', '.. above the root')
      continue
    }
    const next = [...done, name]
    const here = join(directory, ...next)
    if (statOf(here)?.isSymbolicLink() !== true) {
      done = next
      continue
    }
    followed += 1
    if (followed > linkCeiling) throw fault('symbolic links go in a circle', `${linkCeiling} links followed`)
    const target = guarded(source, path, () => readlinkSync(here))
    if (target.startsWith('/')) done = []
    rest.unshift(...parts(target))
    if (rest.length > 4096) throw fault('symbolic links grow too long', `${rest.length} parts`)
  }
}

/** The bytes of a plain file; a link or FIFO that took its place meanwhile is not followed and not waited for. */
function readInside(directory: string, path: string, source: string, left: number): TreeFile {
  const { O_RDONLY, O_NOFOLLOW, O_NONBLOCK } = constants
  const file = guarded(source, path, () => openSync(join(directory, path), O_RDONLY | O_NOFOLLOW | O_NONBLOCK))
  try {
    const { size } = fstatSync(file)
    if (size > fileCeilings.bootFile)
      throw new ToolError('CEILING_REACHED', 'the file is too large', {
        found: `${size} bytes`,
        wanted: `at most ${fileCeilings.bootFile}`,
        where: { source, path },
      })
    if (size > left)
      throw new ToolError('CEILING_REACHED', 'what is to be read of the root file system is too large', {
        found: `${size} bytes more`,
        wanted: `at most ${left}`,
        where: { source, path },
      })
    const bytes = new Uint8Array(size)
    let filled = 0
    while (filled < size) {
      const count = guarded(source, path, () => readSync(file, bytes, filled, size - filled, filled))
      if (count === 0) break
      filled += count
    }
    return { path, layer: null, bytes: bytes.subarray(0, filled) }
  } finally {
    closeSync(file)
  }
}

function guarded<T>(source: string, path: string, work: () => T): T {
  try {
    return work()
  } catch (cause) {
    const found = cause instanceof Error && 'code' in cause ? String(cause.code) : 'an error'
    throw new ToolError('FILE_NOT_FOUND', 'a file of the root file system cannot be read', {
      found,
      where: { source, ...(path === '' ? {} : { path }) },
      cause,
    })
  }
}
