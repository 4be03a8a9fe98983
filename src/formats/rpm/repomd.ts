// repodata/repomd.xml: which files the metadata of a repository is in. createrepo_c, src/xml_dump_repomd.c.

import { type Checksum, parseChecksum, parseSize } from './checksum.ts'
import { MetadataXml } from './xml.ts'

/** The primary metadata: one entry per package. */
export interface PrimaryReference {
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

const root = 'repomd/data'
const fields = ['checksum', 'open-checksum', 'size', 'open-size'] as const
type Field = (typeof fields)[number]
/** A real one has 3 KiB. */
export const maxRepomdSize = 4 * 1024 * 1024

interface Found {
  texts: Map<Field, { text: string; type: string }>
  location: Readonly<Record<string, string>> | undefined
}

/** Reads a whole repomd.xml. Throws REPOSITORY_INVALID, also when there is no primary metadata or two of them. */
export function parseRepomd(text: string, source: string): PrimaryReference {
  let isPrimary = false
  let sawRoot = false
  let types: Readonly<Record<string, string>> = {}
  const found: Found[] = []
  const xml = new MetadataXml(
    {
      wants: new Set(fields.map(field => `${root}/${field}`)),
      open(path, attributes) {
        if (path === 'repomd') sawRoot = true
        if (path === root) {
          isPrimary = attributes().type === 'primary'
          if (isPrimary) found.push({ texts: new Map(), location: undefined })
        }
        if (!isPrimary) return
        types = attributes()
        const primary = found.at(-1)
        if (path === `${root}/location` && primary !== undefined) {
          if (primary.location !== undefined) throw xml.error('two locations', 'one location')
          primary.location = attributes()
        }
      },
      close(path, value) {
        if (path === root) isPrimary = false
        const field = fields.find(one => path === `${root}/${one}`)
        const texts = found.at(-1)?.texts
        if (!isPrimary || field === undefined || texts === undefined) return
        if (texts.has(field)) throw xml.error(`two of ${field}`, 'one of each')
        texts.set(field, { text: value, type: types.type ?? '' })
      },
    },
    source,
  )
  if (text.length > maxRepomdSize) throw xml.error(`${text.length} characters`, `at most ${maxRepomdSize}`)
  xml.write(text)
  xml.close()
  const [primary, second] = found
  if (!sawRoot) throw xml.error('another root element', 'repomd')
  if (primary === undefined || second !== undefined) throw xml.error(`${found.length} of type primary`, 'one')
  return referenceOf(primary, xml)
}

function referenceOf({ texts, location }: Found, xml: MetadataXml): PrimaryReference {
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
  if (href === undefined || href === '') throw xml.error('primary without location', 'location with href')
  if (own === null) throw xml.error('primary without checksum', 'a checksum')
  return {
    href,
    xmlBase: location?.['xml:base'] ?? null,
    checksum: own,
    size: size('size'),
    openChecksum: checksum('open-checksum'),
    openSize: size('open-size'),
  }
}
