// Every format × {cut, flip, round trip}: damaged bytes give a value or a ToolError, in bounded time, and what can be
// written again comes out the same.

import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { gunzipSync } from 'node:zlib'
import { describe, expect, it } from 'vitest'
import { ToolError } from '../../src/errors.ts'
import { ByteCursor } from '../../src/formats/bytes/cursor.ts'
import { formatHex, parseHex } from '../../src/formats/bytes/hex.ts'
import { parseCertificate } from '../../src/formats/der/certificate.ts'
import { type DerElement, parseDer } from '../../src/formats/der/element.ts'
import { parseSignedData } from '../../src/formats/der/signed-data.ts'
import { formatGuid, guids, parseGuid } from '../../src/formats/efi/guid.ts'
import {
  certificateList,
  formatSignatureLists,
  parseSignatureLists,
  sha256List,
} from '../../src/formats/efi/signature-list.ts'
import { formatVariableEvent, parseVariableEvent } from '../../src/formats/efi/variable-event.ts'
import { parseArchiveHeader } from '../../src/formats/oci/archive-header.ts'
import { parseImageConfig } from '../../src/formats/oci/config.ts'
import { parseManifest } from '../../src/formats/oci/manifest.ts'
import {
  formatImageReference,
  formatPinnedReference,
  parseImageReference,
  parsePinnedReference,
} from '../../src/formats/oci/reference.ts'
import { parseRegistriesConf } from '../../src/formats/oci/registries-conf.ts'
import { parseToc } from '../../src/formats/oci/zstd-chunked.ts'
import { readKeyFile } from '../../src/formats/openpgp/armor.ts'
import { certificatesOf } from '../../src/formats/openpgp/certificates.ts'
import { parseSignature } from '../../src/formats/openpgp/signature.ts'
import { parseCommit } from '../../src/formats/ostree/commit.ts'
import { parseDirtree } from '../../src/formats/ostree/dirtree.ts'
import { parseObjectPath } from '../../src/formats/ostree/object-name.ts'
import { authenticodeDigests } from '../../src/formats/pe/authenticode.ts'
import { parsePe } from '../../src/formats/pe/pe.ts'
import { parseSignatures } from '../../src/formats/pe/signature.ts'
import { parseUki } from '../../src/formats/pe/uki.ts'
import { readChangelog } from '../../src/formats/rpm/changelog.ts'
import { readCpio } from '../../src/formats/rpm/cpio.ts'
import { dependenciesOf, formatDependency, parseDependency } from '../../src/formats/rpm/dependency.ts'
import { filePaths } from '../../src/formats/rpm/file-list.ts'
import { parseRpmHeader, readMainHeader } from '../../src/formats/rpm/header.ts'
import { resolveLocation } from '../../src/formats/rpm/location.ts'
import { parseMetalink } from '../../src/formats/rpm/metalink.ts'
import { parseMirrorlist } from '../../src/formats/rpm/mirrorlist.ts'
import { readPrimary } from '../../src/formats/rpm/primary.ts'
import { readProviders } from '../../src/formats/rpm/primary-provides.ts'
import { parseRepomd } from '../../src/formats/rpm/repomd.ts'
import { formatRepositorySource, parseRepositorySource } from '../../src/formats/rpm/repository-source.ts'
import { parseRichDependency } from '../../src/formats/rpm/rich-dependency.ts'
import { checkRpmDigests } from '../../src/formats/rpm/rpm-digests.ts'
import { parseRpm } from '../../src/formats/rpm/rpm-file.ts'
import { readUpdateinfo } from '../../src/formats/rpm/updateinfo.ts'
import { formatEvr, parseEvr } from '../../src/formats/rpm/version.ts'
import { parseSbat } from '../../src/formats/shim/sbat.ts'
import { parseSbatLevel, parseSbatLevelSection } from '../../src/formats/shim/sbat-level.ts'
import { parseVendorCert } from '../../src/formats/shim/vendor-cert.ts'
import { formatShimVersion, parseShimVersion } from '../../src/formats/shim/version.ts'
import { type EventLog, parseEventLog } from '../../src/formats/tcg/event-log.ts'
import { recomputedDigests } from '../../src/formats/tcg/recomputed-digests.ts'
import { makeGrub, makeShim, sbatLevel, sbatTexts, vendorTable } from '../build/boot-files.ts'
import { makeSigningKey } from '../build/certificate.ts'
import { makeCpio } from '../build/cpio.ts'
import { cuts, flips } from '../build/damage.ts'
import { makeEventLog, makeSha1Log } from '../build/event-log.ts'
import { file, makeLayer, makeTar } from '../build/layer.ts'
import { makeMetalink } from '../build/metalink.ts'
import { makeImage } from '../build/oci-layout.ts'
import { armor, publicKeyPacket, signaturePacket } from '../build/openpgp-packets.ts'
import { makeCommitObject, makeDirtree, objectPath } from '../build/ostree-commit.ts'
import { makeRpm, makeRpmDatabaseHeader } from '../build/rpm.ts'
import { makeRepository } from '../build/rpm-repository.ts'
import { makeUki } from '../build/uki.ts'

