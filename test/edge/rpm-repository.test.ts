import { createHash } from 'node:crypto'
import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { beforeAll, describe, expect, it, vi } from 'vitest'
import type { DownloadOptions } from '../../src/edge/download.ts'
import { fetchRepositories } from '../../src/edge/repository-metadata.ts'
import { downloadPackages } from '../../src/edge/rpm-repository.ts'
import { repositoryFormats } from '../../src/formats/rpm/repository-formats.ts'
import { type Misbehaviour, serveFiles } from '../build/file-server.ts'
import { makeRpm } from '../build/rpm.ts'
import { type MetadataCompression, makeRepository, type RepositoryInput } from '../build/rpm-repository.ts'
import { temporaryDirectory } from './temporary-directory.ts'

const options: DownloadOptions = { allowInsecure: true, timing: { stall: 500, total: 5000, pauses: [1] } }
const rpm = (name: string, release = '601.el9') => makeRpm({ name, version: '5.14.0', release })
const core = rpm('kernel-core')
const names = new Set(['kernel-core', 'kernel'])

async function fetchFrom(input: RepositoryInput, wrong?: (path: string) => Misbehaviour | undefined) {
  await using server = await serveFiles(makeRepository(input), wrong)
  const [repository] = await fetchRepositories([`${server.url}/`], names, repositoryFormats, options)
  return { packages: repository?.packages ?? [], url: server.url, requests: [...server.requests] }
}

const scratch = temporaryDirectory()
const leftovers = () => readdirSync(scratch)
beforeAll(() => {
  vi.stubEnv('TMPDIR', scratch)
})
const fault = (code: string, found?: RegExp) =>
  expect.objectContaining({ code, ...(found === undefined ? {} : { found: expect.stringMatching(found) }) })

