// Downloads packages of RPM repositories: several at a time, from the next mirror where one fails, through a cache where there is one.

import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { ToolError } from '../errors.ts'
import type { RepositoryPackage } from '../kernel/kernel-packages.ts'
import { type DownloadOptions, downloadFile } from './download.ts'
import { boundOptions, forMirrors, fromMirrors } from './mirrors.ts'
import type { PackageCache } from './package-cache.ts'
import { noProgress, type ProgressItem } from './progress.ts'

export interface DownloadedPackage {
  readonly package: RepositoryPackage
  readonly path: string
}

export interface PackageOptions extends DownloadOptions {
  /** Packages of earlier runs; undefined: all are downloaded. */
  readonly cache?: PackageCache | undefined
}

/** Above real ones: firmware has 400 MiB, a kernel's largest package 60. A package is read into memory, which Node.js does below 2 GiB only. */
const packageCeiling = 2 ** 30
const parallelDownloads = 4

/**
 * Downloads the packages into `directory`, a few at a time, each under the file name of its URL; size and checksum are
 * checked. The result has the order of `packages`. Throws REPOSITORY_UNREACHABLE, REPOSITORY_INVALID, CHECKSUM_MISMATCH, CEILING_REACHED,
 * INSECURE_NOT_ALLOWED, CLIENT_CERTIFICATE_REFUSED.
 */
export async function downloadPackages(
  packages: readonly RepositoryPackage[],
  directory: string,
  options: PackageOptions,
): Promise<DownloadedPackage[]> {
  const named = packages.map(one => ({ package: one, path: join(directory, packageFileName(one.location)) }))
  const twice = named.find((one, index) => named.findIndex(other => other.path === one.path) !== index)
  if (twice !== undefined)
    throw new ToolError('REPOSITORY_INVALID', 'two packages have the same file name', {
      found: packageFileName(twice.package.location),
      where: { source: twice.package.location },
    })
  const progress = (options.log?.progress ?? noProgress).plan(
    'package',
    packages.map(({ size }) => size),
  )
  const waiting = [...named]
  const work = async () => {
    for (let next = waiting.shift(); next !== undefined; next = waiting.shift()) {
      const item = progress.start(packageFileName(next.package.location), next.package.size)
      const how = await fetchPackage(next.package, next.path, options, item).catch(error => {
        waiting.length = 0
        item.end('failed')
        throw error
      })
      item.end(how)
    }
  }
  const ends = await Promise.allSettled(Array.from({ length: parallelDownloads }, work))
  progress.end()
  for (const end of ends) if (end.status === 'rejected') throw end.reason
  return named
}

/** How it came, where it did not come from its repository. */
async function fetchPackage(
  one: RepositoryPackage,
  path: string,
  options: PackageOptions,
  progress: ProgressItem,
): Promise<string | undefined> {
  const { size, checksum: hex, checksumType: type, location, otherLocations = [], boundByMetalink = false } = one
  const { cache, log } = options
  const expected = { maxSize: packageCeiling, size, checksum: { type, hex } }
  if ((await cache?.take(expected.checksum, size, path)) === true) return 'from the cache'
  const mirrors = [location, ...otherLocations]
  const here = forMirrors(boundByMetalink ? boundOptions(options) : options, mirrors.length)
  await fromMirrors(mirrors, url => downloadFile(url, path, expected, here, progress), log)
  await cache?.put(expected.checksum, path)
  return undefined
}

/** The bytes of a downloaded package. */
export async function readPackage(path: string): Promise<Uint8Array> {
  const { buffer, byteOffset, length } = await readFile(path)
  return new Uint8Array(buffer, byteOffset, length)
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
