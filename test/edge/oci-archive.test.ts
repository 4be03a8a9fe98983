// OCI archives made by tar itself: the same image as in the directory; damaged archives are refused.

import { execFileSync } from 'node:child_process'
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { inspectImage } from '../../src/commands/read-image.ts'
import { archiveFiles } from '../../src/edge/layout-files.ts'
import { openArchive, openLayout } from '../../src/edge/oci-layout.ts'
import { ToolError } from '../../src/errors.ts'
import { baseEntries } from '../build/coreos.ts'
import { cuts } from '../build/damage.ts'
import { expectToolError } from '../build/expect-error.ts'
import { concat, makeLayer, paxMember, rawMember } from '../build/layer.ts'
import { makeImage, writeLayout } from '../build/oci-layout.ts'

const amd64 = { architecture: 'amd64' } as const
const image = makeImage({ layers: [makeLayer(baseEntries('6.1.0-55.x86_64'))] })
let directory: string
const path = (name: string) => join(directory, name)

beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), 'archive-'))
  await writeLayout(image, path('layout'), 'named')
  for (const format of ['ustar', 'gnu', 'pax'])
    execFileSync('tar', [`--format=${format}`, '-C', path('layout'), '-cf', path(`${format}.tar`), '.'])
})
afterAll(() => rm(directory, { recursive: true }))

describe('an OCI archive', () => {
  it.each(['ustar', 'gnu', 'pax'])('of format %s holds the image that the directory holds', async format => {
    const opened = await openArchive(path(`${format}.tar`), amd64)
    expect([opened.source, opened.digest]).toEqual([`oci-archive:${path(`${format}.tar`)}`, image.digest])
    const [archive, layout] = [await inspectImage(opened), await inspectImage(await openLayout(path('layout'), amd64))]
    expect(archive.problems).toEqual([])
    expect(archive.bootFiles).toEqual(layout.bootFiles)
    expect((await openArchive(path(`${format}.tar`), { ...amd64, name: 'named' })).digest).toBe(image.digest)
    await expectToolError('IMAGE_NOT_FOUND', openArchive(path(`${format}.tar`), { ...amd64, name: 'other' }))
  })

  it('that is none, or is not there, is refused', async () => {
    await expectToolError('IMAGE_NOT_FOUND', openArchive(path('none.tar'), amd64))
    await expectToolError('IMAGE_INVALID', openArchive(path('layout'), amd64))
    await writeFile(path('text'), 'no archive'.repeat(100))
    await expectToolError('IMAGE_INVALID', openArchive(path('text'), amd64))
    execFileSync('tar', ['-C', path('layout'), '-cf', path('part.tar'), 'oci-layout'])
    const error = await expectToolError('IMAGE_NOT_FOUND', openArchive(path('part.tar'), amd64))
    expect(error.where?.path).toBe('index.json')
  })

  const index = rawMember('index.json', '0', 'first')
  const prefix = (header: Uint8Array) => header.set(Buffer.from('.'), 345)
  const refused: readonly (readonly [string, readonly Uint8Array[]])[] = [
    ['a second member of a name', [index, rawMember('./index.json', '0', 'second')]],
    ['a directory of that name', [index, rawMember('index.json/', '5')]],
    ['a symbolic link over it', [index, rawMember('index.json', '2', '', { target: 'other' })]],
    ['a hard link over it', [index, rawMember('index.json', '1', '', { target: 'other' })]],
    ['a FIFO', [index, rawMember('index.json', '6')]],
    ['another name in pax records', [index, paxMember([['path', 'index.json']]), rawMember('other', '0', 'second')]],
    ['another size in pax records', [paxMember([['size', '3']]), index]],
    ['a sparse file', [paxMember([['GNU.sparse.name', 'index.json']]), rawMember('other', '0', 'x'), index]],
    ['a name for all members', [index, paxMember([['path', 'index.json']], 'g'), rawMember('other', '0', 'second')]],
    ['broken pax records', [index, rawMember('PaxHeaders/x', 'x', '9999 path=index.json\n'), rawMember('other', '0')]],
    ['a long name', [index, rawMember('././@LongLink', 'L', 'index.json\0'), rawMember('other', '0', 'second')]],
    ['a long link', [index, rawMember('././@LongLink', 'K', 'other\0'), rawMember('index.json', '1')]],
    ['a name in two parts', [index, rawMember('index.json', '0', 'second', { edit: prefix })]],
    ...['/index.json', 'blobs/../index.json', './/index.json', '././index.json', 'index.json/'].map(
      name => [`a name to be cleaned: ${name}`, [index, rawMember(name, '0', 'second')]] as const,
    ),
  ]
  it.each(refused)('with %s is refused: unpacked it would be another layout', async (_, members) => {
    await writeFile(path('two.tar'), concat([...members, new Uint8Array(1024)]))
    const error = await expectToolError('IMAGE_INVALID', archiveFiles(path('two.tar')))
    expect(error.where?.source).toBe(`oci-archive:${path('two.tar')}`)
  })

  it('with times and owners in pax records, and directories twice, is read', async () => {
    const records = paxMember([
      ['mtime', '1.5'],
      ['SCHILY.xattr.user.note', 'path=index.json\n20 path=index.json\n'],
    ])
    const directory = rawMember('blobs/', '5')
    await writeFile(path('pax.tar'), concat([directory, directory, records, index, new Uint8Array(1024)]))
    const files = await archiveFiles(path('pax.tar'))
    expect(Buffer.from(await files.readWhole('index.json')).toString()).toBe('first')
  })

  it('with large pax records is refused before they are read', async () => {
    const size = (header: Uint8Array) => header.set(Buffer.from('77777777777'), 124)
    await writeFile(path('large.tar'), rawMember('PaxHeaders/x', 'x', '', { edit: size }))
    await expectToolError('IMAGE_INVALID', archiveFiles(path('large.tar')))
    await writeFile(path('large.tar'), rawMember('PaxHeaders/x', 'x', new Uint8Array(2 * 1024 ** 2)))
    await expectToolError('CEILING_REACHED', archiveFiles(path('large.tar')))
  })

  it('cut at any length, or with a byte of its headers changed, is refused or holds the same image', async () => {
    const whole = new Uint8Array(await readFile(path('ustar.tar')))
    const seen = new Set<string>()
    const look = async (bytes: Uint8Array) => {
      await writeFile(path('damaged.tar'), bytes)
      try {
        const { bootFiles } = await inspectImage(await openArchive(path('damaged.tar'), amd64))
        expect(bootFiles).toHaveLength(7)
        seen.add('read')
      } catch (error) {
        if (!(error instanceof ToolError)) throw error
        seen.add(error.code)
      }
    }
    for (const bytes of cuts(whole, 60)) await look(bytes)
    for (let offset = 0; offset < 1536; offset += 13) {
      const bytes = new Uint8Array(whole)
      bytes[offset] = (bytes[offset] ?? 0) ^ 0xff
      await look(bytes)
    }
    const expected = ['read', 'IMAGE_INVALID', 'IMAGE_NOT_FOUND', 'DIGEST_MISMATCH']
    expect([...seen].filter(code => !expected.includes(code))).toEqual([])
    expect(seen.has('IMAGE_INVALID')).toBe(true)
  })
})
