// Layers that show one rule each: what image-spec 1.1 layer.md, tar archives and compressions allow, and how images of CoreOS are laid out.

import { gzipSync, zstdCompressSync } from 'node:zlib'
import type { ErrorCode } from '../../src/errors.ts'
import {
  concat,
  directory,
  file,
  hardLink,
  type Layer,
  type LayerEntry,
  layerOfTar,
  makeLayer,
  makeTar,
  opaque,
  paxMember,
  rawMember,
  sha256,
  symlink,
  whiteout,
} from '../build/layer.ts'

export interface ImageCase {
  readonly rule: string
  /** Lowest first. */
  readonly layers: readonly Layer[]
  /** The kernel's bytes as text, for rules that decide about it; null where none must be left. */
  readonly kernel?: string | null
  readonly config?: Readonly<Record<string, unknown>>
  /** We refuse the image with this code … */
  readonly refused?: ErrorCode
  /** … and podman too, unless it takes what others take differently. */
  readonly podman?: 'refuses' | 'takes it'
}

const modules = 'usr/lib/modules/6.1'
const kernel = `${modules}/vmlinuz`
const initramfs = `${modules}/initramfs.img`
const object = (name: string) => `sysroot/ostree/repo/objects/ab/${name.padEnd(62, '0')}.file`
const long = `usr/lib/modules/6.1/${'long-name-'.repeat(9)}/${'longer-name-'.repeat(15)}`

const old = [
  directory('usr/'),
  directory('usr/lib/'),
  directory('usr/lib/modules/'),
  directory(`${modules}/`),
  file(kernel, 'MZ old'),
  file(initramfs, 'old initramfs'),
  directory(`${modules}/kernel/`),
  file(`${modules}/kernel/a.ko`, 'module'),
  file('usr/lib/os-release', 'ID=test\n'),
]

type Layers = readonly (readonly LayerEntry[])[]
const over = (rule: string, kernelText: string | null, ...upper: Layers): ImageCase => ({
  rule,
  kernel: kernelText,
  layers: [old, ...upper].map(entries => makeLayer(entries)),
})
const alone = (rule: string, kernelText: string | null, ...layers: Layers): ImageCase => ({
  rule,
  kernel: kernelText,
  layers: layers.map(entries => makeLayer(entries)),
})
const refused = (rule: string, podman: 'refuses' | 'takes it', ...layers: Layers): ImageCase => ({
  rule,
  refused: 'LAYER_INVALID',
  podman,
  layers: layers.map(entries => makeLayer(entries)),
})
const ofTar = (rule: string, tar: Uint8Array, kernelText: string | null = 'MZ new'): ImageCase => ({
  rule,
  kernel: kernelText,
  layers: [makeLayer(old), layerOfTar(tar)],
})
const ofBytes = (rule: string, bytes: Uint8Array, compression: 'gzip' | 'zstd' | 'none'): ImageCase => {
  const named = makeLayer([], { compression })
  const tar = makeTar(newKernel)
  const layer = { ...named, bytes, tar, digest: sha256(bytes), diffId: sha256(tar) }
  return { rule, kernel: 'MZ new', layers: [makeLayer(old), layer] }
}

const newKernel = [file(kernel, 'MZ new'), file(initramfs, 'new initramfs')]
const newTar = makeTar(newKernel)
const third = Math.floor(newTar.length / 3)
const parts = [newTar.subarray(0, third), newTar.subarray(third, 2 * third), newTar.subarray(2 * third)]
const skippable = new Uint8Array([0x5a, 0x2a, 0x4d, 0x18, 3, 0, 0, 0, 1, 2, 3])
const put = (at: number, text: string) => (header: Uint8Array) => header.set(new TextEncoder().encode(text), at)
const end = new Uint8Array(1024)

