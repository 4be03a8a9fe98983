// Archives that Go's archive/tar, the tar crate and other readers read differently: each could show a node other files than this tool sees.

import { expect, it } from 'vitest'
import { walkTar } from '../../src/image/tar-walker.ts'
import { expectToolError } from '../build/expect-error.ts'
import { concat, paxMember, rawMember } from '../build/layer.ts'

const end = new Uint8Array(1024)
const kernel = 'usr/lib/modules/6.6-evil/vmlinuz'
const entry = rawMember(kernel, '0', 'MZ')
const gnu = { dialect: 'gnu' } as const
const long = (flag: 'L' | 'K', name: string) => rawMember('././@LongLink', flag, name, gnu)
const set = (at: number, text: string) => (header: Uint8Array) => header.set(new TextEncoder().encode(text), at)

async function pass(...members: readonly Uint8Array[]): Promise<number> {
  async function* bytes() {
    yield concat([...members, end])
  }
  return await contentsOf(bytes())
}

/** Bytes of all contents. */
async function contentsOf(bytes: AsyncIterable<Uint8Array>): Promise<number> {
  let size = 0
  await walkTar(bytes, 'layer', () => ({
    take: piece => {
      size += piece.length
    },
    end: () => undefined,
  }))
  return size
}
const refused = (...members: readonly Uint8Array[]) => expectToolError('LAYER_INVALID', pass(...members))

it.each([
  ['empty path', [['path', '']]],
  ['empty linkpath', [['linkpath', '']]],
  ['NUL', [['path', 'usr\0x']]],
  [
    'two paths',
    [
      ['path', 'a'],
      ['path', 'b'],
    ],
  ],
  ['another size', [['size', '1024']]],
  ['a record in a value', [['comment', `x\n${kernel.length + 9} path=${kernel}`]]],
  [
    'an empty line before path',
    [
      ['comment', 'x\n\ny'],
      ['path', 'a'],
    ],
  ],
  ['an attribute of overlayfs', [['SCHILY.xattr.trusted.overlay.redirect', '/usr/evil']]],
  ['an opaque directory', [['SCHILY.xattr.user.overlay.opaque', 'y']]],
] as const)('pax records: %s', async (_, records) => {
  await refused(paxMember(records), entry)
})

it.each(['path', 'linkpath', 'size', 'mtime', 'SCHILY.xattr.user.x', 'hdrcharset'])('a global %s', async key => {
  await refused(paxMember([[key, '1']], 'g', 'pax_global_header'), entry)
})

it('a global header whose name podman would take for a path of the image', async () => {
  await refused(paxMember([['comment', 'x']], 'g', 'usr/lib/.wh.modules'), entry)
})

it.each([
  ['x x', [paxMember([['mtime', '1']]), paxMember([['mtime', '1']])]],
  ['x with path, then K', [paxMember([['path', 'opt/k']]), long('K', 'opt/l\0')]],
  ['x with path, then L', [paxMember([['path', 'opt/k']]), long('L', 'opt/l\0')]],
  ['x with path, then g', [paxMember([['path', 'opt/k']]), paxMember([['comment', 'x']], 'g', 'pax_global_header')]],
  ['L then x', [long('L', 'opt/l\0'), paxMember([['path', 'opt/k']])]],
  ['L, x, K', [long('L', 'opt/l\0'), paxMember([['mtime', '1']]), long('K', 'x\0')]],
  ['L L', [long('L', 'opt/l\0'), long('L', 'opt/m\0')]],
  ['K L K', [long('K', 'opt/l\0'), long('L', 'opt/m\0'), long('K', 'opt/m\0')]],
  ['x size, then L', [paxMember([['size', '512']]), long('L', 'opt/blob\0')]],
  ['an empty L', [long('L', '\0')]],
  ['L that goes on after NUL', [long('L', 'opt/a\0b')]],
  ['L with a byte order mark', [long('L', '\ufeffopt/a\0')]],
  ['L without a dialect', [rawMember('././@LongLink', 'L', 'opt/a\0', { edit: set(257, '\0'.repeat(8)) })]],
] as const)('headers about one entry: %s', async (_, members) => {
  await refused(...members, entry)
})

