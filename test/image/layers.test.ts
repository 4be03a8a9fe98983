// The merged view over layers: every case of a layer that a reader must handle, and layers that are wrong.

import { describe, expect, it } from 'vitest'
import { ToolError } from '../../src/errors.ts'
import { ImageTree, MoreWanted } from '../../src/image/image-tree.ts'
import { KnownPlaces } from '../../src/image/layer-path.ts'
import { defaultCeilings, type ScanCeilings, scanLayer } from '../../src/image/layers.ts'
import { knownRoots } from '../../src/image/places.ts'
import { expectToolError } from '../build/expect-error.ts'
import {
  concat,
  directory,
  file,
  hardLink,
  type LayerEntry,
  makeTar,
  opaque,
  paxMember,
  rawMember,
  sha256,
  symlink,
  whiteout,
} from '../build/layer.ts'

const modules = 'usr/lib/modules/6.1'
const kernel = `${modules}/vmlinuz`
const object = (name: string) => `sysroot/ostree/repo/objects/ab/${name.padEnd(62, '0')}.file`
const pe = (text: string) => new TextEncoder().encode(`MZ${text}`)

async function* pieces(bytes: Uint8Array, size: number): AsyncGenerator<Uint8Array> {
  for (let at = 0; at < bytes.length; at += size) yield bytes.subarray(at, at + size)
}

async function treeOf(tars: readonly Uint8Array[], pieceSize = 4096, ceilings = defaultCeilings): Promise<ImageTree> {
  let places = new KnownPlaces(knownRoots)
  const contents = new Set<string>()
  const scan = () =>
    Promise.all(
      tars.map(tar => scanLayer(pieces(tar, pieceSize), sha256(tar), 'test image', { places, contents }, ceilings)),
    )
  let tree = new ImageTree(await scan(), places, 'test image', contents)
  /** Reads again as the image reader does, until the question is answered. */
  const again = async <T>(ask: (one: ImageTree) => T): Promise<T> => {
    for (;;) {
      try {
        return ask(tree)
      } catch (error) {
        if (!(error instanceof MoreWanted)) throw error
        if (error.place !== undefined) places = new KnownPlaces([...places.roots, error.place])
        if (error.contents !== undefined) contents.add(error.contents)
        tree = new ImageTree(await scan(), places, 'test image', contents)
      }
    }
  }
  questions.set(tree, again)
  return tree
}

type Again = <T>(ask: (tree: ImageTree) => T) => Promise<T>
const questions = new WeakMap<ImageTree, Again>()

/** Merges layers, given lowest first, and reads one file as text. */
async function read(path: string, ...layers: readonly (readonly LayerEntry[])[]): Promise<string | undefined> {
  const tree = await treeOf(layers.map(entries => makeTar(entries)))
  const found = await (questions.get(tree) as Again)(one => one.read(path))
  return found === undefined ? undefined : new TextDecoder().decode(found.bytes)
}

async function list(path: string, ...layers: readonly (readonly LayerEntry[])[]): Promise<string[]> {
  const tree = await treeOf(layers.map(entries => makeTar(entries)))
  return await (questions.get(tree) as Again)(one => one.list(path))
}

