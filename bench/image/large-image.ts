// An image of the size and shape of a CoreOS base with a new kernel on top: an ostree commit in gzip layers, and a derived layer. Always the same bytes.

import { createCipheriv, createHash } from 'node:crypto'
import { directory, file, type LayerEntry, makeTar, whiteout } from '../../test/build/layer.ts'
import { checksumOf, commitOf, entriesOf, objectPath, repositoryConfig } from '../../test/build/ostree-commit.ts'
import type { ImageToWrite, LayerToWrite } from './layout.ts'

const mebibyte = 1 << 20
const [old, now] = ['6.1.0-55.x86_64', '6.1.0-56.x86_64'] as const
const efi = 'usr/lib/bootupd/updates/EFI/test'

/** Paths of the files that boot; what every program of the bench takes out. */
export const bootPaths: readonly string[] = [
  `${efi}/shimx64.efi`,
  `${efi}/grubx64.efi`,
  `usr/lib/modules/${now}/vmlinuz`,
  `usr/lib/modules/${now}/initramfs.img`,
  'usr/lib/os-release',
]

export interface LargeImage extends ImageToWrite {
  /** Objects that boot files are hard links to: tar cannot take one out without the other. */
  readonly bootObjects: readonly string[]
}

interface File {
  readonly path: string
  readonly bytes: Uint8Array
}

/** `megabytes` of plain tar in `count` layers; half of the bytes cannot be compressed, the others are text. */
export function largeImage(megabytes: number, count: number): LargeImage {
  const initramfs = Math.min(100, Math.floor(megabytes / 8))
  const each = ((megabytes - 2 * (16 + initramfs)) * mebibyte) / (count - 1)
  /** By layer: what stands before the files that fill it. */
  const special = new Map<number, { readonly name: string; readonly files: () => readonly File[] }>([
    [3, { name: 'shim-x64-15.8 and grub2-efi-x64-2.12 and test-release-42', files: loaders }],
    [7, { name: `kernel-core-${old} and initramfs (kernel ${old})`, files: () => kernel(old, initramfs) }],
  ])
  const base = Array.from({ length: count - 1 }, (_, index) => index)
  const filesOf = function* (index: number): Generator<File> {
    yield* special.get(index)?.files() ?? []
    yield* filling(index, each)
  }
  const checksums = new Map<string, string>()
  for (const index of base) for (const { path, bytes } of filesOf(index)) checksums.set(path, checksumOf(bytes))
  const { commit, entries } = commitOf(checksums)
  const baseLayer = function* (index: number): Generator<Uint8Array> {
    const before = new Set<string>()
    const tar = (all: readonly LayerEntry[]) => {
      for (const { path } of all) before.add(path)
      return makeTar(all, { endBlocks: 0, dialect: 'gnu' })
    }
    if (index === 0) for (const entry of entries) yield tar([entry])
    yield tar([repositoryConfig])
    for (const { path, bytes } of filesOf(index))
      yield tar(entriesOf(path, bytes, checksums.get(path) ?? '', before, 'linked'))
    yield new Uint8Array(1024)
  }
  const derived = function* (): Generator<Uint8Array> {
    const entry = (one: LayerEntry) => makeTar([one], { endBlocks: 0 })
    yield entry(whiteout(`usr/lib/modules/${old}`))
    yield entry(directory(`usr/lib/modules/${now}/`))
    for (const { path, bytes } of kernel(now, initramfs)) yield entry(file(path, bytes))
    yield new Uint8Array(1024)
  }
  const layers = function* (): Generator<LayerToWrite> {
    for (const index of base)
      yield {
        compression: 'gzip',
        tar: baseLayer(index),
        description: special.get(index)?.name ?? `component-${index}-1.0`,
      }
    yield { compression: 'gzip', tar: derived(), description: 'RUN rpm-ostree override replace' }
  }
  return {
    layers: layers(),
    labels: diffIds => ({
      'ostree.commit': commit,
      'ostree.final-diffid': diffIds[count - 2] ?? '',
      'ostree.bootable': 'true',
    }),
    bootObjects: bootPaths.flatMap(path => {
      const checksum = checksums.get(path)
      return checksum === undefined ? [] : [objectPath(checksum, 'file')]
    }),
  }
}

const loaders = (): File[] => [
  { path: `${efi}/shimx64.efi`, bytes: Buffer.concat([Buffer.from('MZ'), noise('shim', 950_000)]) },
  { path: `${efi}/grubx64.efi`, bytes: Buffer.concat([Buffer.from('MZ'), noise('grub', 4_000_000)]) },
  { path: 'usr/lib/os-release', bytes: Buffer.from('ID=test\nVERSION_ID=42\n') },
]

const kernel = (release: string, megabytes: number): File[] => [
  {
    path: `usr/lib/modules/${release}/vmlinuz`,
    bytes: Buffer.concat([Buffer.from('MZ'), noise(release, 16 * mebibyte)]),
  },
  {
    path: `usr/lib/modules/${release}/initramfs.img`,
    bytes: Buffer.concat([Buffer.from('070701'), noise(`${release}i`, megabytes * mebibyte)]),
  },
]

/** Files of `size` bytes together, with their headers and hard links. */
function* filling(index: number, size: number): Generator<File> {
  const random = noise(`layer ${index}`, 2 * mebibyte)
  let made = 0
  for (let count = 0; made < size; count += 1) {
    // from nothing to 64 KiB, about 12 on average; now and then a large one
    const word = random.readUInt32LE((count * 4) % (random.length - 4))
    const length = count % 500 === 499 ? mebibyte : Math.floor(65_536 * ((word % 1000) / 1000) ** 4)
    const at = word % (random.length - length)
    const bytes = count % 2 === 0 ? random.subarray(at, at + length) : text(index * 100_003 + count, length)
    made += Math.ceil(length / 512) * 512 + 3 * 512
    yield { path: `usr/share/component-${index}/directory-${count % 97}/file-${count}`, bytes }
  }
}

function text(seed: number, length: number): Uint8Array {
  const line = `${seed} the quick brown fox jumps over the lazy dog, and the dog says nothing at all\n`
  return new Uint8Array(Buffer.alloc(length, line))
}

/** Bytes that no program can shorten; always the same. */
function noise(seed: string, length: number): Buffer {
  const key = createHash('sha256').update(seed).digest().subarray(0, 16)
  return createCipheriv('aes-128-ctr', key, new Uint8Array(16)).update(new Uint8Array(length))
}
