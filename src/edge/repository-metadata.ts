// Reads the metadata of RPM repositories, through lists of mirrors where the settings name such. Which package is wanted is not decided here.

import { createHash } from 'node:crypto'
import { join } from 'node:path'
import { ToolError } from '../errors.ts'
import type { Checksum } from '../formats/rpm/checksum.ts'
import type { AllowedFile } from '../formats/rpm/metalink.ts'
import type { MetadataReference, Repomd } from '../formats/rpm/repomd.ts'
import type { RepositoryFormats } from '../formats/rpm/repository-formats.ts'
import type { RepositorySource } from '../formats/rpm/repository-source.ts'
import type { RepositoryPackage } from '../kernel/kernel-packages.ts'
import { type DownloadOptions, downloadBytes, downloadFile } from './download.ts'
import { readMetadataText } from './metadata-text.ts'
import { boundOptions, forMirrors, fromMirrors, mirrorsAsked } from './mirrors.ts'
import { withTemporaryDirectory } from './temporary.ts'

/** The packages of one repository that have the names asked for, in the order of its metadata. */
export interface FetchedRepository {
  /** Base URL that gave the metadata, without a slash at the end: as in the settings, or that of a mirror. */
  readonly url: string
  /** When the newest metadata was made, seconds since 1970; null where the repository does not say. */
  readonly timestamp: number | null
  readonly packages: readonly RepositoryPackage[]
}

const mebibyte = 2 ** 20
/** Far above real ones: 60 KiB, 3 KiB, 20 MiB, 200 MiB. */
const ceilings = {
  mirrors: 4 * mebibyte,
  repomd: 4 * mebibyte,
  file: 512 * mebibyte,
  openFile: 4096 * mebibyte,
}

/**
 * The packages of the repositories that have one of the `names`; one list per repository, in the same order. `texts` are as in
 * kernel-repositories. Throws SETTING_INVALID, INSECURE_NOT_ALLOWED, REPOSITORY_UNREACHABLE, REPOSITORY_INVALID, CHECKSUM_MISMATCH,
 * CEILING_REACHED, CLIENT_CERTIFICATE_REFUSED.
 */
export async function fetchRepositories(
  texts: readonly string[],
  names: ReadonlySet<string>,
  formats: RepositoryFormats,
  options: DownloadOptions,
): Promise<FetchedRepository[]> {
  const sources = texts.map(formats.parseRepositorySource)
  for (const { url } of sources) refuseInsecure(url, options)
  return await withTemporaryDirectory('attested-os-update-metadata-', async directory => {
    const fetched: FetchedRepository[] = []
    for (const [index, source] of sources.entries()) {
      const places = await placesOf(source, formats, options)
      const read = { places, names, formats, options, path: join(directory, `primary-${index}`) }
      const ask = (mirror: string) => fetchFrom(mirror, read)
      fetched.push(await fromMirrors(places.mirrors, ask, options.log))
    }
    return fetched
  })
}

function refuseInsecure(url: string, { allowInsecure }: DownloadOptions): void {
  if (!url.startsWith('http:') || allowInsecure) return
  throw new ToolError('INSECURE_NOT_ALLOWED', 'an RPM repository uses plain http', {
    found: url,
    wanted: 'https://',
    where: { path: 'kernel-repositories' },
  })
}

/** Where one repository is to be had. */
interface Places {
  /** Base URLs, the preferred one first. */
  readonly mirrors: readonly string[]
  /** What its repomd.xml must be, from a metalink; undefined: nobody says. */
  readonly allowed: readonly AllowedFile[] | undefined
  /** The hashes of `allowed` came by https, so that mirrors may be plain http. */
  readonly boundByMetalink: boolean
}

