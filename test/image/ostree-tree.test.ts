// Directories of an ostree commit: what no image may make of them.

import { describe, expect, it } from 'vitest'
import { KnownPlaces } from '../../src/image/layer-path.ts'
import type { ObjectLayer } from '../../src/image/ostree-layer.ts'
import { CommitTree, NotProvable } from '../../src/image/ostree-tree.ts'
import { faultOf } from '../build/damage.ts'
import { sha256 } from '../build/layer.ts'
import { makeCommitObject, makeDirtree } from '../build/ostree-commit.ts'

const meta = 'b'.repeat(64)

/** A commit whose usr/lib/modules is `modules`, with directories by their checksums. */
function treeOf(
  modules: string,
  dirtrees: Map<string, Uint8Array>,
  rootFiles: readonly (readonly [string, string])[] = [],
) {
  const put = (bytes: Uint8Array) => {
    const checksum = sha256(bytes).slice('sha256:'.length)
    dirtrees.set(checksum, bytes)
    return checksum
  }
  const lib = put(makeDirtree([], [['modules', modules]], meta))
  const usr = put(
    makeDirtree(
      [],
      [
        ['etc', put(makeDirtree([['hosts', meta]], [], meta))],
        ['lib', lib],
      ],
      meta,
    ),
  )
  const commit = makeCommitObject(put(makeDirtree(rootFiles, [['usr', usr]], meta)), meta)
  const commits = new Map([[sha256(commit).slice('sha256:'.length), commit]])
  const first: ObjectLayer = {
    digest: 'sha256:',
    commits,
    dirtrees,
    files: new Map(),
    present: new Set(),
    shown: new Map(),
    hasRepository: true,
  }
  return new CommitTree(first, undefined, 'test')
}

/** `depth` directories, each of which has the next one twice. */
function doubled(depth: number) {
  const dirtrees = new Map<string, Uint8Array>()
  let below = ''
  for (let level = 0; level < depth; level += 1) {
    const twice = ['a', 'b'].map(name => [name, below] as const)
    const bytes = makeDirtree([['f', meta]], level === 0 ? [] : twice, meta)
    below = sha256(bytes).slice('sha256:'.length)
    dirtrees.set(below, bytes)
  }
  return treeOf(below, dirtrees)
}

const places = new KnownPlaces(['usr/lib/modules', 'etc/hosts'])

describe('directories of a commit', () => {
  it('show usr/etc as etc and nothing of sysroot', () => {
    const tree = doubled(1)
    expect(tree.at('etc/hosts')).toEqual({ file: meta })
    expect(tree.at('usr/etc/hosts')).toBeUndefined()
    expect(tree.at('sysroot/ostree')).toBeUndefined()
    expect([...tree.entries(places, 100)]).toEqual([
      ['usr', null],
      ['usr/lib', null],
      ['usr/lib/modules', null],
      ['usr/lib/modules/f', meta],
      ['etc', null],
      ['etc/hosts', meta],
    ])
  })

  it('that come again and again are counted, not listed for ever', () => {
    const tree = doubled(60)
    expect(faultOf(() => [...tree.entries(places, 10_000)]).code).toBe('CEILING_REACHED')
  })

  it('that are too deep prove nothing, nor do those that are missing', () => {
    const dirtrees = new Map<string, Uint8Array>()
    let below = sha256(makeDirtree([], [], meta)).slice('sha256:'.length)
    dirtrees.set(below, makeDirtree([], [], meta))
    for (let level = 0; level < 200; level += 1) {
      const bytes = makeDirtree([], [['d', below]], meta)
      below = sha256(bytes).slice('sha256:'.length)
      dirtrees.set(below, bytes)
    }
    expect(() => [...treeOf(below, dirtrees).entries(places, 10_000)]).toThrow(NotProvable)
    expect(() => [...treeOf('c'.repeat(64), new Map()).entries(places, 100)]).toThrow(NotProvable)
  })

  it('with etc and usr/etc prove nothing', () => {
    expect(() => treeOf('c'.repeat(64), new Map(), [['etc', meta]])).toThrow(NotProvable)
  })
})