const merging: readonly ImageCase[] = [
  over('the newest layer wins', 'MZ new', newKernel),
  over('a layer in between wins over the lowest', 'MZ new', newKernel, [file('etc/other', 'x')]),
  over('a whiteout hides a file', null, [whiteout(kernel)]),
  over('a whiteout hides a directory with all below it', null, [whiteout('usr/lib/modules')]),
  over('a whiteout beside a new directory', 'MZ new', [
    whiteout('usr/lib/modules/6.1'),
    file('usr/lib/modules/6.2/vmlinuz', 'MZ new'),
  ]),
  over('a whiteout behind a new directory', 'MZ new', [
    file('usr/lib/modules/6.2/vmlinuz', 'MZ new'),
    whiteout('usr/lib/modules/6.1'),
  ]),
  over('a whiteout, and the name again in a layer above', 'MZ new', [whiteout(modules)], newKernel),
  over('a whiteout of what no layer has', 'MZ old', [whiteout(`${modules}/nothing`)]),
  over('a whiteout of a part of a name hides nothing', 'MZ old', [whiteout('usr/li'), whiteout(`${modules}/vm`)]),
  over('an opaque directory, the marker first', 'MZ new', [
    directory(`${modules}/`),
    opaque(modules),
    file(kernel, 'MZ new'),
  ]),
  over('an opaque directory, the marker last', 'MZ new', [
    directory(`${modules}/`),
    file(kernel, 'MZ new'),
    opaque(modules),
  ]),
  over('an opaque directory without an entry of its own', null, [
    opaque('usr/lib/modules'),
    file('usr/lib/modules/x', ''),
  ]),
  over('an opaque directory high above', null, [
    directory('usr/'),
    opaque('usr'),
    file('usr/lib/os-release', 'ID=new\n'),
  ]),
  over('a file hides a directory', null, [file(modules, 'file')]),
  over('a file hides a directory far above', null, [file('usr/lib', 'file')]),
  over('a symbolic link hides a directory', null, [symlink('usr/lib', 'elsewhere')]),
  over(
    'a directory hides a file',
    'MZ new',
    [file('usr/lib/modules/6.2', 'file'), whiteout(modules)],
    [directory('usr/lib/modules/6.2'), file('usr/lib/modules/6.2/vmlinuz', 'MZ new')],
  ),
  over(
    'entries below a lower file, without a directory between',
    'MZ new',
    [whiteout(modules), file('usr/lib/modules/x', '')],
    [file('usr/lib/modules/x/vmlinuz', 'MZ new')],
  ),
  {
    rule: 'a layer that the manifest lists twice, with another between',
    kernel: 'MZ old',
    layers: [old, newKernel, old].map(entries => makeLayer(entries)),
  },
  {
    rule: 'a layer that the manifest lists twice in a row',
    kernel: 'MZ new',
    layers: [old, newKernel, newKernel].map(entries => makeLayer(entries)),
  },
  over('a directory again keeps its children', 'MZ old', [directory('usr/lib/modules/'), directory(modules)]),
  refused('a whiteout of a name that its layer has', 'takes it', old, [whiteout(kernel), file(kernel, 'MZ new')]),
  refused('an opaque root', 'takes it', old, [file('.wh..wh..opq', '')]),
]