async function placesOf(
  { kind, url }: RepositorySource,
  formats: RepositoryFormats,
  options: DownloadOptions,
): Promise<Places> {
  if (kind === 'repository') return { mirrors: [url], allowed: undefined, boundByMetalink: false }
  const secure = url.startsWith('https:')
  // what is said to be by https must not come by a redirect to plain http
  const asked = secure ? { ...options, allowInsecure: false } : options
  const bytes = await downloadBytes(url, { maxSize: ceilings.mirrors, size: null, checksum: null }, asked)
  const text = new TextDecoder().decode(bytes)
  if (kind === 'metalink') {
    const { mirrors, allowed } = formats.parseMetalink(text, url)
    return { mirrors, allowed, boundByMetalink: secure }
  }
  const all = formats.parseMirrorlist(text, url)
  const mirrors = options.allowInsecure ? all : all.filter(one => one.startsWith('https:'))
  if (mirrors.length > 0 && mirrors.length < all.length)
    options.log?.info(
      `${all.length - mirrors.length} of ${all.length} mirrors are left out, since they use plain http (${url})`,
    )
  if (mirrors.length > 0) return { mirrors, allowed: undefined, boundByMetalink: false }
  throw new ToolError('INSECURE_NOT_ALLOWED', 'all mirrors of an RPM repository use plain http', {
    found: all.slice(0, 3).join(' '),
    wanted: 'a mirror with https://, or a metalink, whose hashes bind what mirrors give',
    where: { source: url },
  })
}

interface Reading {
  readonly places: Places
  readonly names: ReadonlySet<string>
  readonly formats: RepositoryFormats
  readonly options: DownloadOptions
  /** Where primary metadata may lie while it is read. */
  readonly path: string
}

/** repomd.xml and the primary metadata of one mirror. */
async function fetchFrom(mirror: string, reading: Reading): Promise<FetchedRepository> {
  const { places, names, formats, path } = reading
  const { boundByMetalink, mirrors } = places
  const options = boundByMetalink ? boundOptions(reading.options) : reading.options
  const here = forMirrors(options, mirrors.length)
  const { primary, timestamp } = await fetchRepomd(mirror, { ...reading, options: here })
  const locate = (base: string, location: { readonly href: string; readonly xmlBase: string | null }) =>
    formats.resolveLocation(base, location, reading.options.allowInsecure)
  const others = mirrors.filter(other => other !== mirror).slice(0, mirrorsAsked - 1)
  const packages: RepositoryPackage[] = []
  const source = locate(mirror, primary)
  const text = await metadataFile(primary, { source, path }, here)
  for await (const { href, xmlBase, checksum: own, ...one } of formats.readPrimary(text, names, source)) {
    const location = { href, xmlBase }
    const single: RepositoryPackage = {
      ...one,
      checksum: own.hex,
      checksumType: own.type,
      location: locate(mirror, location),
      ...(boundByMetalink ? { boundByMetalink } : {}),
    }
    // made when asked for: twenty URLs for each of very many packages do not fit into memory
    const everywhere = {
      ...single,
      get otherLocations() {
        return others.map(other => locate(other, location))
      },
    }
    packages.push(others.length === 0 || xmlBase !== null ? single : everywhere)
  }
  return { url: mirror, timestamp, packages }
}

/** Downloads one file of metadata to `path` and gives its text. */
async function metadataFile(
  reference: MetadataReference,
  { source, path }: { readonly source: string; readonly path: string },
  options: DownloadOptions,
): Promise<AsyncIterable<string>> {
  const { size, checksum } = reference
  const progress = options.log?.progress.start(source, size ?? undefined)
  const expected = { maxSize: ceilings.file, size, checksum }
  await downloadFile(source, path, expected, options, progress).finally(progress?.end)
  return readMetadataText(path, source, open => checkedOpen(open, reference, source))
}

/**
 * What `read` makes of the advisories of each repository that has some, in the order of `texts`. Throws as `fetchRepositories`, and as `read`.
 */