describe('layers over one another', () => {
  const old = [directory('usr/'), file(kernel, 'old'), file(`${modules}/initramfs.img`, 'initramfs')]

  it('the newest layer wins', async () => {
    expect(await read(kernel, old)).toBe('old')
    expect(await read(kernel, old, [file(kernel, 'new')])).toBe('new')
    expect(await read(kernel, old, [file(kernel, 'new')], [file('etc/other', 'x')])).toBe('new')
  })

  it('says which layer a file came from', async () => {
    const tars = [makeTar(old), makeTar([file(kernel, 'new')]), makeTar([])]
    const tree = await treeOf(tars)
    expect(tree.read(kernel)?.layer).toBe(sha256(tars[1] as Uint8Array))
    expect(tree.read(`${modules}/initramfs.img`)?.layer).toBe(sha256(tars[0] as Uint8Array))
  })

  it('a whiteout hides a file, and a directory with all in it', async () => {
    expect(await read(kernel, old, [whiteout(kernel)])).toBeUndefined()
    expect(await list(modules, old, [whiteout(kernel)])).toEqual(['initramfs.img'])
    for (const path of [modules, 'usr/lib/modules', 'usr/lib'])
      expect(await read(kernel, old, [whiteout(path)])).toBeUndefined()
    // nodes pass over it
    await expectToolError('LAYER_INVALID', read(kernel, old, [whiteout('usr')], [file(kernel, 'new')]))
    expect(await read(kernel, old, [whiteout('usr/li'), whiteout(`${modules}/vm`)])).toBe('old')
  })

  it('a whiteout of what its own layer has is refused: podman goes by the order', async () => {
    for (const entries of [
      [whiteout(kernel), file(kernel, 'new')],
      [whiteout(modules), file(kernel, 'new')],
      [whiteout('usr'), file(kernel, 'new')],
    ]) {
      await expectToolError('LAYER_INVALID', read(kernel, old, entries))
      await expectToolError('LAYER_INVALID', read(kernel, old, entries.toReversed()))
    }
    expect(await read(kernel, old, [whiteout(kernel)], [file(kernel, 'newest')])).toBe('newest')
  })

  it('an opaque directory hides what is below it, in any order', async () => {
    for (const entries of [
      [opaque(modules), file(`${modules}/new`, '')],
      [file(`${modules}/new`, ''), opaque(modules)],
    ])
      expect(await list(modules, old, entries)).toEqual(['new'])
    expect(await list('usr/lib/modules', old, [opaque('usr')])).toEqual([])
    // overlayfs has no opaque root; the others are of aufs, which podman still obeys
    for (const path of ['.wh..wh..opq', 'usr/.wh..wh.plnk', '.wh..wh.plnk/1.2', `${modules}/.wh.vmlinuz/x`])
      await expectToolError('LAYER_INVALID', read(kernel, old, [file(path, '')]))
  })

  it('a file hides a directory, a directory a file, ancestors too', async () => {
    expect(await read(kernel, old, [file(modules, 'not a directory')])).toBeUndefined()
    expect(await read(kernel, old, [file('usr', 'not a directory')])).toBeUndefined()
    expect(await read(kernel, old, [symlink('usr/lib', 'elsewhere')])).toBeUndefined()
    expect(await read(kernel, [file('usr/lib', 'file')], old)).toBe('old')
    expect(await read(kernel, old, [file('usr', 'file')], [file(`${modules}/new`, '')])).toBeUndefined()
    expect(await list('usr/lib/modules', old, [directory('usr/lib/modules/')])).toEqual(['6.1'])
    // without an entry for the directory itself
    expect(await read('lib/modules/6.1/vmlinuz', old, [symlink('lib', 'usr/lib')])).toBe('old')
  })

  it('names are the same in every spelling', async () => {
    for (const path of [`./${kernel}`, `/${kernel}`, `.//${kernel.replace('/lib/', '//lib/./')}`]) {
      expect(await read(kernel, [file(path, 'spelt')])).toBe('spelt')
      expect(await read(kernel, old, [whiteout(path)])).toBeUndefined()
    }
    expect(await list('usr/lib/modules', [directory('./'), directory('./usr/lib/modules/6.1/')])).toEqual(['6.1'])
  })

  it('entries of one layer with the same name are refused, but for directories', async () => {
    for (const entries of [
      [file(kernel, 'one'), file(kernel, 'two')],
      [file(kernel, 'one'), symlink(kernel, 'two')],
      [file(kernel, 'one'), hardLink(kernel, kernel)],
      [file(kernel, 'one'), directory(kernel)],
      [file(object('a'), pe('one')), file(object('a'), pe('two'))],
      [symlink('opt/a', 'one'), file('opt/a', 'two')],
      [file(kernel, 'one'), file('usr/lib/modules', 'file')],
      [file(kernel, 'one'), symlink('usr/lib/modules', 'x')],
      [file('opt/a/b', 'one'), symlink('opt/a', 'x')],
    ])
      await expectToolError('LAYER_INVALID', read(kernel, old, entries))
    expect(await read(kernel, [directory(modules), file(kernel, 'one'), directory(modules)])).toBe('one')
  })

  it.each(['pax', 'gnu'] as const)('long names as %s has them', async dialect => {
    const long = `usr/lib/modules/${'long-name-'.repeat(9)}/${'longer-name-'.repeat(20)}/`
    const entries = [
      file(`${long}target.efi`, 'long'),
      symlink('usr/lib/modules/link.efi', `/${long}target.efi`),
      hardLink('usr/lib/modules/hard.efi', `${long}target.efi`),
      file(kernel, 'after', { pax: { 'SCHILY.xattr.security.selinux': 'a\nb=c', mtime: '1.5' } }),
    ]
    const tree = await treeOf([makeTar(entries, { dialect })])
    for (const path of [`${long}target.efi`, 'usr/lib/modules/link.efi', 'usr/lib/modules/hard.efi'])
      expect(Buffer.from(tree.read(path)?.bytes ?? []).toString()).toBe('long')
    expect(Buffer.from(tree.read(kernel)?.bytes ?? []).toString()).toBe('after')
  })

  it('archives in pieces of any size, and without end blocks', async () => {
    for (const endBlocks of [0, 1, 2, 20])
      for (const size of [1, 511, 512, 513, 1 << 20])
        expect(
          Buffer.from((await treeOf([makeTar(old, { endBlocks })], size)).read(kernel)?.bytes ?? []).toString(),
        ).toBe('old')
    expect((await treeOf([new Uint8Array()])).list('usr/lib/modules')).toEqual([])
  })
})