const links: readonly ImageCase[] = [
  alone('a hard link', 'MZ far', [file('opt/kernel', 'MZ far'), hardLink(kernel, 'opt/kernel')]),
  alone('a chain of hard links', 'MZ far', [
    file('opt/a', 'MZ far'),
    hardLink('opt/b', 'opt/a'),
    hardLink(kernel, '/opt/b'),
  ]),
  alone('a hard link to a symbolic link', 'MZ far', [
    file('opt/a', 'MZ far'),
    symlink('opt/b', '/opt/a'),
    hardLink(kernel, 'opt/b'),
  ]),
  alone(
    'a hard link whose other name a layer above replaces',
    'MZ far',
    [file('opt/kernel', 'MZ far'), hardLink(kernel, 'opt/kernel')],
    [file('opt/kernel', 'MZ replaced')],
  ),
  alone(
    'a hard link whose other name a layer above hides',
    'MZ far',
    [file('opt/kernel', 'MZ far'), hardLink(kernel, 'opt/kernel')],
    [whiteout('opt/kernel')],
  ),
  refused('a hard link to a file of a lower layer', 'refuses', [file('opt/k', 'MZ')], [hardLink(kernel, 'opt/k')]),
  refused('a hard link to a later entry', 'refuses', [hardLink(kernel, 'opt/k'), file('opt/k', 'MZ')]),
  refused('a hard link to nothing', 'refuses', [hardLink(kernel, 'opt/k')]),
  alone('contents before their name: objects of an ostree repository', 'MZ object', [
    file(object('a'), 'MZ object'),
    file(object('b'), 'initramfs'),
    symlink(object('c'), '../usr/lib/os-release'),
    file(object('d'), 'ID=object\n'),
    hardLink(kernel, object('a')),
    hardLink(initramfs, object('b')),
    hardLink('usr/lib/os-release', object('d')),
    hardLink('etc/link', object('c')),
    file('usr/lib/empty', ''),
  ]),
  alone('symbolic links to files', 'MZ far', [file('opt/a', 'MZ far'), symlink(kernel, '../../../../opt/a')]),
  alone('absolute symbolic links', 'MZ far', [
    file('opt/a', 'MZ far'),
    symlink(kernel, '/opt/./b//../a'),
    directory('opt/b'),
  ]),
  alone('symbolic links across layers', 'MZ far', [symlink(kernel, '/opt/a')], [file('opt/a', 'MZ far')]),
  alone('symbolic links to directories', 'MZ far', [
    file('opt/modules/6.1/vmlinuz', 'MZ far'),
    symlink('usr/lib/modules', '/opt/modules'),
  ]),
  alone('symbolic links to nothing', null, [symlink(kernel, 'nothing'), symlink(initramfs, '/opt/gone/x')]),
  refused('symbolic links in a circle, where the kernel should be', 'takes it', [
    symlink(kernel, 'a'),
    symlink(`${modules}/a`, 'vmlinuz'),
  ]),
  refused('a symbolic link out of the image, where the kernel should be', 'takes it', [
    symlink(kernel, '../'.repeat(9)),
  ]),
  refused(
    'entries below a symbolic link of a lower layer',
    'takes it',
    [symlink('lib', 'usr/lib'), ...old],
    [file('lib/modules/6.1/vmlinuz', 'MZ')],
  ),
  refused('a path that leaves the layer', 'takes it', [file('usr/../../x', '')]),
]

