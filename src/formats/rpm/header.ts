// The header structure of RPM version 3 and 4 packages: rpm, docs/manual/format_header.md and format_v4.md.

import { ToolError } from '../../errors.ts'
import { ByteCursor } from '../bytes/cursor.ts'
import { type Evr, formatEvr } from './version.ts'

/** Tags by number, as in rpm's rpmtag.h; those of the signature header stand at the end. */
export const rpmTags = {
  name: 1000,
  version: 1001,
  release: 1002,
  epoch: 1003,
  arch: 1022,
  sourceRpm: 1044,
  payloadFormat: 1124,
  payloadCompressor: 1125,
  payloadDigest: 5092,
  payloadDigestAlgorithm: 5093,
  payloadSha512: 5121,
  payloadSha3: 5123,
  signatureDsa: 267,
  signatureRsa: 268,
  signatureHeaderSha1: 269,
  signatureHeaderSha256: 273,
  signatureOpenPgp: 278,
  signatureHeaderSha3: 279,
  signatureSize: 1000,
  signaturePgp: 1002,
  signatureGpg: 1005,
} as const

/** First entry of the main header of a package; it reaches over the whole structure. */
export const immutableRegion = 63

/** rpm allows 65,535 entries and 256 MiB; a kernel with 10,000 modules has a header of 2 MB. */
const maxEntries = 0xffff
const maxStore = 64 * 1024 * 1024
const regionTags = { first: 61, last: 63 } as const

const types = {
  char: 1,
  int8: 2,
  int16: 3,
  int32: 4,
  int64: 5,
  string: 6,
  bin: 7,
  stringArray: 8,
  i18nString: 9,
} as const
const widths = new Map<number, number>([
  [0, 0],
  [types.char, 1],
  [types.int8, 1],
  [types.int16, 2],
  [types.int32, 4],
  [types.int64, 8],
  [types.bin, 1],
])

/** One index entry. `data` starts at the entry's offset; for strings it reaches to the end of the store. */
interface IndexEntry {
  readonly type: number
  readonly count: number
  readonly data: Uint8Array
  readonly offset: number
}

/** A header structure that was read, but whose strings were not: they are looked at when asked for. */
export interface HeaderStructure {
  readonly source: string
  readonly entries: ReadonlyMap<number, IndexEntry>
}

/** Who a package is, as its header says. */
export interface RpmHeader {
  readonly name: string
  readonly evr: Evr
  /** null for entries of the RPM database that are no packages: gpg-pubkey. */
  readonly arch: string | null
  /** File name of the source package; null for a source package and for gpg-pubkey. */
  readonly sourceRpm: string | null
  readonly payloadFormat: string | null
  /** gzip, bzip2, xz, lzma, zstd; null where the header does not say: gzip. */
  readonly payloadCompressor: string | null
  /** SHA-256 of the compressed payload, hex; null where the header has none or another algorithm. */
  readonly payloadSha256: string | null
}

/** Reads a main header as `readMainHeader`, and who the package is. Throws RPM_INVALID. */
export function parseRpmHeader(bytes: Uint8Array, source: string): RpmHeader {
  return headerOf(readMainHeader(bytes, source))
}

/**
 * Reads the structure of a main header: as in a file (magic 8e ad e8 01) or as a blob of rpmdb.sqlite (no magic). The bytes must end where
 * the header ends. Throws RPM_INVALID.
 */
export function readMainHeader(bytes: Uint8Array, source: string): HeaderStructure {
  const at = new ByteCursor(bytes, source, { code: 'RPM_INVALID' })
  const structure = isMagic(bytes) ? readHeaderStructure(at, 'header') : readHeaderBlob(at, 'header')
  at.done()
  return structure
}

/** Reads one header structure with magic; the cursor ends behind its store. Throws RPM_INVALID. */
export function readHeaderStructure(at: ByteCursor, name: string): HeaderStructure {
  skipMagic(at, name)
  return readIndexAndStore(at, name, false)
}

function skipMagic(at: ByteCursor, name: string): void {
  const magic = at.take(`${name}/magic`, 4)
  if (!isMagic(magic))
    throw at.error(`${name}/magic`, [...magic].map(byte => byte.toString(16)).join(' '), '8e ad e8 1')
  const reserved = at.u32be(`${name}/reserved`)
  if (reserved !== 0) throw at.error(`${name}/reserved`, `${reserved}`, '0')
}

