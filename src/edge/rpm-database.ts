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
    database = new DatabaseSync(path, { enableForeignKeyConstraints: false })
    database.exec('PRAGMA trusted_schema = OFF; PRAGMA query_only = ON;')
    const table = database.prepare("SELECT type FROM sqlite_schema WHERE name = 'Packages'").get()
    if (table?.type !== 'table') throw unreadable(source, 'no table Packages')
    const sizes = database
      .prepare('SELECT count(*) AS count, max(length(blob)) AS most, sum(length(blob)) AS total FROM Packages')
      .get()
    limit(Number(sizes?.count), countCeiling, 'packages', source)
    limit(Number(sizes?.most ?? 0), blobCeiling, 'bytes in one header', source)
    limit(Number(sizes?.total ?? 0), totalCeiling, 'bytes of headers', source)
    const blobs: Uint8Array[] = []
    for (const { blob } of database.prepare('SELECT blob FROM Packages ORDER BY hnum').iterate()) {
      if (!(blob instanceof Uint8Array)) throw unreadable(source, 'a header that is no blob')
      blobs.push(blob)
    }
    return blobs
  } catch (cause) {
    if (cause instanceof ToolError) throw cause
    throw unreadable(source, (cause as { code?: string }).code ?? 'an error', cause)
  } finally {
    database?.close()
  }
}

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
