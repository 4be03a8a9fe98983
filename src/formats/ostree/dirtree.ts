// A directory of ostree: libostree ostree-core.h, OSTREE_TREE_GVARIANT_FORMAT (a(say)a(sayay)).

import { arrayElements, type NamedBytes, stringOf, tupleEnds, wrong } from './framing.ts'
import { checksumOf, type OstreeChecksum } from './object-name.ts'

export interface OstreeDirectory {
  readonly tree: OstreeChecksum
  readonly meta: OstreeChecksum
}

export interface OstreeDirtree {
  /** Regular files and symbolic links by name; which of both an entry is, its object says. */
  readonly files: ReadonlyMap<string, OstreeChecksum>
  readonly directories: ReadonlyMap<string, OstreeDirectory>
}

/** Throws INPUT_INVALID, also for names that no directory can have, and for those that are not sorted, as libostree looks for them by halves. */
export function parseDirtree(bytes: Uint8Array, source: string): OstreeDirtree {
  const [border = 0, end = 0] = tupleEnds({ bytes, source }, 1)
  const files = new Map<string, OstreeChecksum>()
  let before: string | undefined
  for (const element of arrayElements({ bytes: bytes.subarray(0, border), source })) {
    const [name = 0, tail = 0] = tupleEnds(element, 1)
    before = nameOf(element, name, before)
    files.set(before, checksumOf(element.bytes.subarray(name, tail), source))
  }
  before = undefined
  const directories = new Map<string, OstreeDirectory>()
  for (const element of arrayElements({ bytes: bytes.subarray(border, end), source })) {
    const [name = 0, tree = 0, meta = 0] = tupleEnds(element, 2)
    before = nameOf(element, name, before)
    if (files.has(before)) throw wrong(source, `a file and a directory of one name: ${JSON.stringify(before)}`, 'one')
    directories.set(before, {
      tree: checksumOf(element.bytes.subarray(name, tree), source),
      meta: checksumOf(element.bytes.subarray(tree, meta), source),
    })
  }
  return { files, directories }
}

function nameOf({ bytes, source }: NamedBytes, end: number, before: string | undefined): string {
  const name = stringOf({ bytes: bytes.subarray(0, end), source })
  if (name === '' || name === '.' || name === '..' || name.includes('/'))
    throw wrong(source, `the name ${JSON.stringify(name)}`, 'a name of a file or directory')
  if (before !== undefined && Buffer.compare(Buffer.from(before), Buffer.from(name)) >= 0)
    throw wrong(source, `${JSON.stringify(name)} behind ${JSON.stringify(before)}`, 'sorted names, each once')
  return name
}
