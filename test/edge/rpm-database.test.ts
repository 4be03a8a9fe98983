// Reading rpmdb.sqlite: rows, write-ahead logs, and files that are no databases. SQLite itself wrote what is read.

import { expect, it } from 'vitest'
import { readRpmDatabase } from '../../src/edge/rpm-database.ts'
import { ToolError } from '../../src/errors.ts'
import { installedPackages } from '../../src/image/installed-packages.ts'
import { cuts, flips } from '../build/damage.ts'
import { expectToolError } from '../build/expect-error.ts'
import { makeHeaderBlob, makeRpmDatabase } from '../build/rpm-database.ts'

const packages = [
  { name: 'kernel-core', evr: { epoch: 0, version: '6.1.0', release: '56' }, arch: 'x86_64' },
  { name: 'grub2-efi-x64', evr: { epoch: 1, version: '2.12', release: '30.fc42' }, arch: 'x86_64' },
  { name: 'tzdata', evr: { epoch: 0, version: '2026a', release: '1' }, arch: 'noarch' },
]
const blobs = packages.map(makeHeaderBlob)

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

it('damage gives a ToolError or rows', async () => {
  const { database } = makeRpmDatabase(blobs)
  for (const damaged of [...cuts(database, 40), ...[...flips(database, 60)].map(flip => flip.bytes)]) {
    const result = await readRpmDatabase({ database: damaged }, 'rpmdb').catch(error => error)
    if (!Array.isArray(result)) expect(result).toBeInstanceOf(ToolError)
  }
})
