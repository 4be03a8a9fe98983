// Every fixture says where it comes from, and is what it says.

import { createHash } from 'node:crypto'
import { readdirSync, readFileSync } from 'node:fs'
import { join, relative } from 'node:path'
import { describe, expect, it } from 'vitest'

const fixtures = join(import.meta.dirname, '../fixtures')

describe('fixtures', () => {
  const origin: unknown = JSON.parse(readFileSync(join(fixtures, 'origin.json'), 'utf8'))
  const listed = Object.entries(origin ?? {}).map(([path, entry]) => ({ path, ...entry }))

  it('every file is listed and every entry is a file', () => {
    const present = readdirSync(fixtures, { recursive: true, withFileTypes: true })
      .filter(entry => entry.isFile())
      .map(entry => relative(fixtures, join(entry.parentPath, entry.name)))
      .filter(path => path !== 'origin.json')
    expect(listed.map(entry => entry.path).sort()).toEqual(present.sort())
    expect(present.length).toBeGreaterThan(0)
  })

  it.each(listed)('$path has the checksum and all fields of its entry', entry => {
    const bytes = readFileSync(join(fixtures, entry.path))
    expect(createHash('sha256').update(bytes).digest('hex')).toBe(entry.sha256)
    for (const field of ['origin', 'date', 'licence', 'expected', 'expectedBy'])
      expect(entry[field], field).toMatch(/\S/)
  })
})
