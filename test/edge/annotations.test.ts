// Errors as annotations, text, summary and exit codes. How annotations are spelt is compared with @actions/core.

import { error as coreError } from '@actions/core'
import fc from 'fast-check'
import { afterEach, describe, expect, it, vi } from 'vitest'
import {
  errorCodeOf,
  errorDocument,
  escapeMessage,
  escapeProperty,
  exitCodeOf,
  renderAnnotations,
  renderSummary,
  renderText,
} from '../../src/edge/annotations.ts'
import { ToolError, ToolErrors } from '../../src/errors.ts'

afterEach(() => vi.restoreAllMocks())

const inWorkspace = (source: string) => source === 'settings.yaml'

/** What @actions/core prints for the same annotation. */
function corePrints(message: string, properties: Parameters<typeof coreError>[1]): string {
  const printed: string[] = []
  vi.spyOn(process.stdout, 'write').mockImplementation(text => {
    printed.push(String(text))
    return true
  })
  coreError(message, properties)
  vi.restoreAllMocks()
  return printed.join('').replace(/\r?\n$/, '')
}

const inFile = new ToolError('SETTING_UNKNOWN', 'no setting is called a,b:100%', {
  where: { source: 'settings.yaml', line: 3, column: 5 },
  hint: 'did you mean pools?\nsecond line',
})
const inImage = new ToolError('KERNEL_NOT_UNIQUE', 'two kernels in the image', {
  found: '6.14.0-1, 6.15.3-200',
  wanted: 'one',
  where: { step: 'image', source: 'quay.io/x/y@sha256:ab12', path: 'usr/lib/modules', offset: 7 },
})

describe('annotations', () => {
  it('point at a file of the workspace', () => {
    expect(renderAnnotations(inFile, inWorkspace)).toEqual([
      corePrints('no setting is called a,b:100%. did you mean pools?\nsecond line', {
        title: 'SETTING_UNKNOWN',
        file: 'settings.yaml',
        startLine: 3,
        startColumn: 5,
      }),
    ])
  })

  it('never make up a file', () => {
    const [line] = renderAnnotations(inImage, inWorkspace)
    expect(line).toBe(
      corePrints(
        'two kernels in the image, found 6.14.0-1, 6.15.3-200, wanted one' +
          ' (image / quay.io/x/y@sha256:ab12 / usr/lib/modules, byte 7). the build must remove the kernel of the base image',
        { title: 'KERNEL_NOT_UNIQUE' },
      ),
    )
    expect(renderAnnotations(inFile, () => false)[0]).toMatch(
      /^::error title=SETTING_UNKNOWN::.*\(settings\.yaml, line 3, column 5\)/,
    )
  })

  it('are at most ten: nine problems and how many more', () => {
    const many = (count: number) => new ToolErrors(Array.from({ length: count }, () => inFile))
    expect(renderAnnotations(many(10), inWorkspace)).toHaveLength(10)
    const lines = renderAnnotations(many(25), inWorkspace)
    expect(lines).toHaveLength(10)
    expect(lines[9]).toBe('::error title=SETTING_UNKNOWN::16 more problems; all are in the log and the job summary')
  })

  it('are one line each and below the length at which the runner cuts', () => {
    const long = new ToolError('BUILD_FAILED', 'x\r\n::set-env name=A::b\n'.repeat(1000))
    const [line] = renderAnnotations(long, inWorkspace)
    expect(line).not.toMatch(/[\r\n]/)
    expect(decodeMessage(line ?? '').length).toBeLessThan(4096)
  })

  it('escape so that the runner reads the same text back', () => {
    fc.assert(
      fc.property(fc.string(), text => {
        expect(readBack(escapeMessage(text), false)).toBe(text)
        expect(readBack(escapeProperty(text), true)).toBe(text)
        expect(escapeMessage(text)).not.toMatch(/[\r\n]/)
        expect(escapeProperty(text)).not.toMatch(/[\r\n:,]/)
      }),
    )
  })
})

