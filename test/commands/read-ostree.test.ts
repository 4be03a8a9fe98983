// Reading images that hold an ostree commit by that commit: the same answers as from all layers, fewer bytes, and images that lie.

import { createHash } from 'node:crypto'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { inspectImage, type ReadImageOptions } from '../../src/commands/read-image.ts'
import { openLayerCache } from '../../src/edge/layer-cache.ts'
import { openLayout } from '../../src/edge/oci-layout.ts'
import type { Descriptor } from '../../src/formats/oci/descriptor.ts'
import type { ImageContents } from '../../src/image/image-contents.ts'
import { seededBytes } from '../build/boot-files.ts'
import { baseEntries, layeredEntries } from '../build/coreos.ts'
import { expectToolError } from '../build/expect-error.ts'
import { directory, file, hardLink, type LayerEntry, makeLayer, opaque, symlink, whiteout } from '../build/layer.ts'
import { makeImage, writeLayout } from '../build/oci-layout.ts'
import { type CommitFiles, type MadeCommit, makeCommit } from '../build/ostree-commit.ts'

const [old, now] = ['6.1.0-55.x86_64', '6.1.0-56.x86_64'] as const
const kernelPath = `usr/lib/modules/${old}/vmlinuz`

/** Layers: 0 the commit and small files, 1 kernel, 2 initramfs, 3 boot loaders, 4 RPM database, 5 programs, 6 and 7 never wanted. */
const layerNames = [
  'export',
  'kernel-core-6',
  'initramfs (kernel 6)',
  'shim and grub2-efi',
  'rpmdb',
  '3 components',
  'a',
  'b',
]
function layerOf(path: string): number {
  if (path.endsWith('/vmlinuz')) return 1
  if (path.endsWith('/initramfs.img')) return 2
  if (path.toLowerCase().endsWith('.efi')) return 3
  if (path.includes('/rpm/')) return 4
  if (path.startsWith('usr/bin')) return 5
  if (path.startsWith('usr/share/a')) return 6
  return path.startsWith('usr/share/b') ? 7 : 0
}

