import { gunzipSync } from 'node:zlib'
import { describe, expect, it } from 'vitest'
import { readPrimary } from '../../../src/formats/rpm/primary.ts'
import { makeRpm } from '../../build/rpm.ts'
import { makeRepository, type RepositoryRpm } from '../../build/rpm-repository.ts'
import { refusesCuts, survivesFlips } from './damage.ts'

const rpm = (name: string, epoch?: number) =>
  makeRpm({ name, version: '5.14.0', release: '600.el9', ...(epoch === undefined ? {} : { epoch }) })

function primaryOf(packages: readonly (RepositoryRpm | Uint8Array)[]): string {
  const files = makeRepository({ packages })
  const [, packed] = [...files].find(([path]) => path.endsWith('primary.xml.gz')) ?? []
  return gunzipSync(packed ?? new Uint8Array()).toString()
}

async function read(text: string | Iterable<string>, ...names: string[]) {
  const found = []
  const chunks = typeof text === 'string' ? [text] : text
  for await (const one of readPrimary(chunks, new Set(names), 'primary.xml')) found.push(one)
  return found
}

const core = rpm('kernel-core', 2)
const xml = primaryOf([
  rpm('bash'),
  core,
  rpm('kernel-core-debug'),
  { rpm: rpm('kernel'), xmlBase: 'https://b.example/x' },
])

describe('readPrimary', () => {
  it('gives the packages asked for, in order, and no other', async () => {
    expect(await read(xml, 'kernel', 'kernel-core', 'zsh')).toEqual([
      {
        name: 'kernel-core',
        evr: { epoch: 2, version: '5.14.0', release: '600.el9' },
        arch: 'x86_64',
        checksum: { type: 'sha256', hex: expect.stringMatching(/^[0-9a-f]{64}$/) },
        size: core.length,
        href: 'Packages/kernel-core-5.14.0-600.el9.x86_64.rpm',
        xmlBase: null,
        sourceRpm: 'kernel-5.14.0-600.el9.src.rpm',
      },
      expect.objectContaining({ name: 'kernel', xmlBase: 'https://b.example/x' }),
    ])
    expect(await read(xml)).toEqual([])
    expect(await read(primaryOf([]), 'kernel')).toEqual([])
  })

  it('gives the same for any pieces', async () => {
    const whole = await read(xml, 'kernel', 'kernel-core')
    for (const length of [1, 2, 7, 100])
      expect(await read(xml.match(new RegExp(`[\\s\\S]{1,${length}}`, 'g')) ?? [], 'kernel', 'kernel-core')).toEqual(
        whole,
      )
  })

  it.each([
    [
      'a weak checksum',
      /(<name>kernel-core<[\s\S]*?)type="sha256" pkgid/,
      '$1type="sha" pkgid',
      /kernel-core: checksum sha/,
    ],
    ['no checksum', /(<name>kernel-core<[\s\S]*?)<checksum.*/, '$1', /checksum/],
    ['an epoch that is no number', 'epoch="2"', 'epoch="two"', /epoch two/],
    ['an epoch of 33 bits', 'epoch="2"', 'epoch="4294967296"', /epoch 4294967296/],
    ['a version with a slash', /(epoch="2" ver=")/, '$1../', /version ver \.\.\//],
    ['a release with a dash', /(epoch="2" ver="5.14.0" rel=")/, '$11-', /version rel 1-/],
    ['no version', /<version epoch="2".*/, '', /version/],
    ['two versions', /(<version epoch="2".*)/, '$1$1', /two of version/],
    ['two names', '<name>kernel-core</name>', '<name>kernel-core</name><name>kernel</name>', /two of name/],
    ['no size', /(<name>kernel-core<[\s\S]*?)<size.*/, '$1', /size/],
    ['a size of letters', /(<name>kernel-core<[\s\S]*?)<size package="/, '$1<size package="x', /size x/],
    ['no location', /(<name>kernel-core<[\s\S]*?)<location.*/, '$1', /location/],
    ['an architecture with a slash', /(<name>kernel-core<[\s\S]*?<arch>)/, '$1../', /arch \.\./],
    ['a document type', '<metadata', '<!DOCTYPE metadata><metadata', /document type/],
    ['another root', /metadata/g, 'repomd', /root/],
  ])('refuses %s', async (_, before, after, found) => {
    await expect(read(xml.replace(before, after), 'kernel', 'kernel-core')).rejects.toThrow(
      expect.objectContaining({ code: 'REPOSITORY_INVALID', found: expect.stringMatching(found) }),
    )
  })

  it('does not look at packages that nobody asked for', async () => {
    expect(await read(xml.replace('epoch="2"', 'epoch="two"'), 'kernel')).toHaveLength(1)
  })

  it('does not keep a document without tags', async () => {
    function* endless() {
      yield '<metadata>'
      for (;;) yield 'x'.repeat(100_000)
    }
    await expect(read(endless(), 'kernel')).rejects.toThrow(expect.objectContaining({ code: 'REPOSITORY_INVALID' }))
  })

  it('does not keep more packages of these names than any repository has', async () => {
    const [head = '', one = ''] = /^([\s\S]*?)(<package [\s\S]*?<\/package>)/.exec(xml)?.slice(1) ?? []
    const [name = ''] = /<name>(.*)<\/name>/.exec(one)?.slice(1) ?? []
    const document = (count: number) => read(`${head}${one.repeat(count)}</metadata>`, name)
    expect(await document(20_000)).toHaveLength(20_000)
    await expect(document(20_001)).rejects.toThrow(expect.objectContaining({ code: 'REPOSITORY_INVALID' }))
  })

  it('refuses cuts and survives flips', async () => {
    const bytes = Buffer.from(xml.trimEnd())
    const decode = (part: Uint8Array) => read(new TextDecoder().decode(part), 'kernel', 'kernel-core')
    await refusesCuts(bytes, decode)
    expect(
      await survivesFlips(bytes.subarray(0, 2500), part => decode(Buffer.concat([part, bytes.subarray(2500)]))),
    ).toBeGreaterThan(200)
  })
})
