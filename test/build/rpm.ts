// Writes RPM version 4 files that rpm itself accepts: lead, signature header, main header, compressed cpio payload.

import { createHash } from 'node:crypto'
import { gzipSync, zstdCompressSync } from 'node:zlib'
import { makeCpio } from './cpio.ts'
import { makeRpmHeader, type TagValue } from './rpm-header.ts'

export interface RpmFileInput {
  /** Absolute. */
  readonly path: string
  /** Permission bits; 0o644 for files, 0o755 for directories. */
  readonly mode?: number
  readonly content?: Uint8Array | string
  /** Target: makes a symbolic link. */
  readonly link?: string
  readonly directory?: boolean
}

export interface RpmInput {
  readonly name: string
  readonly epoch?: number
  readonly version: string
  readonly release: string
  /** x86_64 by default. */
  readonly arch?: string
  /** By default that of the name, or of `kernel` for all kernel-…; null makes a source-less package. */
  readonly sourceRpm?: string | null
  readonly summary?: string
  readonly files?: readonly RpmFileInput[]
  /** gzip by default. */
  readonly compression?: 'gzip' | 'zstd'
  /** Seconds, for files and for the build. */
  readonly time?: number
  /** Shell, run by /bin/sh after installation. */
  readonly postinstall?: string
  /** Newest first. */
  readonly changelog?: readonly { readonly time: number; readonly title: string; readonly text: string }[]
  /** Names, besides what rpm itself needs. */
  readonly requires?: readonly string[]
}

/** A valid RPM file; the same input gives the same bytes. */
export function makeRpm(input: RpmInput): Uint8Array {
  const files = [...(input.files ?? [])].sort((a, b) => Buffer.compare(Buffer.from(a.path), Buffer.from(b.path)))
  const cpio = makeCpio(
    files.map(file => ({
      path: `.${file.path}`,
      mode: modeOf(file),
      mtime: timeOf(input),
      content: file.link === undefined ? contentOf(file) : Buffer.from(file.link),
    })),
  )
  const payload = input.compression === 'zstd' ? zstdCompressSync(cpio) : gzipSync(cpio, { level: 6 })
  const header = makeRpmHeader(mainTags(input, files, payload, cpio), { region: 63 })
  const signatures = makeRpmHeader(signatureTags(header, payload, cpio.length), { region: 62 })
  const padding = new Uint8Array((8 - (signatures.length % 8)) % 8)
  return new Uint8Array(Buffer.concat([lead(input), signatures, padding, header, payload]))
}

/** The header of the package as rpmdb.sqlite stores it: no magic, and two of the tags that installation adds. */
export function makeRpmDatabaseHeader(input: RpmInput): Uint8Array {
  const tags = mainTags(input, [...(input.files ?? [])], new Uint8Array(), new Uint8Array())
  const added = new Map<number, TagValue>([
    [1008, { int32: [timeOf(input)] }],
    [1128, { int32: [timeOf(input)] }],
  ])
  return makeRpmHeader(tags, { region: 63, blob: true, added })
}

function signatureTags(header: Uint8Array, payload: Uint8Array, cpioSize: number): Map<number, TagValue> {
  return new Map<number, TagValue>([
    [269, { string: hex('sha1', header) }],
    [273, { string: hex('sha256', header) }],
    [1000, { int32: [header.length + payload.length] }],
    [1004, { bin: createHash('md5').update(header).update(payload).digest() }],
    [1007, { int32: [cpioSize] }],
  ])
}

/** Sense bits of rpm dependencies. */
const sense = { equal: 8, lessOrEqual: 10, rpmlib: 1 << 24, postScript: (1 << 10) | (1 << 8) }

