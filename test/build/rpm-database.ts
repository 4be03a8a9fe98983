// Makes an rpmdb.sqlite with the table that rpm's sqlite backend reads: lib/backend/sqlite.cc.

import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { rpmTags } from '../../src/formats/rpm/header.ts'
import type { Evr } from '../../src/formats/rpm/version.ts'
import { makeRpmHeader, type TagValue } from './rpm-header.ts'

export interface PackageToInstall {
  readonly name: string
  readonly evr: Evr
  readonly arch: string
}

/** A package's header as the database has it. */
export function makeHeaderBlob({ name, evr, arch }: PackageToInstall): Uint8Array {
  const tags = new Map<number, TagValue>([
    [rpmTags.name, { string: name }],
    [rpmTags.version, { string: evr.version }],
    [rpmTags.release, { string: evr.release }],
    [rpmTags.arch, { string: arch }],
    ...(evr.epoch === 0 ? [] : [[rpmTags.epoch, { int32: [evr.epoch] }] as const]),
  ])
  return makeRpmHeader(tags, { region: 63, blob: true })
}

export interface DatabaseForm {
  /** As rpm leaves it: write-ahead logging switched on in the header. */
  readonly wal?: boolean
  /** Leaves the last packages in the write-ahead log only. */
  readonly unfinished?: boolean
}

/** The bytes of the database, and of its write-ahead log where that holds anything. */
export function makeRpmDatabase(
  blobs: readonly Uint8Array[],
  form: DatabaseForm = {},
): { readonly database: Uint8Array; readonly writeAheadLog?: Uint8Array } {
  const directory = mkdtempSync(join(tmpdir(), 'rpm-database-'))
  try {
    const path = join(directory, 'rpmdb.sqlite')
    const database = new DatabaseSync(path)
    if (form.wal || form.unfinished) database.exec('PRAGMA journal_mode = WAL')
    database.exec('CREATE TABLE Packages (hnum INTEGER PRIMARY KEY AUTOINCREMENT, blob BLOB NOT NULL)')
    if (form.unfinished) database.exec('PRAGMA wal_checkpoint(TRUNCATE)')
    const insert = database.prepare('INSERT INTO Packages (blob) VALUES (?)')
    for (const blob of blobs) insert.run(blob)
    if (!form.unfinished) database.close()
    const bytes = new Uint8Array(readFileSync(path))
    const log = form.unfinished ? new Uint8Array(readFileSync(`${path}-wal`)) : undefined
    if (form.unfinished) database.close()
    return log === undefined ? { database: bytes } : { database: bytes, writeAheadLog: log }
  } finally {
    rmSync(directory, { recursive: true })
  }
}