interface Row {
  /** Folder of src/formats. */
  readonly folder: string
  /** The function of that folder that reads. */
  readonly parser: string
  readonly what: string
  readonly sample: () => Uint8Array
  readonly parse: (bytes: Uint8Array) => unknown
  /** The sample from what was read of it, or why nothing writes this format. */
  readonly again: ((bytes: Uint8Array) => Uint8Array) | string
}

const ascii = (value: string) => new Uint8Array(Buffer.from(value, 'latin1'))
const textOf = (bytes: Uint8Array) => Buffer.from(bytes).toString('latin1')
const fixture = (path: string) => new Uint8Array(readFileSync(join(import.meta.dirname, '../../fixtures', path)))
const origin = { source: 'sample', path: 'sample', code: 'INPUT_INVALID', offset: 0 } as const
const key = makeSigningKey('table')
const shimLists = () =>
  formatSignatureLists([
    certificateList(guids.shimLock, key.certificate),
    sha256List(guids.shimLock, new Uint8Array(32).fill(5)),
  ])
const image = () => makeImage({ layers: [makeLayer([file('a', 'a')])], labels: { 'org.example': 'x' } })
const kernelRpm = () =>
  makeRpm({
    name: 'kernel-core',
    epoch: 1,
    version: '5.14.0',
    release: '600.el9',
    files: [{ path: '/a', content: 'a' }],
  })
const repository = () => makeRepository({ packages: [kernelRpm()] })
const repositoryFile = (end: string) => [...repository()].find(([path]) => path.endsWith(end))?.[1] ?? new Uint8Array(0)
const pkcs7 = () => parsePe(makeGrub({ seed: 'table' }), 'grub').signatures[0]?.data ?? new Uint8Array(0)

