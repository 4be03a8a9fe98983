// Reading rpmdb.sqlite: rows, write-ahead logs, and files that are no databases. SQLite itself wrote what is read.

import { mkdtempSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { expect, it } from 'vitest'
import { readRpmDatabase } from '../../src/edge/rpm-database.ts'
import { ToolError } from '../../src/errors.ts'
import { installedPackages } from '../../src/image/installed-packages.ts'
import { cuts, flips } from '../build/damage.ts'
import { expectToolError } from '../build/expect-error.ts'
import { makeHeaderBlob, makeRpmDatabase } from '../build/rpm-database.ts'
import { temporaryDirectory } from './temporary-directory.ts'

const directory = temporaryDirectory()

const packages = [
  { name: 'kernel-core', evr: { epoch: 0, version: '6.1.0', release: '56' }, arch: 'x86_64' },
  { name: 'grub2-efi-x64', evr: { epoch: 1, version: '2.12', release: '30.fc42' }, arch: 'x86_64' },
  { name: 'tzdata', evr: { epoch: 0, version: '2026a', release: '1' }, arch: 'noarch' },
]
const blobs = packages.map(makeHeaderBlob)

/** The bytes of a database that these statements make. */
function databaseOf(sql: string): Uint8Array {
  const database = new DatabaseSync(':memory:')
  database.exec(sql)
  const path = join(mkdtempSync(join(directory, 'made-')), 'rpmdb.sqlite')
  database.exec(`VACUUM INTO '${path}'`)
  database.close()
  return new Uint8Array(readFileSync(path))
}

it.each([{}, { wal: true }, { unfinished: true }])('reads the packages of a database %o', async form => {
  const read = await readRpmDatabase(makeRpmDatabase(blobs, form), 'rpmdb')
  expect(installedPackages(read, 'rpmdb')).toEqual(packages)
})

it('reads a database without packages', async () => {
  expect(await readRpmDatabase(makeRpmDatabase([]), 'rpmdb')).toEqual([])
})

it('refuses what is no RPM database', async () => {
  for (const text of ['', 'hello', 'SQLite format 3\0'])
    await expectToolError('RPMDB_UNREADABLE', readRpmDatabase({ database: new TextEncoder().encode(text) }, 'rpmdb'))
})

it('refuses headers that are none', async () => {
  const read = await readRpmDatabase(makeRpmDatabase([...blobs, new Uint8Array([1, 2, 3])]), 'rpmdb')
  await expectToolError('RPM_INVALID', () => installedPackages(read, 'rpmdb'))
})

const slow = 'length(hex(zeroblob(400000000)))'
it.each([
  ['a generated column', `CREATE TABLE Packages (hnum INTEGER PRIMARY KEY, blob BLOB AS (${slow}) VIRTUAL)`],
  [
    'a generated column with more words',
    `CREATE TABLE Packages (hnum INTEGER PRIMARY KEY, blob BLOB GENERATED ALWAYS AS (${slow}) VIRTUAL)`,
  ],
  ['a third column', `CREATE TABLE Packages (hnum INTEGER PRIMARY KEY, blob BLOB, c AS (${slow}))`],
  ['a check', `CREATE TABLE Packages (hnum INTEGER PRIMARY KEY, blob BLOB CHECK (${slow} > 0))`],
  [
    'a view',
    `CREATE TABLE t (i); INSERT INTO t VALUES (1); CREATE VIEW Packages AS SELECT i AS hnum, ${slow} AS blob FROM t`,
  ],
  ['a view by another name', 'CREATE VIEW PACKAGES AS SELECT 1 AS hnum, 2 AS blob'],
  ['a virtual table', 'CREATE VIRTUAL TABLE Packages USING fts5(hnum, blob)'],
  [
    'an endless view',
    'CREATE VIEW Packages AS WITH RECURSIVE n(hnum) AS (SELECT 1 UNION ALL SELECT hnum + 1 FROM n) SELECT hnum, hnum AS blob FROM n',
  ],
  ['a table without its key', 'CREATE TABLE Packages (hnum, blob BLOB NOT NULL)'],
  ['no table', 'CREATE TABLE Other (hnum INTEGER PRIMARY KEY, blob BLOB NOT NULL)'],
])('refuses %s before it is asked for rows', async (_name, sql) => {
  const started = performance.now()
  await expectToolError('RPMDB_UNREADABLE', readRpmDatabase({ database: databaseOf(sql) }, 'rpmdb'))
  expect(performance.now() - started).toBeLessThan(2000)
})

it('refuses headers that are no blobs', async () => {
  const sql = (value: string) =>
    `CREATE TABLE 'Packages' (hnum INTEGER PRIMARY KEY AUTOINCREMENT,blob BLOB NOT NULL); INSERT INTO Packages (blob) VALUES (${value})`
  for (const value of ["'text'", '7'])
    await expectToolError('RPMDB_UNREADABLE', readRpmDatabase({ database: databaseOf(sql(value)) }, 'rpmdb'))
  expect(await readRpmDatabase({ database: databaseOf(sql("x'0102'")) }, 'rpmdb')).toEqual([new Uint8Array([1, 2])])
})

it('refuses more packages than any system has', async () => {
  const sql = `CREATE TABLE Packages (hnum INTEGER PRIMARY KEY AUTOINCREMENT,blob BLOB NOT NULL);
    WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 20001) INSERT INTO Packages SELECT i, x'00' FROM n`
  const error = await expectToolError('CEILING_REACHED', readRpmDatabase({ database: databaseOf(sql) }, 'rpmdb'))
  expect(error.found).toBe('20001 packages')
})

it('damage gives a ToolError or rows', async () => {
  const { database } = makeRpmDatabase(blobs)
  for (const damaged of [...cuts(database, 40), ...[...flips(database, 60)].map(flip => flip.bytes)]) {
    const result = await readRpmDatabase({ database: damaged }, 'rpmdb').catch(error => error)
    if (!Array.isArray(result)) expect(result).toBeInstanceOf(ToolError)
  }
})