describe('fetchRepositories', () => {
  it.each<MetadataCompression>(['gz', 'xz', 'zst', 'none'])('reads %s metadata', async compression => {
    const { packages, url, requests } = await fetchFrom({ packages: [rpm('bash'), core], compression })
    expect(packages).toEqual([
      {
        name: 'kernel-core',
        evr: { epoch: 0, version: '5.14.0', release: '601.el9' },
        arch: 'x86_64',
        checksum: expect.stringMatching(/^[0-9a-f]{64}$/),
        checksumType: 'sha256',
        size: core.length,
        location: `${url}/Packages/kernel-core-5.14.0-601.el9.x86_64.rpm`,
        sourceRpm: 'kernel-5.14.0-601.el9.src.rpm',
      },
    ])
    expect(requests).toEqual(['repodata/repomd.xml', expect.stringMatching(/primary\.xml/)])
  })

  it('reads several repositories, in the order given', async () => {
    await using one = await serveFiles(makeRepository({ packages: [core] }))
    await using two = await serveFiles(makeRepository({ packages: [] }))
    const fetched = await fetchRepositories([two.url, one.url], names, repositoryFormats, options)
    expect(fetched.map(({ url, packages }) => [url, packages.length])).toEqual([
      [two.url, 0],
      [one.url, 1],
    ])
  })

  it.each<[string, string, RepositoryInput['faults'], RegExp]>([
    ['the checksum of primary', 'CHECKSUM_MISMATCH', { primaryChecksum: '0'.repeat(64) }, /sha256/],
    ['the checksum of open primary', 'CHECKSUM_MISMATCH', { openChecksum: '0'.repeat(64) }, /sha256/],
    ['a size that is too small', 'CHECKSUM_MISMATCH', { primarySize: 10 }, /more than 10/],
    ['a size that is too large', 'CHECKSUM_MISMATCH', { primarySize: 1_000_000 }, /bytes/],
    ['an open size that is too small', 'CHECKSUM_MISMATCH', { openSize: 10 }, /more than 10/],
    ['an open size that is too large', 'CHECKSUM_MISMATCH', { openSize: 1_000_000 }, /bytes/],
    ['a size above the ceiling', 'CEILING_REACHED', { primarySize: 2 ** 40 }, /bytes/],
    ['a cut document', 'REPOSITORY_INVALID', { cutPrimary: 900 }, /./],
    ['a cut file', 'CHECKSUM_MISMATCH', { cutCompressed: 100 }, /100 bytes/],
    ['a location that escapes', 'REPOSITORY_INVALID', { primaryHref: '../../primary.xml.gz' }, /\.\./],
    ['a location that is not there', 'REPOSITORY_UNREACHABLE', { primaryHref: 'repodata/other.xml.gz' }, /404/],
  ])('refuses %s and leaves no file behind', async (_, code, faults, found) => {
    await expect(fetchFrom({ packages: [core], ...(faults === undefined ? {} : { faults }) })).rejects.toThrow(
      fault(code, found),
    )
    expect(leftovers()).toEqual([])
  })

  it.each<MetadataCompression>(['gz', 'xz', 'zst'])('refuses damaged %s whose checksum is right', async compression => {
    const files = makeRepository({ packages: [core], compression })
    const [path, bytes] = [...files].find(([name]) => name.includes('primary')) ?? ['', new Uint8Array()]
    for (const damaged of [
      bytes.subarray(0, bytes.length - 20),
      bytes.map((byte, index) => (index > 40 && index < 60 ? ~byte : byte)),
    ]) {
      const faults = { primaryChecksum: sha256(damaged), primarySize: damaged.length, primaryHref: path }
      await expect(
        fetchFrom({ packages: [core], compression, faults }, one => (one === path ? { body: damaged } : undefined)),
      ).rejects.toThrow(
        expect.objectContaining({ code: expect.stringMatching(/^(REPOSITORY_INVALID|CHECKSUM_MISMATCH)$/) }),
      )
    }
  })

  it.each([
    ['a package location that escapes', { rpm: core, href: '../kernel.rpm' }, 'REPOSITORY_INVALID'],
    ['a weak checksum', { rpm: core, checksumType: 'md5', checksum: '0'.repeat(32) }, 'REPOSITORY_INVALID'],
    ['a version that is a path', { rpm: core, version: '../..' }, 'REPOSITORY_INVALID'],
  ])('refuses %s', async (_, one, code) => {
    await expect(fetchFrom({ packages: [one] })).rejects.toThrow(fault(code))
  })

  it('follows xml:base', async () => {
    const { packages } = await fetchFrom({ packages: [{ rpm: core, xmlBase: 'https://cdn.example/os' }] })
    expect(packages[0]?.location).toMatch(/^https:\/\/cdn\.example\/os\/Packages\//)
  })

  it.each([
    ['metalink=https://user:secret@a.example/', 'SETTING_INVALID'],
    ['/srv/repository', 'SETTING_INVALID'],
    ['file:///srv/repository', 'SETTING_INVALID'],
    ['https://a.example/?token=x', 'SETTING_INVALID'],
    ['https://user:secret@a.example/', 'SETTING_INVALID'],
  ])('refuses %s before any request', async (url, code) => {
    const error = await fetchRepositories([url], names, repositoryFormats, options).catch((thrown: unknown) => thrown)
    expect(error).toEqual(fault(code))
    expect(JSON.stringify(error)).not.toContain('secret')
  })

  it('refuses plain http unless allowed', async () => {
    await using server = await serveFiles(makeRepository({ packages: [core] }))
    const strict = { ...options, allowInsecure: false }
    await expect(fetchRepositories([server.url], names, repositoryFormats, strict)).rejects.toThrow(
      fault('INSECURE_NOT_ALLOWED'),
    )
    expect(server.requests).toEqual([])
  })

  it('says which repository has no metadata', async () => {
    await using server = await serveFiles(new Map())
    await expect(fetchRepositories([server.url], names, repositoryFormats, options)).rejects.toThrow(
      expect.objectContaining({
        code: 'REPOSITORY_UNREACHABLE',
        where: { source: `${server.url}/repodata/repomd.xml` },
      }),
    )
  })
})

describe('downloadPackages', () => {
  const directory = temporaryDirectory()
  const none = temporaryDirectory()
  const many = Array.from({ length: 9 }, (_, index) => rpm('kernel-core', `${index}.el9`))

  it('downloads all, each under its own name, in the order given', async () => {
    const files = makeRepository({ packages: many })
    await using server = await serveFiles(files)
    const [repository] = await fetchRepositories([server.url], names, repositoryFormats, options)
    const downloaded = await downloadPackages(repository?.packages ?? [], directory, options)
    expect(downloaded.map(({ path }) => path)).toEqual(
      many.map((_, index) => join(directory, `kernel-core-5.14.0-${index}.el9.x86_64.rpm`)),
    )
    for (const [index, { path }] of downloaded.entries())
      expect(readFileSync(path).equals(many[index] ?? new Uint8Array())).toBe(true)
  })

  it.each<[string, Partial<RepositoryInput['packages'][number]>, string]>([
    ['another size', { size: 10 }, 'CHECKSUM_MISMATCH'],
    ['another checksum', { checksum: '0'.repeat(64) }, 'CHECKSUM_MISMATCH'],
    ['more than is read into memory', { size: 2 ** 30 + 1 }, 'CEILING_REACHED'],
    ['no file', { missing: true }, 'REPOSITORY_UNREACHABLE'],
    ['a name that is no RPM', { href: 'Packages/kernel' }, 'REPOSITORY_INVALID'],
  ])('refuses %s and leaves no part behind', async (_, wrong, code) => {
    await using server = await serveFiles(makeRepository({ packages: [{ rpm: core, ...wrong }] }))
    const [repository] = await fetchRepositories([server.url], names, repositoryFormats, options)
    await expect(downloadPackages(repository?.packages ?? [], none, options)).rejects.toThrow(fault(code))
    expect(readdirSync(none)).toEqual([])
  })

  it('refuses two packages that would be one file', async () => {
    await using server = await serveFiles(
      makeRepository({
        packages: [
          { rpm: core, href: 'a/k.rpm' },
          { rpm: rpm('kernel'), href: 'b/k.rpm' },
        ],
      }),
    )
    const [repository] = await fetchRepositories([server.url], names, repositoryFormats, options)
    await expect(downloadPackages(repository?.packages ?? [], directory, options)).rejects.toThrow(
      fault('REPOSITORY_INVALID', /k\.rpm/),
    )
  })
})

function sha256(bytes: Uint8Array): string {
  return createHash('sha256').update(bytes).digest('hex')
}