describe('hard links', () => {
  it('bind the contents of their moment, in chains too', async () => {
    const entries = [
      file(object('a'), pe('first')),
      hardLink(`${modules}/between`, object('a')),
      hardLink(kernel, `./${modules}/between`),
    ]
    expect(await read(kernel, entries)).toBe('MZfirst')
    expect(await read(kernel, entries, [whiteout(object('a'))], [whiteout('sysroot')])).toBe('MZfirst')
    expect(await read(kernel, entries, [file(object('a'), pe('third'))])).toBe('MZfirst')
  })

  it('of an ostree layer find their contents, PE or not, without another read where they can', async () => {
    const entries = [
      file(object('a'), pe('kernel')),
      hardLink(kernel, object('a')),
      file(object('b'), 'cpio'),
      hardLink(`${modules}/initramfs.img`, object('b')),
      symlink(object('c'), '../../../etc/os-release'),
      hardLink('usr/lib/os-release', object('c')),
      file(object('d'), 'ID=test\n'),
      hardLink('etc/os-release', object('d')),
    ]
    const tree = await treeOf([makeTar(entries, { dialect: 'gnu' })])
    expect(tree.read(kernel)?.path).toBe(kernel)
    expect(Buffer.from(tree.read('etc/os-release')?.bytes ?? []).toString()).toBe('ID=test\n')
    expect(() => tree.read(`${modules}/initramfs.img`)).toThrow(MoreWanted)
    expect(await read(`${modules}/initramfs.img`, entries)).toBe('cpio')
  })

  it('to files anywhere in the layer', async () => {
    expect(await read(kernel, [file('opt/kernel', 'far'), hardLink(kernel, 'opt/kernel')])).toBe('far')
    expect(await read(kernel, [file('opt/a', 'far'), hardLink('opt/b', 'opt/a'), hardLink(kernel, '/opt/b')])).toBe(
      'far',
    )
  })

  it('to another layer, to nothing, or to a later entry are refused', async () => {
    for (const layers of [
      [[file('opt/kernel', 'far')], [hardLink(kernel, 'opt/kernel')]],
      [[file(object('a'), pe(''))], [hardLink(kernel, object('a'))]],
      [[hardLink(kernel, 'opt/kernel')]],
      [[hardLink(kernel, 'opt/kernel'), file('opt/kernel', 'late')]],
      [[hardLink(kernel, kernel)]],
      [[file(kernel, 'x')], [hardLink(`${modules}/x.efi`, kernel), whiteout(kernel)]],
    ]) {
      const path = layers.flat().some(entry => entry.path === `${modules}/x.efi`) ? `${modules}/x.efi` : kernel
      await expectToolError('LAYER_INVALID', read(path, ...layers))
    }
    await expectToolError('LAYER_INVALID', read(kernel, [directory(modules), hardLink(kernel, modules)]))
  })

  // bootc, ostree-ext/src/tar/write.rs, filter_tar: it passes over such links, and looks for them by the field of the header
  describe('to objects of a repository', () => {
    const at = (seconds: number) => (header: Uint8Array) =>
      header.set(new TextEncoder().encode(`${seconds.toString(8).padStart(11, '0')}\0`), 136)
    const [name, other] = [object('a'), object('b')]
    const layer = (objectTime: number, linkTime: number, ...long: readonly Uint8Array[]) =>
      concat([
        rawMember(name, '0', pe('kernel'), { edit: at(objectTime) }),
        rawMember(other, '0', pe('other'), { edit: at(objectTime) }),
        ...long,
        rawMember(kernel, '1', '', { target: name, edit: at(linkTime) }),
        makeTar([]),
      ])
    const seen = async (tar: Uint8Array) => Buffer.from((await treeOf([tar])).read(kernel)?.bytes ?? []).toString()

    it('with their time, or without one, are followed', async () => {
      for (const time of [0, 1_700_000_000]) expect(await seen(layer(time, time))).toBe('MZkernel')
    })

    it('newer than these are refused', async () => {
      await expectToolError('LAYER_INVALID', seen(layer(0, 1)))
    })

    it('with two targets are refused', async () => {
      for (const target of [other, 'opt/x', `./${name}`])
        for (const long of [paxMember([['linkpath', target]]), rawMember('././@LongLink', 'K', `${target}\0`)])
          await expectToolError('LAYER_INVALID', seen(layer(1, 1, long)))
      expect(await seen(layer(1, 1, paxMember([['linkpath', name]])))).toBe('MZkernel')
    })
  })
})

