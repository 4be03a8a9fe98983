// Makes images that hold an ostree commit, as ostree-ext writes them (bootc: ostree-ext/src/tar/export.rs); what libostree writes is in test/vectors.

import { createHash } from 'node:crypto'
import { directory, file, hardLink, type LayerEntry, symlink } from './layer.ts'

/** Contents of files, or where links lead; `usr/etc` as the commit has it. */
export type CommitFiles = Readonly<Record<string, string | Uint8Array | { readonly target: string }>>

export interface MadeCommit {
  readonly commit: string
  /** Entries of the layers, lowest first; for tests that change some. */
  readonly layers: readonly (readonly LayerEntry[])[]
  /** Checksum of each file by its path. */
  readonly checksums: ReadonlyMap<string, string>
}

const sha256 = (bytes: Uint8Array) => createHash('sha256').update(bytes).digest('hex')
const u32 = (...values: number[]) => {
  const bytes = Buffer.alloc(values.length * 4)
  for (const [index, value] of values.entries()) bytes.writeUInt32BE(value, index * 4)
  return bytes
}
const hex = (text: string) => Buffer.from(text, 'hex')
const text = (value: string) => Buffer.from(`${value}\0`)

/** A container: its body, and the ends of members, in the order in which they stand. */
function framed(body: Uint8Array, ends: readonly number[]): Buffer {
  const width = [1, 2, 4].find(size => body.length + ends.length * size <= 256 ** size - 1) ?? 4
  const offsets = ends.map(end => {
    const bytes = Buffer.alloc(4)
    bytes.writeUInt32LE(end)
    return bytes.subarray(0, width)
  })
  return Buffer.concat([body, ...offsets])
}

/** Members of variable size; the end of the last one shows by itself. */
function tuple(...members: readonly Uint8Array[]): Buffer {
  return framed(Buffer.concat(members), endsOf(members).slice(0, -1).reverse())
}

const array = (elements: readonly Uint8Array[]): Buffer => framed(Buffer.concat(elements), endsOf(elements))

function endsOf(parts: readonly Uint8Array[]): number[] {
  let end = 0
  return parts.map(({ length }) => {
    end += length
    return end
  })
}

/** Files and directories, sorted by name, with their checksums. */
export function makeDirtree(
  files: readonly (readonly [string, string])[],
  directories: readonly (readonly [string, string])[],
  meta: string,
): Uint8Array {
  const leaves = files.map(([name, checksum]) => tuple(text(name), hex(checksum)))
  const trees = directories.map(([name, checksum]) => tuple(text(name), hex(checksum), hex(meta)))
  return tuple(array(leaves), array(trees))
}

export function makeCommitObject(root: string, meta: string): Uint8Array {
  const head = Buffer.concat([text(''), text('')])
  const body = Buffer.concat([head, Buffer.alloc(6), u32(0, 0), hex(root), hex(meta)])
  return framed(body, [48, 2, 1, 0, 0, 0])
}

export const objectPath = (checksum: string, kind: string) =>
  `sysroot/ostree/repo/objects/${checksum.slice(0, 2)}/${checksum.slice(2)}.${kind}`

/** A commit of files by their paths, without the files: its objects, and the directories that it has. */
export function commitOf(checksums: ReadonlyMap<string, string>) {
  const metas = new Map<string, LayerEntry>()
  const directories: string[] = []
  const put = (kind: string, bytes: Uint8Array) => {
    const checksum = sha256(bytes)
    metas.set(`${checksum}.${kind}`, file(objectPath(checksum, kind), bytes))
    return checksum
  }
  const meta = put('dirmeta', Buffer.concat([u32(0, 0, 0o40755)]))
  const root: Directory = { files: new Map(), directories: new Map() }
  for (const [path, checksum] of checksums) {
    const parts = path.split('/')
    let at = root
    for (const part of parts.slice(0, -1)) {
      const next: Directory = at.directories.get(part) ?? { files: new Map(), directories: new Map() }
      at.directories.set(part, next)
      at = next
    }
    at.files.set(parts.at(-1) ?? '', checksum)
  }
  const walk = ({ files, directories: below }: Directory, path: string): string => {
    const trees = [...below].sort(byName).map(([name, inside]) => {
      const whole = path === '' ? name : `${path}/${name}`
      directories.push(whole)
      return [name, walk(inside, whole)] as const
    })
    return put('dirtree', makeDirtree([...files].sort(byName), trees, meta))
  }
  const bytes = makeCommitObject(walk(root, ''), meta)
  const commit = sha256(bytes)
  const entries = [
    directory('./'),
    file(objectPath(commit, 'commit'), bytes),
    ...metas.values(),
    ...directories.map(path => directory(`./${shown(path)}/`)),
    directory('var/tmp/'),
  ]
  return { commit, entries }
}

