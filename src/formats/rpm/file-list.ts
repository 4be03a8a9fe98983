// The file list of an RPM header: paths in three tags, one digest per file. rpm, docs/manual/tags.md.

import { ByteCursor } from '../bytes/cursor.ts'
import { type HeaderStructure, readHeaderStructure } from './header.ts'
import { invalidList, numbersOf, stringsOf } from './header-lists.ts'
import type { RpmFile } from './rpm-file.ts'

const tags = {
  fileDigests: { number: 1035, name: 'FILEDIGESTS' },
  directoryIndexes: { number: 1116, name: 'DIRINDEXES' },
  baseNames: { number: 1117, name: 'BASENAMES' },
  directoryNames: { number: 1118, name: 'DIRNAMES' },
  fileDigestAlgorithm: { number: 5011, name: 'FILEDIGESTALGO' },
} as const

const sha256Algorithm = 8

/**
 * SHA-256, hex, of a regular file of the package, as its header gives it. `path` has no leading slash; a file system that has
 * /lib as a link to /usr/lib has one file for both names, so `usr/` and `./` in front do not count. Throws RPM_INVALID when the
 * list is damaged, the file is not in it or stands there with two digests, or digests are not by SHA-256.
 */
export function fileSha256(file: RpmFile, path: string): string {
  const structure = readHeaderStructure(
    new ByteCursor(file.headerBytes, file.source, { code: 'RPM_INVALID' }),
    'header',
  )
  const digests = stringsOf(structure, tags.fileDigests)
  const files = [...filePaths(structure)]
  if (digests.length !== files.length)
    throw invalidList(
      structure,
      tags.fileDigests,
      `${files.length} files, ${digests.length} digests`,
      'as many of each',
    )
  const wanted = plain(path)
  const found = new Set(files.filter(one => plain(one.path) === wanted).map(({ at }) => digests[at] ?? ''))
  const [digest, other] = found
  if (digest === undefined) throw invalidList(structure, tags.baseNames, `no ${path}`, 'that file in the package')
  const [algorithm] = numbersOf(structure, tags.fileDigestAlgorithm)
  if (algorithm !== sha256Algorithm)
    throw invalidList(
      structure,
      tags.fileDigestAlgorithm,
      `${algorithm ?? 'none, which is MD5'}`,
      '8, which is SHA-256',
    )
  if (other !== undefined || !/^[0-9a-f]{64}$/.test(digest))
    throw invalidList(structure, tags.fileDigests, [...found].join(', ') || 'no digest', `one SHA-256 of ${path}`)
  return digest
}

/** Whether the package has this file, by the names that `fileSha256` takes for one. Throws RPM_INVALID when the list is damaged. */
export function listsFile(file: RpmFile, path: string): boolean {
  const cursor = new ByteCursor(file.headerBytes, file.source, { code: 'RPM_INVALID' })
  const wanted = plain(path)
  return [...filePaths(readHeaderStructure(cursor, 'header'))].some(one => plain(one.path) === wanted)
}

/** Directories of a header end with a slash. */
function plain(path: string): string {
  return path.replace(/^\.?\/+/, '').replace(/^usr\//, '')
}

/** One path of the file list: with its leading slash, as the header has it, and its place in the list. */
export interface ListedPath {
  readonly at: number
  readonly path: string
}

/** All paths of a header, in its order. Throws RPM_INVALID when the three lists do not fit each other. */
export function* filePaths(structure: HeaderStructure): Generator<ListedPath> {
  const names = stringsOf(structure, tags.baseNames)
  const indexes = numbersOf(structure, tags.directoryIndexes)
  const directories = stringsOf(structure, tags.directoryNames)
  if (indexes.length !== names.length)
    throw invalidList(
      structure,
      tags.baseNames,
      `${names.length} names, ${indexes.length} directories`,
      'as many of each',
    )
  for (const [at, name] of names.entries()) {
    const directory = directories[indexes[at] ?? -1]
    if (directory === undefined)
      throw invalidList(structure, tags.directoryIndexes, `directory ${indexes[at]}`, `one of ${directories.length}`)
    yield { at, path: `${directory}${name}` }
  }
}
