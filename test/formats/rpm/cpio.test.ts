import { describe, expect, it } from 'vitest'
import { readCpio } from '../../../src/formats/rpm/cpio.ts'
import { makeCpio } from '../../build/cpio.ts'
import { refusesCuts, survivesFlips } from './damage.ts'

const entries = [
  { path: './a', mode: 0o100644, mtime: 5, content: Buffer.from('one') },
  { path: './a/longer name', mode: 0o40755, mtime: 6, content: new Uint8Array() },
  { path: './ü', mode: 0o120777, mtime: 7, content: Buffer.from('target') },
]
const read = (bytes: Uint8Array) => [...readCpio(bytes, 'test')]

describe('readCpio', () => {
  it('reads back what was written, whatever follows the trailer', () => {
    const bytes = makeCpio(entries)
    const expected = entries.map(({ content, ...entry }) => ({ ...entry, content: Buffer.from(content).toString() }))
    for (const archive of [bytes, Buffer.concat([bytes, Buffer.alloc(512)])])
      expect(
        read(archive).map(({ ino: _, nlink: __, content, ...entry }) => ({
          ...entry,
          content: Buffer.from(content).toString(),
        })),
      ).toEqual(expected)
    expect(read(makeCpio([]))).toEqual([])
  })

  it('refuses cuts and survives flips', async () => {
    const bytes = makeCpio(entries)
    await refusesCuts(bytes, read)
    expect(await survivesFlips(bytes, read)).toBeGreaterThan(100)
  })

  it('does not believe a size: content, name', () => {
    const withField = (offset: number, digits: string) => {
      const bytes = Buffer.from(makeCpio(entries))
      bytes.write(digits, offset, 'latin1')
      return () => read(bytes)
    }
    for (const parse of [
      withField(54, 'ffffffff'),
      withField(94, 'ffffffff'),
      withField(94, '00000000'),
      withField(54, '0000000g'),
    ])
      expect(parse).toThrow(expect.objectContaining({ code: 'RPM_INVALID' }))
  })
})