it('a header about an entry that does not come', async () => {
  await refused(long('L', 'opt/l\0'))
})

it.each(['1', '2', '3', '4', '5', '6'])('contents of type %s', async flag => {
  await refused(rawMember('opt/x', flag, entry))
})

it.each(['0', '\0', '1', '2'])('a name with a slash at its end, type %j', async flag => {
  await refused(rawMember('usr/lib/modules/', flag))
  await refused(long('L', 'usr/lib/modules/\0'), rawMember('opt', flag, '', gnu))
  await refused(paxMember([['path', 'usr/lib/modules/']]), rawMember('opt', flag))
})

it.each([
  ['a size after NUL', set(124, '\0 0000001000')],
  ['a size with a gap', set(124, '00001 001000')],
  ['a size in two parts', set(124, '0000\x001000\0\0\0')],
  ['a negative size', (header: Uint8Array) => header.fill(0xff, 124, 136)],
  ['a size beyond 2^53', (header: Uint8Array) => header.fill(0xff, 125, 136).fill(0x80, 124, 125)],
  ['another version of ustar', set(263, '  ')],
  ['a prefix behind a wrong version', (header: Uint8Array) => header.fill(0, 263, 265).set([0x61], 345)],
  ['the star format', set(508, 'tar\0')],
  ['a byte order mark before the name', set(0, '\ufeffusr')],
  ['a byte order mark before the link name', set(157, '\ufeffusr')],
] as const)('%s', async (_, edit) => {
  await refused(rawMember(kernel, '0', '', { edit }))
})

it('a prefix of a GNU header, which Go takes for one', async () => {
  await refused(rawMember('modules/6.6-evil/vmlinuz', '0', 'MZ', { ...gnu, edit: set(345, 'usr/lib') }))
})

it.each(['7', 'D', 'V', 'M', 'N', 'S', 'X', 'A'])('type %s is not supported', async flag => {
  await expectToolError('LAYER_UNSUPPORTED', pass(rawMember(kernel, flag)))
})

it('a size above 8 GiB in a pax header, as Go writes it', async () => {
  const size = 8 ** 11 + 513
  const piece = new Uint8Array(1 << 20)
  async function* bytes(header: Uint8Array, length: number) {
    yield header
    for (let left = length; left > 0; left -= piece.length) yield piece.subarray(0, Math.min(piece.length, left))
    yield concat([entry, end])
  }
  const pass = (header: Uint8Array, length: number) => contentsOf(bytes(header, length))
  const large = (record: string, flag = '0') => concat([paxMember([['size', record]]), rawMember('opt/large', flag)])
  const whole = Math.ceil(size / 512) * 512
  expect(await pass(large(String(size)), whole)).toBe(size + 2)
  // another entry than the pax header says begins there
  await expectToolError('LAYER_INVALID', pass(large(String(size)), whole - 512))
  await expectToolError('LAYER_INVALID', pass(large(String(8 ** 11 - 1)), 0))
  await expectToolError('LAYER_INVALID', pass(large(String(size), '5'), 0))
})

it('what ordinary writers make is read', async () => {
  const members = [
    paxMember([['comment', 'commit']], 'g', 'pax_global_header'),
    paxMember([
      ['path', 'usr/ä'],
      ['SCHILY.xattr.security.capability', '\n\u0002\0\0'],
    ]),
    entry,
    paxMember([['size', '2']]),
    entry,
    long('K', 'usr/target\0'),
    long('L', 'usr/name\0'),
    rawMember('usr/name', '2', '', { ...gnu, target: 'usr/target' }),
    // the tar crate writes attributes, then long names
    paxMember([['SCHILY.xattr.security.selinux', 'a']]),
    long('L', 'usr/name\0'),
    rawMember('usr/name', '0', 'x', { ...gnu, edit: set(345, '00000000001\x0000000000002\0') }),
    rawMember('usr/name', '0', 'x', { edit: set(257, '\0'.repeat(8)) }),
    rawMember('usr/', '5'),
  ]
  expect(await pass(...members)).toBe(6)
})
