// Objects and checksums as libostree 2022.7 made them: `ostree commit --tree=dir=…` of a few files, `ostree ls --recursive --checksum --xattrs`.

import { describe, expect, it } from 'vitest'
import { sha256Hex } from '../../../src/formats/bytes/digest.ts'
import { parseCommit } from '../../../src/formats/ostree/commit.ts'
import { parseDirtree } from '../../../src/formats/ostree/dirtree.ts'
import { startFileChecksum } from '../../../src/formats/ostree/file-object.ts'
import { objectPath, parseObjectPath } from '../../../src/formats/ostree/object-name.ts'
import { cuts, faultOf, flips, outcome } from '../../build/damage.ts'

const base64 = (text: string) => new Uint8Array(Buffer.from(text, 'base64'))

const commit = base64(
  'dmVyc2lvbgAxAABzCAAAAG9zdHJlZS5yZWYtYmluZGluZwAAAAAAAHQAAgBhcxMNL2Egc3ViamVjdABhIGJvZHkAAAAAAAAAAAAAAGlVuQDI6y8iglKYYf2gwJ8NQpJhBGyX8kxmG00T1mjEVf+cZ7yjPhHUZmgLcAHiniJovMCcnSAW8+DOoR4iXBPZdZlzcEI7MTEx',
)
const root = base64(
  'ZW1wdHkAbjQLnP+zepicpUTmu3gKLHiQHT+zNzh2hRGjBhevoB28oz4R1GZoC3AB4p4iaLzAnJ0gFvPgzqEeIlwT2XWZcyYGdXNyAL1Km5ZM209Y77OyLr+/xhqjOVOIoauIFfPIENjUDhr2vKM+EdRmaAtwAeKeImi8wJydIBbz4M6hHiJcE9l1mXMkBEiOAA==',
)
const usr = base64(
  'aGVsbG8AXx8Hxg1eqbwGdm2lE6Y/DON6Bc1HScYN5fs/VVwmhuQGbGluawAYTgh+jTZnLd0bEgiTnhVox1xTmATFwubzB5XtAiLszQV6ZXJvAC4XAX9HJP6MW6UeAksAf2VammTM4frrJoNXqmYGpPN5BSdNc2xpYgAXFmfvv/D0335A4eIbLDwPQbzFYVsSHQrjqMhLkC9y4LyjPhHUZmgLcAHiniJovMCcnSAW8+DOoR4iXBPZdZlzJARGdg==',
)
/** Eight files, so that offsets have two bytes. */
const lib = base64(
  'YS1maWxlLXdpdGgtYS1uYW1lLTEA3ZIaMrb0LgWsmEmb2657QSy/EXSw7+s7ekmZpQinWNYVYS1maWxlLXdpdGgtYS1uYW1lLTIA/FM8j06YUU3tUp0vbOb609JEkJ0tkBe//4zzwr9emtEVYS1maWxlLXdpdGgtYS1uYW1lLTMANGOm1P44ZlqTD82gqLwUGdQOQmffpU5LuHjs+CbnBIwVYS1maWxlLXdpdGgtYS1uYW1lLTQADUTYAsXwsTl/onfW5gHpDFMmPj2JscvpdDKcigsqDV0VYS1maWxlLXdpdGgtYS1uYW1lLTUAR2yq8yb/thSPPCPxEXeAeLK86mdztUOPDM0GO/MNlkIVYS1maWxlLXdpdGgtYS1uYW1lLTYAroh6IuvzjguOFR3W2UqDdnYwAwLSgxTZ13j61WW3gQkVYS1maWxlLXdpdGgtYS1uYW1lLTcAfioDcJiWQNVuQyF6L7Nj/CjxlXP4mBIPUi8PGQAa++8VYS1maWxlLXdpdGgtYS1uYW1lLTgARWzbBt/q5DYdT15CtUoCHXJS6azIvM/ghFMiFu1Th5QVNgBsAKIA2AAOAUQBegGwAcAB',
)

const checksums = {
  commit: '93b53bf1170ec90863e70c1c16ed554c7faff088e4d7d2552a0054a32b8e424e',
  root: 'c8eb2f2282529861fda0c09f0d429261046c97f24c661b4d13d668c455ff9c67',
  usr: 'bd4a9b964cdb4f58efb3b22ebfbfc61aa3395388a1ab8815f3c810d8d40e1af6',
  lib: '171667efbff0f4df7e40e1e21b2c3c0f41bcc5615b121d0ae3a8c84b902f72e0',
  empty: '6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d',
  meta: 'bca33e11d466680b7001e29e2268bcc09c9d2016f3e0cea11e225c13d9759973',
  hello: '5f1f07c60d5ea9bc06766da513a63f0ce37a05cd4749c60de5fb3f555c2686e4',
  link: '184e087e8d36672ddd1b1208939e1568c75c539804c5c2e6f30795ed0222eccd',
  zero: '2e17017f4724fe8c5ba51e024b007f655a9a64cce1faeb268357aa6606a4f379',
} as const

