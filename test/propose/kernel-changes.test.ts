import { describe, expect, it } from 'vitest'
import { parseEvr } from '../../src/formats/rpm/version.ts'
import type { KernelChanges } from '../../src/kernel/changelog.ts'
import { kernelChangesSection } from '../../src/propose/kernel-changes.ts'

const step = { current: parseEvr('5.14.0-570.el9'), chosen: parseEvr('5.14.0-605.el9'), complete: true }
const section = (changes: Partial<KernelChanges>) =>
  kernelChangesSection({ ...step, entries: [], count: 0, cves: [], ...changes })
const entry = (text: string, title = 'A <a@b> [5.14.0-605.el9]') => ({ time: 1_763_000_000, title, text })

/** What is left when all code is taken out, as GitHub reads it: fences first, then spans. */
function outsideCode(markdown: string): string {
  const lines: string[] = []
  let fence: string | undefined
  for (const line of markdown.split('\n')) {
    const [run] = /^`{3,}/.exec(line) ?? []
    if (fence !== undefined) {
      if (run !== undefined && run.length >= fence.length && line.trim() === run) fence = undefined
    } else if (run !== undefined) fence = run
    else lines.push(line)
  }
  return lines.join('\n').replace(/(`+)[^`](?:.*?[^`])?\1(?!`)/g, '')
}

describe('kernelChangesSection', () => {
  it('gives entries with dates, CVE ids, and what the step is', () => {
    const text = section({ entries: [entry('- net: fix\n- fs: fix')], count: 1, cves: ['CVE-2025-1234'] })
    expect(text).toContain('1 entry in the changelog of kernel-core from `5.14.0-570.el9` to `5.14.0-605.el9`')
    expect(text).toContain('1 CVE id: `CVE-2025-1234`.')
    expect(text).toContain('<details><summary>The changelog</summary>')
    expect(text).toContain('* 2025-11-13 A <a@b> [5.14.0-605.el9]\n  - net: fix\n  - fs: fix')
    expect(text).not.toContain('does not reach back')
  })

  it('says what is missing', () => {
    expect(section({ complete: false })).toContain('does not reach back to the older kernel')
    expect(section({})).toContain('They name no CVE id')
    expect(section({})).not.toContain('<details>')
    expect(section({ entries: [entry('- a')], count: 500 })).toContain('The newest entries')
  })

  it('keeps text from outside inside code, whatever it holds', () => {
    const nasty = [
      '```',
      '`````',
      '</details>',
      '@everyone #1 <img src=x>',
      '[a](https://evil.example)',
      '\u202e',
      '~~~',
    ]
    const text = section({ entries: nasty.map(line => entry(`${line}\n${line}`, line)), count: nasty.length })
    const outside = outsideCode(text)
    for (const line of ['everyone', '<img', 'evil.example', '~~~', '\u202e']) expect(outside).not.toContain(line)
    expect(outside.match(/<\/details>/g)).toHaveLength(1)
    expect(text).not.toContain('\u202e')
  })

  it('is never long, and cuts at a line', () => {
    const entries = Array.from({ length: 300 }, (_, index) => entry(`${'- x'.repeat(400)}\n- ${index}`))
    const cves = Array.from({ length: 5000 }, (_, index) => `CVE-2025-${10_000 + index}`)
    const text = section({ entries, count: 4000, cves })
    expect(text.length).toBeLessThan(20_000)
    expect(text).toContain('and 4850 more')
    expect(text.endsWith('</details>')).toBe(true)
  })
})
