// rpmdb.sqlite: rpm, lib/backend/sqlite.cc. SQLite wants a file, so the bytes go to a private temporary directory first.

import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { ToolError } from '../errors.ts'
import { withTemporaryDirectory } from './temporary.ts'

export interface RpmDatabaseBytes {
  readonly database: Uint8Array
  /** rpmdb.sqlite-wal, when the image has one: changes that are not yet in the database itself. */
  readonly writeAheadLog?: Uint8Array | undefined
}

/** A CoreOS has about 500 packages, a large desktop 5,000. */
const countCeiling = 20_000
const blobCeiling = 64 * 1024 * 1024
const totalCeiling = 1024 * 1024 * 1024

/** The header blob of every installed package, in order of installation. Throws RPMDB_UNREADABLE and CEILING_REACHED. */
export async function readRpmDatabase(bytes: RpmDatabaseBytes, source: string): Promise<Uint8Array[]> {
  return await withTemporaryDirectory('attested-os-update-rpmdb-', async directory => {
    const path = join(directory, 'rpmdb.sqlite')
    await writeFile(path, bytes.database, { mode: 0o600 })
    if (bytes.writeAheadLog !== undefined) await writeFile(`${path}-wal`, bytes.writeAheadLog, { mode: 0o600 })
    return readHeaders(path, source)
  })
}

function readHeaders(path: string, source: string): Uint8Array[] {
  let database: DatabaseSync | undefined
  try {
    // a database in WAL mode needs its -shm file, which can be written here: the directory is ours
    database = new DatabaseSync(path, { enableForeignKeyConstraints: false, enableDoubleQuotedStringLiterals: false })
    database.exec('PRAGMA trusted_schema = OFF; PRAGMA query_only = ON; PRAGMA cell_size_check = ON;')
    checkTable(database, source)
    const rows = database.prepare('SELECT hnum, length(blob) AS size FROM Packages ORDER BY hnum')
    const row = database.prepare('SELECT blob FROM Packages WHERE hnum = ?')
    const numbers: number[] = []
    let total = 0
    for (const { hnum, size } of rows.iterate()) {
      if (typeof hnum !== 'number' || typeof size !== 'number') throw unreadable(source, 'a header that is no blob')
      limit(numbers.push(hnum), countCeiling, 'packages', source)
      limit(size, blobCeiling, 'bytes in one header', source)
      total += size
      limit(total, totalCeiling, 'bytes of headers', source)
    }
    // sizes may come from an index that lies
    total = 0
    return numbers.map(hnum => {
      const blob = row.get(hnum)?.blob
      if (!(blob instanceof Uint8Array)) throw unreadable(source, 'a header that is no blob')
      total += blob.length
      limit(total, totalCeiling, 'bytes of headers', source)
      return blob
    })
  } catch (cause) {
    if (cause instanceof ToolError) throw cause
    throw unreadable(source, (cause as { code?: string }).code ?? 'an error', cause)
  } finally {
    database?.close()
  }
}

/**
 * The image is not trusted, and SQLite runs expressions that stand in a schema: generated columns, views, virtual tables.
 * Only a plain table of plain columns is asked; its text must be one that rpm could have written.
 */
function checkTable(database: DatabaseSync, source: string): void {
  const schema = 'SELECT type, name, length(sql) AS size FROM sqlite_schema WHERE lower(name) = ?'
  const [table, second] = database.prepare(schema).all('packages')
  if (table === undefined || second !== undefined || table.type !== 'table' || table.name !== 'Packages')
    throw unreadable(source, table === undefined ? 'no table Packages' : `${table.type} ${table.name}`)
  if (typeof table.size !== 'number' || table.size > schemaCeiling)
    throw unreadable(source, 'a table Packages with a long definition')
  const text = String(database.prepare("SELECT sql FROM sqlite_schema WHERE name = 'Packages'").get()?.sql)
  if (!plainTable.test(text)) throw unreadable(source, `a table Packages that rpm does not make: ${text.slice(0, 200)}`)
  // hidden: 1 in virtual tables, 2 and 3 for generated columns
  const columns = database.prepare("SELECT name, hidden FROM pragma_table_xinfo('Packages')").all()
  if (columns.map(({ name, hidden }) => `${name} ${hidden}`).join() !== 'hnum 0,blob 0')
    throw unreadable(source, 'other columns than hnum and blob')
}

/** What rpm has written since 4.16, with freedom in blanks, quotes and case. */
const plainTable =
  /^CREATE TABLE ['"`]?Packages['"`]?\s*\(\s*hnum INTEGER PRIMARY KEY(?: AUTOINCREMENT)?\s*,\s*blob BLOB(?: NOT NULL)?\s*\)$/i
const schemaCeiling = 1000

function limit(value: number, ceiling: number, what: string, source: string): void {
  if (value <= ceiling) return
  throw new ToolError('CEILING_REACHED', 'the RPM database is too large', {
    found: `${value} ${what}`,
    wanted: `at most ${ceiling}`,
    where: { source },
  })
}

function unreadable(source: string, found: string, cause?: unknown): ToolError {
  return new ToolError('RPMDB_UNREADABLE', 'the RPM database cannot be read', {
    found,
    wanted: 'an SQLite database of rpm 4.16 or newer',
    where: { source },
    cause,
  })
}
