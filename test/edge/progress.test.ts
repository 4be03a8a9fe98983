// What people see while something runs. A terminal is played by a port of what \r and CSI K do (ECMA-48 §8.3.15, §8.3.41).

import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import { terminalLog } from '../../src/edge/log.ts'
import { counted, progressInLog, progressOnScreen } from '../../src/edge/progress.ts'

/** A terminal: its lines, the last of which is drawn on. */
function terminal(width = 80) {
  const lines = ['']
  let column = 0
  let writes = 0
  const write = (text: string) => {
    writes += 1
    for (const [part] of text.replaceAll('\x1b[K', '\v').matchAll(/[\r\n\v]|[^\r\n\v]+/g)) {
      const at = lines.length - 1
      const line = lines[at] ?? ''
      if (part === '\r') column = 0
      else if (part === '\n') {
        lines.push('')
        column = 0
      } else if (part === '\v') lines[at] = line.slice(0, column)
      else {
        lines[at] = line.slice(0, column) + part + line.slice(column + part.length)
        column += part.length
      }
    }
  }
  return { screen: { write, width: () => width }, lines, writes: () => writes }
}

beforeEach(() => {
  vi.useFakeTimers({ toFake: ['setInterval', 'clearInterval', 'performance'] })
})
afterEach(() => {
  vi.useRealTimers()
})

describe('progress on a terminal', () => {
  it('draws one line with layers, bytes, rate and time left, and takes it away', () => {
    const { screen, lines } = terminal()
    const plan = progressOnScreen(screen).plan('layer', [4_000_000, 16_000_000])
    const first = plan.start('a', 4_000_000)
    vi.advanceTimersByTime(1000)
    first.add(4_000_000)
    first.end()
    vi.advanceTimersByTime(1000)
    // 4 MB in 2 s, 16 MB to come
    expect(lines).toEqual(['layers 1 of 2, 4.0 MB of 20 MB, 2.0 MB/s, 8.0 s left'])
    plan.end()
    expect(lines).toEqual([''])
    vi.advanceTimersByTime(1000)
    expect(lines).toEqual([''])
  })

  it('draws at most ten times a second, however often bytes come', () => {
    const { screen, writes } = terminal()
    const item = progressOnScreen(screen).start('kernel-core.rpm', undefined)
    for (let ms = 0; ms < 1000; ms += 1) {
      item.add(1000)
      vi.advanceTimersByTime(1)
    }
    expect(writes()).toBeLessThanOrEqual(10)
    expect(writes()).toBeGreaterThanOrEqual(9)
    item.end()
  })

  it('tells the rate of the last seconds, not of the whole', () => {
    const { screen, lines } = terminal()
    const item = progressOnScreen(screen).start('x', 1_000_000_000)
    vi.advanceTimersByTime(60_000)
    for (let tenth = 0; tenth < 40; tenth += 1) {
      item.add(1_000_000)
      vi.advanceTimersByTime(100)
    }
    expect(lines[0]).toBe('x, 40 MB of 1000 MB, 10 MB/s, 96 s left')
    item.end()
  })

  it('does not wait for layers that did not have to be read', () => {
    const { screen, lines } = terminal()
    const plan = progressOnScreen(screen).plan('layer', [90_000_000, 10_000_000])
    plan.start('cached', 90_000_000).end('from the cache')
    plan.start('b', 10_000_000).add(1_000_000)
    vi.advanceTimersByTime(1000)
    expect(lines[0]).toBe('layers 1 of 2, 1.0 MB of 10 MB, 1.0 MB/s, 9.0 s left')
    plan.end()
  })

  it('fits the terminal, and keeps control characters of names away from it', () => {
    const { screen, lines } = terminal(20)
    const item = progressOnScreen(screen).start('a\x1b[2J\nb-a-very-long-name-of-a-package', 5)
    vi.advanceTimersByTime(100)
    expect(lines).toEqual(['a\ufffd[2J\ufffdb-a-very-long'])
    item.end()
  })

  it('makes room for other lines and comes back', () => {
    const { screen, lines } = terminal()
    const log = terminalLog(screen.write, { width: screen.width })
    const item = log.progress.start('x', undefined)
    vi.advanceTimersByTime(100)
    log.warning('careful')
    expect(lines).toEqual(['warning: careful', ''])
    vi.advanceTimersByTime(100)
    expect(lines).toEqual(['warning: careful', 'x, 0 B, 0 B/s'])
    item.end()
    expect(lines).toEqual(['warning: careful', ''])
  })
})

describe('progress in a log', () => {
  it('has one line for each item that ended', () => {
    const lines: string[] = []
    const progress = progressInLog(line => lines.push(line))
    const plan = progress.plan('layer', [1, 2, 3])
    const [a, b, c] = ['sha256:a', 'sha256:b', 'sha256:c'].map(name => plan.start(name, undefined))
    b?.end('from the cache')
    vi.advanceTimersByTime(1500)
    a?.add(999)
    a?.end()
    a?.end()
    c?.add(123_456_789)
    vi.advanceTimersByTime(200_000)
    c?.end()
    plan.end()
    const rpm = progress.start('k\n::error::x.rpm', 5)
    rpm.add(1234)
    rpm.end()
    expect(lines).toEqual([
      'layer 2 of 3, sha256:b: from the cache',
      'layer 1 of 3, sha256:a: 999 B in 1.5 s',
      'layer 3 of 3, sha256:c: 123 MB in 3 min',
      'k\ufffd::error::x.rpm: 1.2 kB in 0.0 s',
    ])
  })

  it('says what was not read to its end', async () => {
    const lines: string[] = []
    const progress = progressInLog(line => lines.push(line))
    async function* three() {
      yield new Uint8Array(1)
      yield new Uint8Array(2)
      throw new Error('broken')
    }
    const all = async () => {
      for await (const _ of counted(three(), progress, 'x', 3));
    }
    await expect(all()).rejects.toThrow('broken')
    for await (const _ of counted(three(), progress, 'y', 3)) break
    expect(lines).toEqual(['x: not read to its end', 'y: not read to its end'])
  })
})

describe('--quiet', () => {
  it('leaves warnings and nothing else', async () => {
    const { screen, lines } = terminal()
    const log = terminalLog(screen.write, { width: screen.width, quiet: true })
    log.info('step')
    const item = log.progress.start('x', 5)
    await log.group('build', () => log.childOutput(async write => write('noise')))
    vi.advanceTimersByTime(1000)
    item.end()
    log.warning('careful')
    expect(lines).toEqual(['warning: careful', ''])
  })
})
