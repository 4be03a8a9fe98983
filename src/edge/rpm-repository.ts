// Reads the metadata of RPM repositories and downloads packages from them. Which package is wanted is not decided here.

import { createHash } from 'node:crypto'
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { ToolError } from '../errors.ts'
import type { PrimaryReference } from '../formats/rpm/repomd.ts'
import type { RepositoryFormats } from '../formats/rpm/repository-formats.ts'
import type { RepositoryPackage } from '../kernel/kernel-packages.ts'
import { type DownloadOptions, downloadBytes, downloadFile } from './download.ts'
import { readMetadataText } from './metadata-text.ts'
import { withTemporaryDirectory } from './temporary.ts'

/** The packages of one repository that have the names asked for, in the order of its metadata. */
export interface FetchedRepository {
  /** As in the settings, without a slash at the end. */
  readonly url: string
  readonly packages: readonly RepositoryPackage[]
}

export interface DownloadedPackage {
  readonly package: RepositoryPackage
  readonly path: string
}

const mebibyte = 2 ** 20
/** Far above real ones: 3 KiB, 20 MiB, 200 MiB, 200 MiB. */
const ceilings = {
  repomd: 4 * mebibyte,
  primary: 512 * mebibyte,
  openPrimary: 4096 * mebibyte,
  rpm: 2048 * mebibyte,
}
const parallelDownloads = 4

/**
 * The packages of the repositories at `urls` that have one of the `names`; one list per repository, in the same order.
 * Throws SETTING_NOT_SUPPORTED for metalinks and mirror lists, SETTING_INVALID, INSECURE_NOT_ALLOWED,
 * REPOSITORY_UNREACHABLE, REPOSITORY_INVALID, CHECKSUM_MISMATCH, CEILING_REACHED.
 */
export async function fetchRepositories(
  urls: readonly string[],
  names: ReadonlySet<string>,
  formats: RepositoryFormats,
  options: DownloadOptions,
): Promise<FetchedRepository[]> {
  const bases = urls.map(url => repositoryBase(url, options))
  return await withTemporaryDirectory('attested-os-update-metadata-', async directory => {
    const fetched: FetchedRepository[] = []
    for (const [index, url] of bases.entries()) {
      const path = join(directory, `primary-${index}`)
      fetched.push({ url, packages: await fetchRepository(url, names, formats, options, path) })
    }
    return fetched
  })
}

/** Checks a repository's URL and takes the slash off its end. */
function repositoryBase(text: string, { allowInsecure }: DownloadOptions): string {
  const where = { path: 'kernel-repositories' }
  const prefix = /^(metalink|mirrorlist)=/.exec(text)?.[1]
  if (prefix !== undefined)
    throw new ToolError('SETTING_NOT_SUPPORTED', `${prefix}= is not supported in kernel-repositories yet`, {
      found: text,
      wanted: 'the base URL of a repository',
      where,
    })
  const url = URL.parse(text)
  const bare = url !== null && [url.username, url.password, url.search, url.hash].every(part => part === '')
  if (!bare || !['http:', 'https:'].includes(url.protocol))
    throw new ToolError('SETTING_INVALID', 'not the base URL of a repository', {
      // a user part may hold a password
      found: url === null || bare ? text : `a URL of ${url.host} with user, query or fragment`,
      wanted: 'https://host/path',
      where,
    })
  if (url.protocol === 'http:' && !allowInsecure)
    throw new ToolError('INSECURE_NOT_ALLOWED', 'an RPM repository uses plain http', {
      found: text,
      wanted: 'https://',
      where,
    })
  return url.href.replace(/\/+$/, '')
}

async function fetchRepository(
  url: string,
  names: ReadonlySet<string>,
  formats: RepositoryFormats,
  options: DownloadOptions,
  path: string,
): Promise<RepositoryPackage[]> {
  const repomdUrl = `${url}/repodata/repomd.xml`
  const repomd = await downloadBytes(repomdUrl, { maxSize: ceilings.repomd, size: null, checksum: null }, options)
  const primary = formats.parseRepomd(new TextDecoder().decode(repomd), repomdUrl)
  const primaryUrl = formats.resolveLocation(url, primary, options.allowInsecure)
  const { size, checksum } = primary
  await downloadFile(primaryUrl, path, { maxSize: ceilings.primary, size, checksum }, options)
  const packages: RepositoryPackage[] = []
  const text = readMetadataText(path, primaryUrl, open => checkedOpen(open, primary, primaryUrl))
  for await (const { href, xmlBase, checksum: own, ...one } of formats.readPrimary(text, names, primaryUrl)) {
    const location = formats.resolveLocation(url, { href, xmlBase }, options.allowInsecure)
    packages.push({ ...one, checksum: own.hex, checksumType: own.type, location })
  }
  return packages
}

/** Passes decompressed bytes on; throws when they are too many or, at their end, not the ones that repomd.xml names. */
async function* checkedOpen(
  bytes: AsyncIterable<Uint8Array>,
  { openSize, openChecksum }: PrimaryReference,
  source: string,
): AsyncGenerator<Uint8Array> {
  const hash = openChecksum === null ? undefined : createHash(openChecksum.type)
  const limit = Math.min(openSize ?? ceilings.openPrimary, ceilings.openPrimary)
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

/**
 * Downloads the packages into `directory`, a few at a time, each under the file name of its URL; size and checksum are
 * checked. The result has the order of `packages`. Throws as `fetchRepositories`.
 */
export async function downloadPackages(
  packages: readonly RepositoryPackage[],
  directory: string,
  options: DownloadOptions,
): Promise<DownloadedPackage[]> {
  const named = packages.map(one => ({ package: one, path: join(directory, packageFileName(one.location)) }))
  const twice = named.find((one, index) => named.findIndex(other => other.path === one.path) !== index)
  if (twice !== undefined)
    throw new ToolError('REPOSITORY_INVALID', 'two packages have the same file name', {
      found: packageFileName(twice.package.location),
      where: { source: twice.package.location },
    })
  const waiting = [...named]
  const work = async () => {
    for (let next = waiting.shift(); next !== undefined; next = waiting.shift()) {
      const { size, checksum, checksumType, location } = next.package
      const expected = { maxSize: ceilings.rpm, size, checksum: { type: checksumType, hex: checksum } }
      await downloadFile(location, next.path, expected, options).catch(error => {
        waiting.length = 0
        throw error
      })
    }
  }
  const ends = await Promise.allSettled(Array.from({ length: parallelDownloads }, work))
  for (const end of ends) if (end.status === 'rejected') throw end.reason
  return named
}

/** The bytes of a downloaded package. */
export async function readPackage(path: string): Promise<Uint8Array> {
  return new Uint8Array(await readFile(path))
}

/** The last part of the URL, with the three characters of RPM names decoded that URLs may escape. */
export function packageFileName(location: string): string {
  const last = URL.parse(location)?.pathname.split('/').at(-1) ?? ''
  const name = last.replaceAll(/%(?:2B|5E|7E)/gi, decodeURIComponent)
  if (/^[A-Za-z0-9_][A-Za-z0-9._+~^-]{0,200}\.rpm$/.test(name)) return name
  throw new ToolError('REPOSITORY_INVALID', 'a package has no usable file name', {
    found: last,
    wanted: 'a name of letters, digits, . _ + ~ ^ - that ends in .rpm',
    where: { source: location },
  })
}
