// What the runner would obey in our log. The reading side is a port of how actions/runner recognises commands.

import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { actionLog, harmless, terminalLog } from '../../src/edge/log.ts'

/** White space of .NET's TrimStart: Unicode separators and U+0009 to U+000D, U+0085. */
const whiteSpace = /^[\t-\r\u0085\p{Z}]+/u

/** actions/runner, ActionCommand.cs: TryParseV2 wants `::name…::` at the start of the trimmed line, TryParse `##[name…]` anywhere. */
function isCommand(line: string): boolean {
  const trimmed = line.replace(whiteSpace, '')
  if (trimmed.startsWith('::') && trimmed.indexOf('::', 2) >= 0) return true
  const start = line.indexOf('##[')
  return start >= 0 && line.indexOf(']', start) >= 0
}

/** The commands that a runner would obey, with stop-commands taken into account. */
function obeyed(output: string): string[] {
  let stopped: string | undefined
  return output.split(/\r\n|\r|\n/).filter(line => {
    if (stopped !== undefined) {
      if (line.trim() === `::${stopped}::`) stopped = undefined
      return false
    }
    const stop = /^::stop-commands::(.+)$/.exec(line)?.[1]
    if (stop !== undefined) stopped = stop
    return stop === undefined && isCommand(line)
  })
}

function record() {
  const written: string[] = []
  return { write: (text: string) => void written.push(text), text: () => written.join('') }
}

describe('actionLog', () => {
  it('groups steps and closes the group when a step throws', async () => {
    const { write, text } = record()
    const log = actionLog(write)
    await expect(
      log.group('build\n::error::x', async () => {
        log.info('step')
        throw new Error('no')
      }),
    ).rejects.toThrow('no')
    expect(text()).toBe('::group::build%0A::error::x\nstep\n::endgroup::\n')
  })

  it('gives no order with text of others', () => {
    const texts = [
      '::set-env name=A::b',
      '  ::error::x',
      '\u0085::add-path::/x',
      'a ##[set-output name=x]y',
      'fine\r::warning::x',
    ]
    for (const evil of texts) {
      expect(obeyed(evil).length).toBe(1)
      const { write, text } = record()
      actionLog(write).info(evil)
      expect(obeyed(text())).toEqual([])
    }
    fc.assert(
      fc.property(
        fc.array(
          fc.constantFrom(':', '::', '##[', '#', '[', ']', ' ', '\n', '\r', '\u0085', '\u2003', 'error', '\ufeff'),
        ),
        parts => obeyed(harmless(parts.join(''))).length === 0,
      ),
    )
    expect(harmless('a :: b\n: c')).toBe('a :: b\n: c')
  })

  it('shows what a child prints, and obeys nothing of it', async () => {
    const { write, text } = record()
    const log = actionLog(write)
    const result = await log.childOutput(async out => {
      out('::error::evil\n##[command]x\n')
      out('::stop-commands::mine\n::mine::\nunfinished')
      return 7
    })
    log.warning('100% done\nreally')
    expect(result).toBe(7)
    expect(text()).toContain('::error::evil\n')
    expect(obeyed(text())).toEqual(['::warning::100%25 done%0Areally'])
  })

  it('obeys again after a child failed, with another token each time', async () => {
    const tokens = []
    for (let round = 0; round < 2; round += 1) {
      const { write, text } = record()
      await expect(actionLog(write).childOutput(() => Promise.reject(new Error('exit 1')))).rejects.toThrow('exit 1')
      const [, token] = /^::stop-commands::([0-9a-f]{64})\n::\1::\n$/.exec(text()) ?? []
      tokens.push(token)
    }
    expect(tokens[0]).toBeDefined()
    expect(tokens[0]).not.toBe(tokens[1])
  })
})

describe('terminalLog', () => {
  it('prints plain lines', async () => {
    const { write, text } = record()
    const log = terminalLog(write)
    log.warning('careful')
    await log.group('build', () => log.childOutput(async out => out('::error::is only text here\n')))
    expect(text()).toBe('warning: careful\nbuild\n::error::is only text here\n')
  })
})
