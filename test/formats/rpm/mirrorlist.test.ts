import { describe, expect, it } from 'vitest'
import { maxMirrorlistSize, parseMirrorlist } from '../../../src/formats/rpm/mirrorlist.ts'

const parse = (text: string) => parseMirrorlist(text, 'list')
const invalid = (found: RegExp, more = {}) =>
  expect.objectContaining({ code: 'REPOSITORY_INVALID', found: expect.stringMatching(found), ...more })

describe('parseMirrorlist', () => {
  it('reads URLs in order, each once; comments, rsync and ftp are passed over', () => {
    const text =
      '# repo = baseos\r\nhttps://b.example/os/\r\n\r\nrsync://a/os\nftp://a/os\nhttp://a.example/os\nhttps://b.example/os\n'
    expect(parse(text)).toEqual(['https://b.example/os', 'http://a.example/os'])
  })

  it.each([
    ['nothing', '', /no http or https URL/],
    ['comments only', '# none\n', /no http or https URL/],
    ['a page for people', '<html>not here</html>', /XML/],
    ['words', 'https://a/\nInvalid release\n', /Invalid release/],
    ['a password', 'https://user:secret@a.example/', /^a URL of a\.example with user/],
    ['a query', 'https://a.example/?x', /query/],
    ['too much', 'x'.repeat(maxMirrorlistSize + 1), /characters/],
    ['too many', Array.from({ length: 2001 }, (_, index) => `https://a/${index}`).join('\n'), /more than 2000/],
  ])('refuses %s', (_, text, found) => {
    expect(() => parse(text)).toThrow(invalid(found))
  })

  it('says what a metalink is, and where a fault stands', () => {
    expect(() => parse('<?xml version="1.0"?>\n<metalink/>')).toThrow(
      invalid(/XML/, { hint: expect.stringContaining('metalink=') }),
    )
    expect(() => parse('https://a/\n\nx y\n')).toThrow(invalid(/x y/, { where: { source: 'list', line: 3 } }))
  })

  it('reads any text or refuses it', () => {
    const text = 'https://b.example/os/\nhttp://a.example/os\n'
    for (let length = 0; length <= text.length; length += 1)
      try {
        expect(parse(text.slice(0, length)).length).toBeGreaterThan(0)
      } catch (error) {
        expect(error).toEqual(invalid(/./))
      }
  })
})
