// docs/registry-access.md names a test for each fault of images and registries; here is that they exist and speak of it.

import { existsSync, readFileSync } from 'node:fs'
import { join, resolve } from 'node:path'
import { expect, it } from 'vitest'
import { errorCodes } from '../src/errors.ts'

const root = resolve(import.meta.dirname, '..')
const rows = readFileSync(join(root, 'docs/registry-access.md'), 'utf8')
  .split('\n')
  .filter(line => line.includes('`test/'))
  .filter(line => line.startsWith('|'))

it.each(rows.map(row => row.split('|').map(cell => cell.trim())))('%s%s', (_, fault, answer = '', tests = '') => {
  expect(fault).not.toBe('')
  const paths = [...tests.matchAll(/`(test\/[^`]+)`/g)].map(([, path]) => join(root, `${path}.test.ts`))
  expect(paths.filter(path => !existsSync(path))).toEqual([])
  const codes = answer.match(/\b[A-Z]+(?:_[A-Z]+)+\b/g) ?? []
  for (const code of codes) {
    expect(Object.keys(errorCodes)).toContain(code)
    const cases = paths
      .map(path => readFileSync(path, 'utf8'))
      .concat(readFileSync(join(root, 'test/images/cases.ts'), 'utf8'))
    expect(
      cases.some(text => text.includes(code)),
      code,
    ).toBe(true)
  }
})
