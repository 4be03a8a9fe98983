// `capture` from files to a directory, a document and text; and reading the profile again.

import { copyFileSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { captureNode, captureTable } from '../../src/commands/capture.ts'
import { readPlatform } from '../../src/commands/read-platform.ts'
import { expectToolError } from '../build/expect-error.ts'
import { efivar, keyLists, withAttributes } from '../build/profile.ts'

const boot = join(import.meta.dirname, '../../fixtures/boots/grub-sb')
let node = ''
beforeEach(() => {
  node = mkdtempSync(join(tmpdir(), 'capture-'))
  for (const file of ['eventlog.bin', 'pcrs.json']) copyFileSync(join(boot, file), join(node, file))
  mkdirSync(join(node, 'efivars'))
  writeFileSync(join(node, 'efivars', efivar.shim('MokListRT')), withAttributes(keyLists, 6))
  writeFileSync(join(node, 'efivars/Boot0000-8be4df61-93ca-11d2-aa0d-00e098032b8c'), 'another variable')
})
afterEach(() => rmSync(node, { recursive: true }))

const request = (output: string) => ({
  log: join(node, 'eventlog.bin'),
  efivars: join(node, 'efivars'),
  mokVariables: undefined,
  output: join(node, output),
})

describe('capture', () => {
  it('writes a profile that is read as it says', async () => {
    const document = await captureNode(request('profiles/rack-7'))
    expect(document).toMatchObject({ schemaVersion: 1, platform: 'rack-7', output: join(node, 'profiles/rack-7') })
    expect(readdirSync(document.output).sort()).toEqual([...document.files].sort())
    expect(document.files).toEqual(
      ['KEK', 'MokListRT', 'MokListTrustedRT', 'PK', 'SbatLevelRT', 'SecureBoot', 'db', 'dbx', 'eventlog.bin'].concat(
        'platform.yaml',
      ),
    )
    const platform = await readPlatform([document.output])
    expect([platform.name, platform.profileSha256]).toEqual(['rack-7', document.profileSha256])
    expect(platform.mok.list).toEqual(keyLists)
    // named by hand, it is another platform with the same contents
    expect((await readPlatform([document.output], 'rack-8')).name).toBe('rack-8')
    expect(readFileSync(join(document.output, 'platform.yaml'), 'utf8')).toContain(
      'sbatLevel: |\n  sbat,1,2025021800\n',
    )
    expect(document.notLearned).toContain('MokListRT is not what this boot measured as MokList into PCR 14')
  })

  it('prints at most 80 columns for people', async () => {
    const document = await captureNode(request('out'))
    const lines = captureTable({ ...document, output: 'out' }).split('\n')
    expect(lines.filter(line => line.length > 80)).toEqual([])
    expect(lines).toContain('  grubMeasuresKernel: 2')
    expect(lines).toContain('not learned, or to look at')
    expect(captureTable({ ...document, notLearned: [] })).toMatch(/\nnothing is missing$/)
  })

  it('reads nothing and writes nothing when the output holds something', async () => {
    mkdirSync(join(node, 'out'))
    writeFileSync(join(node, 'out/kept'), '')
    await expectToolError('OUTPUT_NOT_WRITABLE', captureNode({ ...request('out'), log: join(node, 'gone') }))
    expect(readdirSync(join(node, 'out'))).toEqual(['kept'])
  })

  it.each([
    ['a log that is gone', { log: 'gone' }, 'FILE_NOT_FOUND'],
    ['variables that are gone', { efivars: 'gone' }, 'FILE_NOT_FOUND'],
    ['a log that is none', { log: 'pcrs.json' }, 'EVENT_LOG_INVALID'],
    ['a name that cannot be one', { output: 'not a name' }, 'PLATFORM_INVALID'],
  ] as const)('leaves nothing behind after %s', async (_, change, code) => {
    const paths = Object.fromEntries(Object.entries(change).map(([key, name]) => [key, join(node, name)]))
    const before = readdirSync(node)
    await expectToolError(code, captureNode({ ...request('out'), ...paths }))
    expect(readdirSync(node)).toEqual(before)
  })
})
