// Digests of single files from RPM headers; what rpm itself says of the same headers is in test/rpm.

import { createHash } from 'node:crypto'
import { describe, expect, it } from 'vitest'
import { fileSha256 } from '../../../src/formats/rpm/file-list.ts'
import { parseRpm, type RpmFile } from '../../../src/formats/rpm/rpm-file.ts'
import { expectToolError } from '../../build/expect-error.ts'
import { makeRpm, type RpmFileInput } from '../../build/rpm.ts'
import { makeRpmHeader, type TagValue } from '../../build/rpm-header.ts'
import { refusesCuts, survivesFlips } from './damage.ts'

const sha256 = (text: string) => createHash('sha256').update(text).digest('hex')
const rpm = (...files: readonly RpmFileInput[]) =>
  parseRpm(makeRpm({ name: 'kernel-core', version: '1', release: '1', files }), 'test')
const path = 'lib/modules/1-1.x86_64/vmlinuz'
const good = rpm(
  { path: '/lib/modules/1-1.x86_64', directory: true },
  { path: `/${path}`, content: 'MZ' },
  { path: '/lib/modules/1-1.x86_64/config', content: 'y' },
  { path: '/lib/modules/other/vmlinuz', content: 'other' },
  { path: '/etc/vmlinuz', link: '/x' },
)

const [a, b] = ['a'.repeat(64), 'b'.repeat(64)]
const usual: Readonly<Record<number, TagValue>> = {
  1035: { strings: [a] },
  1116: { int32: [0] },
  1117: { strings: ['vmlinuz'] },
  1118: { strings: ['/lib/modules/1-1.x86_64/'] },
  5011: { int32: [8] },
}
/** A file with these tags only; undefined leaves one out. */
function withTags(changes: Readonly<Record<number, TagValue | undefined>>): RpmFile {
  const tags = Object.entries({ ...usual, ...changes }).filter((one): one is [string, TagValue] => one[1] !== undefined)
  const header = makeRpmHeader(new Map(tags.map(([tag, value]) => [Number(tag), value])), { region: 63 })
  return { ...good, headerBytes: header }
}

describe('fileSha256', () => {
  it('finds the file by its whole path, below / and below /usr', () => {
    expect(fileSha256(good, path)).toBe(sha256('MZ'))
    expect(fileSha256(good, `./usr/${path}`)).toBe(sha256('MZ'))
    expect(fileSha256(good, 'lib/modules/other/vmlinuz')).toBe(sha256('other'))
    expect(fileSha256(rpm({ path: `/usr/${path}`, content: 'MZ' }), path)).toBe(sha256('MZ'))
    expect(fileSha256(withTags({}), path)).toBe(a)
  })

  it.each<[string, RpmFile, RegExp]>([
    ['another file', good, /no lib\/modules\/2/],
    ['no files', rpm(), /no lib/],
    ['MD5', withTags({ 5011: { int32: [1] } }), /^1$/],
    ['no algorithm, which is MD5', withTags({ 5011: undefined }), /MD5/],
    ['no digest', withTags({ 1035: { strings: [''] } }), /no digest/],
    ['a digest that is none', withTags({ 1035: { strings: ['xyz'] } }), /xyz/],
    ['fewer digests than files', withTags({ 1035: undefined }), /0 digests/],
    ['fewer directories than files', withTags({ 1116: { int32: [] } }), /0 directories/],
    ['a directory that is not there', withTags({ 1116: { int32: [7] } }), /directory 7/],
    ['names of another type', withTags({ 1117: { string: 'vmlinuz' } }), /type 6/],
    ['numbers of another type', withTags({ 1116: { int16: [0] } }), /type 3/],
    ['a name without end', withTags({ 1117: { strings: ['v'.repeat(5000)] } }), /no end/],
    [
      'two digests of one file',
      withTags({
        1035: { strings: [a, b] },
        1116: { int32: [0, 1] },
        1117: { strings: ['vmlinuz', 'vmlinuz'] },
        1118: { strings: ['/lib/modules/1-1.x86_64/', '/usr/lib/modules/1-1.x86_64/'] },
      }),
      /a+, b+/,
    ],
  ])('refuses %s', async (name, file, found) => {
    const wanted = name === 'another file' ? 'lib/modules/2/vmlinuz' : path
    const error = await expectToolError('RPM_INVALID', () => fileSha256(file, wanted))
    expect(error.found).toMatch(found)
  })

  it('refuses long lists before it reads them', async () => {
    const count = 200_001
    const many = withTags({ 1117: { strings: Array.from({ length: count }, () => '') } })
    const error = await expectToolError('RPM_INVALID', () => fileSha256(many, path))
    expect(error.found).toBe(`${count} strings`)
  })

  it('survives damage', async () => {
    const { headerBytes } = withTags({})
    await refusesCuts(headerBytes, cut => fileSha256({ ...good, headerBytes: cut }, path))
    await survivesFlips(headerBytes, flipped => fileSha256({ ...good, headerBytes: flipped }, path))
  })
})
