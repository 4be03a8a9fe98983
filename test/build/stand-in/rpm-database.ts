// The RPM database in sqlite, with the tables that rpm itself makes: rpm, lib/backend/sqlite.c. Read and written by the stand-in rpm-ostree.

import { DatabaseSync } from 'node:sqlite'
import { packageFileNames, packageIdentity, readBlob } from './package-header.ts'

/** Index tables: one row for each key of a header. */
const textTables = [
  'Name',
  'Basenames',
  'Group',
  'Requirename',
  'Providename',
  'Conflictname',
  'Obsoletename',
  'Triggername',
  'Dirnames',
  'Sha1header',
  'Filetriggername',
  'Transfiletriggername',
  'Recommendname',
  'Suggestname',
  'Supplementname',
  'Enhancename',
] as const
const binaryTables = ['Installtid', 'Sigmd5'] as const

export interface InstalledPackage {
  readonly number: number
  readonly name: string
  readonly version: string
  /** Absolute paths, as the package has them. */
  readonly files: readonly string[]
}

export class RpmDatabase {
  readonly #database: DatabaseSync

  /** Opens the file; one that is not there or empty gets rpm's tables. */
  constructor(path: string) {
    this.#database = new DatabaseSync(path)
    this.#database.exec(
      'CREATE TABLE IF NOT EXISTS Packages (hnum INTEGER PRIMARY KEY AUTOINCREMENT,blob BLOB NOT NULL)',
    )
    for (const [tables, type] of [
      [textTables, 'TEXT'],
      [binaryTables, 'BLOB'],
    ] as const) {
      for (const table of tables) {
        this.#database.exec(
          `CREATE TABLE IF NOT EXISTS '${table}' (key '${type}' NOT NULL, hnum INTEGER NOT NULL, idx INTEGER NOT NULL, FOREIGN KEY (hnum) REFERENCES 'Packages'(hnum))`,
        )
        if (type === 'TEXT') this.#database.exec(`CREATE INDEX IF NOT EXISTS '${table}_key_idx' ON '${table}'(key ASC)`)
      }
    }
  }

  packages(): InstalledPackage[] {
    return this.#database
      .prepare('SELECT hnum, blob FROM Packages ORDER BY hnum')
      .all()
      .flatMap(({ hnum, blob }) => {
        if (typeof hnum !== 'number' || !(blob instanceof Uint8Array)) throw new Error('a row that rpm would not write')
        const header = readBlob(blob)
        const files = packageFileNames(header).map(({ directory, base }) => `${directory}${base}`)
        return [{ number: hnum, ...packageIdentity(header), files }]
      })
  }

  add(blob: Uint8Array): void {
    const header = readBlob(blob)
    const { lastInsertRowid: number } = this.#database.prepare('INSERT INTO Packages (blob) VALUES (?)').run(blob)
    const { name } = packageIdentity(header)
    this.#index('Name', name, number, 0)
    this.#index('Providename', name, number, 0)
    packageFileNames(header).forEach(({ base }, index) => {
      this.#index('Basenames', base, number, index)
    })
  }

  remove(number: number): void {
    for (const table of [...textTables, ...binaryTables])
      this.#database.prepare(`DELETE FROM '${table}' WHERE hnum = ?`).run(number)
    this.#database.prepare('DELETE FROM Packages WHERE hnum = ?').run(number)
  }

  close(): void {
    this.#database.exec('PRAGMA wal_checkpoint(TRUNCATE)')
    this.#database.close()
  }

  #index(table: (typeof textTables)[number], key: string, number: number | bigint, index: number): void {
    this.#database.prepare(`INSERT INTO '${table}' (key, hnum, idx) VALUES (?, ?, ?)`).run(key, number, index)
  }
}
