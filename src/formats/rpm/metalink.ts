// A metalink for repomd.xml: the mirrors of a repository and the hashes that its repomd.xml may have. Metalink 3.0, and what mirrormanager
// adds to it (mirrormanager2, templates of metalinks: mm0:timestamp, mm0:alternates); read as librepo does (librepo, librepo/metalink.c).

import { type Checksum, checksumTypes, parseChecksum, parseSize } from './checksum.ts'
import { MetadataXml } from './xml.ts'

export interface Metalink {
  /** Base URLs of mirrors, http and https, by preference, without a slash at the end. At least one. */
  readonly mirrors: readonly string[]
  /** What a repomd.xml may be: the newest, and those before it that mirrors may still have. At least one. */
  readonly allowed: readonly AllowedFile[]
}

export interface AllowedFile {
  /** In bytes; null where it is not given. */
  readonly size: number | null
  /** The strongest that is given. */
  readonly checksum: Checksum
  /** Seconds since 1970. */
  readonly timestamp: number | null
}

/** A real one has 60 KiB. */
export const maxMetalinkSize = 4 * 1024 * 1024
const maxMirrors = 2000
const maxAllowed = 100
const file = 'metalink/files/file'
const alternate = `${file}/alternates/alternate`
const metadataFile = 'repodata/repomd.xml'

interface Found {
  readonly hashes: Checksum[]
  size: number | null
  timestamp: number | null
}

/** Reads a whole metalink. Throws REPOSITORY_INVALID, also when it names no mirror or no hash that still protects. */
export function parseMetalink(text: string, source: string): Metalink {
  const mirrors: { readonly url: string; readonly preference: number }[] = []
  const allowed: Found[] = []
  let sawRoot = false
  let isRepomd = false
  let attributesNow: Readonly<Record<string, string>> = {}
  const start = () => {
    allowed.push({ hashes: [], size: null, timestamp: null })
    if (allowed.length > maxAllowed) throw xml.error(`more than ${maxAllowed} alternates`, 'fewer')
  }
  const number = (name: string, value: string) => {
    const parsed = parseSize(value)
    if (parsed === undefined) throw xml.error(`${name} ${value}`, 'a number')
    return parsed
  }
  const takeValue = (path: string, value: string) => {
    const own = allowed.at(-1)
    const top = path.startsWith(`${alternate}/`) ? alternate : file
    if (own === undefined) return
    if (path === `${top}/size`) own.size = number('size', value)
    else if (path === `${top}/timestamp`) own.timestamp = number('timestamp', value)
    else if (path === `${top}/verification/hash`) {
      const { type = '' } = attributesNow
      const hash = parseChecksum(type, value)
      if (hash !== undefined) own.hashes.push(hash)
      else if (checksumTypes.some(known => known === type)) throw xml.error(`hash ${type} ${value}`, 'hex digits')
    } else if (path === `${file}/resources/url`) {
      const url = mirrorOf(value)
      if (url !== undefined) mirrors.push({ url, preference: Number(attributesNow.preference ?? 0) || 0 })
      if (mirrors.length > maxMirrors) throw xml.error(`more than ${maxMirrors} mirrors`, 'fewer')
    }
  }
  const xml: MetadataXml = new MetadataXml(
    {
      wants: new Set([
        ...[file, alternate].flatMap(top => [`${top}/size`, `${top}/timestamp`, `${top}/verification/hash`]),
        `${file}/resources/url`,
      ]),
      open(path, attributes) {
        if (path === 'metalink') sawRoot = true
        if (path === file) {
          isRepomd = attributes().name === 'repomd.xml'
          if (isRepomd && allowed.length > 0) throw xml.error('two files repomd.xml', 'one')
          if (isRepomd) start()
        }
        if (!isRepomd) return
        if (path === alternate) start()
        attributesNow = attributes()
      },
      close(path, value) {
        if (path === file) isRepomd = false
        if (isRepomd) takeValue(path, value)
      },
    },
    source,
  )
  if (text.length > maxMetalinkSize) throw xml.error(`${text.length} characters`, `at most ${maxMetalinkSize}`)
  xml.write(text)
  xml.close()
  if (!sawRoot) throw xml.error('another root element', 'metalink')
  if (allowed.length === 0) throw xml.error('no file repomd.xml', 'one')
  const files = allowed.flatMap(({ hashes, size, timestamp }) => {
    const checksum = strongest(hashes)
    return checksum === undefined ? [] : [{ size, timestamp, checksum }]
  })
  if (files.length === 0) throw xml.error('no hash of repomd.xml', `a hash of type ${checksumTypes.join(', ')}`)
  if (mirrors.length === 0) throw xml.error('no mirror', `an http or https URL that ends in ${metadataFile}`)
  const sorted = mirrors.sort((a, b) => b.preference - a.preference).map(({ url }) => url)
  return { mirrors: [...new Set(sorted)], allowed: files }
}

function strongest(hashes: readonly Checksum[]): Checksum | undefined {
  return checksumTypes.toReversed().flatMap(type => hashes.filter(hash => hash.type === type))[0]
}

/** The base URL of a mirror of repomd.xml; undefined for rsync, ftp, and what is no mirror of that file. */
function mirrorOf(text: string): string | undefined {
  const url = URL.parse(text)
  const plain = url !== null && [url.username, url.password, url.search, url.hash].every(part => part === '')
  if (!plain || !['http:', 'https:'].includes(url.protocol) || !url.href.endsWith(`/${metadataFile}`)) return undefined
  return url.href.slice(0, -metadataFile.length).replace(/\/+$/, '')
}