describe('symbolic links', () => {
  it('to files and directories, absolute, across layers', async () => {
    const target = [file('opt/kernels/one', 'linked')]
    for (const [at, to] of [
      [kernel, '../../../../opt/kernels/one'],
      [kernel, '/opt/kernels/one'],
      [kernel, '/opt/./kernels//../kernels/one'],
    ] as const)
      expect(await read(kernel, target, [symlink(at, to)])).toBe('linked')
    expect(await read(kernel, target, [symlink(modules, '/opt/kernels'), symlink('opt/kernels/vmlinuz', 'one')])).toBe(
      'linked',
    )
    expect(
      await list('usr/lib/modules', [symlink('usr', '/opt/system'), directory('opt/system/lib/modules/6.2')]),
    ).toEqual(['6.2'])
  })

  it('to nothing are nothing', async () => {
    expect(await read(kernel, [symlink(kernel, 'gone')])).toBeUndefined()
    expect(await read(kernel, [symlink(kernel, '/gone/far/away')])).toBeUndefined()
    expect(await read(kernel, [file('opt/f', ''), symlink(kernel, '/opt/f/below')])).toBeUndefined()
  })

  it('in circles or out of the image are refused', async () => {
    const circle = await expectToolError(
      'LAYER_INVALID',
      read(kernel, [symlink(kernel, 'a'), symlink(`${modules}/a`, 'vmlinuz')]),
    )
    expect(circle.message).toContain('circle')
    await expectToolError('LAYER_INVALID', read(kernel, [symlink(kernel, 'vmlinuz')]))
    const outside = await expectToolError('LAYER_INVALID', read(kernel, [symlink(kernel, '../'.repeat(9))]))
    expect(outside.message).toContain('leaves')
    await expectToolError('LAYER_INVALID', read(kernel, [symlink('usr/lib/modules', '/../x')]))
  })
})

