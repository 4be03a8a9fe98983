// Byte-range edits: only the value's characters change, in every shape that people write.

import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { ToolError } from '../../src/errors.ts'
import { replaceString } from '../../src/propose/yaml-edit.ts'
import { parseYamlFile } from '../../src/propose/yaml-file.ts'
import { faultOf, imageOf } from '../build/proposal.ts'

const old = imageOf('old')
const next = imageOf('next')
const steps = ['spec', 'osImageURL']
const head = 'apiVersion: machineconfiguration.openshift.io/v1\nkind: MachineConfig\nmetadata:\n  name: m\n'

/** Seven files as people write them; the value is where OLD stands. */
const shapes: Readonly<Record<string, readonly [text: string, document: number]>> = {
  plain: [`${head}spec:\n  osImageURL: OLD\n`, 0],
  'double quotes, comments, a mode that re-serialising would change': [
    `# top\n${head}spec:\n  # image\n  osImageURL: "OLD" # keep me\n  config:\n    mode: 0644\n    big: 12345678901234567890\n`,
    0,
  ],
  'single quotes, wide gaps, no line end': [`${head}spec:\n    osImageURL  :    'OLD'`, 0],
  'CRLF and a byte order mark': [`\ufeff${head}spec:\n  osImageURL: OLD\n  fips: false\n`.replaceAll('\n', '\r\n'), 0],
  'second of three documents': [
    `kind: A\napiVersion: v1\n---\n${head}spec:\n  osImageURL: OLD\n...\n---\na: [1, 2,   3]\n`,
    1,
  ],
  'flow style, as JSON': [
    '{"apiVersion": "x/v1", "kind": "MachineConfig", "metadata": {"name": "m"}, "spec": {"osImageURL": "OLD", "a": [0x10]}}\n',
    0,
  ],
  'keys in quotes, anchors elsewhere': [
    `${head}  labels: &l\n    a: b\nother: *l\n"spec":\n  kernelArguments: [ a,b ]\n  'osImageURL': OLD\n  extensions:\n  - usbguard\n`,
    0,
  ],
}

/** Shapes that cannot be edited alone. */
const refused: Readonly<Record<string, string>> = {
  alias: `${head}x: &u OLD\nspec:\n  osImageURL: *u\n`,
  anchor: `${head}spec:\n  osImageURL: &u OLD\nx: *u\n`,
  'anchor above': `${head}spec: &s\n  osImageURL: OLD\nx: *s\n`,
  'alias above': `${head}x: &s\n  osImageURL: OLD\nspec: *s\n`,
  folded: `${head}spec:\n  osImageURL: >-\n    OLD\n`,
  literal: `${head}spec:\n  osImageURL: |-\n    OLD\n`,
  'several lines': `${head}spec:\n  osImageURL: "OLD\\\n    "\n`,
  merge: `${head}x: &s\n  osImageURL: OLD\nspec:\n  <<: *s\n`,
  'merge beside': `${head}x: &s\n  a: b\nspec:\n  <<: *s\n  osImageURL: OLD\n`,
  tag: `${head}spec:\n  osImageURL: !!str OLD\n`,
}

describe('replaceString', () => {
  for (const [name, [text, document]] of Object.entries(shapes))
    it(`keeps every other byte: ${name}`, () => {
      const file = parseYamlFile('m.yaml', text.replace('OLD', old))
      const edited = replaceString(file, document, steps, next)
      expect(edited).toBe(text.replace('OLD', next))
      expect(replaceString(parseYamlFile('m.yaml', edited), document, steps, next)).toBe(edited)
    })

  for (const [name, text] of Object.entries(refused))
    it(`refuses: ${name}`, () => {
      const file = parseYamlFile('m.yaml', text.replace('OLD', old))
      expect(faultOf(() => replaceString(file, 0, steps, next))).toMatchObject({
        code: 'EDIT_WOULD_TOUCH_MORE',
        where: { source: 'm.yaml', path: 'spec.osImageURL' },
      })
    })

  it('keeps any comments and neighbours around the value', () => {
    const words = fc.string({ unit: fc.constantFrom(...'ab #:"\'|-é😀'), maxLength: 20 })
    fc.assert(
      fc.property(words, words, fc.constantFrom('', '"', "'"), fc.constantFrom('\n', '\r\n'), (a, b, quote, end) => {
        const lines = [
          `# ${a}`,
          'spec:',
          `  x: ${JSON.stringify(b)}`,
          `  osImageURL: ${quote}OLD${quote} # ${a}`,
          `y: 0777`,
        ]
        const text = lines.join(end)
        const place = text.lastIndexOf('OLD')
        const put = (value: string) => text.slice(0, place) + value + text.slice(place + 3)
        expect(replaceString(parseYamlFile('f.yaml', put(old)), 0, steps, next)).toBe(put(next))
      }),
    )
  })

  it('quotes a value that cannot stand bare', () => {
    const file = parseYamlFile('m.yaml', `spec:\n  osImageURL: ${old}\n`)
    const value = `[::1]:5000/a@sha256:${'0'.repeat(64)}`
    expect(replaceString(file, 0, steps, value)).toBe(`spec:\n  osImageURL: '${value}'\n`)
  })
})

describe('parseYamlFile', () => {
  it.each([
    ['a: 1\nb: [\n', 3, 'a list that never ends'],
    ['a: 1\nb\n', 2, 'a word that is no key'],
    ['ok: 1\n---\nx: 1\nx: 2\n', 4, 'a key twice'],
    ['a: *none\n', 1, 'an alias without anchor'],
  ])('names file and line of broken YAML (%#)', (text, line) => {
    expect(faultOf(() => parseYamlFile('dir/a.yaml', text))).toMatchObject({
      code: 'YAML_INVALID',
      where: { source: 'dir/a.yaml', line },
    })
  })

  it('refuses an alias bomb, deep nesting and an endless file, quickly', () => {
    const bomb = ['a0: &a0 [x, x]', ...Array.from({ length: 30 }, (_, i) => `a${i + 1}: &a${i + 1} [*a${i}, *a${i}]`)]
    for (const text of [bomb.join('\n'), '['.repeat(200_000), `a: ${'x'.repeat(1024 * 1024)}`])
      expect(faultOf(() => parseYamlFile('a.yaml', text))).toMatchObject({ code: 'YAML_INVALID' })
  })

  it('cut anywhere: a ToolError or fewer documents, nothing else', () => {
    const text = (shapes['second of three documents']?.[0] ?? '').replace('OLD', old)
    for (let length = 0; length < text.length; length++) {
      const fault = faultOf(() => parseYamlFile('a.yaml', text.slice(0, length)))
      expect(fault === undefined || fault instanceof ToolError).toBe(true)
    }
  })
})