const files: CommitFiles = {
  ...Object.fromEntries(
    baseEntries(old)
      .filter(({ type }) => type === 'file')
      .map(({ path, content = '' }) => [path.replace(/^etc\//, 'usr/etc/'), content]),
  ),
  'usr/etc/os-release': { target: '../usr/lib/os-release' },
  'usr/etc/hosts': 'localhost',
  lib: { target: 'usr/lib' },
  'usr/share/a/large': seededBytes('a', 100_000),
  'usr/share/b/large': seededBytes('b', 100_000),
}

let where: string
beforeEach(async () => {
  where = await mkdtemp(join(tmpdir(), 'read-ostree-'))
})
afterEach(() => rm(where, { recursive: true }))

interface Made {
  readonly layers: readonly (readonly LayerEntry[])[]
  readonly derived?: readonly (readonly LayerEntry[])[]
  readonly labels?: Readonly<Record<string, string | undefined>>
  readonly order?: readonly number[]
  readonly withoutHistory?: boolean
}

async function open({
  layers,
  derived = [],
  labels = {},
  order = layers.map((_, index) => index),
  withoutHistory,
}: Made) {
  const base = layers.map(entries => makeLayer(entries, { dialect: 'gnu' }))
  const made = [...order.flatMap(index => base[index] ?? []), ...derived.map(entries => makeLayer(entries))]
  const defaults = { 'ostree.final-diffid': made[order.length - 1]?.diffId }
  const all = Object.entries({ ...defaults, ...labels }).flatMap(([key, value]) =>
    value === undefined ? [] : [[key, value] as const],
  )
  const history = [
    ...order.map(index => ({ created_by: layerNames[index] })),
    ...derived.map(() => ({ created_by: 'RUN' })),
    { created_by: 'LABEL', empty_layer: true },
  ]
  const config = withoutHistory ? {} : { history }
  await writeLayout(makeImage({ layers: made, labels: Object.fromEntries(all), config }), where)
  const image = await openLayout(where, { architecture: 'amd64' })
  const read: number[] = []
  const openLayer = (layer: Descriptor) => {
    read.push(image.manifest.layers.findIndex(({ digest }) => digest === layer.digest))
    return image.openLayer(layer)
  }
  return { read, image: { ...image, openLayer } }
}

const commit = makeCommit(files, layerOf)
const labelled = ({ commit: name }: MadeCommit) => ({ 'ostree.commit': name })

const sha256 = (bytes: Uint8Array) => createHash('sha256').update(bytes).digest('hex')
const comparable = ({ proof: _, ...contents }: ImageContents) => ({
  ...contents,
  found: undefined,
  problems: contents.problems.map(problem => problem.code),
  bootFiles: contents.found.files.map(one => [one.role, one.path, one.layer, sha256(one.bytes)]),
})

/** Reads both ways; says which layers the proof needed. */
async function same(made: Made, options: ReadImageOptions = {}) {
  const { image, read } = await open(made)
  const all = await inspectImage(image, options)
  read.length = 0
  const proven = await inspectImage(image, { ...options, proof: 'ostree' })
  expect(comparable(proven)).toEqual(comparable(all))
  return { proven, read: [...read].sort((a, b) => a - b) }
}

const newKernel = layeredEntries(old, now).filter(
  ({ path }) => path.startsWith('usr/lib/modules') && !path.includes('.wh.'),
)
const replaced = [whiteout(`usr/lib/modules/${old}`), ...newKernel]

describe('images with an ostree commit', () => {
  it.each(['linked', 'own'] as const)('give the same from fewer layers, extended attributes %s', async xattrs => {
    const made = makeCommit(files, layerOf, xattrs)
    const { proven, read } = await same({ layers: made.layers, labels: labelled(made) })
    expect(proven.proof).toBe('ostree-commit')
    expect(proven.kernelRelease).toBe(old)
    expect(proven.os.id).toBe('test')
    expect(proven.hasOstreeRepository).toBe(true)
    expect(proven.packages?.length).toBeGreaterThan(3)
    expect(read).toEqual([0, 1, 2, 3, 4])
  })

  it('need no RPM database for those who do not ask for packages', async () => {
    const { read } = await same({ layers: commit.layers, labels: labelled(commit) }, { packages: false })
    expect(read).toEqual([0, 1, 2, 3])
  })

  it('are kept for the next run, which reads only a new layer', async () => {
    const cache = await openLayerCache(join(where, 'cache'))
    const labels = labelled(commit)
    const first = await open({ layers: commit.layers, labels, derived: [replaced] })
    const fresh = await inspectImage(first.image, { proof: 'ostree', cache })
    expect([fresh.proof, first.read.length]).toEqual(['ostree-commit', 4])
    first.read.length = 0
    const again = await inspectImage(first.image, { proof: 'ostree', cache })
    expect([again.proof, first.read]).toEqual(['cache', []])
    expect(comparable(again)).toEqual(comparable(fresh))
    const [newest] = ['6.1.0-57.x86_64']
    const derived = [layeredEntries(old, newest ?? '').filter(({ path }) => path.startsWith('usr/lib/modules'))]
    const second = await open({ layers: commit.layers, labels, derived })
    const next = await inspectImage(second.image, { proof: 'ostree', cache })
    expect([next.proof, next.kernelRelease, second.read]).toEqual(['cache', newest, [8]])
    expect(comparable(next)).toEqual(comparable(await inspectImage(second.image)))
    // the same layers of the commit read whole are another question
    second.read.length = 0
    await inspectImage(second.image, { cache })
    expect(second.read.sort()).toEqual([0, 1, 2, 3, 4, 5, 6, 7])
  })

  it.each([
    ['without history', { withoutHistory: true }],
    ['with layers in another order', { order: [0, 7, 4, 2, 3, 1, 6, 5] }],
    ['without the label that importers do not read', { labels: {} }],
  ])('give the same %s', async (_, more) => {
    const { proven } = await same({ layers: commit.layers, labels: labelled(commit), ...more })
    expect(proven.proof).toBe('ostree-commit')
  })

  it.each<[string, readonly (readonly LayerEntry[])[], readonly number[]]>([
    ['a new kernel in place of the old one', [replaced], [0, 3, 4, 8]],
    ['a new kernel over two layers', [[whiteout(`usr/lib/modules/${old}`)], [], newKernel], [0, 3, 4, 8, 9, 10]],
    ['the directory of modules anew', [[opaque('usr/lib/modules'), ...newKernel]], [0, 3, 4, 8]],
    ['the same kernel, rebuilt', [[file(kernelPath, 'MZ rebuilt')]], [0, 2, 3, 4, 8]],
    ['a second kernel', [newKernel], [0, 1, 2, 3, 4, 8]],
    ['no repository', [[whiteout('sysroot/ostree')]], [0, 1, 2, 3, 4, 8]],
    ['another os-release', [[file('etc/os-release', 'ID=other')]], [0, 1, 2, 3, 4, 8]],
    ['another os-release behind the link', [[file('usr/lib/os-release', 'ID=other')]], [0, 1, 2, 3, 4, 8]],
    ['programs that were taken away', [[whiteout('usr/bin/kubelet')]], [0, 1, 2, 3, 4, 8]],
    ['a file in place of a directory', [[file('usr/lib/modules', 'none')]], [0, 3, 4, 8]],
    ['a link to a file of the commit', [[symlink(`usr/lib/modules/${now}/vmlinuz`, '/usr/share/a/large')]], []],
  ])('give the same under %s', async (_, derived, wanted) => {
    const { proven, read } = await same({ layers: commit.layers, labels: labelled(commit), derived })
    expect(proven.proof).toBe('ostree-commit')
    if (wanted.length > 0) expect(read).toEqual(wanted)
  })

  it('follow links within the commit, reading nothing twice', async () => {
    const linked = makeCommit(
      {
        ...files,
        'usr/lib/os-release': { target: './os.release.d/os-release-test' },
        'usr/lib/os.release.d/os-release-test': { target: '../../share/a/os' },
        'usr/share/a/os': 'ID=far\nVERSION_ID=1\n',
      },
      layerOf,
    )
    const { proven, read } = await same({ layers: linked.layers, labels: labelled(linked) })
    expect(proven).toMatchObject({ proof: 'ostree-commit', os: { id: 'far' } })
    expect(read).toEqual([...new Set(read)])
    expect(read).toContain(6)
  })
})

/** The first entry whose path ends so, changed. */
function changed(
  layers: readonly (readonly LayerEntry[])[],
  fits: (entry: LayerEntry) => boolean,
  change: (entry: LayerEntry) => readonly LayerEntry[],
): readonly (readonly LayerEntry[])[] {
  let done = false
  const next = layers.map(entries =>
    entries.flatMap(entry => {
      if (done || !fits(entry)) return [entry]
      done = true
      return change(entry)
    }),
  )
  expect(done).toBe(true)
  return next
}

const flipped = (entry: LayerEntry): LayerEntry => {
  const content = new Uint8Array(entry.content ?? [])
  content[content.length >> 1] = (content[content.length >> 1] ?? 0) ^ 1
  return { ...entry, content }
}
const ends = (suffix: string) => (entry: LayerEntry) => entry.path.endsWith(suffix)
const objectOf = (path: string) => ends(`${commit.checksums.get(path)?.slice(2)}.file`)
const other = makeCommit({ ...files, [kernelPath]: 'MZ of another commit' }, layerOf)
const objectPathOf = (path: string) => {
  const checksum = commit.checksums.get(path) ?? ''
  return `sysroot/ostree/repo/objects/${checksum.slice(0, 2)}/${checksum.slice(2)}.file`
}

describe('images whose commit is not what it seems', () => {
  it.each<[string, Partial<Made>]>([
    ['a commit that was changed', { layers: changed(commit.layers, ends('.commit'), entry => [flipped(entry)]) }],
    ['a directory that was changed', { layers: changed(commit.layers, ends('.dirtree'), entry => [flipped(entry)]) }],
    [
      'directory attributes that were changed',
      { layers: changed(commit.layers, ends('.dirmeta'), entry => [flipped(entry)]) },
    ],
    [
      'attributes that were changed',
      { layers: changed(commit.layers, ends('.file-xattrs'), entry => [flipped(entry)]) },
    ],
    ['a file that was changed', { layers: changed(commit.layers, objectOf(kernelPath), entry => [flipped(entry)]) }],
    [
      'a file with another mode',
      { layers: changed(commit.layers, objectOf(kernelPath), entry => [{ ...entry, mode: 0o755 }]) },
    ],
    ['a label that names another commit', { labels: labelled(other) }],
    [
      'two commits',
      {
        layers: [
          [...(commit.layers[0] ?? []), ...(other.layers[0] ?? []).filter(ends('.commit'))],
          ...commit.layers.slice(1),
        ],
      },
    ],
    [
      'a kernel shown that is not the one of the commit',
      { layers: changed(commit.layers, ends(kernelPath), entry => [file(entry.path, 'MZ shown')]) },
    ],
    [
      'a link shown to another file than in the commit',
      {
        layers: changed(commit.layers, ends('grubx64.efi'), entry => [
          hardLink(entry.path, objectPathOf('usr/lib/bootupd/updates/EFI/test/shimx64.efi')),
        ]),
      },
    ],
    [
      'a second kernel shown beside the first',
      {
        layers: changed(commit.layers, ends(kernelPath), entry => [
          entry,
          hardLink(`usr/lib/modules/${now}/vmlinuz`, objectPathOf(kernelPath)),
        ]),
      },
    ],
  ])('are refused: %s', async (_, more) => {
    const { image } = await open({ layers: commit.layers, labels: labelled(commit), ...more })
    await expectToolError('OSTREE_COMMIT_INVALID', inspectImage(image, { proof: 'ostree' }))
  })

  it.each<[string, Partial<Made>]>([
    ['no label of the last layer', { labels: { 'ostree.final-diffid': undefined } }],
    ['a label that names no layer', { labels: { 'ostree.final-diffid': `sha256:${'0'.repeat(64)}` } }],
    ['the commit not in the first layer', { order: [1, 0, 2, 3, 4, 5, 6, 7] }],
    ['no commit', { layers: commit.layers.map(entries => entries.filter(entry => !ends('.commit')(entry))) }],
    [
      'directories that are missing',
      { layers: commit.layers.map(entries => entries.filter(entry => !ends('.dirtree')(entry))) },
    ],
    [
      'files without attributes',
      { layers: commit.layers.map(entries => entries.filter(entry => !ends('-xattrs-link')(entry))) },
    ],
    ['a layer with a directory in place of a link', { derived: [[directory('lib/'), file('lib/other', '')]] }],
  ])('are read whole: %s', async (_, more) => {
    const made = { layers: commit.layers, labels: labelled(commit), ...more }
    const { image } = await open(made)
    const attempt = () => inspectImage(image, { proof: 'ostree' }).then(comparable, error => error.code)
    const all = () => inspectImage(image).then(comparable, error => error.code)
    expect(await attempt()).toEqual(await all())
    const contents = await inspectImage(image, { proof: 'ostree' }).catch(() => undefined)
    expect(contents?.proof ?? 'all-layers').toBe('all-layers')
  })

  it('a file that no layer has is not looked for in vain twice', async () => {
    const missing = commit.layers.map(entries =>
      entries.filter(entry => !objectOf(kernelPath)(entry) && entry.path !== kernelPath),
    )
    const { image, read } = await open({ layers: missing, labels: labelled(commit) })
    const contents = await inspectImage(image, { proof: 'ostree' })
    expect(contents.proof).toBe('all-layers')
    expect(contents.problems.map(({ code }) => code)).toEqual(['KERNEL_MISSING'])
    expect(read.length).toBe(8 + 8)
  })

  it('what a layer shows that nobody reads does not matter: nodes do not look either', async () => {
    const second = [...(commit.layers[7] ?? []), file(`usr/lib/modules/${now}/vmlinuz`, 'MZ')]
    const { image } = await open({ layers: [...commit.layers.slice(0, 7), second], labels: labelled(commit) })
    expect((await inspectImage(image)).problems.map(({ code }) => code)).toEqual(['KERNEL_NOT_UNIQUE'])
    const proven = await inspectImage(image, { proof: 'ostree' })
    expect([proven.proof, proven.kernelRelease, proven.problems]).toEqual(['ostree-commit', old, []])
  })

  it('a hard link into a layer of the commit is refused as in any image', async () => {
    const derived = [[hardLink(`usr/lib/modules/${now}/vmlinuz`, objectPathOf(kernelPath))]]
    const { image } = await open({ layers: commit.layers, labels: labelled(commit), derived })
    await expectToolError('LAYER_INVALID', inspectImage(image))
    await expectToolError('LAYER_INVALID', inspectImage(image, { proof: 'ostree' }))
  })

  it('bytes of a layer that are not what its digest says are refused', async () => {
    const { image } = await open({ layers: commit.layers, labels: labelled(commit) })
    async function* cut(layer: Descriptor) {
      for await (const chunk of image.openLayer(layer)) yield chunk.subarray(0, chunk.length - 1)
    }
    for (const index of [0, 1]) {
      const digest = image.manifest.layers[index]?.digest
      const openLayer = (layer: Descriptor) => (layer.digest === digest ? cut(layer) : image.openLayer(layer))
      await expect(inspectImage({ ...image, openLayer }, { proof: 'ostree' })).rejects.toMatchObject({
        code: expect.stringMatching(/^(?:LAYER_INVALID|DIGEST_MISMATCH)$/),
      })
    }
  })
})
