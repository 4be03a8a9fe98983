// Packages of rpmbuild against a database of rpm and a repository of createrepo_c: what is missing, and what to add.

import { mkdtempSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { basename, join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { findFaults } from '../../src/commands/check-dependencies.ts'
import { readRpmDatabase } from '../../src/edge/rpm-database.ts'
import { readMainHeader } from '../../src/formats/rpm/header.ts'
import { parseRpm } from '../../src/formats/rpm/rpm-file.ts'
import { installedPackages } from '../../src/image/installed-packages.ts'
import { serveFiles } from '../build/file-server.ts'
import { createRepository, run, workDirectory } from './programs.ts'

const directory = workDirectory()

interface Spec {
  readonly name: string
  readonly version: string
  readonly lines?: readonly string[]
  readonly file?: string
}

function build({ name, version, lines = [], file }: Spec): string {
  const top = mkdtempSync(join(directory, 'build-'))
  const install = file === undefined ? '' : `%install\ninstall -D /dev/null %{buildroot}${file}\n`
  const spec = `Name: ${name}
Version: ${version}
Release: 1
Summary: For a test
License: MIT
BuildArch: noarch
${lines.join('\n')}
%description
For a test
${install}%files
${file ?? ''}
`
  writeFileSync(join(top, 'one.spec'), spec)
  const defines = [`_topdir ${top}`, '_binary_payload w1.gzdio', '__os_install_post %{nil}']
  run('rpmbuild', '-bb', '--quiet', ...defines.flatMap(define => ['--define', define]), join(top, 'one.spec'))
  const place = join(top, 'RPMS', 'noarch')
  return join(place, readdirSync(place)[0] ?? '')
}

async function installed(files: readonly string[]) {
  const database = mkdtempSync(join(directory, 'database-'))
  run('rpm', '--dbpath', database, '-i', '--justdb', '--nodeps', '--force-debian', ...files)
  const bytes = new Uint8Array(readFileSync(join(database, 'rpmdb.sqlite')))
  return installedPackages(await readRpmDatabase({ database: bytes }, 'base'), 'base', true)
}

const header = (file: string) =>
  readMainHeader(parseRpm(new Uint8Array(readFileSync(file)), basename(file)).headerBytes, basename(file))

describe('findFaults', () => {
  it('names the packages of the repositories that have what is missing', async () => {
    const oldKernel = build({ name: 'kernel-core', version: '1' })
    const kernel = build({
      name: 'kernel-core',
      version: '2',
      lines: [
        'Requires: linux-firmware >= 2',
        'Requires: /usr/bin/dracut',
        'Requires: /usr/bin/measure',
        'Requires: nobody-has-this',
        'Conflicts: old-tool < 5',
      ],
    })
    const firmware = ['1', '2', '3'].map(version => build({ name: 'linux-firmware', version }))
    const dracut = build({ name: 'dracut', version: '57', file: '/usr/bin/dracut' })
    const measure = build({ name: 'measure', version: '8', file: '/usr/bin/measure' })
    const tool = build({ name: 'old-tool', version: '4' })
    const newTool = build({ name: 'old-tool', version: '5' })
    const files = createRepository(
      directory,
      new Map([...firmware, measure].map(file => [basename(file), new Uint8Array(readFileSync(file))])),
      '--general-compress-type=gz',
    )
    await using server = await serveFiles(files)
    const check = async (...chosen: readonly string[]) =>
      findFaults(
        {
          chosen: chosen.map(header),
          installed: await installed([oldKernel, firmware[0] ?? '', dracut, tool]),
          arch: 'x86_64',
          repositories: [server.url],
        },
        { allowInsecure: true },
      )
    const faults = await check(kernel)
    expect(faults.map(({ code, found, wanted, hint }) => ({ code, found, wanted, hint }))).toEqual([
      {
        code: 'DEPENDENCY_BROKEN',
        found: 'no package that has it',
        wanted: '/usr/bin/measure',
        hint: 'add to extra-packages: measure (8-1)',
      },
      {
        code: 'DEPENDENCY_BROKEN',
        found: 'no package that has it',
        wanted: 'linux-firmware >= 2',
        hint: 'add to extra-packages: linux-firmware (3-1)',
      },
      {
        code: 'DEPENDENCY_BROKEN',
        found: 'no package that has it',
        wanted: 'nobody-has-this',
        hint: 'no repository of kernel-repositories has it: add the repository that does',
      },
      {
        code: 'DEPENDENCY_BROKEN',
        found: 'old-tool-4-1.noarch',
        wanted: 'no old-tool < 5',
        hint: 'choose another kernel with kernel-version, or a newer version of the other package with extra-packages',
      },
    ])
    const fewer = await check(kernel, firmware[2] ?? '', measure, newTool)
    expect(fewer.map(({ wanted }) => wanted)).toEqual(['nobody-has-this'])
  })

  it('asks no repository when nothing is missing', async () => {
    await using server = await serveFiles(new Map())
    const kernel = build({ name: 'kernel-core', version: '2', lines: ['Requires: dracut'] })
    const dracut = build({ name: 'dracut', version: '57' })
    const question = { chosen: [header(kernel)], installed: await installed([dracut]), arch: 'x86_64' }
    expect(await findFaults({ ...question, repositories: [server.url] }, { allowInsecure: true })).toEqual([])
    expect(server.requests).toEqual([])
  })
})
