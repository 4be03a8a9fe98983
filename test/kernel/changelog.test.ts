import { describe, expect, it } from 'vitest'
import { parseEvr } from '../../src/formats/rpm/version.ts'
import { kernelChanges } from '../../src/kernel/changelog.ts'

const entry = (title: string, text = '- a change') => ({ time: 1_700_000_000, title, text })
const changes = (titles: readonly string[], current: string, chosen: string) =>
  kernelChanges(
    titles.map(title => entry(title)),
    parseEvr(current),
    parseEvr(chosen),
  )

describe('kernelChanges', () => {
  // titles as kernels of CentOS Stream 9, RHEL and Fedora write them
  it.each([
    ['brackets', (release: string) => `CKI KWF Bot <cki-ci-bot@example.org> [5.14.0-${release}]`, 'el9'],
    ['a dash', (release: string) => `Some Body <a@example.org> - 5.14.0-${release}`, 'el9'],
    ['an epoch', (release: string) => `Some Body <a@example.org> - 0:5.14.0-${release}`, 'el9'],
    ['no dist tag', (release: string) => `Some Body <a@example.org> [5.14.0-${release.split('.')[0]}]`, 'el9'],
  ])('ends at the kernel in use: titles with %s', (_, title, dist) => {
    const titles = [605, 604, 570, 569].map(release => title(`${release}.${dist}`))
    const found = changes(titles, `5.14.0-570.${dist}`, `5.14.0-605.${dist}`)
    expect(found?.entries.map(one => one.title)).toEqual(titles.slice(0, 2))
    expect(found).toMatchObject({ count: 2, complete: true, cves: [] })
  })

  it('takes entries without a version with their neighbours', () => {
    const titles = ['A <a@b> [6.1.0-3]', 'B <b@b>', 'C <c@c> - no-version', 'D <d@d> [6.1.0-1]', 'E <e@e>']
    expect(changes(titles, '6.1.0-1', '6.1.0-3')?.count).toBe(3)
  })

  it('says when the changelog does not reach back', () => {
    const titles = ['A <a@b> [6.1.0-9]', 'A <a@b> [6.1.0-8]']
    expect(changes(titles, '6.1.0-1', '6.1.0-9')).toMatchObject({ count: 2, complete: false })
    expect(changes([], '6.1.0-1', '6.1.0-9')).toMatchObject({ count: 0, complete: false })
  })

  it('has nothing to say of an older kernel, or the same', () => {
    expect(changes(['A <a@b> [6.1.0-1]'], '6.1.0-2', '6.1.0-1')).toBeUndefined()
    expect(changes(['A <a@b> [6.1.0-1]'], '6.1.0-1', '6.1.0-1')).toBeUndefined()
  })

  it('collects CVE ids of all entries of the step, each once, in order', () => {
    const changelog = [
      entry('A <a@b> [6.1.0-3]', '- x: CVE-2025-10000 (RHEL-1) [CVE-2025-2000,CVE-2024-99999]\n- CVE-2025-10000'),
      entry('A <a@b> [6.1.0-2]', '- y {CVE-2025-38471} xCVE-2025-1111 CVE-25-1 CVE-2025-123'),
      entry('A <a@b> [6.1.0-1]', '- CVE-2020-1234'),
    ]
    const found = kernelChanges(changelog, parseEvr('6.1.0-1'), parseEvr('6.1.0-3'))
    expect(found?.cves).toEqual(['CVE-2024-99999', 'CVE-2025-2000', 'CVE-2025-10000', 'CVE-2025-38471'])
  })

  it('keeps the newest entries, and counts all', () => {
    const titles = Array.from({ length: 500 }, (_, index) => `A <a@b> [6.1.0-${600 - index}]`)
    const found = changes(titles, '6.1.0-2', '6.1.0-600')
    expect(found).toMatchObject({ count: 500, complete: false })
    expect(found?.entries).toHaveLength(300)
    expect(found?.entries[0]?.title).toContain('6.1.0-600')
  })
})
