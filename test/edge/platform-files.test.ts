// Profile directories on disk: only names that count are read, within ceilings, and never through links that lead out.

import { mkdirSync, readdirSync, symlinkSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import {
  checkEmptyDirectory,
  readPcrsBeside,
  readPlatformDirectory,
  readPlatformFiles,
} from '../../src/edge/platform-files.ts'
import { isProfileFile } from '../../src/predict/platform/profile-files.ts'
import { expectToolError } from '../build/expect-error.ts'
import { efivar } from '../build/profile.ts'
import { temporaryDirectory } from './temporary-directory.ts'

const root = temporaryDirectory()

function directory(name: string, files: Readonly<Record<string, string | Uint8Array>> = {}): string {
  const path = join(root, name)
  mkdirSync(path, { recursive: true })
  for (const [file, content] of Object.entries(files)) writeFileSync(join(path, file), content)
  return path
}

const read = async (path: string) => [...(await readPlatformFiles(path, isProfileFile)).keys()]

describe('a profile directory', () => {
  it('gives the files that count, by name', async () => {
    const path = directory('efivars', {
      [efivar.global('PK')]: 'PK',
      MokListRT: 'list',
      'eventlog.bin': 'log',
      'Boot0000-8be4df61-93ca-11d2-aa0d-00e098032b8c': 'ignored',
    })
    mkdirSync(join(path, 'subdirectory'))
    // never opened
    symlinkSync('/dev/zero', join(path, 'Timeout'))
    expect(await read(path)).toEqual(['MokListRT', efivar.global('PK'), 'eventlog.bin'])
    const { name, absolute, files } = await readPlatformDirectory(path, isProfileFile)
    expect([name, absolute]).toEqual([path, path])
    expect(Buffer.from(files.get('MokListRT') ?? []).toString()).toBe('list')
  })

  it('may link within itself, as mounted ConfigMaps do, and not out of itself', async () => {
    const path = directory('configmap')
    mkdirSync(join(path, '..data'))
    writeFileSync(join(path, '..data/db'), 'db')
    symlinkSync('..data/db', join(path, 'db'))
    expect(await read(path)).toEqual(['db'])
    symlinkSync(path, join(root, 'link-to-configmap'))
    expect(await read(join(root, 'link-to-configmap'))).toEqual(['db'])

    directory('configmap-2', { dbx: 'outside' })
    symlinkSync('../configmap-2/dbx', join(path, 'dbx'))
    const fault = await expectToolError('INPUT_INVALID', read(path))
    expect(fault.where.source).toBe(join(path, 'dbx'))
  })

  it('is refused when it is none, or a file in it is no plain one', async () => {
    await expectToolError('FILE_NOT_FOUND', read(join(root, 'gone')))
    await expectToolError('FILE_NOT_FOUND', read(join(directory('with-file', { db: '' }), 'db')))
    const path = directory('strange')
    mkdirSync(join(path, 'db'))
    await expectToolError('FILE_NOT_FOUND', read(path))
    const dangling = directory('dangling')
    symlinkSync('nowhere', join(dangling, 'db'))
    await expectToolError('FILE_NOT_FOUND', read(dangling))
  })

  it('has ceilings for names, variables and logs', async () => {
    const large = new Uint8Array(1024 * 1024 + 1)
    await expectToolError('CEILING_REACHED', read(directory('large', { db: large })))
    expect(await read(directory('large-log', { 'eventlog.bin': large }))).toEqual(['eventlog.bin'])
    const many = directory('many')
    for (let index = 0; index <= 10_000; index++) writeFileSync(join(many, `${index}`), '')
    const fault = await expectToolError('CEILING_REACHED', read(many))
    expect(fault.wanted).toBe('at most 10000')
  })
})

describe('an output directory', () => {
  it('is one that is not there, or empty', async () => {
    const gone = join(root, 'output')
    expect(await checkEmptyDirectory(gone)).toEqual({ absolute: gone })
    expect(readdirSync(root)).not.toContain('output')
    await checkEmptyDirectory(directory('output'))
    const fault = await expectToolError('OUTPUT_NOT_WRITABLE', checkEmptyDirectory(directory('output', { db: '' })))
    expect([fault.found, fault.where.source]).toEqual(['a directory that holds db', gone])
    await expectToolError('OUTPUT_NOT_WRITABLE', checkEmptyDirectory(join(gone, 'db')))
  })
})

describe('PCR values beside a log', () => {
  const value = 'AB'.repeat(32)

  it('are pcrs.json, or directories like those of sysfs', async () => {
    const path = directory('log', { log: '', 'pcrs.json': '{"sha256": {}}' })
    expect(await readPcrsBeside(join(path, 'log'))).toEqual({
      text: '{"sha256": {}}',
      source: join(path, 'pcrs.json'),
    })
    const sysfs = directory('tpm0', { binary_bios_measurements: '' })
    directory('tpm0/pcr-sha256', { 0: `${value}\n`, 23: `${value}\n` })
    const beside = await readPcrsBeside(join(sysfs, 'binary_bios_measurements'))
    expect(JSON.parse(beside?.text ?? '')).toEqual({ sha256: { 0: value.toLowerCase(), 23: value.toLowerCase() } })
  })

  it('may be missing', async () => {
    expect(await readPcrsBeside(join(directory('alone', { log: '' }), 'log'))).toBeUndefined()
  })
})
