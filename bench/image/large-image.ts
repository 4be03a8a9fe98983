// An image of the size and shape of a CoreOS base with a new kernel on top: ostree objects with hard links to them, in fifty gzip layers. Always the same bytes.

import { createCipheriv, createHash } from 'node:crypto'
import { directory, file, hardLink, type LayerEntry, makeTar, whiteout } from '../../test/build/layer.ts'
import type { LayerToWrite } from './layout.ts'

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

/** `megabytes` of plain tar in `count` layers; half of the bytes cannot be compressed, the others are text. */
export function* largeImage(megabytes: number, count: number): Generator<LayerToWrite> {
  const initramfs = Math.min(100, Math.floor(megabytes / 8))
  const top = 16 + initramfs
  const each = ((megabytes - 2 * top) * mebibyte) / (count - 1)
  for (let index = 0; index < count - 1; index += 1) {
    const more = index === 3 ? loaders() : index === 7 ? kernel(old, initramfs) : []
    yield { compression: 'gzip', tar: layer(index, each, more) }
  }
  const derived = [whiteout(`usr/lib/modules/${old}`), ...kernel(now, initramfs)]
  yield {
    compression: 'gzip',
    tar: [...derived.map(entry => makeTar([entry], { endBlocks: 0 })), new Uint8Array(1024)],
  }
}

/** Plain files: tar cannot take a hard link out of what crane exports without the file that it names. */
const loaders = (): LayerEntry[] => [
  file(`${efi}/shimx64.efi`, Buffer.concat([Buffer.from('MZ'), noise('shim', 950_000)])),
  file(`${efi}/grubx64.efi`, Buffer.concat([Buffer.from('MZ'), noise('grub', 4_000_000)])),
  file('usr/lib/os-release', 'ID=test\nVERSION_ID=42\n'),
]

const kernel = (release: string, megabytes: number): LayerEntry[] => [
  directory(`usr/lib/modules/${release}/`),
  file(`usr/lib/modules/${release}/vmlinuz`, Buffer.concat([Buffer.from('MZ'), noise(release, 16 * mebibyte)])),
  file(
    `usr/lib/modules/${release}/initramfs.img`,
    Buffer.concat([Buffer.from('070701'), noise(`${release}i`, megabytes * mebibyte)]),
  ),
]

function* layer(index: number, size: number, more: readonly LayerEntry[]): Generator<Uint8Array> {
  yield makeTar([directory('sysroot/ostree/repo/objects/'), ...more], { endBlocks: 0, dialect: 'gnu' })
  const random = noise(`layer ${index}`, 2 * mebibyte)
  let made = 0
  for (let count = 0; made < size; count += 1) {
    // from nothing to 64 KiB, about 12 on average; now and then a large one
    const word = random.readUInt32LE((count * 4) % (random.length - 4))
    const length = count % 500 === 499 ? mebibyte : Math.floor(65_536 * ((word % 1000) / 1000) ** 4)
    const at = word % (random.length - length)
    const bytes = count % 2 === 0 ? random.subarray(at, at + length) : text(index * 100_003 + count, length)
    const entries = object(`usr/share/component-${index}/directory-${count % 97}/file-${count}`, bytes)
    made += length + 512 * entries.length
    yield makeTar(entries, { endBlocks: 0, dialect: 'gnu' })
  }
  yield new Uint8Array(1024)
}

/** A file of the repository and its name in the image, as ostree-ext exports them. */
function object(path: string, bytes: Uint8Array): LayerEntry[] {
  const hex = createHash('sha256').update(path).update(bytes).digest('hex')
  const at = `sysroot/ostree/repo/objects/${hex.slice(0, 2)}/${hex.slice(2)}`
  return [file(`${at}.file`, bytes), hardLink(path, `${at}.file`)]
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
