// Metadata by createrepo_c, read by us: the same packages as rpm and as our own metadata writer say.

import { createHash } from 'node:crypto'
import { readFileSync, writeFileSync } from 'node:fs'
import { basename, join } from 'node:path'
import { beforeAll, describe, expect, it } from 'vitest'
import { fetchRepositories } from '../../src/edge/repository-metadata.ts'
import { repositoryFormats } from '../../src/formats/rpm/repository-formats.ts'
import type { RepositoryPackage } from '../../src/kernel/kernel-packages.ts'
import { serveFiles } from '../build/file-server.ts'
import { makeRpm } from '../build/rpm.ts'
import { makeRepository } from '../build/rpm-repository.ts'
import { buildWithRpmbuild, createRepository, run, unxz, workDirectory } from './programs.ts'

const directory = workDirectory()
const names = new Set(['kernel', 'kernel-core', 'kernel-modules'])
const rpms = new Map<string, Uint8Array>()

beforeAll(() => {
  for (const path of buildWithRpmbuild(directory, { version: '6.1.0', release: '57.el9', payload: 'w6.gzdio' }))
    rpms.set(basename(path), new Uint8Array(readFileSync(path)))
  for (const [name, release] of [
    ['kernel', '58.el9'],
    ['kernel-core', '58.el9^a~b'],
    ['other', '1'],
  ] as const)
    rpms.set(`${name}-6.1.0-${release}.x86_64.rpm`, makeRpm({ name, version: '6.1.0', release, epoch: 2 }))
})

/** Sorted, with the location below the repository. */
async function read(files: ReadonlyMap<string, Uint8Array>): Promise<RepositoryPackage[]> {
  await using server = await serveFiles(files)
  const [repository] = await fetchRepositories([server.url], names, repositoryFormats, { allowInsecure: true })
  const packages = repository?.packages ?? []
  return packages
    .map(one => ({ ...one, location: decodeURIComponent(one.location.slice(server.url.length)) }))
    .sort((a, b) => (a.location < b.location ? -1 : 1))
}

describe('repositories of createrepo_c', () => {
  it.each([
    ['gz', 'gz'],
    ['xz', 'xz'],
  ])('%s: the packages that rpm and sha256sum describe', async (_, type) => {
    const files = createRepository(directory, rpms, `--general-compress-type=${type}`)
    expect([...files.keys()].filter(name => name.includes('primary'))).toEqual([expect.stringMatching(`\\.${type}$`)])
    const expected = [...rpms]
      .filter(([name]) => !name.startsWith('other'))
      .map(([name, bytes]) => describedByRpm(name, bytes))
      .sort((a, b) => (a.location < b.location ? -1 : 1))
    expect(await read(files)).toEqual(expected)
  })

  it('sha512 checksums, and options that add to the metadata', async () => {
    const files = createRepository(
      directory,
      rpms,
      '--checksum=sha512',
      '--repomd-checksum=sha384',
      '--revision=7',
      '--distro=a',
      '--content=b',
    )
    const packages = await read(files)
    expect(packages).toHaveLength(5)
    for (const { location, checksum, checksumType } of packages) {
      const bytes = rpms.get(basename(location)) ?? new Uint8Array()
      expect([checksumType, checksum]).toEqual(['sha512', createHash('sha512').update(bytes).digest('hex')])
    }
  })

  it('our metadata writer says the same as createrepo_c', async () => {
    const packages = [...rpms].map(([name, rpm]) => ({ rpm, href: `Packages/${name}` }))
    const theirs = await read(createRepository(directory, rpms))
    for (const compression of ['gz', 'xz', 'zst', 'none'] as const)
      expect(await read(makeRepository({ packages, compression }))).toEqual(theirs)
  })

  it('weak checksums are refused', async () => {
    const files = createRepository(directory, rpms, '--checksum=sha')
    await expect(read(files)).rejects.toThrow(expect.objectContaining({ code: 'REPOSITORY_INVALID' }))
  })

  it('xz reads what our writer of .xz makes', () => {
    const files = makeRepository({ packages: [...rpms.values()], compression: 'xz' })
    const [, packed = new Uint8Array()] = [...files].find(([name]) => name.endsWith('.xz')) ?? []
    expect(Buffer.from(unxz(packed)).toString()).toMatch(/^<\?xml[\s\S]*<\/metadata>\n$/)
  })
})

function describedByRpm(name: string, bytes: Uint8Array): RepositoryPackage {
  const path = join(directory, name)
  writeFileSync(path, bytes)
  const format = '%{NAME} %{EPOCHNUM} %{VERSION} %{RELEASE} %{ARCH} %{SOURCERPM}'
  const [own = '', epoch, version = '', release = '', arch = '', sourceRpm = ''] = run(
    'rpm',
    '-qp',
    '--nosignature',
    '--qf',
    format,
    path,
  ).split(' ')
  return {
    name: own,
    evr: { epoch: Number(epoch), version, release },
    arch,
    checksum: run('sha256sum', path).slice(0, 64),
    checksumType: 'sha256',
    size: bytes.length,
    location: `/Packages/${name}`,
    sourceRpm,
  }
}