interface Directory {
  readonly files: Map<string, string>
  readonly directories: Map<string, Directory>
}

const byName = ([one]: readonly [string, unknown], [other]: readonly [string, unknown]) => (one < other ? -1 : 1)

/** What begins every layer of a commit. */
export const repositoryConfig = file('sysroot/ostree/repo/config', '[core]\nmode=bare-split-xattrs\n')

/** `layerOf` says for each path in which layer its file is, 0 being the one of the commit. `xattrs`: shared by hard links, or in each file's own object. */
export function makeCommit(
  files: CommitFiles,
  layerOf: (path: string) => number,
  xattrs: 'linked' | 'own' = 'linked',
): MadeCommit {
  const checksums = new Map(Object.entries(files).map(([path, content]) => [path, checksumOf(content)]))
  const { commit, entries } = commitOf(checksums)
  const layers: LayerEntry[][] = []
  for (const [path, content] of Object.entries(files)) {
    const layer = layerOf(path)
    while (layers.length <= layer) layers.push([repositoryConfig])
    const before = new Set(layers[layer]?.map(entry => entry.path))
    layers[layer]?.push(...entriesOf(path, content, checksums.get(path) ?? '', before, xattrs))
  }
  layers[0] = [...entries, ...(layers[0] ?? [])]
  return { commit, layers, checksums }
}

const shown = (path: string) => path.replace(/^usr\/etc(?=\/|$)/, 'etc')
const attributes = tuple(text('security.selinux'), text('system_u:object_r:usr_t:s0'))
const noneBut = array([attributes])
const target = (content: CommitFiles[string]) =>
  typeof content === 'object' && 'target' in content ? content.target : undefined
const bytesOf = (content: CommitFiles[string]) =>
  typeof content === 'string' ? Buffer.from(content) : content instanceof Uint8Array ? content : new Uint8Array()

export function checksumOf(content: CommitFiles[string]): string {
  const link = target(content)
  const name = text(link ?? '')
  const header = framed(Buffer.concat([u32(0, 0, link === undefined ? 0o100644 : 0o120777, 0), name, noneBut]), [
    16 + name.length,
  ])
  return sha256(Buffer.concat([u32(header.length, 0), header, bytesOf(content)]))
}

/** A file of the commit in a layer whose paths are `before`. */
export function entriesOf(
  path: string,
  content: CommitFiles[string],
  checksum: string,
  before: ReadonlySet<string>,
  xattrs: 'linked' | 'own',
): LayerEntry[] {
  const link = target(content)
  const bytes = bytesOf(content)
  const shared = objectPath(sha256(noneBut), 'file-xattrs')
  const own = objectPath(checksum, 'file-xattrs-link')
  const there = (name: string) => before.has(name)
  const object = objectPath(checksum, 'file')
  return [
    ...(xattrs === 'linked' && !there(shared) ? [file(shared, noneBut)] : []),
    ...(there(object)
      ? []
      : [
          xattrs === 'linked' ? hardLink(own, shared) : file(own, noneBut),
          link === undefined ? file(object, bytes) : symlink(object, link),
        ]),
    bytes.length === 0 && link === undefined ? file(shown(path), '') : hardLink(shown(path), object),
  ]
}
