import { createHash } from 'node:crypto'
import { gunzipSync, zstdDecompressSync } from 'node:zlib'
import { describe, expect, it } from 'vitest'
import { readCpio } from '../../../src/formats/rpm/cpio.ts'
import { checkRpmDigests } from '../../../src/formats/rpm/rpm-digests.ts'
import { parseRpm } from '../../../src/formats/rpm/rpm-file.ts'
import { makeRpm, type RpmInput } from '../../build/rpm.ts'
import { refusesCuts, survivesFlips } from './damage.ts'

const input: RpmInput = {
  name: 'kernel-core',
  version: '5.14.0',
  release: '600.el9',
  files: [
    { path: '/usr/lib/modules/5.14.0-600.el9.x86_64', directory: true },
    { path: '/usr/lib/modules/5.14.0-600.el9.x86_64/vmlinuz', content: 'MZ and more', mode: 0o755 },
    { path: '/usr/lib/modules/5.14.0-600.el9.x86_64/build', link: '/usr/src/kernels/5.14.0' },
  ],
}

describe('parseRpm', () => {
  it.each([
    ['gzip', gunzipSync],
    ['zstd', zstdDecompressSync],
  ] as const)('reads lead, headers and payload of a %s package', (compression, decompress) => {
    const bytes = makeRpm({ ...input, compression })
    const file = parseRpm(bytes, 'test')
    expect(file.header).toMatchObject({ name: 'kernel-core', payloadCompressor: compression })
    expect(file.headerSha256).toBe(createHash('sha256').update(file.headerBytes).digest('hex'))
    expect(file.payloadOffset + file.payload.length).toBe(bytes.length)
    const paths = [...readCpio(decompress(file.payload), 'test')].map(entry => [entry.path, entry.mode.toString(8)])
    expect(paths).toEqual([
      ['./usr/lib/modules/5.14.0-600.el9.x86_64', '40755'],
      ['./usr/lib/modules/5.14.0-600.el9.x86_64/build', '120777'],
      ['./usr/lib/modules/5.14.0-600.el9.x86_64/vmlinuz', '100755'],
    ])
    checkRpmDigests(file)
  })

  it('makes the same bytes for the same input', () => {
    expect(makeRpm(input)).toEqual(makeRpm(input))
  })

  it('refuses what is no RPM', () => {
    expect(() => parseRpm(new Uint8Array(500), 'x')).toThrow(
      expect.objectContaining({ code: 'RPM_INVALID', found: '0' }),
    )
    const version2 = makeRpm(input)
    version2[4] = 2
    expect(() => parseRpm(version2, 'x')).toThrow(expect.objectContaining({ code: 'RPM_INVALID', found: '2' }))
  })

  it('refuses a file cut before its payload', async () => {
    const bytes = makeRpm(input)
    const { payloadOffset } = parseRpm(bytes, 'whole')
    await refusesCuts(bytes.subarray(0, payloadOffset), cut => parseRpm(cut, 'cut'))
  })

  it('checkRpmDigests finds every flipped byte of main header and payload', async () => {
    const bytes = makeRpm({ ...input, files: [] })
    const { payloadOffset, headerBytes } = parseRpm(bytes, 'whole')
    const start = payloadOffset - headerBytes.length
    for (let index = start; index < bytes.length; index += 1) {
      const copy = bytes.slice()
      copy[index] = (copy[index] ?? 0) ^ 0x10
      expect(() => checkRpmDigests(parseRpm(copy, 'flipped')), `byte ${index}`).toThrow(/RPM file|cannot read/)
    }
    await survivesFlips(bytes.subarray(0, start), head =>
      parseRpm(Buffer.concat([head, bytes.subarray(start)]), 'flipped'),
    )
  })
})
