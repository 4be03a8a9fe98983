// The directories of an ostree commit, found by checksums from its root, as an image shows them.

import { ToolError } from '../errors.ts'
import type { OciDigest } from '../formats/oci/digest.ts'
import { parseCommit } from '../formats/ostree/commit.ts'
import { type OstreeDirtree, parseDirtree } from '../formats/ostree/dirtree.ts'
import { type OstreeChecksum, objectPath, repositoryDirectory } from '../formats/ostree/object-name.ts'
import { ancestorsOf, type KnownPlaces } from './layer-path.ts'
import { LayerSkeleton } from './layer-skeleton.ts'
import type { LayerNode, ScannedLayer } from './layers.ts'
import type { CommitFile, ObjectLayer } from './ostree-layer.ts'

/** Thrown where the objects that were found do not tell what a node deploys: all layers are then read. */
export class NotProvable extends Error {
  override readonly name = 'NotProvable'
}

/** A file of the commit and the layer that it was read from. */
export interface FoundFile {
  readonly layer: OciDigest
  readonly file: CommitFile
}

/** No image has as many directories, one in another. */
const depthCeiling = 128

/** Images show the commit's usr/etc as etc, and of its sysroot the repository instead of what is there (bootc: ostree-ext/src/tar/export.rs). */
export class CommitTree {
  readonly #source: string
  readonly #dirtrees: ReadonlyMap<OstreeChecksum, Uint8Array>
  readonly #parsed = new Map<OstreeChecksum, OstreeDirtree>()
  readonly #root: OstreeDirtree

  /** `first` is the layer with the commit. Throws NotProvable without one, OSTREE_COMMIT_INVALID when it is not the one that `label` names. */
  constructor(first: ObjectLayer, label: OstreeChecksum | undefined, source: string) {
    const [commit, other] = first.commits
    if (commit === undefined) throw new NotProvable('no commit in the first layer')
    if (other !== undefined || (label !== undefined && commit[0] !== label))
      throw new ToolError('OSTREE_COMMIT_INVALID', 'the image does not hold the commit that its label names', {
        found: [...first.commits.keys()].join(', '),
        wanted: label ?? 'one commit',
        where: { source, path: 'ostree.commit' },
      })
    this.#source = source
    this.#dirtrees = first.dirtrees
    this.#root = this.#dirtree(parseCommit(commit[1], `${source}, commit ${commit[0]}`).tree)
    if (this.#root.files.has('etc') || this.#root.directories.has('etc'))
      throw new NotProvable('the commit has etc and usr/etc')
  }

  /** What is at a path of the image: the checksum of a file or symbolic link. */
  at(path: string): 'directory' | { readonly file: OstreeChecksum } | undefined {
    if (path === '') return 'directory'
    let inside = this.#root
    const names = inCommit(path)
    for (const [index, name] of (names ?? []).entries()) {
      const last = index === (names?.length ?? 0) - 1
      const directory = inside.directories.get(name)
      if (last && directory !== undefined) return 'directory'
      const file = inside.files.get(name)
      if (last && file !== undefined) return { file }
      if (directory === undefined) return undefined
      inside = this.#dirtree(directory.tree)
    }
    return undefined
  }

  /** All files and directories of known places. Throws CEILING_REACHED when there are more than `ceiling`. */
  *entries(places: KnownPlaces, ceiling: number): Generator<readonly [string, OstreeChecksum | null]> {
    let count = 0
    for (const [path, file] of this.#known(places)) {
      count += 1
      if (count > ceiling)
        throw new ToolError('CEILING_REACHED', 'too many entries in the places that are read', {
          wanted: `at most ${ceiling}`,
          where: { source: this.#source },
        })
      yield [path, file]
    }
  }

  *#known(places: KnownPlaces): Generator<readonly [string, OstreeChecksum | null]> {
    for (const root of places.roots) {
      for (const path of [...ancestorsOf(root), root]) {
        const found = this.at(path)
        if (found === undefined) break
        yield [path, found === 'directory' ? null : found.file]
        if (found !== 'directory') break
        if (path === root) yield* this.#below(path, 0)
      }
    }
  }

  *#below(path: string, depth: number): Generator<readonly [string, OstreeChecksum | null]> {
    if (depth > depthCeiling) throw new NotProvable('directories of the commit are too deep')
    let inside: OstreeDirtree | undefined = this.#root
    for (const name of inCommit(path) ?? []) {
      const directory: { readonly tree: OstreeChecksum } | undefined = inside?.directories.get(name)
      inside = directory === undefined ? undefined : this.#dirtree(directory.tree)
    }
    if (inside === undefined) return
    for (const [name, file] of inside.files) if (inCommit(`${path}/${name}`)) yield [`${path}/${name}`, file]
    for (const name of inside.directories.keys()) {
      const next = `${path}/${name}`
      if (inCommit(next) === undefined) continue
      yield [next, null]
      yield* this.#below(next, depth + 1)
    }
  }

