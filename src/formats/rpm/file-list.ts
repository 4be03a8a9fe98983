// The file list of an RPM header: paths in three tags, one digest per file. rpm, docs/manual/tags.md.

import { ToolError } from '../../errors.ts'
import { ByteCursor } from '../bytes/cursor.ts'
import { type HeaderStructure, readHeaderStructure } from './header.ts'
import type { RpmFile } from './rpm-file.ts'

const tags = {
  fileDigests: { number: 1035, name: 'FILEDIGESTS' },
  directoryIndexes: { number: 1116, name: 'DIRINDEXES' },
  baseNames: { number: 1117, name: 'BASENAMES' },
  directoryNames: { number: 1118, name: 'DIRNAMES' },
  fileDigestAlgorithm: { number: 5011, name: 'FILEDIGESTALGO' },
} as const

type Tag = (typeof tags)[keyof typeof tags]

const types = { int32: 4, stringArray: 8 } as const
const sha256Algorithm = 8
/** A kernel's largest package has 5,000 files. */
const maxFiles = 200_000
/** PATH_MAX of Linux. */
const maxName = 4096

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
  const wanted = plain(path)
  const slash = wanted.lastIndexOf('/') + 1
  const [wantedDirectory, wantedName] = [wanted.slice(0, slash), wanted.slice(slash)]
  const names = stringsOf(structure, tags.baseNames)
  const indexes = numbersOf(structure, tags.directoryIndexes)
  const digests = stringsOf(structure, tags.fileDigests)
  const directories = stringsOf(structure, tags.directoryNames).map(name => plain(name) === wantedDirectory)
  if (indexes.length !== names.length || digests.length !== names.length)
    throw invalid(
      structure,
      tags.baseNames,
      `${names.length} names, ${indexes.length} directories, ${digests.length} digests`,
      'as many of each',
    )
  const found = new Set<string>()
  for (const [at, name] of names.entries()) {
    const inDirectory = directories[indexes[at] ?? -1]
    if (inDirectory === undefined)
      throw invalid(structure, tags.directoryIndexes, `directory ${indexes[at]}`, `one of ${directories.length}`)
    if (inDirectory && name === wantedName) found.add(digests[at] ?? '')
  }
  const [digest, other] = found
  if (digest === undefined) throw invalid(structure, tags.baseNames, `no ${path}`, 'that file in the package')
  const [algorithm] = numbersOf(structure, tags.fileDigestAlgorithm)
  if (algorithm !== sha256Algorithm)
    throw invalid(structure, tags.fileDigestAlgorithm, `${algorithm ?? 'none, which is MD5'}`, '8, which is SHA-256')
  if (other !== undefined || !/^[0-9a-f]{64}$/.test(digest))
    throw invalid(structure, tags.fileDigests, [...found].join(', ') || 'no digest', `one SHA-256 of ${path}`)
  return digest
}

/** Directories of a header end with a slash. */
function plain(path: string): string {
  return path.replace(/^\.?\/+/, '').replace(/^usr\//, '')
}

const decoder = new TextDecoder()

function stringsOf(structure: HeaderStructure, tag: Tag): string[] {
  const entry = structure.entries.get(tag.number)
  if (entry === undefined) return []
  if (entry.type !== types.stringArray) throw invalid(structure, tag, `type ${entry.type}`, 'a list of strings')
  if (entry.count > maxFiles) throw invalid(structure, tag, `${entry.count} strings`, `at most ${maxFiles}`)
  const texts: string[] = []
  for (let at = 0; texts.length < entry.count; ) {
    const end = entry.data.subarray(at, at + maxName).indexOf(0)
    if (end < 0) throw invalid(structure, tag, 'no end', `strings of less than ${maxName} bytes`)
    texts.push(decoder.decode(entry.data.subarray(at, at + end)))
    at += end + 1
  }
  return texts
}

function numbersOf(structure: HeaderStructure, tag: Tag): number[] {
  const entry = structure.entries.get(tag.number)
  if (entry === undefined) return []
  if (entry.type !== types.int32) throw invalid(structure, tag, `type ${entry.type}`, '32-bit numbers')
  if (entry.count > maxFiles) throw invalid(structure, tag, `${entry.count} numbers`, `at most ${maxFiles}`)
  const view = new DataView(entry.data.buffer, entry.data.byteOffset, entry.data.byteLength)
  return Array.from({ length: entry.count }, (_, index) => view.getUint32(index * 4, false))
}

function invalid(structure: HeaderStructure, tag: Tag, found: string, wanted: string): ToolError {
  return new ToolError('RPM_INVALID', 'the file list of an RPM header cannot be used', {
    found,
    wanted,
    where: { source: structure.source, path: `${tag.name} (${tag.number})` },
  })
}