describe('layers that are wrong', () => {
  const refused = (
    code: 'LAYER_INVALID' | 'LAYER_UNSUPPORTED' | 'CEILING_REACHED',
    tar: Uint8Array,
    ceilings?: ScanCeilings,
  ) => expectToolError(code, treeOf([tar], 4096, ceilings))

  it('paths that leave the layer', async () => {
    await refused('LAYER_INVALID', makeTar([file('../etc/passwd', '')]))
    await refused('LAYER_INVALID', makeTar([file('usr/../../x', '')]))
    await refused('LAYER_INVALID', makeTar([hardLink(kernel, '../../x')]))
    await refused('LAYER_INVALID', makeTar([file('usr/.wh.', '')]))
    await refused('LAYER_INVALID', makeTar([file('usr/.wh...', '')]))
  })

  it('entries below files and links of the same layer', async () => {
    await refused('LAYER_INVALID', makeTar([file('usr/lib', ''), file(kernel, '')]))
    await refused('LAYER_INVALID', makeTar([symlink('lib', 'usr/lib'), file('lib/modules/6.1/vmlinuz', '')]))
  })

  it('entries written through links of the same layer, wherever these are', async () => {
    const link = symlink('usr/zz', 'lib/bootupd/updates/EFI/test')
    await refused('LAYER_INVALID', makeTar([link, file('usr/zz/shimx64.efi', 'MZ evil')]))
    await refused('LAYER_INVALID', makeTar([file('usr/zz/shimx64.efi', 'MZ evil'), link]))
    await refused('LAYER_INVALID', makeTar([link, directory('usr/zz')]))
    await refused('LAYER_INVALID', makeTar([link, whiteout('usr/zz/shimx64.efi')]))
    await refused('LAYER_INVALID', makeTar([link, hardLink('usr/yy', 'usr/zz'), file('usr/yy/shimx64.efi', '')]))
    const [good, evil] = [file('opt/d/k', 'MZ good'), file('evil/k', 'MZ evil')]
    await refused('LAYER_INVALID', makeTar([evil, symlink('opt/d', '../evil'), hardLink(kernel, 'opt/d/k')]))
    await refused('LAYER_INVALID', makeTar([good, evil, symlink('opt/d', '../evil'), hardLink(kernel, 'opt/d/k')]))
  })

  it('entries below links of lower layers, where they may matter', async () => {
    const links = [symlink('lib', 'usr/lib'), symlink('opt/a', 'b'), symlink('opt/b/c', '/usr/zz/updates')]
    const more = [symlink('usr/zz', 'lib/bootupd'), symlink('home', 'var/home'), symlink('loop', 'loop')]
    for (const path of [kernel.slice(4), 'lib/x', 'opt/b/c/EFI/x.efi', 'opt/a/c/x.efi', 'usr/zz/x', 'loop/x']) {
      await expectToolError('LAYER_INVALID', read(kernel, links, more, [file(path, '')]))
      await expectToolError('LAYER_INVALID', read(kernel, links, more, [whiteout(path)]))
    }
    expect(await read(kernel, links, more, [file(kernel, 'old'), file('home/core/x', ''), file('opt/a/x', '')])).toBe(
      'old',
    )
  })

  it('whiteouts that are no empty files', async () => {
    const path = 'usr/lib/.wh.modules'
    for (const entry of [directory(path), symlink(path, 'x'), file(path, 'x'), hardLink(path, kernel)])
      await refused('LAYER_INVALID', makeTar([entry]))
  })

  it('files without a name, names that are not UTF-8, devices where boot files are', async () => {
    await refused('LAYER_INVALID', makeTar([file('./', 'x')]))
    await refused('LAYER_INVALID', makeTar([file('.', 'x')]))
    const named = (bytes: number[], flag = '0') =>
      rawMember('usr/lib/modules/', flag, '', { edit: header => header.set(bytes, 16) })
    await refused('LAYER_INVALID', concat([named([0xff]), makeTar([])]))
    await refused('LAYER_INVALID', concat([named([0x2e, 0x77, 0x68, 0x2e, 0xff]), makeTar([])]))
    await refused('LAYER_UNSUPPORTED', makeTar([{ type: 'fifo', path: kernel }]))
    await refused('LAYER_UNSUPPORTED', makeTar([file(modules, '', { typeflag: '3' })]))
    expect(await read(kernel, [file(kernel, 'old'), { type: 'fifo', path: 'run/pipe' }])).toBe('old')
  })

  it('sparse files and unknown types', async () => {
    await refused('LAYER_UNSUPPORTED', makeTar([file(kernel, 'x', { typeflag: 'S' })]))
    await refused('LAYER_UNSUPPORTED', makeTar([file(kernel, 'x', { typeflag: 'V' })]))
    await refused('LAYER_UNSUPPORTED', makeTar([file(kernel, 'x', { pax: { 'GNU.sparse.major': '1' } })]))
  })

  it('pax records that lie', async () => {
    await refused('LAYER_INVALID', makeTar([file(kernel, 'x', { pax: { size: 'x' } })]))
    await refused('LAYER_INVALID', makeTar([file(kernel, 'x', { pax: { size: '99999' } })]))
    const tar = makeTar([file(kernel, 'x', { pax: { comment: 'abc' } })])
    const at = Buffer.from(tar).indexOf(' comment=')
    await refused(
      'LAYER_INVALID',
      tar.map((byte, index) => (index === at - 1 ? byte + 1 : byte)),
    )
  })

  it('rubbish, and rubbish behind the end', async () => {
    await refused('LAYER_INVALID', new Uint8Array(512).fill(0x41))
    await refused('LAYER_INVALID', new TextEncoder().encode('hello'))
    await refused('LAYER_INVALID', concat([makeTar([]), new Uint8Array(512).fill(1)]))
  })

  it('ceilings', async () => {
    const few = { ...defaultCeilings, entries: 3, file: 100, keptBytes: 150, kept: 20 }
    const four = [1, 2, 3, 4].map(index => file(`x${index}`, ''))
    await refused('CEILING_REACHED', makeTar(four), few)
    await refused('CEILING_REACHED', makeTar([file(kernel, 'x'.repeat(101))]), few)
    await refused('CEILING_REACHED', makeTar([1, 2].map(index => file(`${modules}/${index}.efi`, 'x'.repeat(90)))), few)
    const many = Array.from({ length: 20 }, (_, index) => file(`${modules}/${index}`, ''))
    await refused('CEILING_REACHED', makeTar(many), { ...few, entries: 100 })
    const hidden = Array.from({ length: 30 }, (_, index) => whiteout(`${modules}/${index}`))
    await refused('CEILING_REACHED', makeTar(hidden), { ...few, entries: 100 })
    await refused('CEILING_REACHED', makeTar([file(`${'a/'.repeat(2100)}b`, '')]))
    // a claim of many bytes without the bytes
    await refused(
      'LAYER_INVALID',
      makeTar([file(kernel, '')]).map((byte, at) => (at === 128 ? 0x37 : at === 151 ? byte : byte)),
    )
  })

  it('a tar cut at any length gives a ToolError, or the same view', async () => {
    const tar = makeTar([file(kernel, pe('x'.repeat(600))), symlink('lib', 'usr/lib'), hardLink('boot/x', kernel)])
    // where entries end: after the header and 602 bytes, which are padded, after each link, after the end blocks
    const whole = (length: number) => (length >= 512 + 602 && length < 1536) || length % 512 === 0
    for (let length = 0; length < tar.length; length += length % 512 === 0 ? 1 : 73) {
      const result = await treeOf([tar.subarray(0, length)]).catch(error => error)
      expect([length, result instanceof ToolError || whole(length)]).toEqual([length, true])
      if (!(result instanceof ToolError)) expect([undefined, 602]).toContain(result.read(kernel)?.bytes.length)
    }
  })

  it('an archive without the padding behind its last file, as umoci writes it', async () => {
    const tar = makeTar([file(kernel, 'MZ padded')], { endBlocks: 0 })
    for (const length of [521, 522, 700, 1023])
      expect((await treeOf([tar.subarray(0, length)])).read(kernel)?.bytes.length).toBe(9)
    await refused('LAYER_INVALID', tar.subarray(0, 520))
    await refused('LAYER_INVALID', tar.subarray(0, 512))
  })

  it('a changed header byte is noticed', async () => {
    const tar = makeTar([file(kernel, 'x'), symlink('lib', 'usr/lib')])
    for (let at = 0; at < 512; at += 1) {
      // the end of the checksum field is filling
      if (at >= 154 && at < 156) continue
      const changed = tar.map((byte, index) => (index === at ? byte ^ 0x08 : byte))
      const result = await treeOf([changed]).catch(error => error)
      expect(result).toBeInstanceOf(ToolError)
    }
  })
})

