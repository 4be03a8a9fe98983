import { describe, expect, it } from 'vitest'
import { readUpdateinfo } from '../../../src/formats/rpm/updateinfo.ts'
import { advisoriesWithin } from '../../../src/kernel/advisories.ts'
import { expectToolError } from '../../build/expect-error.ts'

/** An advisory as createrepo_c writes it. */
function advisory(id: string, release: string, cves: readonly string[], name = 'kernel-core'): string {
  const references = cves.map(
    cve => `<reference href="https://example.com/${cve}" id="${cve}" title="${cve}" type="cve"/>`,
  )
  return `  <update from="security@example.com" status="final" type="security" version="3">
    <id>${id}</id>
    <title>Important: ${name} &amp; more</title>
    <issued date="2026-11-01 00:00:00"/>
    <severity>Important</severity>
    <description>Long &lt;text&gt;</description>
    <references>
      <reference href="https://example.com/1" id="123" title="a bug" type="bugzilla"/>
      ${references.join('\n      ')}
    </references>
    <pkglist><collection short="one"><name>one</name>
      <package name="${name}" version="5.14.0" release="${release}" epoch="0" arch="x86_64" src="kernel.src.rpm"><filename>a.rpm</filename></package>
      <package name="${name}" version="5.14.0" release="${release}" epoch="0" arch="aarch64"/>
    </collection></pkglist>
  </update>`
}

const text = `<?xml version="1.0" encoding="UTF-8"?>
<updates>
${advisory('RHSA-2026:1', '600.el9', ['CVE-2026-0001'])}
${advisory('RHSA-2026:2', '605.el9', ['CVE-2026-0003', 'CVE-2026-0002', 'CVE-2026-0003', 'not a cve'])}
${advisory('RHSA-2026:3', '611.el9', [])}
${advisory('RHSA-2026:4', '620.el9', ['CVE-2026-0009'])}
${advisory('RHSA-2026:5', '605.el9', ['CVE-2026-0008'], 'bash')}
</updates>
`

const step = {
  current: { epoch: 0, version: '5.14.0', release: '600.el9' },
  chosen: { epoch: 0, version: '5.14.0', release: '611.el9' },
  arch: 'x86_64',
}

describe('updateinfo.xml', () => {
  it('gives the advisories between two kernels, without the first and with the last', async () => {
    expect(await advisoriesWithin([text], step, 'test')).toMatchObject([
      {
        id: 'RHSA-2026:2',
        type: 'security',
        severity: 'Important',
        title: 'Important: kernel-core & more',
        cves: ['CVE-2026-0002', 'CVE-2026-0003'],
      },
      { id: 'RHSA-2026:3', cves: [] },
    ])
  })

  it('is the same whole and in pieces', async () => {
    const pieces = text.match(/[\s\S]{1,7}/g) ?? []
    expect(await advisoriesWithin(pieces, step, 'test')).toEqual(await advisoriesWithin([text], step, 'test'))
  })

  it('knows no advisory for another architecture', async () => {
    expect(await advisoriesWithin([text], { ...step, arch: 's390x' }, 'test')).toEqual([])
  })

  it('refuses every cut of the file', async () => {
    for (let end = 0; end < text.length - 1; end += 13)
      await expectToolError('REPOSITORY_INVALID', async () => {
        for await (const one of readUpdateinfo([text.slice(0, end)], new Set(['kernel-core']), 'test'))
          expect(one.id).toMatch(/^RHSA/)
      })
  })

  it.each([
    ['another root', '<metadata/>'],
    ['a document type', '<!DOCTYPE updates [<!ENTITY a "b">]><updates/>'],
    ['a text without end', `<updates><update><id>${'a'.repeat(10_000)}</id></update></updates>`],
  ])('refuses %s', async (_, bad) => {
    await expectToolError('REPOSITORY_INVALID', () => advisoriesWithin([bad], step, 'test'))
  })
})