const names: readonly ImageCase[] = [
  over('names with ./', 'MZ new', [file(`./${kernel}`, 'MZ new'), directory('./')]),
  over('names with /', 'MZ new', [file(`/${kernel}`, 'MZ new')]),
  over('whiteouts with ./', null, [whiteout(`./${kernel}`)]),
  alone('no entries for directories above', 'MZ new', newKernel),
  ...(['pax', 'gnu'] as const).map(dialect => ({
    rule: `long names and long targets, ${dialect}`,
    kernel: 'MZ long',
    layers: [
      makeLayer(
        [
          file(long, 'MZ long'),
          symlink(kernel, `/${long}`),
          hardLink(`${modules}/hard`, long),
          file(`${modules}/after`, 'after'),
        ],
        { dialect },
      ),
    ],
  })),
  over('pax records: times, attributes, a size', 'MZ new', [
    file(kernel, 'MZ new', { pax: { mtime: '1700000000.123456789', 'SCHILY.xattr.user.note': 'a\nb', size: '6' } }),
  ]),
  ofTar(
    'a global pax header with a comment',
    concat([paxMember([['comment', 'x']], 'g', 'pax_global_header'), newTar]),
  ),
  ofTar('the prefix of ustar', concat([rawMember('vmlinuz', '0', 'MZ new', { edit: put(345, modules) }), end])),
  ofTar(
    'a size in base 256',
    concat([
      rawMember(kernel, '0', 'MZ new', {
        dialect: 'gnu',
        edit: header => header.fill(0, 124, 136).set([0x80], 124) ?? header.set([6], 135),
      }),
      end,
    ]),
  ),
  ofTar(
    'an archive as old as V7',
    concat([rawMember(kernel, '\0', 'MZ new', { edit: header => header.fill(0, 257, 265) }), end]),
  ),
  ofTar('no padding behind the last file', makeTar(newKernel.toReversed(), { endBlocks: 0 }).subarray(0, -500)),
  ofTar('no blocks at the end', makeTar(newKernel, { endBlocks: 0 })),
  ofTar('one block at the end', makeTar(newKernel, { endBlocks: 1 })),
  ofTar('twenty blocks at the end', makeTar(newKernel, { endBlocks: 20 })),
  over('an empty layer', 'MZ old', []),
  {
    // directories in front, PAX for attributes, hard links to the first name of a file, dates of 1970 (chunkah, src/tar.rs)
    rule: 'a layer as chunkah writes it',
    kernel: 'MZ new',
    layers: [
      makeLayer(old, { dialect: 'gnu' }),
      makeLayer(
        [
          directory('usr/'),
          directory('usr/lib/'),
          directory('usr/lib/modules/'),
          directory(`${modules}/`),
          file(initramfs, 'new initramfs'),
          file(kernel, 'MZ new', { pax: { 'SCHILY.xattr.user.note': 'x', mtime: '0' } }),
          hardLink(`${modules}/zz-again`, kernel),
          file(long, 'far'),
        ],
        { dialect: 'gnu' },
      ),
    ],
  },
  {
    rule: 'rows of history without a layer',
    kernel: 'MZ new',
    layers: [makeLayer(old), makeLayer(newKernel)],
    config: {
      history: [
        { created_by: 'base' },
        { created_by: 'ENV a=b', empty_layer: true },
        { created_by: 'kernel' },
        { created_by: 'LABEL a=b', empty_layer: true },
      ],
    },
  },
  {
    rule: 'an archive that is cut',
    refused: 'LAYER_INVALID',
    podman: 'refuses',
    layers: [makeLayer(old), layerOfTar(newTar.subarray(0, 515))],
  },
  {
    rule: 'bytes that are no archive',
    refused: 'LAYER_INVALID',
    podman: 'refuses',
    layers: [makeLayer(old), layerOfTar(new Uint8Array(512).fill(0x41))],
  },
]

const compressions: readonly ImageCase[] = [
  ...(['gzip', 'zstd', 'none'] as const).map(compression => ({
    rule: `compression: ${compression}`,
    kernel: 'MZ new',
    layers: [makeLayer(old, { compression }), makeLayer(newKernel, { compression })],
  })),
  ofBytes('several gzip members', concat(parts.map(part => new Uint8Array(gzipSync(part)))), 'gzip'),
  ofBytes('several zstd frames', concat(parts.map(part => new Uint8Array(zstdCompressSync(part)))), 'zstd'),
  ofBytes(
    'frames to skip',
    concat([...parts.flatMap(part => [new Uint8Array(zstdCompressSync(part)), skippable])]),
    'zstd',
  ),
  ofBytes('zstd under the media type of gzip', new Uint8Array(zstdCompressSync(newTar)), 'gzip'),
  ofBytes('gzip under the media type of plain tar', new Uint8Array(gzipSync(newTar)), 'none'),
  {
    rule: 'a diff_id of something else',
    refused: 'DIGEST_MISMATCH',
    podman: 'takes it',
    layers: [makeLayer(old), { ...makeLayer(newKernel), diffId: sha256(new Uint8Array()) }],
  },
  {
    rule: 'bytes behind the end of a gzip stream',
    refused: 'LAYER_INVALID',
    podman: 'refuses',
    layers: [makeLayer(old), behind(makeLayer(newKernel))],
  },
  {
    rule: 'a gzip stream that is cut',
    refused: 'LAYER_INVALID',
    podman: 'refuses',
    layers: [makeLayer(old), cut(makeLayer(newKernel))],
  },
]

function behind(layer: Layer): Layer {
  const bytes = concat([layer.bytes, new TextEncoder().encode('more')])
  return { ...layer, bytes, digest: sha256(bytes) }
}

function cut(layer: Layer): Layer {
  const bytes = layer.bytes.subarray(0, layer.bytes.length - 10)
  return { ...layer, bytes, digest: sha256(bytes) }
}

export const imageCases: readonly ImageCase[] = [...merging, ...links, ...names, ...compressions]
