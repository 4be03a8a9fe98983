// Writes the metadata of an RPM repository as createrepo_c does, with knobs for the faults that mirrors have.

import { createHash } from 'node:crypto'
import { gzipSync, zstdCompressSync } from 'node:zlib'
import { parseRpm } from '../../src/formats/rpm/rpm-file.ts'
import { makeXz } from './xz.ts'

export type MetadataCompression = 'gz' | 'xz' | 'zst' | 'none'

export interface RepositoryRpm {
  readonly rpm: Uint8Array
  /** Below the repository; `Packages/<name>-<version>-<release>.<arch>.rpm` by default. */
  readonly href?: string
  readonly xmlBase?: string
  /** In place of the true ones. */
  readonly checksum?: string
  readonly checksumType?: string
  readonly size?: number
  readonly name?: string
  readonly version?: string
  /** In the metadata, but the file is not there. */
  readonly missing?: boolean
}

export interface RepositoryInput {
  readonly packages: readonly (RepositoryRpm | Uint8Array)[]
  /** gz by default. */
  readonly compression?: MetadataCompression
  /** Seconds since 1970; today when left out. */
  readonly timestamp?: number
  readonly faults?: {
    /** In repomd.xml, in place of the true values. */
    readonly primaryChecksum?: string
    readonly openChecksum?: string
    readonly primarySize?: number
    readonly openSize?: number
    readonly primaryHref?: string
    /** Length to which primary.xml is cut before compression; its checksums are then right. */
    readonly cutPrimary?: number
    /** Length to which the compressed file is cut; its checksums are then of the whole file. */
    readonly cutCompressed?: number
  }
}

/** The files of the repository: path without leading slash → bytes. */
export function makeRepository(input: RepositoryInput): Map<string, Uint8Array> {
  const packages = input.packages.map(one => (one instanceof Uint8Array ? { rpm: one } : one))
  const faults = input.faults ?? {}
  const whole = Buffer.from(primaryXml(packages))
  const primary = faults.cutPrimary === undefined ? whole : whole.subarray(0, faults.cutPrimary)
  const compression = input.compression ?? 'gz'
  const packed = compress(primary, compression)
  const href = `repodata/${sha256(packed)}-primary.xml${compression === 'none' ? '' : `.${compression}`}`
  const repomd = `<?xml version="1.0" encoding="UTF-8"?>
<repomd xmlns="http://linux.duke.edu/metadata/repo" xmlns:rpm="http://linux.duke.edu/metadata/rpm">
  <revision>1</revision>
  <data type="primary">
    <checksum type="sha256">${faults.primaryChecksum ?? sha256(packed)}</checksum>
    <open-checksum type="sha256">${faults.openChecksum ?? sha256(primary)}</open-checksum>
    <location href="${escapeXml(faults.primaryHref ?? href)}"/>
    <timestamp>${input.timestamp ?? today()}</timestamp>
    <size>${faults.primarySize ?? packed.length}</size>
    <open-size>${faults.openSize ?? primary.length}</open-size>
  </data>
</repomd>
`
  const files = new Map<string, Uint8Array>([
    ['repodata/repomd.xml', Buffer.from(repomd)],
    [href, faults.cutCompressed === undefined ? packed : packed.subarray(0, faults.cutCompressed)],
  ])
  for (const one of packages) if (one.missing !== true) files.set(hrefOf(one), one.rpm)
  return files
}

function today(): number {
  return Math.floor(Date.now() / 86_400_000) * 86_400
}

function primaryXml(packages: readonly RepositoryRpm[]): string {
  return `<?xml version="1.0" encoding="UTF-8"?>
<metadata xmlns="http://linux.duke.edu/metadata/common" xmlns:rpm="http://linux.duke.edu/metadata/rpm" packages="${packages.length}">
${packages.map(packageXml).join('')}</metadata>
`
}

function packageXml(one: RepositoryRpm): string {
  const { header } = parseRpm(one.rpm, 'made for a test')
  const { epoch, version, release } = header.evr
  const base = one.xmlBase === undefined ? '' : ` xml:base="${escapeXml(one.xmlBase)}"`
  return `<package type="rpm">
  <name>${one.name ?? header.name}</name>
  <arch>${header.arch}</arch>
  <version epoch="${epoch}" ver="${escapeXml(one.version ?? version)}" rel="${escapeXml(release)}"/>
  <checksum type="${one.checksumType ?? 'sha256'}" pkgid="YES">${one.checksum ?? sha256(one.rpm)}</checksum>
  <summary>${header.name} &amp; more</summary>
  <description>A package made for a test.</description>
  <packager></packager>
  <url></url>
  <time file="1700000000" build="1700000000"/>
  <size package="${one.size ?? one.rpm.length}" installed="0" archive="0"/>
  <location${base} href="${escapeXml(hrefOf(one))}"/>
  <format>
    <rpm:license>GPL-2.0-only</rpm:license>
    <rpm:sourcerpm>${header.sourceRpm ?? ''}</rpm:sourcerpm>
    <rpm:provides>
      <rpm:entry name="${header.name}" flags="EQ" epoch="${epoch}" ver="${version}" rel="${release}"/>
    </rpm:provides>
    <file>/etc/name</file>
  </format>
</package>
`
}

function hrefOf(one: RepositoryRpm): string {
  if (one.href !== undefined) return one.href
  const { name, evr, arch } = parseRpm(one.rpm, 'made for a test').header
  return `Packages/${name}-${evr.version}-${evr.release}.${arch}.rpm`
}

function compress(bytes: Uint8Array, compression: MetadataCompression): Uint8Array {
  if (compression === 'gz') return new Uint8Array(gzipSync(bytes))
  if (compression === 'zst') return new Uint8Array(zstdCompressSync(bytes))
  return compression === 'xz' ? makeXz(bytes) : bytes
}

function escapeXml(text: string): string {
  return text.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('"', '&quot;')
}

function sha256(bytes: Uint8Array): string {
  return createHash('sha256').update(bytes).digest('hex')
}