function mainTags(
  input: RpmInput,
  files: readonly RpmFileInput[],
  payload: Uint8Array,
  cpio: Uint8Array,
): Map<number, TagValue> {
  const { name, version, release, epoch } = input
  const evr = `${epoch === undefined ? '' : `${epoch}:`}${version}-${release}`
  const compressor = input.compression ?? 'gzip'
  const needs = [
    ...(input.requires ?? []).map(wanted => [wanted, 0, ''] as const),
    ...(input.postinstall === undefined ? [] : [['/bin/sh', sense.postScript, ''] as const]),
    ['rpmlib(CompressedFileNames)', sense.rpmlib | sense.lessOrEqual, '3.0.4-1'] as const,
    ['rpmlib(PayloadFilesHavePrefix)', sense.rpmlib | sense.lessOrEqual, '4.0-1'] as const,
    ...(compressor === 'zstd'
      ? [['rpmlib(PayloadIsZstd)', sense.rpmlib | sense.lessOrEqual, '5.4.18-1'] as const]
      : []),
  ]
  const tags = new Map<number, TagValue>([
    [100, { strings: ['C'] }],
    [1000, { string: name }],
    [1001, { string: version }],
    [1002, { string: release }],
    [1004, { translated: input.summary ?? name }],
    [1005, { translated: `${name}, made for a test.` }],
    [1006, { int32: [timeOf(input)] }],
    [1007, { string: 'localhost' }],
    [1009, { int32: [files.reduce((sum, file) => sum + contentOf(file).length, 0)] }],
    [1014, { string: 'GPL-2.0-only' }],
    [1016, { translated: 'Unspecified' }],
    [1021, { string: 'linux' }],
    [1022, { string: input.arch ?? 'x86_64' }],
    [1047, { strings: [name] }],
    [1048, { int32: needs.map(([, flags]) => flags) }],
    [1049, { strings: needs.map(([wanted]) => wanted) }],
    [1050, { strings: needs.map(([, , wantedVersion]) => wantedVersion) }],
    [1064, { string: '4.18.0' }],
    [1112, { int32: [sense.equal] }],
    [1113, { strings: [evr] }],
    [1124, { string: 'cpio' }],
    [1125, { string: compressor }],
    [1126, { string: compressor === 'zstd' ? '3' : '6' }],
    [5092, { strings: [hex('sha256', payload)] }],
    [5093, { int32: [8] }],
    [5097, { strings: [hex('sha256', cpio)] }],
  ])
  if (epoch !== undefined) tags.set(1003, { int32: [epoch] })
  const source = name.startsWith('kernel-') ? 'kernel' : name
  if (input.sourceRpm !== null) tags.set(1044, { string: input.sourceRpm ?? `${source}-${version}-${release}.src.rpm` })
  const { changelog = [] } = input
  if (changelog.length > 0) {
    tags.set(1080, { int32: changelog.map(({ time }) => time) })
    tags.set(1081, { strings: changelog.map(({ title }) => title) })
    tags.set(1082, { strings: changelog.map(({ text }) => text) })
  }
  if (input.postinstall !== undefined) {
    tags.set(1024, { string: input.postinstall })
    tags.set(1086, { string: '/bin/sh' })
  }
  if (files.length > 0) for (const [tag, value] of fileTags(files, timeOf(input))) tags.set(tag, value)
  return tags
}

/** One list per property; a path is its directory's number and its base name. */
function fileTags(files: readonly RpmFileInput[], time: number): Map<number, TagValue> {
  const directories = [...new Set(files.map(directoryOf))]
  const each = <T>(read: (file: RpmFileInput, index: number) => T) => files.map(read)
  return new Map<number, TagValue>([
    [1028, { int32: each(file => (file.directory === true ? 4096 : payloadOf(file).length)) }],
    [1030, { int16: each(modeOf) }],
    [1033, { int16: each(() => 0) }],
    [1034, { int32: each(() => time) }],
    [1035, { strings: each(file => (isRegular(file) ? hex('sha256', contentOf(file)) : '')) }],
    [1036, { strings: each(file => file.link ?? '') }],
    [1037, { int32: each(() => 0) }],
    [1039, { strings: each(() => 'root') }],
    [1040, { strings: each(() => 'root') }],
    [1045, { int32: each(() => -1) }],
    [1095, { int32: each(() => 1) }],
    [1096, { int32: each((_, index) => index + 1) }],
    [1097, { strings: each(() => '') }],
    [1116, { int32: each(file => directories.indexOf(directoryOf(file))) }],
    [1117, { strings: each(file => file.path.slice(directoryOf(file).length)) }],
    [1118, { strings: directories }],
    [5011, { int32: [8] }],
  ])
}

/** rpm reads only magic, version and signature type (5: a header structure). */
function lead(input: RpmInput): Uint8Array {
  const bytes = Buffer.alloc(96)
  bytes.set([0xed, 0xab, 0xee, 0xdb, 3, 0, 0, 0, 0, 1])
  bytes.write(`${input.name}-${input.version}-${input.release}`.slice(0, 65), 10, 'latin1')
  bytes.writeUInt16BE(1, 76)
  bytes.writeUInt16BE(5, 78)
  return bytes
}

function timeOf(input: RpmInput): number {
  return input.time ?? 1_700_000_000
}

function isRegular(file: RpmFileInput): boolean {
  return file.link === undefined && file.directory !== true
}

function modeOf(file: RpmFileInput): number {
  if (file.link !== undefined) return 0o120777
  if (file.directory === true) return 0o040000 | (file.mode ?? 0o755)
  return 0o100000 | (file.mode ?? 0o644)
}

function contentOf(file: RpmFileInput): Uint8Array {
  const content = file.content ?? new Uint8Array()
  return typeof content === 'string' ? Buffer.from(content) : content
}

function payloadOf(file: RpmFileInput): Uint8Array {
  return file.link === undefined ? contentOf(file) : Buffer.from(file.link)
}

function directoryOf(file: RpmFileInput): string {
  return file.path.slice(0, file.path.lastIndexOf('/') + 1)
}

function hex(algorithm: 'sha1' | 'sha256', bytes: Uint8Array): string {
  return createHash(algorithm).update(bytes).digest('hex')
}
