// Which dependencies a transaction breaks: ours against `rpm -U --test` for packages with random dependencies.

import { spawnSync } from 'node:child_process'
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { basename, join } from 'node:path'
import { gunzipSync } from 'node:zlib'
import { beforeAll, describe, expect, it } from 'vitest'
import { readRpmDatabase } from '../../src/edge/rpm-database.ts'
import { formatDependency, overlap } from '../../src/formats/rpm/dependency.ts'
import { readMainHeader } from '../../src/formats/rpm/header.ts'
import { readProviders } from '../../src/formats/rpm/primary-provides.ts'
import { parseRpm } from '../../src/formats/rpm/rpm-file.ts'
import { brokenDependencies } from '../../src/kernel/dependencies.ts'
import { dependentPackage } from '../../src/kernel/dependent-package.ts'
import { createRepository, run, workDirectory } from './programs.ts'

const directory = workDirectory()
const names = ['ant', 'bee', 'cat', 'dog', 'elk', 'fox', 'gnu', 'hen'] as const
const capabilities = ['food', 'water', 'kernel-uname-r', 'lib.so()(64bit)', '/usr/bin/tool', '/bin/tool'] as const

/** The same numbers on every machine. */
let state = 20261121
function below(limit: number): number {
  state = (Math.imul(state, 1103515245) + 12345) >>> 0
  return (state >>> 8) % limit
}
const pick = <T>(items: readonly T[]): T => items[below(items.length)] as T

function version(): string {
  return `${pick(['', '', '1:'])}${pick(['1', '2', '1.5~rc1'])}${pick(['', '-1', '-2'])}`
}

function plain(): string {
  const name = pick([...capabilities, ...names])
  return name.startsWith('/') || below(2) === 0 ? name : `${name} ${pick(['=', '>=', '<=', '<', '>'])} ${version()}`
}

function rich(depth = 0): string {
  const part = () => (depth < 1 && below(3) === 0 ? rich(depth + 1) : plain())
  const operator = pick(['and', 'or', 'if', 'with', 'without'])
  if (operator === 'with' || operator === 'without') return `(${plain()} ${operator} ${plain()})`
  return `(${part()} ${operator} ${part()}${operator === 'if' && below(2) === 0 ? ` else ${part()}` : ''})`
}

function section(name: string): string {
  const provides = [0, 1].map(() => pick(capabilities.filter(one => !one.startsWith('/'))))
  const lines = [
    ...provides.map(one => `Provides: ${one}${below(2) === 0 ? '' : ` = ${version()}`}`),
    ...(below(2) === 0 ? [`Requires: ${plain()}`] : []),
    ...(below(3) === 0 ? [`Requires: ${rich()}`] : []),
    ...(below(5) === 0 ? [`Conflicts: ${plain()}`] : []),
    ...(below(8) === 0 ? [`Obsoletes: ${pick(names.filter(one => one !== name))} < ${version()}`] : []),
  ]
  return `%package -n ${name}\nSummary: One\n${lines.join('\n')}\n%description -n ${name}\nOne\n%files -n ${name}\n${name === 'cat' ? '/usr/bin/tool\n' : ''}`
}

function build(number: number): ReadonlyMap<string, string> {
  const top = mkdtempSync(join(directory, 'build-'))
  const spec = `Name: zoo
Version: ${number}
Release: 1
Summary: Packages with random dependencies
License: MIT
BuildArch: noarch
%description
For a test
${names.map(section).join('')}
%install
mkdir -p %{buildroot}/usr/bin
echo > %{buildroot}/usr/bin/tool
`
  writeFileSync(join(top, 'zoo.spec'), spec)
  const defines = [`_topdir ${top}`, '_binary_payload w1.gzdio', '__os_install_post %{nil}', '__find_provides %{nil}']
  run('rpmbuild', '-bb', '--quiet', ...defines.flatMap(define => ['--define', define]), join(top, 'zoo.spec'))
  const place = join(top, 'RPMS', 'noarch')
  return new Map(readdirSync(place).map(file => [file.split('-')[0] ?? '', join(place, file)]))
}

/** `kind package`, as rpm prints it. */
function judgedByRpm(database: string, files: readonly string[]): string[] {
  const { status, stderr } = spawnSync(
    'rpm',
    ['--dbpath', database, '-U', '--test', '--oldpackage', '--force-debian', ...files],
    {
      encoding: 'utf8',
    },
  )
  const lines = stderr.split('\n').filter(line => line.startsWith('\t'))
  if (status === 0) expect(stderr).toBe('')
  else expect(lines.length, stderr).toBeGreaterThan(0)
  return lines.flatMap(line => {
    const missing = /^\t(.+) is needed by (?:\(installed\) )?(\S+)$/.exec(line)
    if (missing !== null) return [`missing ${missing[1]} for ${missing[2]}`]
    const conflict = /^\t(.+) (?:conflicts with|is obsoleted by) (?:\(installed\) )?(\S+)$/.exec(line)
    if (conflict !== null) return ['conflict']
    throw new Error(`unknown line of rpm: ${line}`)
  })
}

