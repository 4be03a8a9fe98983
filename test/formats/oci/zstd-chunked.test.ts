// Tables of contents of zstd:chunked layers. The rows and annotations are those that podman 4.3.1 wrote for a small image.

import { describe, expect, it } from 'vitest'
import type { Descriptor } from '../../../src/formats/oci/descriptor.ts'
import { parseToc, tocPosition } from '../../../src/formats/oci/zstd-chunked.ts'
import { cuts, flips, outcome } from '../../build/damage.ts'

const digest = `sha256:${'a'.repeat(64)}` as const
const layer: Descriptor = {
  mediaType: 'application/vnd.oci.image.layer.v1.tar+zstd',
  digest,
  size: 2365435,
  annotations: {},
}
const checksum = 'sha256:db06b8d2a1c23793b17a7a6b05677f72fce15ee364dcd5e90051b701608d28c8'

const rows = {
  version: 1,
  entries: [
    { type: 'dir', name: 'usr/', mode: 493, modtime: '2026-11-21T08:08:39Z', accesstime: '0001-01-01T00:00:00Z' },
    { type: 'symlink', name: 'etc/os-release', linkName: '../usr/lib/os-release', mode: 41471 },
    {
      type: 'reg',
      name: 'usr/lib/os-release',
      mode: 420,
      size: 24,
      digest: 'sha256:8a0a2d0d9f5ed1bd0ac0e5a2c0c7bd52d0b4cbb6b3a4b6b7c2f7f4f0b6a4c1de',
      offset: 100,
      endOffset: 137,
      chunkSize: 20,
      chunkDigest: checksum,
    },
    { type: 'chunk', name: 'usr/lib/os-release', offset: 130, chunkOffset: 20, chunkSize: 4, chunkDigest: checksum },
    { type: 'reg', name: 'usr/lib/modules/6.1/modules.dep', mode: 420 },
    { type: 'hardlink', name: 'usr/lib/link', linkName: 'usr/lib/os-release', mode: 420 },
  ],
}
const bytes = new TextEncoder().encode(JSON.stringify(rows))

describe('the position of a table', () => {
  it.each(['io.github.containers.zstd-chunked', 'io.containers.zstd-chunked'])('stands in annotations %s', prefix => {
    const annotations = {
      [`${prefix}.manifest-checksum`]: checksum,
      [`${prefix}.manifest-position`]: '2361155:4232:18838:1',
    }
    expect(tocPosition({ ...layer, annotations })).toEqual({
      offset: 2361155,
      size: 4232,
      plainSize: 18838,
      digest: checksum,
    })
    for (const position of [
      '2361155:4232:18838',
      '2361155:4232:18838:2',
      '2365400:4232:18838:1',
      '1:2:99999999:1',
      '-1:2:3:1',
      '',
    ]) {
      const other = { ...annotations, [`${prefix}.manifest-position`]: position }
      expect(tocPosition({ ...layer, annotations: other })).toBeUndefined()
    }
    expect(
      tocPosition({ ...layer, annotations: { ...annotations, [`${prefix}.manifest-checksum`]: 'md5:1' } }),
    ).toBeUndefined()
  })

  it('is nowhere without annotations', () => {
    expect(tocPosition(layer)).toBeUndefined()
  })
})

describe('a table', () => {
  it('has entries, whose chunks are parts of them', () => {
    expect(
      parseToc(bytes, layer, 'test').map(({ type, name, linkName, size, content }) => [
        type,
        name,
        linkName,
        size,
        content?.end,
      ]),
    ).toEqual([
      ['directory', 'usr/', '', 0, undefined],
      ['symlink', 'etc/os-release', '../usr/lib/os-release', 0, undefined],
      ['file', 'usr/lib/os-release', '', 24, 137],
      ['file', 'usr/lib/modules/6.1/modules.dep', '', 0, undefined],
      ['link', 'usr/lib/link', 'usr/lib/os-release', 0, undefined],
    ])
  })

  it('damaged is refused or read, nothing else', () => {
    for (const cut of cuts(bytes)) expect(outcome(() => parseToc(cut, layer, 'test'))).toBe('LAYER_INVALID')
    for (const flip of flips(bytes))
      expect(['LAYER_INVALID', 'read']).toContain(outcome(() => parseToc(flip.bytes, layer, 'test')))
    for (const text of ['null', '[]', '{}', '{"version":2,"entries":[]}', '{"version":1,"entries":{}}'])
      expect(outcome(() => parseToc(new TextEncoder().encode(text), layer, 'test'))).toBe('LAYER_INVALID')
  })
})