/**
 * The bytes of one header structure of a package file, magic included, of which nothing is read but its region: the first entry
 * must be that region and cover the whole structure, so that what is signed is all there is. Throws RPM_INVALID. As rpm's
 * hdrblobVerifyRegion (lib/header.c) asks of files.
 */
export function takeHeaderBytes(at: ByteCursor, name: string, region: number): Uint8Array {
  const start = at.offset
  skipMagic(at, name)
  const { count, size } = readCounts(at, name)
  const entry = at.part(`${name}/region`, 16)
  at.skip(`${name}/index`, (count - 1) * 16)
  const store = at.part(`${name}/store`, size)
  const expected = [region, types.bin, size - 16, 16]
  const words = expected.map(() => entry.u32be('word'))
  if (words.some((word, index) => word !== expected[index]))
    throw at.error(`${name}/region`, `an entry ${words.join(' ')}`, `an entry ${expected.join(' ')}, at the end of all`)
  store.seek('trailer', size - 16)
  const trailer = expected.map(() => store.u32be('trailer') | 0)
  const wanted = [region, types.bin, -16 * count, 16]
  if (trailer.some((word, index) => word !== wanted[index]))
    throw at.error(`${name}/region`, `a trailer ${trailer.join(' ')}`, `a trailer ${wanted.join(' ')}`)
  return at.bytes.subarray(start, at.offset)
}

/** In the database, entries added at installation follow the signed ones and replace those of the same tag. */
function readHeaderBlob(at: ByteCursor, name: string): HeaderStructure {
  return readIndexAndStore(at, name, true)
}

function readCounts(at: ByteCursor, name: string): { readonly count: number; readonly size: number } {
  const count = at.u32be(`${name}/il`)
  const size = at.u32be(`${name}/dl`)
  if (count === 0 || count > maxEntries) throw at.error(`${name}/il`, `${count} entries`, `1 to ${maxEntries} entries`)
  if (size > maxStore) throw at.error(`${name}/dl`, `${size} bytes`, `at most ${maxStore} bytes`)
  return { count, size }
}

function readIndexAndStore(at: ByteCursor, name: string, laterWins: boolean): HeaderStructure {
  const { count, size } = readCounts(at, name)
  const index = at.part(`${name}/index`, count * 16)
  const store = at.take(`${name}/store`, size)
  const entries = new Map<number, IndexEntry>()
  for (let number = 0; number < count; number += 1) {
    const tag = index.u32be('tag')
    const type = index.u32be('type')
    const offset = index.u32be('offset')
    const items = index.u32be('count')
    const where = `tag ${tag}`
    const left = size - offset
    const width = widths.get(type)
    if (left < 0 || (width === undefined ? items > left : items * width > left))
      throw index.error(
        where,
        `${items} items of type ${type} at ${offset}`,
        `all within the ${size} bytes of the store`,
      )
    if (type > types.i18nString) throw index.error(where, `type ${type}`, 'a type from 0 to 9')
    if (entries.has(tag) && !laterWins) throw index.error(where, 'the tag twice', 'each tag once')
    const data = store.subarray(offset, width === undefined ? size : offset + items * width)
    if (tag < regionTags.first || tag > regionTags.last) entries.set(tag, { type, count: items, data, offset })
  }
  return { source: at.source, entries }
}

/** Name, version and so on of a main header. Throws RPM_INVALID when name, version or release are missing. */
export function headerOf(structure: HeaderStructure): RpmHeader {
  const required = (tag: number, name: string) =>
    stringOf(structure, tag) ?? refuse(structure, name, 'no such tag', 'a tag that every package has')
  const epoch = structure.entries.has(rpmTags.epoch) ? numberOf(structure, rpmTags.epoch) : 0
  const version = required(rpmTags.version, 'VERSION')
  const release = required(rpmTags.release, 'RELEASE')
  return {
    name: required(rpmTags.name, 'NAME'),
    evr: { epoch, version, release },
    arch: stringOf(structure, rpmTags.arch) ?? null,
    sourceRpm: stringOf(structure, rpmTags.sourceRpm) ?? null,
    payloadFormat: stringOf(structure, rpmTags.payloadFormat) ?? null,
    payloadCompressor: stringOf(structure, rpmTags.payloadCompressor) ?? null,
    payloadSha256: payloadSha256(structure),
  }
}

const sha256Algorithm = 8