/** Installs what of the packages can be there together: those that rpm complains of are left out. */
function install(database: string, files: readonly string[]): readonly string[] {
  let left = files
  while (left.length > 0) {
    const options = ['--dbpath', database, '-i', '--justdb', '--noscripts', '--force-debian']
    const { status, stderr } = spawnSync('rpm', [...options, ...left], { encoding: 'utf8' })
    if (status === 0) break
    const bad = [...stderr.matchAll(/(?:is needed by|conflicts with|obsoleted by) (?:\(installed\) )?(\S+)/g)].map(
      one => one[1],
    )
    expect(bad.length, stderr).toBeGreaterThan(0)
    left = left.filter(file => !bad.some(name => file.endsWith(`/${name}.rpm`)))
  }
  return left
}

describe('dependencies that a transaction breaks', () => {
  const builds: ReadonlyMap<string, string>[] = []
  beforeAll(() => {
    for (let number = 1; number <= 4; number += 1) builds.push(build(number))
  }, 120_000)

  it('are those that rpm finds', async () => {
    const counts = { transactions: 0, refused: 0, missing: 0, conflicts: 0 }
    const blobs = new Map<string, Uint8Array>()
    for (let round = 0; round < 24; round += 1) {
      const old = builds[round % 2] ?? new Map()
      const database = mkdtempSync(join(directory, 'database-'))
      mkdirSync(database, { recursive: true })
      const base = install(
        database,
        names.filter(() => below(3) > 0).map(name => old.get(name) ?? ''),
      )
      if (base.length === 0) continue
      const bytes = new Uint8Array(readFileSync(join(database, 'rpmdb.sqlite')))
      const installed = (await readRpmDatabase({ database: bytes }, 'test')).map(blob =>
        dependentPackage(readMainHeader(blob, 'test')),
      )
      for (let turn = 0; turn < 12; turn += 1) {
        const fresh = builds[2 + (turn % 2)] ?? new Map()
        const chosen = names.filter(() => below(3) === 0).map(name => fresh.get(name) ?? '')
        if (chosen.length === 0) continue
        const wanted = judgedByRpm(database, chosen)
        const packages = chosen.map(file => {
          const blob = blobs.get(file) ?? parseRpm(new Uint8Array(readFileSync(file)), file).headerBytes
          blobs.set(file, blob)
          return dependentPackage(readMainHeader(blob, file))
        })
        const found = brokenDependencies(packages, installed)
        // rpm then leaves one of the two out and goes on, which nobody has asked for
        if (packages.some(one => one.obsoletes.some(({ name }) => packages.some(other => other.name === name))))
          continue
        const missing = found.filter(({ kind }) => kind === 'missing')
        expect(missing.map(one => `missing ${one.dependency} for ${one.package}`).sort()).toEqual(
          wanted.filter(line => line.startsWith('missing')).sort(),
        )
        expect(found.some(({ kind }) => kind === 'conflict')).toBe(wanted.some(line => line.startsWith('conflict')))
        counts.transactions += 1
        counts.refused += wanted.length > 0 ? 1 : 0
        counts.missing += missing.length
        counts.conflicts += found.length - missing.length
      }
    }
    expect(counts.transactions).toBeGreaterThan(100)
    expect(counts.transactions - counts.refused).toBeGreaterThan(10)
    expect(counts.missing).toBeGreaterThan(50)
    expect(counts.conflicts).toBeGreaterThan(5)
  }, 120_000)
})

describe('who in a repository has what is missing', () => {
  it('is what the RPM files say', async () => {
    const files = [...build(7).values()]
    const repository = createRepository(
      directory,
      new Map(files.map(file => [basename(file), new Uint8Array(readFileSync(file))])),
      '--general-compress-type=gz',
    )
    const primary = [...repository].find(([name]) => name.includes('primary.xml'))?.[1] ?? expect.fail('no primary.xml')
    const wanted = [
      ...capabilities.flatMap(name => [{ name, sense: 0, version: '' }]),
      ...['1', '1-1', '1:2', '2-2'].flatMap(version =>
        [8, 2, 12].map(sense => ({ name: 'kernel-uname-r', sense, version })),
      ),
    ]
    const found = new Map(wanted.map(one => [formatDependency(one), new Set<string>()]))
    for await (const one of readProviders([gunzipSync(primary).toString()], wanted, 'test'))
      found.get(formatDependency(one.fulfils))?.add(one.name)
    const packages = files.map(file =>
      dependentPackage(readMainHeader(parseRpm(new Uint8Array(readFileSync(file)), file).headerBytes, file)),
    )
    for (const one of wanted)
      expect([...(found.get(formatDependency(one)) ?? [])].sort(), formatDependency(one)).toEqual(
        packages
          .filter(({ provides, owns }) => provides.some(provided => overlap(provided, one)) || owns(one.name))
          .map(({ name }) => name)
          .sort(),
      )
    expect([...found.values()].filter(set => set.size > 0).length).toBeGreaterThan(5)
  })
})
