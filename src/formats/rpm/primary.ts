// primary.xml: the packages of a repository. createrepo_c, src/xml_dump_primary.c.

import { type Checksum, parseChecksum, parseSize } from './checksum.ts'
import { type Evr, isVersionPart, parseEpoch } from './version.ts'
import { MetadataXml } from './xml.ts'

/** A package as the metadata describes it; where its file is depends on the repository's URL. */
export interface PrimaryPackage {
  readonly name: string
  readonly evr: Evr
  readonly arch: string
  readonly checksum: Checksum
  /** Size of the RPM file in bytes. */
  readonly size: number
  readonly href: string
  readonly xmlBase: string | null
  readonly sourceRpm: string | null
}

const root = 'metadata/package'
const texts = new Map([
  [`${root}/name`, 'name'],
  [`${root}/arch`, 'arch'],
  [`${root}/checksum`, 'checksum'],
  [`${root}/format/sourcerpm`, 'sourcerpm'],
])
const attributed = new Map([
  [`${root}/version`, 'version'],
  [`${root}/checksum`, 'checksum'],
  [`${root}/size`, 'size'],
  [`${root}/location`, 'location'],
])
const archPattern = /^[A-Za-z0-9_]{1,32}$/
/** Far more than the kernels that any repository keeps: some thousands of packages. */
const maxPackages = 20_000

interface Raw {
  readonly texts: Map<string, string>
  readonly attributes: Map<string, Readonly<Record<string, string>>>
}

/**
 * Reads primary.xml piece by piece and gives the packages with the names asked for, in the order of the file. All others
 * are passed over unread. Throws REPOSITORY_INVALID; what came before the fault may have been given already.
 */
export async function* readPrimary(
  chunks: AsyncIterable<string> | Iterable<string>,
  names: ReadonlySet<string>,
  source: string,
): AsyncGenerator<PrimaryPackage> {
  const ready: PrimaryPackage[] = []
  let count = 0
  let sawRoot = false
  let current: Raw | undefined
  const xml = new MetadataXml(
    {
      wants: new Set(texts.keys()),
      open(path, attributes) {
        if (path === 'metadata') sawRoot = true
        if (path === root)
          current = attributes().type === 'rpm' ? { texts: new Map(), attributes: new Map() } : undefined
        const field = attributed.get(path)
        if (current === undefined || field === undefined) return
        if (current.attributes.has(field)) throw xml.error(`two of ${field}`, 'one of each')
        current.attributes.set(field, attributes())
      },
      close(path, text) {
        const field = texts.get(path)
        if (current !== undefined && field !== undefined) {
          if (current.texts.has(field)) throw xml.error(`two of ${field}`, 'one of each')
          current.texts.set(field, text)
        }
        if (path !== root || current === undefined) return
        if (names.has(current.texts.get('name') ?? '')) ready.push(packageOf(current, xml))
        current = undefined
      },
    },
    source,
  )
  for await (const chunk of chunks) {
    xml.write(chunk)
    count += ready.length
    if (count > maxPackages) throw xml.error(`more than ${maxPackages} packages of these names`, 'fewer')
    yield* ready.splice(0)
  }
  xml.close()
  if (!sawRoot) throw xml.error('another root element', 'metadata')
}

function packageOf(raw: Raw, xml: MetadataXml): PrimaryPackage {
  const name = raw.texts.get('name') ?? ''
  const refuse = (field: string, found: string | undefined, wanted: string): never => {
    throw xml.error(`${name}: ${field} ${found ?? 'missing'}`, wanted)
  }
  const attribute = (field: string, key: string) => raw.attributes.get(field)?.[key]
  const versionPart = (key: string) => {
    const text = attribute('version', key)
    return text !== undefined && isVersionPart(text)
      ? text
      : refuse(`version ${key}`, text, 'letters, digits, . _ + ~ ^')
  }
  const arch = raw.texts.get('arch')
  if (arch === undefined || !archPattern.test(arch)) return refuse('arch', arch, 'an architecture')
  const epochText = attribute('version', 'epoch') ?? '0'
  const epoch = parseEpoch(epochText) ?? refuse('epoch', epochText, 'a number of 32 bits')
  const type = attribute('checksum', 'type') ?? ''
  const digest = raw.texts.get('checksum') ?? ''
  const checksum =
    parseChecksum(type, digest) ?? refuse('checksum', `${type} ${digest}`, 'sha256, sha384 or sha512 as hex')
  const sizeText = attribute('size', 'package') ?? ''
  const size = parseSize(sizeText) ?? refuse('size', sizeText, 'a number of bytes')
  const href = attribute('location', 'href')
  if (href === undefined || href === '') return refuse('location', href, 'href')
  const sourceRpm = raw.texts.get('sourcerpm')
  return {
    name,
    evr: { epoch, version: versionPart('ver'), release: versionPart('rel') },
    arch,
    checksum,
    size,
    href,
    xmlBase: attribute('location', 'xml:base') ?? null,
    sourceRpm: sourceRpm === undefined || sourceRpm === '' ? null : sourceRpm,
  }
}
