import { createHash } from 'node:crypto'
import { describe, expect, it } from 'vitest'
import { maxMetalinkSize, parseMetalink } from '../../../src/formats/rpm/metalink.ts'
import { makeMetalink } from '../../build/metalink.ts'
import { refusesCuts, survivesFlips } from './damage.ts'

const repomd = Buffer.from('<repomd/>')
const older = Buffer.from('<repomd><revision>1</revision></repomd>')
const mirrors = ['https://a.example/f44', 'http://b.example/f44/x', 'https://c.example']
const text = makeMetalink({ mirrors, repomd: [repomd, older] }).toString()
const parse = (one: string) => parseMetalink(one, 'metalink')
const invalid = (found: RegExp) =>
  expect.objectContaining({ code: 'REPOSITORY_INVALID', found: expect.stringMatching(found) })
const sha512 = (bytes: Uint8Array) => ({ type: 'sha512', hex: createHash('sha512').update(bytes).digest('hex') })

/** The form of the Fedora project's own, shortened, with its order of elements; the hashes are those of the empty file (sha256sum, sha512sum). */
const published = `<?xml version="1.0" encoding="utf-8"?>
<metalink version="3.0" xmlns="http://www.metalinker.org/" type="dynamic" pubdate="Fri, 01 Aug 2025 10:00:00 GMT" generator="mirrormanager" xmlns:mm0="http://fedorahosted.org/mirrormanager">
 <files>
  <file name="repomd.xml">
   <mm0:timestamp>1754013724</mm0:timestamp>
   <size>0</size>
   <verification>
    <hash type="md5">d41d8cd98f00b204e9800998ecf8427e</hash>
    <hash type="sha1">da39a3ee5e6b4b0d3255bfef95601890afd80709</hash>
    <hash type="sha256">e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855</hash>
   </verification>
   <resources maxconnections="1">
    <url protocol="http" type="http" location="DE" preference="98" >http://two.example/updates/repodata/repomd.xml</url>
    <url protocol="https" type="https" location="DE" preference="100" >https://one.example/updates/repodata/repomd.xml</url>
    <url protocol="rsync" type="rsync" location="DE" preference="99" >rsync://one.example/updates/repodata/repomd.xml</url>
   </resources>
  </file>
 </files>
</metalink>`

describe('parseMetalink', () => {
  it('reads mirrors by preference, and the strongest hash', () => {
    expect(parse(published)).toEqual({
      mirrors: ['https://one.example/updates', 'http://two.example/updates'],
      allowed: [
        {
          size: 0,
          timestamp: 1754013724,
          checksum: { type: 'sha256', hex: 'e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855' },
        },
      ],
    })
  })

  it('reads alternates', () => {
    expect(parse(text)).toEqual({
      mirrors,
      allowed: [
        { size: repomd.length, timestamp: 1_700_000_000, checksum: sha512(repomd) },
        { size: older.length, timestamp: 1_699_913_600, checksum: sha512(older) },
      ],
    })
  })

  it('keeps the order of mirrors of one preference, and takes each once', () => {
    const same = text.replaceAll(/preference="\d+"/g, '').replace('https://c.example/', 'https://a.example/f44/')
    expect(parse(same).mirrors).toEqual(mirrors.slice(0, 2))
  })

  it('passes over other files', () => {
    const other = '<file name="x"><size>y</size><verification><hash type="sha256">z</hash></verification></file>'
    expect(parse(text.replace('<files>', `<files>${other}`))).toEqual(parse(text))
  })

  it.each([
    ['no file', /name="repomd.xml"/, 'name="other"', /no file repomd/],
    ['two files', '</files>', '<file name="repomd.xml"></file></files>', /two files/],
    ['weak hashes only', /<hash type="sha(256|512)".*/g, '', /no hash/],
    ['a short hash', /(<hash type="sha256">)../, '$1', /hash sha256/],
    ['no mirror', /https?:\/\/[abc]\.example/g, 'ftp://d.example', /no mirror/],
    ['mirrors of something else', /\/repomd\.xml</g, '/other.xml<', /no mirror/],
    ['a size that is none', /<size>\d+</, '<size>x<', /size x/],
    ['another root', /metalink/g, 'metalink4', /root/],
    ['a document type', '<metalink', '<!DOCTYPE metalink [<!ENTITY a "b">]><metalink', /document type/],
    ['many alternates', '<mm0:alternates>', `<mm0:alternates>${'<mm0:alternate/>'.repeat(100)}`, /alternates/],
    [
      'many mirrors',
      '<resources',
      `<resources/><resources>${'<url>http://a/repodata/repomd.xml</url>'.repeat(2001)}</resources><resources`,
      /mirrors/,
    ],
    ['a long document', '</metalink>', `${'<a/>'.repeat(maxMetalinkSize / 4)}</metalink>`, /characters/],
    ['nothing', /[\s\S]*/, '', /./],
  ])('refuses %s', (_, before, after, found) => {
    expect(() => parse(text.replace(before, after))).toThrow(invalid(found))
  })

  it('refuses cuts and survives flips', async () => {
    const decode = (part: Uint8Array) => parse(new TextDecoder().decode(part))
    const bytes = Buffer.from(text.trimEnd())
    await refusesCuts(bytes, decode)
    expect(await survivesFlips(bytes, decode)).toBeGreaterThan(500)
  })
})