const readOnly = 'made by others; only read here'
const rows: readonly Row[] = [
  {
    folder: 'bytes',
    parser: 'ByteCursor',
    what: 'bounded parts and lengths',
    sample: () => Uint8Array.of(3, 0, 1, 2, 3, 2, 0, 0, 0, 9, 9, 4, 0, 0, 0, 0, 0, 0, 0, 1, 2, 3, 4),
    parse: bytes => {
      const cursor = new ByteCursor(bytes, 'sample')
      const first = cursor.part('first', cursor.u16('length'))
      const second = cursor.part('second', cursor.u32('length'))
      const third = cursor.take('third', cursor.length64('length', cursor.left))
      cursor.done()
      return [first.left, second.left, third]
    },
    again: 'a way of reading, not a format',
  },
  {
    folder: 'bytes',
    parser: 'parseHex',
    what: 'hex text',
    sample: () => ascii('00ff10'),
    parse: bytes => parseHex(textOf(bytes)),
    again: bytes => ascii(formatHex(parseHex(textOf(bytes)) ?? new Uint8Array(0))),
  },
  {
    folder: 'der',
    parser: 'parseDer',
    what: 'elements of a certificate, all of them',
    sample: () => key.certificate,
    parse: bytes => walk(parseDer(bytes, origin)),
    again: readOnly,
  },
  {
    folder: 'der',
    parser: 'parseCertificate',
    what: 'X.509 certificate',
    sample: () => key.certificate,
    parse: bytes => parseCertificate(bytes, origin),
    again: readOnly,
  },
  {
    folder: 'der',
    parser: 'parseSignedData',
    what: 'PKCS #7 SignedData of an Authenticode signature',
    sample: pkcs7,
    parse: bytes => parseSignedData(bytes, origin),
    again: readOnly,
  },
  {
    folder: 'efi',
    parser: 'parseGuid',
    what: 'GUID text',
    sample: () => ascii(guids.shimLock),
    parse: bytes => parseGuid(textOf(bytes)),
    again: bytes => ascii(formatGuid(parseGuid(textOf(bytes)) ?? new Uint8Array(16))),
  },
  {
    folder: 'efi',
    parser: 'parseSignatureLists',
    what: 'EFI_SIGNATURE_LIST, two of them',
    sample: shimLists,
    parse: bytes => parseSignatureLists(bytes, 'sample'),
    again: bytes => formatSignatureLists(parseSignatureLists(bytes, 'sample')),
  },
  {
    folder: 'efi',
    parser: 'parseVariableEvent',
    what: 'UEFI_VARIABLE_DATA',
    sample: () =>
      formatVariableEvent({ vendorGuid: guids.imageSecurityDatabase, name: 'dbé', data: shimLists().slice(0, 99) }),
    parse: bytes => parseVariableEvent(bytes, 'sample', 'EVENT_LOG_INVALID'),
    again: bytes => formatVariableEvent(parseVariableEvent(bytes, 'sample', 'EVENT_LOG_INVALID')),
  },
  {
    folder: 'oci',
    parser: 'parseArchiveHeader',
    what: 'header of a file in an OCI archive',
    sample: () => makeTar([{ type: 'file', path: 'index.json', content: ascii('{}') }]).subarray(0, 512),
    parse: bytes => parseArchiveHeader(bytes, 'sample', 0),
    again: 'archives are read only',
  },
  {
    folder: 'oci',
    parser: 'parseManifest',
    what: 'image manifest',
    sample: () => image().manifest,
    parse: bytes => parseManifest(bytes, 'sample'),
    again: 'kept as the bytes that were read: its digest is its name',
  },
  {
    folder: 'oci',
    parser: 'parseImageConfig',
    what: 'image config',
    sample: () => image().config,
    parse: bytes => parseImageConfig(bytes, 'sample'),
    again: 'kept as the bytes that were read: its digest is its name',
  },
  {
    folder: 'oci',
    parser: 'parseRegistriesConf',
    what: 'registries.conf',
    sample: () =>
      ascii(
        '[[registry]]\nprefix = "a.b/c"\nblocked = false\n[[registry.mirror]]\nlocation = "c.d:5000/e"\ninsecure = true\n',
      ),
    parse: bytes => parseRegistriesConf(textOf(bytes), 'sample'),
    again: 'read only: the file is the user’s',
  },
  {
    folder: 'oci',
    parser: 'parseImageReference',
    what: 'image reference with tag',
    sample: () => ascii('registry.example:5000/a/b:v1.2'),
    parse: bytes => parseImageReference(textOf(bytes)),
    again: bytes => ascii(formatImageReference(parseImageReference(textOf(bytes)))),
  },
  {
    folder: 'oci',
    parser: 'parsePinnedReference',
    what: 'image reference with digest',
    sample: () => ascii(`registry.example/a/b@sha256:${'0a'.repeat(32)}`),
    parse: bytes => parsePinnedReference(textOf(bytes)),
    again: bytes => ascii(formatPinnedReference(parsePinnedReference(textOf(bytes)))),
  },
  {
    folder: 'pe',
    parser: 'parsePe',
    what: 'signed shim: headers, sections, digests',
    sample: () => makeShim({ seed: 'table' }),
    parse: bytes => authenticodeDigests(parsePe(bytes, 'sample')),
    again: 'boot files are never changed',
  },
  {
    folder: 'pe',
    parser: 'parseSignatures',
    what: 'Authenticode signatures of a signed GRUB',
    sample: () => makeGrub({ seed: 'table' }),
    parse: bytes => parseSignatures(parsePe(bytes, 'sample')),
    again: 'boot files are never signed here',
  },
  {
    folder: 'pe',
    parser: 'parseUki',
    what: 'sections of a unified kernel image',
    sample: () => makeUki({ seed: 'table' }),
    parse: bytes => parseUki(parsePe(bytes, 'sample')),
    again: 'boot files are never changed',
  },
  {
    folder: 'openpgp',
    parser: 'readKeyFile',
    what: 'armored keys, split at the primary keys',
    sample: () => Buffer.from(armor(publicKeyPacket(4, 7)) + armor(publicKeyPacket(6, 8)), 'utf8'),
    parse: bytes => certificatesOf(readKeyFile(bytes, 'sample'), 'sample'),
    again: 'keys are never written here',
  },
  {
    folder: 'openpgp',
    parser: 'parseSignature',
    what: 'signature packet',
    sample: signaturePacket,
    parse: bytes => parseSignature(bytes, 'sample'),
    again: 'signatures are never made here',
  },
  {
    folder: 'rpm',
    parser: 'readChangelog',
    what: 'changelog of a package',
    sample: () => parseRpm(makeRpm({ name: 'a', version: '1', release: '2', changelog: twoChanges }), 'x').headerBytes,
    parse: bytes => readChangelog(readMainHeader(bytes, 'sample')),
    again: readOnly,
  },
  {
    folder: 'rpm',
    parser: 'parseRpm',
    what: 'package file, its digests checked',
    sample: kernelRpm,
    parse: bytes => checkRpmDigests(parseRpm(bytes, 'sample')),
    again: readOnly,
  },
  {
    folder: 'rpm',
    parser: 'parseRpmHeader',
    what: 'header of the RPM database',
    sample: () => makeRpmDatabaseHeader({ name: 'kernel', version: '5.14.0', release: '600.el9' }),
    parse: bytes => parseRpmHeader(bytes, 'sample'),
    again: readOnly,
  },
  {
    folder: 'rpm',
    parser: 'readCpio',
    what: 'payload',
    sample: () => makeCpio([{ path: './a', mode: 0o100644, mtime: 1, content: ascii('content') }]),
    parse: bytes => [...readCpio(bytes, 'sample')],
    again: readOnly,
  },
  {
    folder: 'rpm',
    parser: 'parseRepomd',
    what: 'repomd.xml',
    sample: () => repositoryFile('repomd.xml'),
    parse: bytes => parseRepomd(textOf(bytes), 'sample'),
    again: readOnly,
  },
  {
    folder: 'rpm',
    parser: 'parseMetalink',
    what: 'metalink',
    sample: () => makeMetalink({ mirrors: ['https://a.example/os'], repomd: [repositoryFile('repomd.xml')] }),
    parse: bytes => parseMetalink(textOf(bytes), 'sample'),
    again: readOnly,
  },
  {
    folder: 'rpm',
    parser: 'parseMirrorlist',
    what: 'mirror list',
    sample: () => Buffer.from('# baseos\nhttps://a.example/os\nhttp://b.example/os/\n'),
    parse: bytes => parseMirrorlist(textOf(bytes), 'sample'),
    again: readOnly,
  },
  {
    folder: 'rpm',
    parser: 'parseRepositorySource',
    what: 'entry of kernel-repositories',
    sample: () => Buffer.from('metalink=https://mirrors.example/metalink?repo=f44&arch=x86_64'),
    parse: bytes => parseRepositorySource(textOf(bytes)),
    again: bytes => Buffer.from(formatRepositorySource(parseRepositorySource(textOf(bytes)))),
  },
  {
    folder: 'rpm',
    parser: 'readPrimary',
    what: 'primary.xml',
    sample: () => new Uint8Array(gunzipSync(repositoryFile('primary.xml.gz'))),
    parse: async bytes => {
      for await (const _ of readPrimary([textOf(bytes)], new Set(['kernel-core']), 'sample'));
    },
    again: readOnly,
  },
  {
    folder: 'rpm',
    parser: 'parseEvr',
    what: 'epoch, version and release',
    sample: () => ascii('1:5.14.0-600.el9'),
    parse: bytes => parseEvr(textOf(bytes)),
    again: bytes => ascii(formatEvr(parseEvr(textOf(bytes)))),
  },
  {
    folder: 'rpm',
    parser: 'resolveLocation',
    what: 'place of a package in a repository',
    sample: () => ascii('Packages/k/kernel-core-5.14.0-600.el9.x86_64.rpm'),
    parse: bytes => resolveLocation('https://repository.example/9/', { href: textOf(bytes), xmlBase: null }, false),
    again: 'resolving loses what was relative',
  },
  {
    folder: 'shim',
    parser: 'parseVendorCert',
    what: '.vendor_cert with lists in both parts',
    sample: () => vendorTable(shimLists(), shimLists()),
    parse: bytes => parseVendorCert(bytes, 'sample'),
    again: readOnly,
  },
  {
    folder: 'shim',
    parser: 'parseSbatLevelSection',
    what: '.sbatlevel',
    sample: () => sbatLevel('sbat,1,2024040900\nshim,4\n', 'sbat,1,2025051000\nshim,4\n'),
    parse: bytes => parseSbatLevelSection(bytes, 'sample'),
    again: readOnly,
  },
  {
    folder: 'shim',
    parser: 'parseSbatLevel',
    what: 'content of SbatLevel',
    sample: () => ascii('sbat,1,2024040900\nshim,4\ngrub,4\n'),
    parse: bytes => parseSbatLevel(textOf(bytes)),
    again: 'kept as the text that was read: it is measured as it is',
  },
  {
    folder: 'shim',
    parser: 'parseSbat',
    what: '.sbat of a GRUB',
    sample: () => ascii(`${sbatTexts['redhat-2.06']}\0`),
    parse: bytes => parseSbat(bytes, 'sample', 'GRUB_UNKNOWN'),
    again: readOnly,
  },
  {
    folder: 'shim',
    parser: 'parseShimVersion',
    what: '.data.ident',
    sample: () => ascii('UEFI SHIM\n$Version: 16.1 $\n'),
    parse: bytes => formatShimVersion(parseShimVersion(bytes, 'sample')),
    again: readOnly,
  },
  {
    folder: 'tcg',
    parser: 'parseEventLog',
    what: 'recorded crypto-agile log, four banks',
    sample: () => fixture('boots/grub-sb/eventlog.bin'),
    parse: bytes => parseEventLog(bytes, 'sample').events.map(recomputedDigests),
    again: bytes => rewritten(parseEventLog(bytes, 'sample')),
  },
  {
    folder: 'tcg',
    parser: 'parseEventLog',
    what: 'recorded log of a TDX machine',
    sample: () => fixture('tdx/shim-grub-linux/eventlog.bin'),
    parse: bytes => parseEventLog(bytes, 'sample').events.map(recomputedDigests),
    again: bytes => rewritten(parseEventLog(bytes, 'sample')),
  },
  {
    folder: 'tcg',
    parser: 'parseEventLog',
    what: 'log of the older form, SHA-1 only',
    sample: () =>
      makeSha1Log([
        { pcr: 4, type: 0x80000007, data: ascii('Calling EFI Application from Boot Option') },
        { pcr: 4, type: 4, data: new Uint8Array(4) },
      ]),
    parse: bytes => parseEventLog(bytes, 'sample'),
    again: bytes => makeSha1Log(parseEventLog(bytes, 'sample').events.map(asRecord)),
  },
  {
    folder: 'rpm',
    parser: 'readMainHeader',
    what: 'dependencies and paths of a package',
    sample: () => makeRpmDatabaseHeader({ name: 'a', version: '1', release: '2', requires: ['b'], files: twoFiles }),
    parse: bytes => {
      const header = readMainHeader(bytes, 'sample')
      return [dependenciesOf(header), [...filePaths(header)]]
    },
    again: readOnly,
  },
  {
    folder: 'rpm',
    parser: 'parseDependency',
    what: 'a dependency with a version',
    sample: () => Buffer.from('kernel-uname-r >= 1:5.14.0-605.el9'),
    parse: bytes => parseDependency(textOf(bytes)),
    again: bytes => Buffer.from(formatDependency(parseDependency(textOf(bytes)) ?? expect.fail('unreadable'))),
  },
  {
    folder: 'rpm',
    parser: 'parseRichDependency',
    what: 'a boolean dependency',
    sample: () => Buffer.from('((kernel(x86-64) = 5.14.0-1.el9 and b) or (a if b(c) else (d with e without f)))'),
    parse: bytes => parseRichDependency(textOf(bytes)),
    again: readOnly,
  },
  {
    folder: 'rpm',
    parser: 'readProviders',
    what: 'provides and files of primary.xml',
    sample: () => new Uint8Array(gunzipSync(repositoryFile('primary.xml.gz'))),
    parse: async bytes => {
      const wanted = ['kernel-core', '/etc/name'].map(name => ({ name, sense: 0, version: '' }))
      for await (const _ of readProviders([textOf(bytes)], wanted, 'sample'));
    },
    again: readOnly,
  },
  {
    folder: 'rpm',
    parser: 'readUpdateinfo',
    what: 'updateinfo.xml',
    sample: () =>
      Buffer.from(
        '<updates><update type="security"><id>A-1</id><title>one</title><references><reference id="CVE-2026-0001" type="cve"/></references><pkglist><collection><package name="kernel-core" version="1" release="2" arch="x86_64"/></collection></pkglist></update></updates>',
      ),
    parse: async bytes => {
      for await (const _ of readUpdateinfo([textOf(bytes)], new Set(['kernel-core']), 'sample'));
    },
    again: readOnly,
  },
  {
    folder: 'ostree',
    parser: 'parseCommit',
    what: 'a commit object',
    sample: () => makeCommitObject('1'.repeat(64), '2'.repeat(64)),
    parse: bytes => parseCommit(bytes, 'sample'),
    again: bytes => {
      const { tree, meta } = parseCommit(bytes, 'sample')
      return makeCommitObject(tree, meta)
    },
  },
  {
    folder: 'ostree',
    parser: 'parseDirtree',
    what: 'a directory of two files and a directory',
    sample: () => makeDirtree(twoObjects, [['etc', '3'.repeat(64)]], '4'.repeat(64)),
    parse: bytes => parseDirtree(bytes, 'sample'),
    again: readOnly,
  },
  {
    folder: 'ostree',
    parser: 'parseObjectPath',
    what: 'the path of an object',
    sample: () => Buffer.from(objectPath('5'.repeat(64), 'file')),
    parse: bytes => parseObjectPath(textOf(bytes)),
    again: bytes => {
      const { checksum, kind } = parseObjectPath(textOf(bytes)) ?? expect.fail('no object')
      return Buffer.from(objectPath(checksum, kind))
    },
  },
  {
    folder: 'oci',
    parser: 'parseToc',
    what: 'a table of contents of zstd:chunked',
    sample: () =>
      Buffer.from(
        JSON.stringify({
          version: 1,
          entries: [
            { type: 'dir', name: 'usr/' },
            { type: 'reg', name: 'usr/a', size: 3, offset: 5, endOffset: 9, digest: `sha256:${'6'.repeat(64)}` },
            { type: 'hardlink', name: 'usr/b', linkName: 'usr/a' },
          ],
        }),
      ),
    parse: bytes =>
      parseToc(bytes, { mediaType: 'x', annotations: {}, digest: `sha256:${'7'.repeat(64)}`, size: 100 }, 'sample'),
    again: readOnly,
  },
]

