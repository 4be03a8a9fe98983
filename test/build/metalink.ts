// Writes a metalink as mirrormanager does (mirrormanager2, templates of metalinks), and hashes for it.

import { createHash } from 'node:crypto'

export interface MetalinkInput {
  /** Base URLs, by falling preference. */
  readonly mirrors: readonly string[]
  /** The repomd.xml that mirrors should have; further ones are alternates. */
  readonly repomd: readonly Uint8Array[]
  /** md5, sha1, sha256 and sha512 when left out. */
  readonly hashes?: readonly string[]
}

export function makeMetalink({ mirrors, repomd, hashes = ['md5', 'sha1', 'sha256', 'sha512'] }: MetalinkInput): Buffer {
  const facts = (bytes: Uint8Array, index: number) => `<mm0:timestamp>${1_700_000_000 - index * 86_400}</mm0:timestamp>
      <size>${bytes.length}</size>
      <verification>
${hashes.map(type => `        <hash type="${type}">${createHash(type).update(bytes).digest('hex')}</hash>\n`).join('')}      </verification>`
  const [newest = new Uint8Array(), ...older] = repomd
  const alternates = older.map((bytes, index) => `<mm0:alternate>${facts(bytes, index + 1)}</mm0:alternate>\n`).join('')
  const urls = mirrors.map((url, index) => {
    const protocol = url.split(':')[0]
    const preference = 100 - index
    return `        <url protocol="${protocol}" type="${protocol}" location="DE" preference="${preference}">${url}/repodata/repomd.xml</url>\n`
  })
  return Buffer.from(`<?xml version="1.0" encoding="utf-8"?>
<metalink version="3.0" xmlns="http://www.metalinker.org/" type="dynamic" pubdate="Tue, 14 Nov 2023 22:13:20 GMT" generator="mirrormanager" xmlns:mm0="http://fedorahosted.org/mirrormanager">
  <files>
    <file name="repomd.xml">
      ${facts(newest, 0)}
      ${older.length === 0 ? '' : `<mm0:alternates>\n${alternates}</mm0:alternates>`}
      <resources maxconnections="1">
        <url protocol="rsync" type="rsync" location="DE" preference="100">rsync://mirror.example/repodata/repomd.xml</url>
${urls.join('')}      </resources>
    </file>
  </files>
</metalink>
`)
}
