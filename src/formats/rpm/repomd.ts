// repodata/repomd.xml: which files the metadata of a repository is in. createrepo_c, src/xml_dump_repomd.c.

import { type Checksum, parseChecksum, parseSize } from './checksum.ts'
import { MetadataXml } from './xml.ts'

/** One file of metadata. */
export interface MetadataReference {
  /** Relative to the repository's base URL. */
  readonly href: string
  readonly xmlBase: string | null
  /** Of the compressed file. */
  readonly checksum: Checksum
  /** In bytes; null where old tools left it out, as for the next two. */
  readonly size: number | null
  /** Of the decompressed file. */
  readonly openChecksum: Checksum | null
  readonly openSize: number | null
}

export interface Repomd {
  /** As it stands there: mostly seconds since 1970. */
  readonly revision: string | null
  /** Of the newest file of metadata, seconds since 1970, as librepo counts it; null where none has one. */
  readonly timestamp: number | null
  /** The primary metadata: one entry per package. */
  readonly primary: MetadataReference
  /** Advisories. */
  readonly updateinfo: MetadataReference | null
}

const root = 'repomd/data'
const fields = ['checksum', 'open-checksum', 'size', 'open-size', 'timestamp'] as const
type Field = (typeof fields)[number]
/** 9999-12-31T23:59:59Z: a later time is none that a calendar has. */
const lastSecond = 253_402_300_799
/** A real one has 3 KiB. */
export const maxRepomdSize = 4 * 1024 * 1024

interface Found {
  readonly type: string
  readonly texts: Map<Field, { text: string; type: string }>
  location: Readonly<Record<string, string>> | undefined
}

/** Reads a whole repomd.xml. Throws REPOSITORY_INVALID, also when there is no primary metadata or two of them. */
export function parseRepomd(text: string, source: string): Repomd {
  let sawRoot = false
  let revision: string | null = null
  let timestamp: number | null = null
  let types: Readonly<Record<string, string>> = {}
  let current: Found | undefined
  const found: Found[] = []
  const xml = new MetadataXml(
    {
      wants: new Set(['repomd/revision', ...fields.map(field => `${root}/${field}`)]),
      open(path, attributes) {
        if (path === 'repomd') sawRoot = true
        if (path === root) {
          current = { type: attributes().type ?? '', texts: new Map(), location: undefined }
          found.push(current)
        }
        if (current === undefined) return
        types = attributes()
        if (path === `${root}/location`) {
          if (current.location !== undefined && isRead(current)) throw xml.error('two locations', 'one location')
          current.location = attributes()
        }
      },
      close(path, value) {
        if (path === 'repomd/revision') revision = value === '' ? null : value
        if (path === root) current = undefined
        const field = fields.find(one => path === `${root}/${one}`)
        if (current === undefined || field === undefined) return
        // old tools write fractions
        const seconds = field === 'timestamp' ? parseSize(value.replace(/\.[0-9]*$/, '')) : undefined
        if (seconds !== undefined && seconds <= lastSecond) timestamp = Math.max(timestamp ?? 0, seconds)
        if (current.texts.has(field) && isRead(current)) throw xml.error(`two of ${field}`, 'one of each')
        current.texts.set(field, { text: value, type: types.type ?? '' })
      },
    },
    source,
  )
  if (text.length > maxRepomdSize) throw xml.error(`${text.length} characters`, `at most ${maxRepomdSize}`)
  xml.write(text)
  xml.close()
  if (!sawRoot) throw xml.error('another root element', 'repomd')
  const ofType = (type: string) => {
    const [one, second] = found.filter(data => data.type === type)
    if (second !== undefined) throw xml.error(`2 or more of type ${type}`, 'one')
    return one
  }
  const primary = ofType('primary')
  const updateinfo = ofType('updateinfo')
  if (primary === undefined) throw xml.error('none of type primary', 'one')
  return {
    revision,
    timestamp,
    primary: referenceOf(primary, xml),
    updateinfo: updateinfo === undefined ? null : referenceOf(updateinfo, xml),
  }
}

/** Of other types nothing is judged, since nothing of them is used. */
function isRead({ type }: Found): boolean {
  return type === 'primary' || type === 'updateinfo'
}

function referenceOf({ type, texts, location }: Found, xml: MetadataXml): MetadataReference {
  const checksum = (field: Field) => {
    const given = texts.get(field)
    if (given === undefined) return null
    const parsed = parseChecksum(given.type, given.text)
    if (parsed === undefined) throw xml.error(`${field} ${given.type} ${given.text}`, 'sha256, sha384 or sha512 as hex')
    return parsed
  }
  const size = (field: Field) => {
    const given = texts.get(field)
    if (given === undefined) return null
    const parsed = parseSize(given.text)
    if (parsed === undefined) throw xml.error(`${field} ${given.text}`, 'a number of bytes')
    return parsed
  }
  const href = location?.href
  const own = checksum('checksum')
  if (href === undefined || href === '') throw xml.error(`${type} without location`, 'location with href')
  if (own === null) throw xml.error(`${type} without checksum`, 'a checksum')
  return {
    href,
    xmlBase: location?.['xml:base'] ?? null,
    checksum: own,
    size: size('size'),
    openChecksum: checksum('open-checksum'),
    openSize: size('open-size'),
  }
}