/** Parsers of a part, which the row named reads with. */
const within: Readonly<Record<string, string>> = {
  readDescriptor: 'parseManifest',
  parseJsonObject: 'parseManifest',
  parseTomlSubset: 'parseRegistriesConf',
  parseSignerInfos: 'parseSignedData',
  parseCertificateTable: 'parsePe',
  parseSectionTable: 'parsePe',
  readHeaderStructure: 'parseRpm',
  readRpm: 'parseRpm',
  readPackets: 'parseSignature',
  parseChecksum: 'readPrimary',
  parseSize: 'readPrimary',
  parseEpoch: 'parseEvr',
  parseSpecId: 'parseEventLog',
  parseEventData: 'parseEventLog',
  parseGptEvent: 'parseEventLog',
  parseImageLoadEvent: 'parseEventLog',
  parseNoAction: 'parseEventLog',
}

const asRecord = ({ pcr, typeNumber, data, digests }: EventLog['events'][number]) => ({
  ...{ pcr, type: typeNumber, data, digests },
})

/** The records behind the Spec ID event, which is compared with that of the log by its place: it comes first in both. */
function rewritten(log: EventLog): Uint8Array {
  const [specId, ...records] = log.events
  const written = makeEventLog(log.banks, records.map(asRecord))
  new DataView(written.buffer).setUint32(0, specId?.pcr ?? 0, true)
  written.set(specId?.data ?? [], 32)
  return written
}

