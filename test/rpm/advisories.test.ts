// Advisories in repositories of createrepo_c and modifyrepo_c: found for the step between two kernels, and shown so that they can do nothing.

import { mkdtempSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { findAdvisories } from '../../src/commands/kernel-news.ts'
import { advisoriesSection } from '../../src/propose/advisories.ts'
import type { Settings } from '../../src/settings/settings.ts'
import { serveFiles } from '../build/file-server.ts'
import { makeRpm } from '../build/rpm.ts'
import { createRepository, filesBelow, run, workDirectory } from './programs.ts'

const directory = workDirectory()
const hostile = 'Important: [kernel](https://evil.example) @everyone `code` | <b>closes #1</b>'
const updateinfo = `<?xml version="1.0" encoding="UTF-8"?>
<updates>
  <update from="security@example.com" status="final" type="security" version="3">
    <id>RHSA-2026:2</id>
    <title>${hostile.replaceAll('<', '&lt;')}</title>
    <severity>Important</severity>
    <references><reference href="https://example.com" id="CVE-2026-0002" title="CVE-2026-0002" type="cve"/></references>
    <pkglist><collection short="one"><name>one</name>
      <package name="kernel-core" version="5.14.0" release="605.el9" epoch="0" arch="x86_64" src="a"><filename>a</filename></package>
    </collection></pkglist>
  </update>
</updates>
`
const step = {
  current: { epoch: 0, version: '5.14.0', release: '600.el9' },
  chosen: { epoch: 0, version: '5.14.0', release: '605.el9' },
  arch: 'x86_64',
}

function repository(type: string): Map<string, Uint8Array> {
  const rpm = makeRpm({ name: 'kernel-core', version: '5.14.0', release: '605.el9' })
  const files = createRepository(directory, new Map([['kernel-core-5.14.0-605.el9.x86_64.rpm', rpm]]))
  const top = mkdtempSync(join(directory, 'advised-'))
  run('mkdir', join(top, 'repodata'))
  for (const [name, bytes] of files) if (name.startsWith('repodata/')) writeFileSync(join(top, name), bytes)
  const file = join(directory, 'updateinfo.xml')
  writeFileSync(file, updateinfo)
  run('modifyrepo_c', `--compress-type=${type}`, file, join(top, 'repodata'))
  return filesBelow(top)
}

async function ask(files: ReadonlyMap<string, Uint8Array>) {
  const warnings: string[] = []
  await using server = await serveFiles(files)
  const settings = { kernelRepositories: [server.url, server.url] } as unknown as Settings
  const access = { allowInsecure: true, timing: { pauses: [] } }
  const found = await findAdvisories({ settings, access, log: { warning: text => warnings.push(text) } }, step)
  return { found, warnings }
}

describe('advisories of a repository', () => {
  it.each(['gz', 'xz', 'bz2'])('%s', async type => {
    const { found, warnings } = await ask(repository(type))
    if (type === 'bz2') {
      expect(found).toEqual([])
      expect(warnings).toEqual([expect.stringMatching(/^the advisories of the kernel repositories are left out: /)])
      return
    }
    expect(warnings).toEqual([])
    expect(found).toMatchObject([{ id: 'RHSA-2026:2', title: hostile, cves: ['CVE-2026-0002'] }])
    const text = advisoriesSection(found)
    expect(text).toContain('`CVE-2026-0002`')
    // all of the title stands in one code span of one cell
    expect(text).toContain('| ``Important: [kernel](https://evil.example) @everyone `code` \\| <b>closes #1</b>`` |')
  })

  it('a repository without any has none, and that is no warning', async () => {
    const files = createRepository(directory, new Map([['a.rpm', makeRpm({ name: 'a', version: '1', release: '1' })]]))
    expect(await ask(files)).toEqual({ found: [], warnings: [] })
  })

  it('metadata that is not what repomd.xml names is left out, with a warning', async () => {
    const files = repository('gz')
    for (const name of files.keys()) if (name.includes('updateinfo')) files.set(name, Buffer.from('other'))
    const { found, warnings } = await ask(files)
    expect(found).toEqual([])
    expect(warnings).toEqual([expect.stringContaining('CHECKSUM_MISMATCH')])
  })
})