export async function readAdvisories<T>(
  texts: readonly string[],
  formats: RepositoryFormats,
  options: DownloadOptions,
  read: (text: AsyncIterable<string>, source: string) => Promise<T>,
): Promise<T[]> {
  return await withTemporaryDirectory('attested-os-update-metadata-', async directory => {
    const answers: T[] = []
    for (const [index, source] of texts.map(formats.parseRepositorySource).entries()) {
      refuseInsecure(source.url, options)
      const places = await placesOf(source, formats, options)
      const path = join(directory, `updateinfo-${index}`)
      const ask = (mirror: string) =>
        readAdvisoriesFrom(mirror, { places, names: new Set(), formats, options, path }, read)
      answers.push(...(await fromMirrors(places.mirrors, ask, options.log)))
    }
    return answers
  })
}

/** One answer, or none where the repository has no advisories. */
async function readAdvisoriesFrom<T>(
  mirror: string,
  reading: Reading,
  read: (text: AsyncIterable<string>, source: string) => Promise<T>,
): Promise<T[]> {
  const { places, formats, path } = reading
  const options = places.boundByMetalink ? boundOptions(reading.options) : reading.options
  const here = forMirrors(options, places.mirrors.length)
  const { updateinfo } = await fetchRepomd(mirror, { ...reading, options: here })
  if (updateinfo === null) return []
  const source = formats.resolveLocation(mirror, updateinfo, reading.options.allowInsecure)
  return [await read(await metadataFile(updateinfo, { source, path }, here), source)]
}

async function fetchRepomd(mirror: string, { places, formats, options }: Reading): Promise<Repomd> {
  const source = `${mirror}/repodata/repomd.xml`
  const bytes = await downloadBytes(source, { maxSize: ceilings.repomd, size: null, checksum: null }, options)
  if (places.allowed !== undefined) refuseOther(bytes, places.allowed, source)
  return formats.parseRepomd(new TextDecoder().decode(bytes), source)
}

/** Refuses a repomd.xml that the metalink does not know. */
function refuseOther(bytes: Uint8Array, allowed: readonly AllowedFile[], source: string): void {
  const digest = ({ type }: Checksum) => createHash(type).update(bytes).digest('hex')
  const fits = ({ size, checksum }: AllowedFile) =>
    (size === null || size === bytes.length) && digest(checksum) === checksum.hex
  if (allowed.some(fits)) return
  const [newest] = allowed
  throw new ToolError('CHECKSUM_MISMATCH', 'the repomd.xml of a mirror is none that the metalink names', {
    ...(newest === undefined ? {} : { found: `${newest.checksum.type} ${digest(newest.checksum)}` }),
    wanted: allowed.map(({ checksum }) => `${checksum.type} ${checksum.hex}`).join(' or '),
    where: { source },
  })
}

/** Passes decompressed bytes on; throws when they are too many or, at their end, not the ones that repomd.xml names. */
async function* checkedOpen(
  bytes: AsyncIterable<Uint8Array>,
  { openSize, openChecksum }: MetadataReference,
  source: string,
): AsyncGenerator<Uint8Array> {
  const hash = openChecksum === null ? undefined : createHash(openChecksum.type)
  const limit = Math.min(openSize ?? ceilings.openFile, ceilings.openFile)
  let count = 0
  for await (const chunk of bytes) {
    count += chunk.length
    if (count > limit) throw notAsNamed(`more than ${limit} bytes`, `at most ${limit} bytes`, source)
    hash?.update(chunk)
    yield chunk
  }
  if (openSize !== null && count !== openSize) throw notAsNamed(`${count} bytes`, `${openSize} bytes`, source)
  const found = hash?.digest('hex')
  if (openChecksum !== null && found !== openChecksum.hex)
    throw notAsNamed(`${openChecksum.type} ${found}`, `${openChecksum.type} ${openChecksum.hex}`, source)
}

function notAsNamed(found: string, wanted: string, source: string): ToolError {
  const text = 'the decompressed metadata of an RPM repository is not what repomd.xml names'
  return new ToolError('CHECKSUM_MISMATCH', text, { found, wanted, where: { source } })
}
