// Who may import whom, and who may touch the world. The table is .ci/rooms.ts; docs/architecture.md prints it.

import { readdirSync, readFileSync } from 'node:fs'
import { dirname, join, relative, resolve } from 'node:path'
import { describe, expect, it } from 'vitest'
import { rooms } from '../.ci/rooms.ts'

const root = resolve(import.meta.dirname, '..')
const source = join(root, 'src')

/** Words that reach outside the program; only edge and the two entries may use them. */
const worldly =
  /\bfrom 'node:(?!crypto')|\bimport\('node:|(?<![.\w])fetch\(|\bprocess\.|\bDate\.now\b|\bnew Date\(\)|\bMath\.random\b|\bfrom '@actions\/|\bsetTimeout\(|\bsetInterval\(/

interface Import {
  readonly line: number
  readonly target: string
  readonly typeOnly: boolean
}

function files(directory: string): string[] {
  return readdirSync(directory, { recursive: true, withFileTypes: true })
    .filter(entry => entry.isFile() && entry.name.endsWith('.ts'))
    .map(entry => join(entry.parentPath, entry.name))
}

function importsOf(text: string): Import[] {
  const found: Import[] = []
  for (const match of text.matchAll(
    /^(?:import|export)\s+(type\s+)?([^'"]*?)\bfrom\s+'([^']+)'|^import\s+'([^']+)'|\bimport\('([^']+)'\)/gm,
  )) {
    const names = (match[2] ?? '').match(/\{([^}]*)\}/)?.[1]
    const allTypes =
      names?.trim() && names.split(',').every(name => name.trim() === '' || name.trim().startsWith('type '))
    found.push({
      line: text.slice(0, match.index).split('\n').length,
      target: match[3] ?? match[4] ?? match[5] ?? '',
      typeOnly: match[1] !== undefined || Boolean(allTypes),
    })
  }
  return found
}

function roomOf(file: string): string {
  const parts = relative(source, file).split('/')
  if (parts[0] === 'formats') return `formats/${parts[1]}`
  if (parts.length === 1) return parts[0] === 'errors.ts' ? 'errors' : (parts[0] ?? '')
  return parts[0] ?? ''
}

function faults(file: string): string[] {
  const text = readFileSync(file, 'utf8')
  const name = relative(root, file)
  const own = roomOf(file)
  const room = rooms[own]
  if (room === undefined) return [`${name}: no such room: ${own}`]
  const found: string[] = []
  for (const { line, target, typeOnly } of importsOf(text)) {
    if (target.startsWith('.')) {
      const other = roomOf(resolve(dirname(file), target))
      const allowed = other === own || room.values.includes(other) || (typeOnly && room.types.includes(other))
      if (!allowed) found.push(`${name}:${line}: ${own} may not import ${typeOnly ? 'types' : 'values'} of ${other}`)
    } else if (room.libraries !== 'any') {
      const library = target.startsWith('@') ? target.split('/').slice(0, 2).join('/') : (target.split('/')[0] ?? '')
      if (!room.libraries.includes(library) && !(['action.ts', 'cli.ts'].includes(own) && target.startsWith('node:')))
        found.push(`${name}:${line}: ${own} may not import ${target}`)
    }
  }
  if (own !== 'edge' && own !== 'action.ts' && own !== 'cli.ts') {
    for (const [index, line] of text.split('\n').entries()) {
      const code = line.replace(/\/\/.*$|^\s*\*.*$/, '')
      if (worldly.test(code)) found.push(`${name}:${index + 1}: touches the world outside edge: ${line.trim()}`)
    }
  }
  return found
}

describe('architecture', () => {
  it('every import of src/ is in the table, and only edge touches the world', () => {
    expect(files(source).flatMap(faults)).toEqual([])
  })

  it('the rule can fail', () => {
    expect(importsOf("import { type A, b } from '../edge/x.ts'")).toEqual([
      { line: 1, target: '../edge/x.ts', typeOnly: false },
    ])
    expect(importsOf("import { type A } from '../edge/x.ts'")[0]?.typeOnly).toBe(true)
    expect(worldly.test("import { readFileSync } from 'node:fs'")).toBe(true)
    expect(worldly.test('const now = Date.now()')).toBe(true)
    expect(worldly.test("import { createHash } from 'node:crypto'")).toBe(false)
  })

  it('no file is named for nothing', () => {
    const vague = files(source).filter(file => /util|helper|manager|misc|common/i.test(file.split('/').at(-1) ?? ''))
    expect(vague).toEqual([])
  })
})
