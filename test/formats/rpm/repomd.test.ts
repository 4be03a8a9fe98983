import { describe, expect, it } from 'vitest'
import { maxRepomdSize, parseRepomd } from '../../../src/formats/rpm/repomd.ts'
import { makeRpm } from '../../build/rpm.ts'
import { makeRepository } from '../../build/rpm-repository.ts'
import { refusesCuts, survivesFlips } from './damage.ts'

const rpm = makeRpm({ name: 'kernel-core', version: '5.14.0', release: '600.el9' })
const repomd = Buffer.from(
  makeRepository({ packages: [rpm], timestamp: 1_700_000_000 }).get('repodata/repomd.xml') ?? [],
).toString()
const parse = (text: string) => parseRepomd(text, 'repomd.xml')
const invalid = (found?: RegExp) =>
  expect.objectContaining({
    code: 'REPOSITORY_INVALID',
    ...(found === undefined ? {} : { found: expect.stringMatching(found) }),
  })

describe('parseRepomd', () => {
  it('reads the primary metadata among others', () => {
    const others = '<data type="filelists"><checksum type="md5">x</checksum><location href="a"/><size>x</size></data>'
    const hex = expect.stringMatching(/^[0-9a-f]{64}$/)
    for (const text of [
      repomd,
      repomd.replace('<data ', `${others}<data `),
      repomd.replace('</repomd>', `${others}</repomd>`),
    ])
      expect(parse(text)).toEqual({
        revision: '1',
        timestamp: 1700000000,
        primary: {
          href: expect.stringMatching(/^repodata\/[0-9a-f]{64}-primary\.xml\.gz$/),
          xmlBase: null,
          checksum: { type: 'sha256', hex },
          size: expect.any(Number),
          openChecksum: { type: 'sha256', hex },
          openSize: expect.any(Number),
        },
        updateinfo: null,
      })
  })

  it('says what is no XML without a full stop that would end the sentence', () => {
    expect(() => parse('<html>404 &nbsp; not here</html>')).toThrow(invalid(/^undefined entity$/))
  })

  it('a time that no calendar has is none', () => {
    const at = (timestamp: string) => parse(repomd.replace(/<timestamp>[0-9]+/g, `<timestamp>${timestamp}`)).timestamp
    expect(at('253402300799')).toBe(Date.parse('9999-12-31T23:59:59Z') / 1000)
    for (const text of ['253402300800', '999999999999999', '-1', '1e9']) expect(at(text), text).toBeNull()
  })

  it('takes what old tools leave out as unknown', () => {
    const bare = repomd
      .replace(/<open-checksum.*/, '')
      .replace(/<size>.*/, '')
      .replace(/<open-size>.*/, '')
    expect(parse(bare).primary).toMatchObject({ size: null, openSize: null, openChecksum: null })
  })

  it.each([
    ['no primary', /<data type="primary">/, '<data type="other">', /^none of/],
    ['two primaries', '</repomd>', '<data type="primary"></data></repomd>', /^2 or more of/],
    ['a weak checksum', '<checksum type="sha256">', '<checksum type="sha1">', /sha1/],
    ['a short checksum', /(<checksum type="sha256">)../, '$1', /checksum/],
    ['no checksum', /<checksum .*/, '', /without checksum/],
    ['no location', /<location .*/, '', /without location/],
    ['two locations', /(<location .*)/, '$1$1', /two locations/],
    ['two sizes', /(<size>.*)/, '$1$1', /two of size/],
    ['a negative size', /<size>.*</, '<size>-1<', /size -1/],
    ['a huge size', /<size>.*</, '<size>99999999999999999<', /size 9/],
    ['another root', /repomd/g, 'metadata', /root/],
    ['a document type', '<repomd', '<!DOCTYPE repomd [<!ENTITY a "b">]><repomd', /document type/],
    ['an entity', /<revision>1/, '<revision>&a;', /entity/],
    ['no XML', /[\s\S]*/, 'Not found', /./],
    ['nothing', /[\s\S]*/, '', /./],
    ['text of a billion', /<revision>1/, `<revision>${'1'.repeat(2_000_000)}`, /long run/],
    ['a long checksum', /<checksum type="sha256">/, `<checksum type="sha256">${'0'.repeat(5000)}`, /long text/],
    ['deep elements', /<revision>1/, `<revision>${'<a>'.repeat(50)}`, /deeper/],
    ['a long document', '</repomd>', `${'<a/>'.repeat(maxRepomdSize / 4)}</repomd>`, /characters/],
  ])('refuses %s', (_, before, after, found) => {
    expect(() => parse(repomd.replace(before, after))).toThrow(invalid(found))
  })

  it('says line and column', () => {
    expect(() => parse(repomd.replace('</data>', '</dat>'))).toThrow(
      expect.objectContaining({ where: expect.objectContaining({ source: 'repomd.xml', line: 11 }) }),
    )
  })

  it('refuses cuts and survives flips', async () => {
    const bytes = Buffer.from(repomd.trimEnd())
    const decode = (part: Uint8Array) => parse(new TextDecoder().decode(part))
    await refusesCuts(bytes, decode)
    expect(await survivesFlips(bytes, decode)).toBeGreaterThan(500)
  })
})
