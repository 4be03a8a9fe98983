// What the stand-in rpm-ostree reads of an RPM header: name, version, files. rpm, docs/manual/tags.md.

import { ByteCursor } from '../../../src/formats/bytes/cursor.ts'
import { type HeaderStructure, headerOf, readHeaderStructure } from '../../../src/formats/rpm/header.ts'
import { formatEvr } from '../../../src/formats/rpm/version.ts'

const magic = Uint8Array.of(0x8e, 0xad, 0xe8, 1, 0, 0, 0, 0)
const tags = { directoryIndexes: 1116, baseNames: 1117, directoryNames: 1118 }

/** A header as the database stores it: without magic. */
export function readBlob(blob: Uint8Array): HeaderStructure {
  return readHeaderStructure(new ByteCursor(new Uint8Array(Buffer.concat([magic, blob])), 'rpmdb'), 'header')
}

/** The database's form of a header that a package file has. */
export function blobOf(headerBytes: Uint8Array): Uint8Array {
  return headerBytes.slice(magic.length)
}

export function packageIdentity(header: HeaderStructure): { readonly name: string; readonly version: string } {
  const { name, evr } = headerOf(header)
  return { name, version: formatEvr(evr) }
}

/** The files and directories of a package: directory with slashes at both ends, and base name. */
export function packageFileNames(header: HeaderStructure): { readonly directory: string; readonly base: string }[] {
  const directories = strings(header, tags.directoryNames)
  const indexes = numbers(header, tags.directoryIndexes)
  return strings(header, tags.baseNames).map((base, index) => ({
    directory: directories[indexes[index] ?? -1] ?? '/',
    base,
  }))
}

function strings(header: HeaderStructure, tag: number): string[] {
  const entry = header.entries.get(tag)
  if (entry === undefined) return []
  return Buffer.from(entry.data).toString('utf8').split('\0', entry.count)
}

function numbers(header: HeaderStructure, tag: number): number[] {
  const entry = header.entries.get(tag)
  if (entry === undefined) return []
  const view = Buffer.from(entry.data)
  return Array.from({ length: entry.count }, (_, index) => view.readUInt32BE(index * 4))
}