/** actions/runner, src/Runner.Common/ActionCommand.cs: the escape tables in the order in which the runner applies them. */
function readBack(text: string, property: boolean): string {
  const tables = property ? ['%3A', ':', '%2C', ','] : []
  const all = [...['%0D', '\r', '%0A', '\n'], ...tables, ...['%25', '%']]
  return all.reduce(
    (result, code, index) => (index % 2 === 0 ? result.replaceAll(code, all[index + 1] ?? '') : result),
    text,
  )
}

function decodeMessage(line: string): string {
  return readBack(line.slice(line.indexOf('::', 2) + 2), false)
}

describe('text', () => {
  it('says code, message, found, wanted, where, hint and page', () => {
    expect(renderText(inImage)).toBe(
      [
        'KERNEL_NOT_UNIQUE: two kernels in the image',
        '  found: 6.14.0-1, 6.15.3-200',
        '  wanted: one',
        '  where: image / quay.io/x/y@sha256:ab12 / usr/lib/modules, byte 7',
        '  hint: the build must remove the kernel of the base image',
        '  see: docs/errors.md#kernel_not_unique',
      ].join('\n'),
    )
  })

  it('has every problem, no stack of a user’s mistake, and no terminal codes of others', () => {
    const text = renderText(new ToolErrors([inImage, new ToolError('REGISTRY_ERROR', 'said \u001b[31mred\u0007')]))
    expect(text.match(/^[A-Z_]+:/gm)).toEqual(['KERNEL_NOT_UNIQUE:', 'REGISTRY_ERROR:'])
    expect(text).not.toMatch(/ at .*\.ts|[^\P{Cc}\n]/u)
  })

  it('shows the stack of a bug, with causes', () => {
    const bug = new TypeError('x is undefined', { cause: new RangeError('deep') })
    expect(renderText(bug)).toMatch(
      /^BUG: x is undefined\n[\s\S]*annotations\.test\.ts[\s\S]*caused by: RangeError: deep/,
    )
    expect(renderAnnotations(bug, inWorkspace)).toEqual([
      expect.stringMatching(/^::error title=BUG::x is undefined\. please report/),
    ])
    expect(renderText('a string')).toContain('BUG: a string')
  })

  it('the summary holds all problems, and no Markdown of others', () => {
    const summary = renderSummary(new ToolErrors(Array.from({ length: 25 }, () => inFile)))
    expect(summary.match(/^- \*\*SETTING_UNKNOWN\*\*/gm)).toHaveLength(25)
    const sly = new ToolError('REGISTRY_ERROR', 'said `<img src=x>`\n# title', { hint: '<b>[x](y)' })
    expect(renderSummary(sly)).toContain("- **REGISTRY_ERROR** `said '<img src=x>' # title`: \\<b\\>\\[x\\](y)")
  })
})

describe('codes', () => {
  it.each([
    ['settings', new ToolError('SETTING_INVALID', 'x'), 2, 'SETTING_INVALID'],
    ['several with one of settings', new ToolErrors([inImage, inFile]), 2, 'KERNEL_NOT_UNIQUE'],
    ['input', new ToolError('PE_INVALID', 'x'), 1, 'PE_INVALID'],
    ['remote', new ToolError('REGISTRY_DENIED', 'x'), 1, 'REGISTRY_DENIED'],
    ['refused', inImage, 1, 'KERNEL_NOT_UNIQUE'],
    ['a bug that was noticed', new ToolError('BUG', 'x'), 70, 'BUG'],
    ['a bug', new Error('x'), 70, 'BUG'],
    ['nonsense', undefined, 70, 'BUG'],
  ])('%s', (_, error, exitCode, code) => {
    expect(exitCodeOf(error)).toBe(exitCode)
    expect(errorCodeOf(error)).toBe(code)
    expect(errorDocument(error)[0]?.code).toBe(code)
  })
})