/** All elements below one, read as deep as they go. */
function walk(element: DerElement): number {
  return 1 + element.children.reduce((sum, child) => sum + walk(child), 0)
}

async function outcomeOf(parse: () => unknown): Promise<string> {
  try {
    await parse()
    return 'read'
  } catch (error) {
    if (error instanceof ToolError) return error.code
    throw error
  }
}

/** Milliseconds for one damaged sample; samples are small, so anything near it is a loop that the bytes drive. */
const longest = 10_000

async function outcomes(samples: Iterable<Uint8Array>, parse: Row['parse']): Promise<Map<string, number>> {
  const counts = new Map<string, number>()
  for (const bytes of samples) {
    const start = performance.now()
    const outcome = await outcomeOf(() => parse(bytes))
    expect(performance.now() - start).toBeLessThan(longest)
    counts.set(outcome, (counts.get(outcome) ?? 0) + 1)
  }
  return counts
}

const twoFiles = ['/usr/bin/a', '/etc/b'].map(path => ({ path, content: path }))
const twoObjects = [
  ['a', '1'.repeat(64)],
  ['b', '2'.repeat(64)],
] as const
const twoChanges = [2, 1].map(time => ({ time, title: `A <a@b> - 1-${time}`, text: '- a\n- b' }))
const formats = join(import.meta.dirname, '../../src/formats')
const named = rows.map(row => ({ row, name: `${row.folder}/${row.parser}, ${row.what}` }))

