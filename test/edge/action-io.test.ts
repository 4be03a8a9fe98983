// Files and commands between the runner and us, on real files in a temporary directory.

import { mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import { addSummary, maskSecrets, workspaceFiles, writeDocument } from '../../src/edge/action-io.ts'
import { tooOld } from '../../src/edge/node-version.ts'
import { readSettingsFile, readSmallFile } from '../../src/edge/settings-files.ts'
import { ToolError } from '../../src/errors.ts'

let directory = ''
beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'action-io-'))
})
afterEach(() => {
  rmSync(directory, { recursive: true })
  vi.restoreAllMocks()
})

describe('maskSecrets', () => {
  it('masks each secret and each of its lines, and nothing short', () => {
    const printed: string[] = []
    vi.spyOn(process.stdout, 'write').mockImplementation(text => {
      printed.push(String(text))
      return true
    })
    maskSecrets(['ghp_token', 'first\nsecond\n', '', 'abc'])
    vi.restoreAllMocks()
    expect(printed.join('').split(/\r?\n/)).toEqual([
      '::add-mask::ghp_token',
      '::add-mask::first%0Asecond',
      '::add-mask::first',
      '::add-mask::second',
      '',
    ])
  })
})

describe('addSummary', () => {
  it('adds, and cuts what the runner would drop as a whole', () => {
    const path = join(directory, 'summary')
    writeFileSync(path, '')
    addSummary(path, '# one\n')
    addSummary(path, `${'line é\n'.repeat(200_000)}`)
    const text = readFileSync(path)
    expect(text.length).toBeLessThanOrEqual(1024 * 1024)
    expect(text.toString()).toMatch(/^# one\nline é\n[\s\S]*line é\n\n…cut here; the rest is in the log\.\n$/)
    addSummary(path, 'more')
    expect(readFileSync(path).length).toBeLessThanOrEqual(1024 * 1024)
  })

  it('does without a summary file', () => {
    expect(() => addSummary(undefined, 'x')).not.toThrow()
    expect(() => addSummary(join(directory, 'none'), 'x')).not.toThrow()
  })
})

describe('writeDocument', () => {
  it('writes JSON and says where', () => {
    const path = writeDocument(directory, 'predictions.json', { schemaVersion: 1 })
    expect(JSON.parse(readFileSync(path, 'utf8'))).toEqual({ schemaVersion: 1 })
  })
})

describe('workspaceFiles', () => {
  it('knows files below the workspace only', () => {
    mkdirSync(join(directory, '.github'))
    writeFileSync(join(directory, '.github/settings.yaml'), '')
    const isFile = workspaceFiles(directory)
    expect(isFile('.github/settings.yaml')).toBe(true)
    for (const other of [
      '.github',
      'missing.yaml',
      '/etc/passwd',
      '../../etc/passwd',
      'https://x/.github/settings.yaml',
      '--pools',
      '\0',
    ])
      expect(isFile(other), other).toBe(false)
  })
})

describe('settings files', () => {
  const code = (work: () => unknown) => {
    try {
      work()
    } catch (error) {
      if (error instanceof ToolError) return `${error.code}: ${error.message}`
      throw error
    }
    return 'none'
  }

  it('the default one may be missing, a named one not', () => {
    expect(readSettingsFile(directory, undefined)).toBeUndefined()
    expect(code(() => readSettingsFile(directory, 'none.yaml'))).toBe(
      'SETTING_INVALID: settings-file: the file does not exist',
    )
    mkdirSync(join(directory, '.github'))
    writeFileSync(join(directory, '.github/attested-os-update.yaml'), 'schemaVersion: 1\n')
    expect(readSettingsFile(directory, undefined)).toEqual({
      source: '.github/attested-os-update.yaml',
      text: 'schemaVersion: 1\n',
    })
  })

  it('refuses directories, devices and large files', () => {
    expect(code(() => readSmallFile(directory, '.', 'x'))).toBe('SETTING_INVALID: x: this is not a file')
    symlinkSync('/dev/zero', join(directory, 'zero'))
    expect(code(() => readSmallFile(directory, 'zero', 'x'))).toBe('SETTING_INVALID: x: this is not a file')
    writeFileSync(join(directory, 'large'), Buffer.alloc(1024 * 1024 + 1))
    expect(code(() => readSmallFile(directory, 'large', 'x'))).toContain('larger than')
    symlinkSync('loop', join(directory, 'loop'))
    expect(code(() => readSmallFile(directory, 'loop', 'x'))).toContain('SETTING_INVALID')
  })
})

describe('tooOld', () => {
  it('wants Node.js 24', () => {
    expect(tooOld('20.20.2')).toBe('Node.js 24 or newer is needed, this is 20.20.2')
    expect(tooOld('24.0.0')).toBeUndefined()
    expect(tooOld('100.1.0')).toBeUndefined()
  })
})