function payloadSha256(structure: HeaderStructure): string | null {
  if (!structure.entries.has(rpmTags.payloadDigest)) return null
  const hasAlgorithm = structure.entries.has(rpmTags.payloadDigestAlgorithm)
  if (hasAlgorithm && numberOf(structure, rpmTags.payloadDigestAlgorithm) !== sha256Algorithm) return null
  return stringOf(structure, rpmTags.payloadDigest) ?? null
}

/** The string of a tag, or the first of its list; undefined where the tag is missing. Throws RPM_INVALID. */
export function stringOf(structure: HeaderStructure, tag: number): string | undefined {
  const entry = structure.entries.get(tag)
  if (entry === undefined) return undefined
  if (entry.type !== types.string && entry.type !== types.stringArray && entry.type !== types.i18nString)
    return refuse(structure, `tag ${tag}`, `type ${entry.type}`, 'a string')
  const end = entry.count === 0 ? -1 : entry.data.subarray(0, maxString).indexOf(0)
  if (end < 0) return refuse(structure, `tag ${tag}`, 'no end', `a string of less than ${maxString} bytes`)
  return decoder.decode(entry.data.subarray(0, end))
}

const maxString = 64 * 1024
const decoder = new TextDecoder()

/** The one 32-bit number of a tag. Throws RPM_INVALID. */
export function numberOf(structure: HeaderStructure, tag: number): number {
  const entry = structure.entries.get(tag)
  if (entry === undefined || entry.type !== types.int32 || entry.count < 1)
    return refuse(structure, `tag ${tag}`, entry === undefined ? 'nothing' : `type ${entry.type}`, 'a 32-bit number')
  return new DataView(entry.data.buffer, entry.data.byteOffset, 4).getUint32(0, false)
}

/** The 32-bit numbers of a tag; none where the tag is missing. Throws RPM_INVALID, also for more than `most`. */
export function numbersOf(structure: HeaderStructure, tag: number, most: number): number[] {
  const entry = structure.entries.get(tag)
  if (entry === undefined) return []
  if (entry.type !== types.int32) return refuse(structure, `tag ${tag}`, `type ${entry.type}`, '32-bit numbers')
  if (entry.count > most) return refuse(structure, `tag ${tag}`, `${entry.count} numbers`, `at most ${most}`)
  const view = new DataView(entry.data.buffer, entry.data.byteOffset, entry.data.byteLength)
  return Array.from({ length: entry.count }, (_, index) => view.getUint32(index * 4, false))
}

/** The bytes of a binary tag; undefined where the tag is missing. Throws RPM_INVALID. */
export function bytesOf(structure: HeaderStructure, tag: number): Uint8Array | undefined {
  const entry = structure.entries.get(tag)
  if (entry === undefined) return undefined
  if (entry.type !== types.bin) return refuse(structure, `tag ${tag}`, `type ${entry.type}`, 'bytes')
  return entry.data
}

/** The strings of a list; none where the tag is missing. Throws RPM_INVALID, also for more than `most`. */
export function stringsOf(structure: HeaderStructure, tag: number, most: number): string[] {
  const entry = structure.entries.get(tag)
  if (entry === undefined) return []
  if (entry.type !== types.stringArray)
    return refuse(structure, `tag ${tag}`, `type ${entry.type}`, 'a list of strings')
  if (entry.count > most) return refuse(structure, `tag ${tag}`, `${entry.count} strings`, `at most ${most}`)
  const texts: string[] = []
  for (let at = 0; texts.length < entry.count; ) {
    const end = entry.data.subarray(at, at + maxString).indexOf(0)
    if (end < 0) return refuse(structure, `tag ${tag}`, 'no end', `strings of less than ${maxString} bytes`)
    texts.push(decoder.decode(entry.data.subarray(at, at + end)))
    at += end + 1
  }
  return texts
}

function refuse(structure: HeaderStructure, path: string, found: string, wanted: string): never {
  throw new ToolError('RPM_INVALID', `cannot read ${path} of the header`, {
    found,
    wanted,
    where: { source: structure.source, path },
  })
}

function isMagic(bytes: Uint8Array): boolean {
  return bytes[0] === 0x8e && bytes[1] === 0xad && bytes[2] === 0xe8 && bytes[3] === 1
}

/** `name-[epoch:]version-release.arch`. */
export function formatNevra(named: { name: string; evr: Evr; arch: string | null }): string {
  return `${named.name}-${formatEvr(named.evr)}${named.arch === null ? '' : `.${named.arch}`}`
}