describe('formats × cut, flip, round trip', () => {
  it('every folder of src/formats has a row, and every row names a parser of its folder', () => {
    expect(new Set(rows.map(({ folder }) => folder))).toEqual(new Set(readdirSync(formats)))
    for (const { folder, parser } of rows) {
      const code = readdirSync(join(formats, folder)).map(name => readFileSync(join(formats, folder, name), 'utf8'))
      const declared = new RegExp(`^export (?:async )?(?:function\\*?|class) ${parser}\\b`, 'm')
      expect(
        code.filter(text => declared.test(text)),
        `${folder}/${parser}`,
      ).toHaveLength(1)
    }
  })

  it('every function of src/formats that parses or reads has a row, or is part of one that has', () => {
    const declared = readdirSync(formats, { recursive: true, withFileTypes: true })
      .filter(entry => entry.isFile())
      .map(entry => readFileSync(join(entry.parentPath, entry.name), 'utf8'))
      .flatMap(text => [...text.matchAll(/^export (?:async )?function\*? ((?:parse|read)\w+)/gm)])
      .map(([, name = '']) => name)
    const withRow = rows.map(({ parser }) => parser)
    expect(declared.filter(name => !withRow.includes(within[name] ?? name))).toEqual([])
    expect(Object.keys(within).filter(name => !declared.includes(name))).toEqual([])
  })

  it.each(named)('whole: $name', async ({ row }) => {
    expect(row.sample().length).toBeGreaterThan(0)
    expect(await outcomeOf(() => row.parse(row.sample()))).toBe('read')
  })

  it.each(named)('cut: $name', async ({ row }) => {
    const counts = await outcomes(cuts(row.sample(), 250), row.parse)
    expect([...counts.values()].reduce((sum, count) => sum + count, 0)).toBeGreaterThan(0)
  })

  it.each(named)('flip: $name', async ({ row }) => {
    const flipped = [...flips(row.sample(), 250)].map(({ bytes }) => bytes)
    const counts = await outcomes(flipped, row.parse)
    expect([...counts.values()].reduce((sum, count) => sum + count, 0)).toBe(flipped.length)
  })

  it.each(named)('round trip: $name', ({ row }) => {
    if (typeof row.again === 'string') expect(row.again).toMatch(/\w+ \w+/)
    else expect(formatHex(row.again(row.sample()))).toBe(formatHex(row.sample()))
  })
})