it('reads a large wanted file behind many small ones that nobody wants', async () => {
  const small = Array.from({ length: 30 }, (_, index) => file(`opt/small-${index}`, 'x'.repeat(1300)))
  const large = pe('k'.repeat(200_000))
  const tree = await treeOf([makeTar([...small, file(kernel, large)])], 128 * 1024)
  expect(tree.read(kernel)?.bytes?.length).toBe(large.length)
})

describe('a layer of which only some files are kept', () => {
  const bytes = (length: number) => new Uint8Array(length).fill(7)
  const sizes = [0, 1, 181, 512, 900, 4096, 16_752, 70_000, 180_224]
  const database = 'usr/share/rpm/rpmdb.sqlite'

  it.each(sizes)('reads what follows a file of %i bytes that nobody wants, however the bytes come', async size => {
    const unwanted = [`${modules}/kernel/a.ko`, `${modules}/modules.dep`, 'opt/b', object('c')]
    for (const path of unwanted) {
      for (const next of sizes) {
        const tar = makeTar([file(path, bytes(size)), file(kernel, bytes(next)), file(database, bytes(180_224))])
        for (const piece of [512, 65_536, tar.length]) {
          const tree = await treeOf([tar], piece)
          expect(tree.read(kernel)?.bytes.length).toBe(next)
          expect(tree.read(database)?.bytes.length).toBe(180_224)
        }
      }
    }
  })
})