  #dirtree(checksum: OstreeChecksum): OstreeDirtree {
    const known = this.#parsed.get(checksum)
    if (known !== undefined) return known
    const bytes = this.#dirtrees.get(checksum)
    if (bytes === undefined) throw new NotProvable(`the first layer has no directory ${checksum}`)
    const parsed = parseDirtree(bytes, `${this.#source}, directory ${checksum}`)
    this.#parsed.set(checksum, parsed)
    return parsed
  }
}

/** Names of a path of the image in the commit; undefined for those that have no counterpart there. */
function inCommit(path: string): readonly string[] | undefined {
  const names = path.split('/').filter(name => name !== '')
  if (names[0] === 'sysroot' && names.length > 1) return undefined
  if (names[0] === 'usr' && names[1] === 'etc') return undefined
  return names[0] === 'etc' ? ['usr', ...names] : names
}

/** Throws OSTREE_COMMIT_INVALID where container engines would show another file than nodes deploy. */
export function expectShown(tree: CommitTree, { shown, files }: ObjectLayer, source: string): void {
  for (const [path, what] of shown) {
    const found = tree.at(path)
    const checksum = typeof found === 'object' ? found.file : undefined
    const file = checksum === undefined ? undefined : files.get(checksum)
    const isEmpty = file === undefined || (file.kind === 'file' && file.size === 0)
    if (checksum === undefined || (what === 'empty' ? !isEmpty : what !== checksum))
      throw new ToolError('OSTREE_COMMIT_INVALID', 'a layer shows another file than the ostree commit has', {
        found: what === 'empty' ? 'an empty file' : what,
        wanted: checksum ?? 'no file, as in the commit',
        where: { source, path },
      })
  }
}

/** The commit as layers of an image: each file in the layer that it was read from, those not read as hard links to objects. */
export function commitLayers(
  first: ObjectLayer,
  entries: Iterable<readonly [string, OstreeChecksum | null]>,
  found: ReadonlyMap<OstreeChecksum, FoundFile>,
): readonly ScannedLayer[] {
  const layers = new Map<OciDigest, Map<string, LayerNode>>([[first.digest, new Map()]])
  const put = (digest: OciDigest, path: string, node: LayerNode) => {
    const nodes = layers.get(digest) ?? new Map<string, LayerNode>()
    layers.set(digest, nodes.set(path, node))
  }
  if (first.hasRepository) {
    const path = `${repositoryDirectory}/config`
    put(first.digest, path, { kind: 'file', path, size: 0, bytes: undefined })
  }
  for (const [path, checksum] of entries) {
    const file = checksum === null ? undefined : found.get(checksum)
    if (checksum === null) put(first.digest, path, { kind: 'directory' })
    else if (file === undefined) put(first.digest, path, { kind: 'link', target: objectPath(checksum, 'file') })
    else put(file.layer, path, nodeOf(file.file, checksum))
  }
  const skeleton = new LayerSkeleton('the ostree commit')
  return [...layers].map(([digest, nodes]) => ({
    digest,
    nodes,
    whiteouts: new Set<string>(),
    opaque: new Set<string>(),
    skeleton,
    contentBytes: 0,
  }))
}

function nodeOf(file: CommitFile, checksum: OstreeChecksum): LayerNode {
  if (file.kind === 'symlink') return file
  return { kind: 'file', path: objectPath(checksum, 'file'), size: file.size, bytes: file.bytes }
}