describe('commits and directories', () => {
  it('are named by their own SHA-256', () => {
    expect([commit, root, usr, lib, Uint8Array.of(0)].map(bytes => sha256Hex(bytes))).toEqual([
      checksums.commit,
      checksums.root,
      checksums.usr,
      checksums.lib,
      checksums.empty,
    ])
  })

  it('lead from the commit to every file', () => {
    expect(parseCommit(commit, 'test')).toEqual({ tree: checksums.root, meta: checksums.meta })
    const { meta } = checksums
    expect(parseDirtree(root, 'test')).toEqual({
      files: new Map(),
      directories: new Map([
        ['empty', { tree: checksums.empty, meta }],
        ['usr', { tree: checksums.usr, meta }],
      ]),
    })
    expect(parseDirtree(usr, 'test')).toEqual({
      files: new Map([
        ['hello', checksums.hello],
        ['link', checksums.link],
        ['zero', checksums.zero],
      ]),
      directories: new Map([['lib', { tree: checksums.lib, meta }]]),
    })
    expect([...parseDirtree(lib, 'test').files].map(([name, checksum]) => `${name} ${checksum.slice(0, 8)}`)).toEqual([
      'a-file-with-a-name-1 dd921a32',
      'a-file-with-a-name-2 fc533c8f',
      'a-file-with-a-name-3 3463a6d4',
      'a-file-with-a-name-4 0d44d802',
      'a-file-with-a-name-5 476caaf3',
      'a-file-with-a-name-6 ae887a22',
      'a-file-with-a-name-7 7e2a0370',
      'a-file-with-a-name-8 456cdb06',
    ])
    expect(parseDirtree(Uint8Array.of(0), 'test')).toEqual({ files: new Map(), directories: new Map() })
  })

  it('damaged ones are refused or read, nothing else', () => {
    for (const [bytes, parse] of [
      [commit, parseCommit],
      [root, parseDirtree],
      [usr, parseDirtree],
      [lib, parseDirtree],
    ] as const) {
      for (const cut of cuts(bytes)) expect(['INPUT_INVALID', 'read']).toContain(outcome(() => parse(cut, 'test')))
      for (const flip of flips(bytes))
        expect(['INPUT_INVALID', 'read']).toContain(outcome(() => parse(flip.bytes, 'test')))
    }
  })

  it('refuses names that no directory can have, and names that are not sorted', () => {
    const renamed = (from: string, to: string) =>
      new Uint8Array(Buffer.from(Buffer.from(usr).toString('latin1').replace(from, to), 'latin1'))
    for (const [from, to, found] of [
      ['hello', 'he/lo', 'the name "he/lo"'],
      ['hello', 'mello', '"link" behind "mello"'],
      ['link', 'zero', '"zero" behind "zero"'],
      ['lib', 'li\xff', 'a string that is not UTF-8'],
      ['lib', 'l\0b', 'a string with NUL elsewhere'],
      ['zero', 'zer\0', 'a string with NUL elsewhere'],
    ] as const)
      expect(faultOf(() => parseDirtree(renamed(from, to), 'test')).found).toBe(found)
  })
})

describe('checksums of files', () => {
  const none = { uid: 0, gid: 7, mode: 0o644, xattrs: new Uint8Array(), target: undefined }
  const of = (attributes: Parameters<typeof startFileChecksum>[0], ...contents: readonly string[]) => {
    const hash = startFileChecksum(attributes)
    for (const content of contents) hash.add(new TextEncoder().encode(content))
    return hash.checksum()
  }

  it('are over owner, mode and contents', () => {
    expect(of(none, 'hel', 'lo\n')).toBe(checksums.hello)
    expect(of(none)).toBe(checksums.zero)
    expect(of({ ...none, mode: 0o4755 }, '3')).toBe('3463a6d4fe38665a930fcda0a8bc1419d40e4267dfa54e4bb878ecf826e7048c')
    expect(of({ ...none, mode: 0o777, target: 'lib/../hello' })).toBe(checksums.link)
  })

  it('are over extended attributes', () => {
    const xattrs = Buffer.concat([Buffer.from(`user.one\0${'1'.repeat(300)}`), Uint8Array.of(9, 0, 0x37, 1)])
    expect(of({ ...none, gid: 0, xattrs }, 'data\n')).toBe(
      '7a1e1b0d0c190e65d950de1da6547f14421facbc96b00664efd72ea213552f3d',
    )
  })

  // the header grows over 255 bytes, from where on its offset has two
  it.each([
    [236, 'd108c524ad6258a277633d457b05a74e0161e88920cd7f95bf99d9a64b05fad9'],
    [237, 'e7c8e55a1f9946e58302a3f7d9a738d251e0dee4ae3ccbd43b44b70022bdaec4'],
    [238, 'd959f60f8bed80f379c74250a4fdf933b8dfd18f690774fb7b98f8c23061c08f'],
    [239, '96e13e5c4fc354c33a50769263ef7975b3bda6a46938a75dc8fbac7b47d7202d'],
    [240, '1ec93e77fe64fa8479c269cb7b5f40bebd149fb89077cd924683771b8f464f02'],
    [300, '9a495d19e165fa1d81521e0df4d8f4af747835d3c995867b186c2a2d93014d1d'],
  ])('are over links of %i characters', (length, wanted) => {
    expect(of({ ...none, gid: 0, mode: 0o777, target: 'x'.repeat(length) })).toBe(wanted)
  })
})

describe('names of objects', () => {
  it('are paths in the repository and back', () => {
    const path = objectPath(checksums.hello, 'file')
    expect(path).toBe(
      'sysroot/ostree/repo/objects/5f/1f07c60d5ea9bc06766da513a63f0ce37a05cd4749c60de5fb3f555c2686e4.file',
    )
    expect(parseObjectPath(path)).toEqual({ checksum: checksums.hello, kind: 'file' })
    expect(parseObjectPath(`${path}-xattrs-link`)).toEqual({ checksum: checksums.hello, kind: 'file-xattrs-link' })
    for (const other of [`./${path}`, `/${path}`, `${path}z`, path.toUpperCase(), path.replace('5f/', '5/f')])
      expect(parseObjectPath(other)).toBeUndefined()
  })
})
