// Manifests, indexes and configs: forms that exist, and documents that are wrong, cut or changed.

import { describe, expect, it } from 'vitest'
import { parseImageConfig } from '../../../src/formats/oci/config.ts'
import { choosePlatform, type ImageIndex, parseManifest } from '../../../src/formats/oci/manifest.ts'
import { cuts, flips, outcome } from '../../build/damage.ts'
import { expectToolError } from '../../build/expect-error.ts'
import { file, makeLayer } from '../../build/layer.ts'
import { makeImage, makeIndex } from '../../build/oci-layout.ts'

const image = makeImage({ layers: [makeLayer([file('a', 'a')])], labels: { b: 'c' } })
const docker = makeImage({ layers: image.layers, schema: 'docker' })
const bytes = (value: unknown) => new TextEncoder().encode(typeof value === 'string' ? value : JSON.stringify(value))
const parsed = JSON.parse(new TextDecoder().decode(image.manifest))

describe('names of which programs take different ones', () => {
  const config = new TextDecoder().decode(image.config)
  const other = '{"Labels":{"ostree.final-diffid":"x"}}'
  it.each([
    ['layers twice', new TextDecoder().decode(image.manifest).replace(/\}$/, ',"layers":[]}'), parseManifest],
    ['layers in other case', new TextDecoder().decode(image.manifest).replace(/\}$/, ',"Layers":[]}'), parseManifest],
    ['a name with escapes', config.replace(/\}$/, `,"c\\u006fnfig":${other}}`), parseImageConfig],
    ['a config in other case', config.replace(/\}$/, `,"Config":${other}}`), parseImageConfig],
    ['a config in other case only', config.replace('"config":', '"Config":'), parseImageConfig],
    ['a long s', config.replace('"diff_ids":', '"diff_id\u017f":[],"diff_ids":'), parseImageConfig],
    ['labels twice', config.replace('"Labels":', '"Labels":{"a":"b"},"Labels":'), parseImageConfig],
    ['labels in other case', config.replace('"Labels":', '"labels":{"a":"b"},"Labels":'), parseImageConfig],
    ['one label twice', config.replace('"b":"c"', '"b":"d","b":"c"'), parseImageConfig],
  ] as const)('are refused: %s', async (_, text, parse) => {
    expect(() => JSON.parse(text)).not.toThrow()
    await expectToolError('IMAGE_INVALID', () => parse(bytes(text), 'image'))
  })

  it('are no labels that differ in case: these are kept apart', () => {
    const text = config.replace('"b":"c"', '"b":"c","B":"d"')
    expect(parseImageConfig(bytes(text), 'image').imageLabels).toEqual({ b: 'c', B: 'd' })
  })
})

describe('parseManifest', () => {
  it('reads OCI and Docker manifests', () => {
    for (const one of [image, docker]) {
      const manifest = parseManifest(one.manifest, 'image')
      expect(manifest).toMatchObject({
        kind: 'manifest',
        mediaType: one.mediaType,
        config: { digest: one.configDigest },
      })
    }
  })

  it('reads indexes with annotations and unknown platforms', () => {
    const index = makeIndex([
      { image, architecture: 'amd64' },
      { image: docker, architecture: 'unknown' },
    ])
    const found = parseManifest(index.manifest, 'image') as ImageIndex
    expect(choosePlatform(found, 'amd64', 'image').digest).toBe(image.digest)
  })

  it('does not choose between several manifests of one architecture', async () => {
    const index = parseManifest(
      makeIndex([
        { image, architecture: 'amd64' },
        { image: docker, architecture: 'amd64' },
      ]).manifest,
      'image',
    ) as ImageIndex
    await expectToolError('IMAGE_INVALID', () => choosePlatform(index, 'amd64', 'image'))
    const missing = await expectToolError('IMAGE_PLATFORM_MISSING', () => choosePlatform(index, 'arm64', 'image'))
    expect(missing.found).toContain('linux/amd64')
  })

  it.each([
    ['no JSON', '{'],
    ['no object', '[]'],
    ['schema 1', { schemaVersion: 1 }],
    ['neither', { schemaVersion: 2 }],
    ['both', { ...parsed, manifests: [] }],
    ['another media type', { ...parsed, mediaType: 'application/vnd.oci.image.index.v1+json' }],
    ['an artifact without layers', { schemaVersion: 2, config: parsed.config }],
    ['a digest that is a path', { ...parsed, config: { ...parsed.config, digest: 'sha256:../../etc/passwd' } }],
    ['sha512', { ...parsed, config: { ...parsed.config, digest: `sha512:${'a'.repeat(128)}` } }],
    ['a negative size', { ...parsed, config: { ...parsed.config, size: -1 } }],
    ['a size that is text', { ...parsed, config: { ...parsed.config, size: '1' } }],
    ['a broken size', { ...parsed, config: { ...parsed.config, size: 1.5 } }],
  ])('refuses %s', async (_name, document) => {
    await expectToolError('IMAGE_INVALID', () => parseManifest(bytes(document), 'image'))
  })

  it('has ceilings', async () => {
    await expectToolError('CEILING_REACHED', () => parseManifest(new Uint8Array(4 * 1024 * 1024 + 1), 'image'))
    const layers = Array.from({ length: 3000 }, () => parsed.layers[0])
    await expectToolError('CEILING_REACHED', () => parseManifest(bytes({ ...parsed, layers }), 'image'))
  })

  it('damage gives a ToolError or a value', () => {
    for (const damaged of [...cuts(image.manifest), ...[...flips(image.manifest)].map(flip => flip.bytes)])
      outcome(() => parseManifest(damaged, 'image'))
    for (const damaged of cuts(image.config)) outcome(() => parseImageConfig(damaged, 'image'))
  })
})

describe('parseImageConfig', () => {
  it('reads labels, and configs without any', () => {
    expect(parseImageConfig(image.config, 'image').imageLabels).toEqual({ b: 'c' })
    const rootfs = { type: 'layers', diff_ids: [] }
    const bare = parseImageConfig(bytes({ architecture: 'amd64', os: 'linux', rootfs }), 'image')
    expect(bare).toEqual({ architecture: 'amd64', os: 'linux', diffIds: [], imageLabels: {} })
    const empty = { architecture: 'amd64', os: 'linux', rootfs, config: { Labels: null } }
    expect(parseImageConfig(bytes(empty), 'image').imageLabels).toEqual({})
  })

  it.each([
    {},
    { architecture: 'amd64', os: 'linux' },
    { architecture: 'amd64', os: 'linux', rootfs: { diff_ids: ['sha256:1'] } },
    { architecture: 'amd64', os: 'linux', rootfs: { diff_ids: [] }, config: { Labels: { a: 1 } } },
    { architecture: 1, os: 'linux', rootfs: { diff_ids: [] } },
  ])('refuses %j', async document => {
    await expectToolError('IMAGE_INVALID', () => parseImageConfig(bytes(document), 'image'))
  })
})
